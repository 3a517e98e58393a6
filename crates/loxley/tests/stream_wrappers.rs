//! What the streams over listeners, intervals, receivers and signals promise.

#![cfg(feature = "stream")]

mod kit;

use futures_util::StreamExt;
use kit::{Folder, on_every_runtime};
use loxley::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use loxley::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use loxley::signal::unix::{SignalKind, signal};
use loxley::stream::{
    IntervalStream, LinesStream, ReadDirStream, ReceiverStream, SignalStream, SplitStream,
    TcpListenerStream, UnboundedReceiverStream, UnixListenerStream,
};
use loxley::sync::mpsc;
use loxley::time::{Duration, interval};

#[test]
fn listeners_yield_connections() {
    on_every_runtime(|| async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut streams = TcpListenerStream::new(listener);
        let client = TcpStream::connect(address).await.unwrap();
        let server = streams.next().await.unwrap().unwrap();
        assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
        assert_eq!(streams.as_ref().local_addr().unwrap(), address);

        let folder = Folder::new();
        let listener = UnixListener::bind(folder.join("service")).unwrap();
        let mut streams = UnixListenerStream::new(listener);
        let mut client = UnixStream::connect(folder.join("service")).await.unwrap();
        client.write_all(b"one,two").await.unwrap();
        drop(client);
        let server = streams.next().await.unwrap().unwrap();
        let split = SplitStream::new(BufReader::new(server).split(b','));
        let segments: Vec<_> = split.map(Result::unwrap).collect().await;
        assert_eq!(segments, [b"one", b"two"]);
        assert!(streams.into_inner().local_addr().is_ok());
    });
}

#[test]
fn intervals_yield_ticks() {
    on_every_runtime(|| async {
        let period = Duration::from_millis(1);
        let ticks: Vec<_> = IntervalStream::new(interval(period))
            .take(3)
            .collect()
            .await;
        assert_eq!(ticks[2] - ticks[0], 2 * period);
    });
}

#[test]
fn receivers_yield_values_and_end_with_their_senders() {
    on_every_runtime(|| async {
        let (sender, receiver) = mpsc::channel(1);
        let task = loxley::spawn(ReceiverStream::new(receiver).collect::<Vec<_>>());
        for n in 0..5 {
            sender.send(n).await.unwrap();
        }
        drop(sender);
        assert_eq!(task.await.unwrap(), [0, 1, 2, 3, 4]);

        let (sender, receiver) = mpsc::unbounded_channel();
        let mut values = UnboundedReceiverStream::new(receiver);
        sender.send("last").unwrap();
        values.close();
        assert!(sender.send("late").is_err());
        assert_eq!(values.collect::<Vec<_>>().await, ["last"]);
    });
}

#[test]
fn signals_lines_and_directories_are_streams() {
    on_every_runtime(|| async {
        let mut signals = SignalStream::new(signal(SignalKind::window_change()).unwrap());
        let us = rustix::process::getpid();
        rustix::process::kill_process(us, rustix::process::Signal::WINCH).unwrap();
        assert_eq!(signals.next().await, Some(()));

        let lines = LinesStream::new((&b"a\nb"[..]).lines());
        assert_eq!(
            lines.map(Result::unwrap).collect::<Vec<_>>().await,
            ["a", "b"]
        );

        let folder = Folder::new();
        std::fs::write(folder.join("only"), b"").unwrap();
        let entries = ReadDirStream::new(loxley::fs::read_dir(folder.path()).await.unwrap());
        let names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name())
            .collect()
            .await;
        assert_eq!(names, ["only"]);
    });
}
