use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::{Mutex, Semaphore, broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

tokio::task_local! {
    static NAME: &'static str;
}

async fn echo(listener: TcpListener) -> std::io::Result<()> {
    let (stream, _) = listener.accept().await?;
    let (reader, mut writer) = stream.into_split();
    let mut lines = BufReader::new(reader).lines();
    while let Some(line) = lines.next_line().await? {
        writer.write_all(format!("{line}!\n").as_bytes()).await?;
    }
    Ok(())
}

async fn sockets() -> std::io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(echo(listener));
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(b"one\ntwo\n").await?;
    stream.shutdown().await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    assert_eq!(text, "one!\ntwo!\n");
    server.await.expect("no panic")?;

    let (mut near, mut far) = UnixStream::pair()?;
    let (sent, read) = tokio::join!(near.write_u32(7), far.read_u32());
    sent?;
    assert_eq!(read?, 7);
    Ok(())
}

async fn channels() {
    let (sender, mut receiver) = mpsc::channel(2);
    let (stop, mut stopped) = oneshot::channel::<()>();
    let sum = tokio::spawn(async move {
        let mut sum = 0;
        loop {
            tokio::select! {
                biased;
                Some(number) = receiver.recv() => sum += number,
                _ = &mut stopped => return sum,
            }
        }
    });
    for number in 1..=10 {
        sender.send(number).await.expect("it receives");
    }
    while sender.capacity() < 2 {
        tokio::task::yield_now().await;
    }
    stop.send(()).expect("it waits");
    assert_eq!(sum.await.expect("no panic"), 55);

    let (news, mut reader) = watch::channel(0);
    news.send_replace(1);
    reader.changed().await.expect("there is news");
    assert_eq!(*reader.borrow_and_update(), 1);
    let (all, mut each) = broadcast::channel(4);
    all.send("x").expect("somebody listens");
    assert_eq!(each.recv().await, Ok("x"));
}

async fn tasks() {
    let total = Arc::new(Mutex::new(0));
    let permits = Arc::new(Semaphore::new(2));
    let mut set = JoinSet::new();
    for number in 0..8 {
        let (total, permits) = (total.clone(), permits.clone());
        set.spawn(NAME.scope("worker", async move {
            let _permit = permits.acquire().await.expect("it is open");
            *total.lock().await += number;
            NAME.get()
        }));
    }
    while let Some(name) = set.join_next().await {
        assert_eq!(name.expect("no panic"), "worker");
    }
    assert_eq!(*total.lock().await, 28);
    let blocking = tokio::task::spawn_blocking(|| 5);
    assert_eq!(blocking.await.expect("no panic"), 5);
}

async fn time() {
    let never = std::future::pending::<()>();
    tokio::pin!(never);
    let late = tokio::time::timeout(Duration::from_millis(1), &mut never).await;
    assert!(late.is_err());
    let both = tokio::try_join!(async { Ok::<_, ()>(1) }, async { Ok(2) });
    assert_eq!(both, Ok((1, 2)));
    let mut interval = tokio::time::interval(Duration::from_millis(1));
    interval.tick().await;
    interval.tick().await;
}

async fn system() -> std::io::Result<()> {
    let output = tokio::process::Command::new("echo").arg("hi").output().await?;
    assert_eq!(output.stdout, b"hi\n");
    let manifest = tokio::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml")).await?;
    assert!(manifest.contains("[package]"));
    Ok(())
}

#[tokio::main(worker_threads = 2)]
async fn main() -> std::io::Result<()> {
    sockets().await?;
    channels().await;
    tasks().await;
    time().await;
    system().await?;
    println!("all is well");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[tokio::test]
    async fn a_test_has_a_runtime() {
        assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_test_may_have_workers() {
        let metrics = tokio::runtime::Handle::current().metrics();
        assert_eq!(metrics.num_workers(), 2);
    }
}
