//! A runtime with nothing to do does nothing: look at it with `top`, or with `strace -f`.
//!
//! `cargo run --release -p examples --example idle -- --sockets 9000 --seconds 10`
//!
//! `--sockets N` parks N tasks, each on a socket on which nothing ever arrives. Between the words `quiet` and
//! `over` the program is asleep; `cargo xtask idle` checks that no thread makes a system call in between.

use std::io;
use std::thread;
use std::time::Duration;

use loxley::io::AsyncReadExt;
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::Builder;

/// After the last connection, until every worker is surely parked.
const SETTLE: Duration = Duration::from_millis(1500);

fn main() -> io::Result<()> {
    let (sockets, seconds) = arguments();
    raise_descriptor_limit();
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    // Each connection parks a task at either end.
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        for _ in 0..sockets / 2 {
            let (near, far) = (
                TcpStream::connect(address).await?,
                listener.accept().await?.0,
            );
            loxley::spawn(wait(near));
            loxley::spawn(wait(far));
        }
        io::Result::Ok(())
    })?;
    let tasks = runtime.handle().metrics().num_alive_tasks();
    println!("{tasks} tasks are parked on sockets");
    assert_eq!(tasks, sockets / 2 * 2);

    thread::sleep(SETTLE);
    println!("quiet");
    thread::sleep(Duration::from_secs(seconds));
    println!("over");
    Ok(())
}

/// Waits for what never comes.
async fn wait(mut stream: TcpStream) -> io::Result<usize> {
    stream.read(&mut [0]).await
}

/// The values of `--sockets` and `--seconds`.
fn arguments() -> (usize, u64) {
    let (mut sockets, mut seconds) = (100, 1);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let value = arguments.next().and_then(|value| value.parse().ok());
        match (argument.as_str(), value) {
            ("--sockets", Some(value)) => sockets = value as usize,
            ("--seconds", Some(value)) => seconds = value,
            _ => {
                eprintln!("usage: idle [--sockets N] [--seconds S]");
                std::process::exit(2);
            }
        }
    }
    (sockets, seconds)
}

/// Many systems hand out 1,024 descriptors and allow far more to those who ask.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    // Refused: the program ends with a clear error when descriptors run out.
    let _ = setrlimit(Resource::Nofile, limit);
}
