//! A chat server: what one guest says reaches all others.
//!
//! Each guest is a task. A `broadcast` channel carries the lines; who is too slow to follow is told how many were missed,
//! and holds nobody up. Lines have a limit, so that no guest can fill the memory. When the server is told to close, it
//! says so to everybody, and does not wait longer than `GRACE` for those who do not listen.
//!
//! `cargo run -p examples --example chat` lets three guests of its own talk, and ends.
//! `cargo run -p examples --example chat -- 127.0.0.1:7007` serves until ctrl-c; try `nc 127.0.0.1 7007`.

use std::error::Error;
use std::time::Duration;

use loxley::io::{AsyncBufReadExt, AsyncWriteExt, BoundedError, BoundedStream, BufReader};
use loxley::net::{TcpListener, TcpStream};
use loxley::select;
use loxley::sync::CancellationToken;
use loxley::sync::broadcast::{self, error::RecvError};
use loxley::task::TaskTracker;
use loxley::time::{sleep, timeout};

/// Bytes of the longest line.
const LINE: usize = 1024;
/// Lines that a guest may be behind before some are missed.
const LINES: usize = 256;
/// For guests who do not listen, when the server closes.
const GRACE: Duration = Duration::from_secs(1);

type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

#[derive(Clone)]
struct Line {
    by: usize,
    text: String,
}

#[loxley::main]
async fn main() -> Outcome {
    let closing = CancellationToken::new();
    let Some(address) = std::env::args().nth(1) else {
        return check(closing).await;
    };
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = loxley::spawn(serve(listener, closing.clone()));
    loxley::signal::ctrl_c().await?;
    closing.cancel();
    server.await?;
    println!("closed");
    Ok(())
}

/// Accepts guests until told to close.
async fn serve(listener: TcpListener, closing: CancellationToken) {
    let (room, _) = broadcast::channel(LINES);
    let guests = TaskTracker::new();
    let mut count = 0;
    while let Some(accepted) = closing.run_until_cancelled(listener.accept()).await {
        match accepted {
            Ok((stream, _)) => {
                count += 1;
                guests.spawn(guest(count, stream, room.clone(), closing.clone()));
            }
            Err(error) => {
                // Too many open files, most likely: some guest will leave.
                eprintln!("cannot accept: {error}");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }
    guests.close();
    if timeout(GRACE, guests.wait()).await.is_err() {
        eprintln!("{} guests do not listen", guests.len());
    }
}

/// From the welcome to the goodbye.
async fn guest(
    id: usize,
    stream: TcpStream,
    room: broadcast::Sender<Line>,
    closing: CancellationToken,
) {
    let stream = BoundedStream::new(stream, LINE, 2 * LINE);
    let Ok(name) = hear(&stream).await else {
        return;
    };
    let heard = room.subscribe();
    let _ = stream
        .write_all(format!("* welcome, {name}\n").as_bytes())
        .await;
    // Nobody else may be there to hear it.
    let say = |text: String| drop(room.send(Line { by: id, text }));
    say(format!("* {name} is here\n"));
    let result = talk(id, &name, &stream, heard, &say, closing).await;
    say(match result {
        Ok(()) => format!("* {name} left\n"),
        Err(error) => format!("* {name} left: {error}\n"),
    });
}

/// Passes lines on in both directions until the guest leaves or the server closes.
async fn talk(
    id: usize,
    name: &str,
    stream: &BoundedStream<TcpStream>,
    mut heard: broadcast::Receiver<Line>,
    say: &impl Fn(String),
    closing: CancellationToken,
) -> Outcome {
    loop {
        select! {
            line = hear(stream) => match line {
                Ok(text) => say(format!("{name}: {text}\n")),
                Err(error) if error.is_end() => return Ok(()),
                Err(error) => return Err(error.into()),
            },
            line = heard.recv() => match line {
                Ok(line) if line.by == id => {}
                Ok(line) => stream.write_all(line.text.as_bytes()).await?,
                Err(RecvError::Lagged(count)) => {
                    stream.write_all(format!("* {count} lines missed\n").as_bytes()).await?;
                }
                Err(RecvError::Closed) => return Ok(()),
            },
            () = closing.cancelled() => {
                stream.write_all(b"* the server closes\n").await?;
                return Ok(stream.shutdown().await?);
            }
        }
    }
}

/// One line of a guest. Dropping the future loses nothing, so that `select!` may.
async fn hear(stream: &BoundedStream<TcpStream>) -> Result<String, BoundedError> {
    let line = stream.read_until(b"\n").await?;
    Ok(String::from_utf8_lossy(&line).trim_end().to_owned())
}

/// Three guests talk. Each line that is awaited below is also checked.
async fn check(closing: CancellationToken) -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = loxley::spawn(serve(listener, closing.clone()));

    let enter = async |name: &str| -> Outcome<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(format!("{name}\n").as_bytes()).await?;
        Ok(BufReader::new(stream))
    };
    let expect = async |guest: &mut BufReader<TcpStream>, text: &str| -> Outcome {
        let mut line = String::new();
        guest.read_line(&mut line).await?;
        print!("{line}");
        assert_eq!(line.trim_end(), text);
        Ok(())
    };

    let mut ada = enter("ada").await?;
    expect(&mut ada, "* welcome, ada").await?;
    let mut bob = enter("bob").await?;
    expect(&mut bob, "* welcome, bob").await?;
    expect(&mut ada, "* bob is here").await?;
    let mut eve = enter("eve").await?;
    expect(&mut eve, "* welcome, eve").await?;
    expect(&mut ada, "* eve is here").await?;
    expect(&mut bob, "* eve is here").await?;

    ada.write_all(b"good morning\n").await?;
    expect(&mut bob, "ada: good morning").await?;
    expect(&mut eve, "ada: good morning").await?;

    eve.write_all(&[b'e'; LINE + 1]).await?;
    let left = format!("* eve left: {}", endless_line().await);
    expect(&mut ada, &left).await?;
    expect(&mut bob, &left).await?;
    drop(bob);
    expect(&mut ada, "* bob left").await?;

    closing.cancel();
    expect(&mut ada, "* the server closes").await?;
    expect(&mut ada, "").await?;
    server.await?;
    Ok(())
}

/// What ends a guest who never ends a line.
async fn endless_line() -> BoundedError {
    let bytes = [b'e'; LINE + 1];
    let stream = BoundedStream::new(&bytes[..], LINE, 1);
    stream.read_until(b"\n").await.expect_err("it has no end")
}
