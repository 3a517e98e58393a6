//! A runtime is an ordinary value: made, used and dropped as often as one likes, and nothing of it stays behind.
//!
//! `cargo run -p examples --example restart -- --rounds 100`
//!
//! `cargo xtask leaks` runs it under valgrind, which must find no byte that was lost.

use std::future::pending;
use std::io;
use std::time::Duration;

use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::{Builder, Runtime};
use loxley::task::{spawn_blocking, yield_now};
use loxley::time::{sleep, timeout};

fn main() -> io::Result<()> {
    let rounds = rounds();
    for round in 0..rounds {
        // Every kind in turn; the last one stops in the middle of everything.
        let runtime = match round % 3 {
            0 => Builder::new_current_thread().enable_all().build()?,
            _ => Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()?,
        };
        leave_unfinished(&runtime);
        assert_eq!(runtime.block_on(work())?, 6);
        match round % 3 {
            2 => runtime.shutdown_timeout(Duration::from_secs(10)),
            _ => drop(runtime),
        }
    }
    println!("{rounds} runtimes were started and stopped");
    Ok(())
}

/// What the end of the runtime has to drop.
fn leave_unfinished(runtime: &Runtime) {
    for number in 0..8 {
        let held = vec![number; 100];
        runtime.spawn(async move {
            pending::<()>().await;
            drop(held);
        });
        runtime.spawn(async { sleep(Duration::from_secs(3600)).await });
    }
}

/// A little of everything: a task, a timer, a socket, a blocking call, an abort, a panic.
async fn work() -> io::Result<usize> {
    let mut done = 0;
    done += loxley::spawn(async { yield_now().await }).await.is_ok() as usize;
    let late = timeout(Duration::from_millis(1), pending::<()>()).await;
    done += late.is_err() as usize;
    done += (echo(b"as often as one likes").await? == b"as often as one likes") as usize;
    done += spawn_blocking(|| 1).await?;
    let task = loxley::spawn(pending::<()>());
    task.abort();
    done += task.await.is_err_and(|error| error.is_cancelled()) as usize;
    // Without the hook, which would print.
    let task = loxley::spawn(async { std::panic::resume_unwind(Box::new("on purpose")) });
    done += task
        .await
        .is_err_and(|error: loxley::task::JoinError| error.is_panic()) as usize;
    Ok(done)
}

async fn echo(message: &[u8]) -> io::Result<Vec<u8>> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = loxley::spawn(async move {
        let (mut stream, _) = listener.accept().await?;
        let mut message = Vec::new();
        stream.read_to_end(&mut message).await?;
        stream.write_all(&message).await
    });
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(message).await?;
    stream.shutdown().await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    server.await??;
    Ok(answer)
}

/// The value of `--rounds`.
fn rounds() -> usize {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => Some(9),
        ["--rounds", rounds] => rounds.parse().ok(),
        _ => None,
    }
    .unwrap_or_else(|| {
        eprintln!("usage: restart [--rounds N]");
        std::process::exit(2);
    })
}
