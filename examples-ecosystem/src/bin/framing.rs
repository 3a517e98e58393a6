//! tokio-util and tokio-stream: codecs over TCP, cancellation, tasks, delays, and the combinators of streams.

use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use ecosystem::{Outcome, proof, soon};
use futures_util::SinkExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio_stream::wrappers::{BroadcastStream, ReceiverStream, TcpListenerStream, WatchStream};
use tokio_stream::{Stream, StreamExt, StreamMap};
use tokio_util::codec::{Framed, LengthDelimitedCodec, LinesCodec, LinesCodecError};
use tokio_util::sync::CancellationToken;
use tokio_util::task::{AbortOnDropHandle, JoinMap, LocalPoolHandle, TaskTracker};
use tokio_util::time::DelayQueue;

#[tokio::main]
async fn main() -> Outcome {
    lines_over_tcp().await?;
    frames_over_tcp().await?;
    cancellation().await;
    tasks().await?;
    delays().await;
    streams().await?;
    io().await?;
    proof();
    Ok(())
}

async fn lines_over_tcp() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut lines = Framed::new(stream, LinesCodec::new_with_max_length(32));
        let mut failure = None;
        while let Some(line) = lines.next().await {
            match line {
                Ok(line) => lines.send(line.chars().rev().collect::<String>()).await?,
                Err(error) => {
                    failure = Some(error);
                    break;
                }
            }
        }
        Ok::<_, LinesCodecError>(failure)
    });
    let mut lines = Framed::new(TcpStream::connect(address).await?, LinesCodec::new());
    for (word, turned) in [("loxley", "yelxol"), ("", ""), ("äöü", "üöä")] {
        lines.send(word).await?;
        let answer = soon("a line", lines.next()).await.ok_or("it closed")??;
        assert_eq!(answer, turned);
    }
    lines.send("x".repeat(100)).await?;
    let failure = soon("the server's end", server).await??;
    assert!(
        matches!(failure, Some(LinesCodecError::MaxLineLengthExceeded)),
        "{failure:?}"
    );
    println!("lines: turned round, and refused when too long");
    Ok(())
}

async fn frames_over_tcp() -> Outcome {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        let mut connections = TcpListenerStream::new(listener);
        while let Some(Ok(stream)) = connections.next().await {
            tokio::spawn(async move {
                let mut frames = Framed::new(stream, LengthDelimitedCodec::new());
                while let Some(Ok(frame)) = frames.next().await {
                    if frames.send(frame.freeze()).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    let mut frames = Framed::new(
        TcpStream::connect(address).await?,
        LengthDelimitedCodec::new(),
    );
    for length in [0, 1, 4096, 1 << 20] {
        let frame = Bytes::from(vec![length as u8; length]);
        frames.send(frame.clone()).await?;
        let echo = soon("a frame", frames.next()).await.ok_or("it closed")??;
        assert!(
            echo == frame,
            "a frame of {length} bytes came back otherwise"
        );
    }
    println!("frames: of 0 bytes to a mebibyte, each came back whole");
    Ok(())
}

async fn cancellation() {
    let root = CancellationToken::new();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let token = root.child_token();
        tasks.spawn(async move {
            tokio::select! {
                () = token.cancelled() => "told to stop",
                () = std::future::pending() => unreachable!(),
            }
        });
    }
    let other = root.child_token();
    other.cancel();
    assert!(!root.is_cancelled(), "a child does not cancel its parent");
    root.cancel();
    let told = soon("the end of all tasks", tasks.join_all()).await;
    assert_eq!(told, ["told to stop"; 20]);
    let guarded = root.run_until_cancelled(std::future::pending::<()>());
    assert!(soon("what is cancelled already", guarded).await.is_none());
    println!("cancellation: 20 tasks were told, and counted out");
}

async fn tasks() -> Outcome {
    let tracker = TaskTracker::new();
    for _ in 0..20 {
        tracker.spawn(tokio::task::yield_now());
    }
    tracker.close();
    soon("the end of all that is tracked", tracker.wait()).await;
    assert!(tracker.is_empty());

    let mut map = JoinMap::new();
    for number in 0..20 {
        map.spawn(number, async move { number * number });
    }
    map.spawn(3, async { 0 });
    let mut ended = 0;
    while let Some((number, square)) = soon("a task of the map", map.join_next()).await {
        ended += 1;
        assert_eq!(square?, if number == 3 { 0 } else { number * number });
    }
    assert_eq!(
        ended, 20,
        "the second of a key takes the place of the first"
    );

    let pool = LocalPoolHandle::new(2);
    let pinned = (0..20).map(|number| {
        // It cannot leave its thread, before or after it has waited.
        pool.spawn_pinned(move || async move {
            let own = Rc::new(number);
            let thread = std::thread::current().id();
            tokio::time::sleep(Duration::from_millis(1)).await;
            assert_eq!(thread, std::thread::current().id());
            *own
        })
    });
    for (number, pinned) in pinned.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(soon("a pinned task", pinned).await?, number);
    }

    let (held, gone) = tokio::sync::oneshot::channel::<()>();
    let forever = tokio::spawn(async move {
        let _held = held;
        std::future::pending::<()>().await
    });
    drop(AbortOnDropHandle::new(forever));
    assert!(soon("the abort", gone).await.is_err());
    println!("tasks: tracked, by key, pinned to threads, and ended by a drop");
    Ok(())
}

async fn delays() {
    let mut queue = DelayQueue::new();
    queue.insert("third", Duration::from_millis(30));
    let gone = queue.insert("never", Duration::from_millis(5));
    queue.insert("first", Duration::from_millis(10));
    queue.insert("second", Duration::from_millis(20));
    queue.remove(&gone);
    let mut order = Vec::new();
    while let Some(expired) = soon("a delay", queue.next()).await {
        order.push(expired.into_inner());
    }
    assert_eq!(order, ["first", "second", "third"]);
    println!("delays: in order, and the removed one never");
}

async fn streams() -> Outcome {
    let (sender, receiver) = mpsc::channel(2);
    tokio::spawn(async move {
        for number in 0..100_u32 {
            if sender.send(number).await.is_err() {
                break;
            }
        }
    });
    let even = ReceiverStream::new(receiver).filter(|number| number % 2 == 0);
    let sums = even
        .chunks_timeout(10, Duration::from_secs(3600))
        .map(|chunk| chunk.iter().sum::<u32>());
    let sums: Vec<u32> = soon("the sums", sums.collect()).await;
    assert_eq!(sums, [90, 290, 490, 690, 890]);

    let (news, heard) = broadcast::channel(8);
    let (state, seen) = watch::channel(0);
    let mut map = StreamMap::new();
    let heard = BroadcastStream::new(heard).filter_map(Result::ok);
    map.insert(
        "broadcast",
        Box::pin(heard) as Pin<Box<dyn Stream<Item = i32> + Send>>,
    );
    map.insert("watch", Box::pin(WatchStream::from_changes(seen)));
    news.send(7)?;
    state.send(9)?;
    let mut got = [soon("one", map.next()).await, soon("two", map.next()).await];
    got.sort();
    assert_eq!(got, [Some(("broadcast", 7)), Some(("watch", 9))]);
    drop((news, state));
    assert_eq!(soon("the end of both", map.next()).await, None);

    let silent = tokio_stream::pending::<()>().timeout(Duration::from_millis(10));
    tokio::pin!(silent);
    assert!(
        soon("the limit", silent.next())
            .await
            .is_some_and(|item| item.is_err())
    );
    println!("streams: chunks, a map of two, and a limit of time");
    Ok(())
}

async fn io() -> Outcome {
    // A stream as a reader, a reader as a stream.
    let parts = tokio_stream::iter(
        ["one ", "two ", "three"].map(|part| Ok::<_, std::io::Error>(part.as_bytes())),
    );
    let mut text = String::new();
    tokio_util::io::StreamReader::new(parts)
        .read_to_string(&mut text)
        .await?;
    assert_eq!(text, "one two three");
    let (mut near, far) = tokio::io::duplex(4);
    let writing = tokio::spawn(async move {
        near.write_all(b"more than four bytes").await?;
        near.shutdown().await
    });
    let mut chunks = tokio_util::io::ReaderStream::new(far);
    let mut whole = Vec::new();
    while let Some(chunk) = soon("a chunk", chunks.next()).await {
        whole.extend_from_slice(&chunk?);
    }
    writing.await??;
    assert_eq!(whole, b"more than four bytes");
    println!("io: a stream as a reader, a reader as a stream");
    Ok(())
}
