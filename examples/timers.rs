//! Sleeping, ticking, and giving up: no timer is ever early.
//!
//! `cargo run -p examples --example timers`

use std::future::pending;
use std::time::Duration;

use loxley::time::{Instant, interval, sleep, timeout};

#[loxley::main]
async fn main() {
    let begin = Instant::now();
    sleep(Duration::from_micros(300)).await;
    println!("slept 300 µs, took {:?}", begin.elapsed());
    assert!(begin.elapsed() >= Duration::from_micros(300));

    // The first tick is at once; the others keep their distance from it, not from one another.
    let begin = Instant::now();
    let mut ticks = interval(Duration::from_millis(10));
    for tick in 0..4 {
        ticks.tick().await;
        println!("tick {tick} after {:?}", begin.elapsed());
    }
    assert!(begin.elapsed() >= Duration::from_millis(30));

    let answer = timeout(Duration::from_millis(20), pending::<()>()).await;
    println!("waiting for what never comes: {}", answer.unwrap_err());

    let answer = timeout(Duration::from_secs(3600), async { 42 }).await;
    assert_eq!(answer.ok(), Some(42));
}
