//! A TCP proxy with back-pressure: it never holds more of a connection than two buffers.
//!
//! `copy_bidirectional` reads only when it has written. So a receiver that reads slowly slows the sender down, through
//! the windows of both connections, and a fast sender cannot fill the memory. The permits do the same for the number
//! of connections: beyond it they wait in the backlog of the system.
//!
//! `cargo run -p examples --example proxy` checks itself, and ends.
//! `cargo run -p examples --example proxy -- 127.0.0.1:8080 example.org:80` serves until ctrl-c.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use loxley::io::{AsyncReadExt, AsyncWriteExt, copy, copy_bidirectional, sink};
use loxley::net::connect::Connector;
use loxley::net::{TcpListener, TcpStream};
use loxley::sync::Semaphore;
use loxley::time::{sleep, timeout};

/// Connections at a time.
const CONNECTIONS: usize = 1000;

#[loxley::main]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(target)) = (arguments.next(), arguments.next()) else {
        return check().await;
    };
    let Some((host, port)) = target.rsplit_once(':') else {
        return Err(io::Error::other(format!("{target} has no port")));
    };
    let port = port.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    loxley::select! {
        () = serve(listener, host, port) => Ok(()),
        result = loxley::signal::ctrl_c() => result,
    }
}

/// Passes connections on, for ever.
async fn serve(listener: TcpListener, host: &str, port: u16) {
    let host: Arc<str> = host.into();
    let connector = Connector::new().deadline(Duration::from_secs(10));
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let permit = Arc::clone(&permits).acquire_owned().await;
        match listener.accept().await {
            Ok((near, peer)) => {
                let (host, connector) = (Arc::clone(&host), connector.clone());
                loxley::spawn(async move {
                    let _permit = permit;
                    match pass_on(near, &connector, &host, port).await {
                        Ok((up, down)) => println!("{peer}: {up} bytes up, {down} down"),
                        Err(error) => eprintln!("{peer}: {error}"),
                    }
                });
            }
            Err(error) => {
                // Too many open files, most likely: some connection will end.
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

/// One connection, until both sides have said their last.
async fn pass_on(
    mut near: TcpStream,
    connector: &Connector,
    host: &str,
    port: u16,
) -> io::Result<(u64, u64)> {
    let mut far = connector.connect(host, port).await?;
    near.set_nodelay(true)?;
    far.set_nodelay(true)?;
    copy_bidirectional(&mut near, &mut far).await
}

/// More than the system buffers in all sockets on the way.
const BYTES: usize = 128 << 20;

/// A client sends `BYTES` to a server that does not read before the client could not send any more.
async fn check() -> io::Result<()> {
    let server = TcpListener::bind("127.0.0.1:0").await?;
    let target = server.local_addr()?;
    let proxy = TcpListener::bind("127.0.0.1:0").await?;
    let address = proxy.local_addr()?;
    loxley::spawn(async move { serve(proxy, "localhost", target.port()).await });

    let mut client = TcpStream::connect(address).await?;
    let (mut far, _) = server.accept().await?;

    let piece = vec![7; 1 << 16];
    let mut sent = 0;
    // Early or late: the time-out only makes this try again too much, and never too little.
    while let Ok(count) = timeout(Duration::from_millis(200), client.write(&piece)).await {
        sent += count?;
        assert!(sent < BYTES, "the proxy takes whatever it gets");
    }
    println!("the client had to stop after {sent} bytes");

    let receiver = loxley::spawn(async move {
        let count = copy(&mut far, &mut sink()).await?;
        far.write_all(format!("{count} bytes").as_bytes()).await
    });
    while sent < BYTES {
        sent += client
            .write(&piece[..piece.len().min(BYTES - sent)])
            .await?;
    }
    client.shutdown().await?;
    let mut answer = String::new();
    client.read_to_string(&mut answer).await?;
    receiver.await??;
    println!("the server got {answer}");
    assert_eq!(answer, format!("{BYTES} bytes"));
    Ok(())
}
