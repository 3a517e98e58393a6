//! The axum program of `compare.sh`: it prints its port and serves until it is killed.
//!
//! It names nothing that only loxley has: the same file is built on the real tokio, to compare with.

use std::thread;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let app = Router::new()
        .route("/", get(|| async { "hello" }))
        .route("/block", get(block));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("{}", listener.local_addr()?.port());
    axum::serve(listener, app).await
}

/// Holds its thread, as no handler should.
async fn block() {
    thread::sleep(Duration::from_millis(100));
}
