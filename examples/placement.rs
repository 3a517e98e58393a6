//! One listener, many connections: their events arrive at all workers.
//!
//! An accepted connection is given to the poller with the fewest, not to the one that accepted it.
//!
//! `cargo run -p examples --example placement`

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream as Client};

use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::Builder;

const CONNECTIONS: usize = 64;
const ROUNDS: usize = 100;

fn main() -> io::Result<()> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0"))?;
    let address = listener.local_addr()?;
    runtime.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            loxley::spawn(echo(stream));
        }
    });
    drive(address)?;

    let metrics = runtime.handle().metrics();
    let events: Vec<u64> = (0..metrics.num_workers())
        .map(|worker| metrics.worker_event_count(worker))
        .collect();
    let all: u64 = events.iter().sum();
    for (worker, events) in events.iter().enumerate() {
        println!("worker {worker}: {events} events, {} %", events * 100 / all);
    }
    assert!(events.iter().all(|&events| events * 100 <= all * 65));
    Ok(())
}

/// A client outside of the runtime: all connections have a message under way at once.
fn drive(address: SocketAddr) -> io::Result<()> {
    let clients = (0..CONNECTIONS).map(|_| Client::connect(address));
    let mut clients = clients.collect::<io::Result<Vec<_>>>()?;
    let mut answer = [0; 4];
    for _ in 0..ROUNDS {
        for client in &mut clients {
            client.write_all(b"ping")?;
        }
        for client in &mut clients {
            client.read_exact(&mut answer)?;
            assert_eq!(&answer, b"ping");
        }
    }
    Ok(())
}

async fn echo(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 64];
    loop {
        let count = stream.read(&mut buffer).await?;
        if count == 0 {
            return Ok(());
        }
        stream.write_all(&buffer[..count]).await?;
    }
}
