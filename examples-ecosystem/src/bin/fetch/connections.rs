//! What becomes of connections: bodies both ways, those that break, and those that must not be shared.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use ecosystem::{Outcome, law, soon, tls::Identity};
use futures_util::stream;
use reqwest::{Body, StatusCode};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::{Notify, watch};

use crate::fetcher::{Error, Fetcher, Limits};
use crate::origin::Origin;
use crate::{fetcher, limits, session, trusting};

pub async fn laws() -> Outcome {
    an_early_answer_is_told().await?;
    bodies_are_not_stored_up().await?;
    a_connection_that_closed_is_replaced().await?;
    a_dropped_body_closes_its_connection().await?;
    identities_are_not_shared().await?;
    all_addresses_fail().await?;
    a_deaf_address_delays_nobody().await
}

/// Of the bytes on the way: the buffers of the system and of the library are smaller, the bodies far larger.
const ON_THE_WAY: usize = 16 << 20;
const LONG: usize = 64 << 20;
const CHUNK: usize = 16 << 10;

async fn an_early_answer_is_told() -> Outcome {
    let origin = Origin::start(|mut peer| async move {
        if peer
            .head()
            .await?
            .is_some_and(|head| head.target == "/early")
        {
            peer.answer("417 Expectation Failed", "connection: close\r\n", "no")
                .await?;
        }
        peer.gone().await;
        Ok(())
    })
    .await?;
    let fetcher = fetcher()?;
    let post = |path: &str| {
        fetcher
            .client()
            .post(origin.url(path))
            .header("expect", "100-continue")
    };
    // A body that never ends.
    let endless = || Body::wrap_stream(stream::pending::<Result<Bytes, std::io::Error>>());
    let answer = soon("the answer", fetcher.fetch(post("/early").body(endless()))).await?;
    assert_eq!(
        (answer.status, answer.text().as_str()),
        (StatusCode::EXPECTATION_FAILED, "no")
    );
    let silent = fetcher.fetch_within(post("/silent").body(endless()), Duration::from_millis(100));
    let error = soon("the limit", silent).await;
    assert!(
        matches!(error, Err(Error::Late(crate::fetcher::Phase::Answer))),
        "{error:?}"
    );
    law(
        "C36",
        "client library",
        "an early final answer is told; it does not wait for 100, it sends at once",
    );
    law(
        "C36",
        "fetcher",
        "no answer at all ends with the limit of time",
    );
    Ok(())
}

async fn bodies_are_not_stored_up() -> Outcome {
    upload().await?;
    download().await?;
    law(
        "C37",
        "client library",
        "a slow reader holds back the writer, in both directions",
    );
    Ok(())
}

async fn upload() -> Outcome {
    // The server begins to read when the client has begun to send, so it is always behind.
    let (made, begun) = watch::channel(0_usize);
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let origin = Origin::start(move |mut peer| {
        let (mut begun, count) = (begun.clone(), count.clone());
        async move {
            peer.head().await?;
            begun.wait_for(|made| *made >= 4 * CHUNK).await?;
            let mut bytes = vec![0; CHUNK];
            while count.load(Ordering::SeqCst) < LONG {
                let got = peer.wire.read(&mut bytes).await?;
                assert!(got > 0, "the body ends too soon");
                count.fetch_add(got, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
            peer.answer("200 OK", "", "thanks").await
        }
    })
    .await?;
    let chunk = Bytes::from(vec![b'x'; CHUNK]);
    let source = stream::unfold(0, move |sent| {
        let (chunk, read) = (chunk.clone(), read.clone());
        made.send_replace(sent);
        async move {
            let behind = sent.saturating_sub(read.load(Ordering::SeqCst));
            assert!(behind <= ON_THE_WAY, "{behind} bytes are on the way");
            (sent < LONG).then(|| (Ok::<_, std::io::Error>(chunk), sent + CHUNK))
        }
    });
    let fetcher = fetcher()?;
    let request = fetcher
        .client()
        .post(origin.url("/"))
        .header("content-length", LONG);
    let answer = soon(
        "the answer",
        fetcher.fetch(request.body(Body::wrap_stream(source))),
    )
    .await?;
    assert_eq!(answer.text(), "thanks");
    Ok(())
}

async fn download() -> Outcome {
    let (sent, mut begun) = watch::channel(0_usize);
    let sent = Arc::new(sent);
    let read = Arc::new(AtomicUsize::new(0));
    let count = read.clone();
    let origin = Origin::start(move |mut peer| {
        let (sent, count) = (sent.clone(), count.clone());
        async move {
            peer.head().await?;
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LONG}\r\n\r\n"))
                .await?;
            let chunk = vec![b'x'; CHUNK];
            for at in (0..LONG).step_by(CHUNK) {
                let behind = at.saturating_sub(count.load(Ordering::SeqCst));
                assert!(behind <= ON_THE_WAY, "{behind} bytes are on the way");
                peer.send(&chunk).await?;
                sent.send_replace(at + CHUNK);
            }
            peer.gone().await;
            Ok(())
        }
    })
    .await?;
    let mut answer = soon(
        "the answer",
        session()?.build()?.get(origin.url("/")).send(),
    )
    .await?;
    soon("the begin", begun.wait_for(|sent| *sent >= 4 * CHUNK)).await?;
    while let Some(chunk) = soon("a chunk", answer.chunk()).await? {
        read.fetch_add(chunk.len(), Ordering::SeqCst);
        tokio::task::yield_now().await;
    }
    assert_eq!(read.load(Ordering::SeqCst), LONG);
    Ok(())
}

async fn a_connection_that_closed_is_replaced() -> Outcome {
    // Each connection serves one request and closes, without having said so.
    let requests = Arc::new(AtomicUsize::new(0));
    let count = requests.clone();
    let origin = Origin::start(move |mut peer| {
        let count = count.clone();
        async move {
            if let Some(head) = peer.head().await? {
                count.fetch_add(1, Ordering::SeqCst);
                if head.target == "/half" {
                    // It has begun to read the body.
                    peer.wire.read_u8().await?;
                } else {
                    peer.answer("200 OK", "", head.target).await?;
                }
            }
            Ok(())
        }
    })
    .await?;
    let fetcher = fetcher()?;
    let mut answers = 0;
    while answers < 50 {
        let path = format!("/{answers}");
        match soon("an answer", fetcher.get(origin.url(&path))).await {
            Ok(answer) => {
                assert_eq!(answer.text(), path);
                answers += 1;
            }
            // The close crossed the request, which the server may have seen: the library leaves it to us.
            Err(Error::Client(error)) => assert!(error.is_request(), "{error:?}"),
            Err(error) => return Err(error.into()),
        }
    }
    assert!(origin.connections() >= 50, "each serves one request");
    let before = requests.load(Ordering::SeqCst);
    // What has been sent in part, and cannot be sent again, is an error and no second try. A new session, so that the
    // first connection that it meets is a living one.
    let new = self::fetcher()?;
    let body = Body::wrap_stream(stream::repeat_with(|| {
        Ok::<_, std::io::Error>(Bytes::from_static(b"x"))
    }));
    let error = soon(
        "the error",
        new.fetch(new.client().post(origin.url("/half")).body(body)),
    )
    .await;
    assert!(matches!(error, Err(Error::Client(_))), "{error:?}");
    assert_eq!(requests.load(Ordering::SeqCst) - before, 1);
    law(
        "C38",
        "client library",
        "a pooled connection is replaced once its close is known; half a body is not sent twice",
    );
    Ok(())
}

async fn a_dropped_body_closes_its_connection() -> Outcome {
    let closed = Arc::new(Notify::new());
    let gone = closed.clone();
    let origin = Origin::start(move |mut peer| {
        let gone = gone.clone();
        async move {
            while let Some(head) = peer.head().await? {
                if head.target == "/long" {
                    peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\nbegin")
                        .await?;
                    peer.gone().await;
                    gone.notify_one();
                    return Ok(());
                }
                peer.answer("200 OK", "", format!("connection {}", peer.number))
                    .await?;
            }
            Ok(())
        }
    })
    .await?;
    let client = session()?.build()?;
    let mut answer = soon("the answer", client.get(origin.url("/long")).send()).await?;
    assert_eq!(
        soon("a chunk", answer.chunk()).await?.as_deref(),
        Some(&b"begin"[..])
    );
    drop(answer);
    soon("the close", closed.notified()).await;
    let answer = soon("the answer", client.get(origin.url("/")).send()).await?;
    assert_eq!(answer.text().await?, "connection 1");
    law(
        "C39",
        "client library",
        "a body dropped in the middle closes its connection, and the next one is clean",
    );
    Ok(())
}

async fn identities_are_not_shared() -> Outcome {
    let identity = Identity::new("sherwood.test")?;
    let origin = Origin::start_tls(&identity, |mut peer| async move {
        while peer.head().await?.is_some() {
            peer.answer("200 OK", "", "").await?;
        }
        Ok(())
    })
    .await?;
    let url = format!("https://sherwood.test:{}/", origin.address.port());
    let session = trusting(&[&identity])?.resolve("sherwood.test", origin.address);
    let friend = Fetcher::new(session, Limits::default())?;
    soon("an answer", friend.get(&url)).await?;
    let other = Identity::new("sherwood.test")?;
    let session = trusting(&[&other])?.resolve("sherwood.test", origin.address);
    let stranger = Fetcher::new(session, Limits::default())?;
    let error = soon("the refusal", stranger.get(&url)).await;
    assert!(
        matches!(&error, Err(Error::Client(error)) if error.is_connect()),
        "{error:?}"
    );
    soon("an answer", friend.get(&url)).await?;
    law(
        "C42",
        "client library",
        "a session that trusts others makes connections of its own",
    );
    Ok(())
}

async fn all_addresses_fail() -> Outcome {
    // Nobody listens where somebody has just listened.
    let closed = [
        TcpListener::bind("127.0.0.1:0").await?.local_addr()?,
        TcpListener::bind("127.0.0.2:0").await?.local_addr()?,
    ];
    let session = session()?.resolve_to_addrs("both.test", &closed);
    let fetcher = Fetcher::new(session, Limits::default())?;
    let error = soon(
        "the refusal",
        fetcher.get(format!("http://both.test:{}/", closed[0].port())),
    )
    .await;
    let Err(Error::Client(error)) = error else {
        panic!("{error:?}")
    };
    assert!(error.is_connect(), "{error:?}");
    assert!(
        format!("{error:?}").contains("ConnectionRefused"),
        "{error:?}"
    );
    law(
        "C24",
        "client library",
        "when all addresses fail the error has one cause; it does not list them all",
    );
    Ok(())
}

async fn a_deaf_address_delays_nobody() -> Outcome {
    // One port, two addresses: the first, which is preferred, is deaf; the second serves.
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let four = listener.local_addr()?;
    let six = std::net::SocketAddr::new(std::net::Ipv6Addr::LOCALHOST.into(), four.port());
    let socket = tokio::net::TcpSocket::new_v6()?;
    if let Err(error) = socket.bind(six) {
        println!("skipped: happy eyeballs, there is no IPv6 here, or its port is taken ({error})");
        return Ok(());
    }
    let (deaf, _fillers) = limits::fill(socket.listen(1)?).await?;
    assert_eq!(deaf, six);
    let origin = Origin::on(listener, None, |mut peer| async move {
        while peer.head().await?.is_some() {
            peer.answer("200 OK", "", "four").await?;
        }
        Ok(())
    })?;
    let session = session()?.resolve_to_addrs("both.test", &[six, four]);
    let fetcher = Fetcher::new(session, Limits::default())?;
    let answer = soon(
        "an answer",
        fetcher.get(format!("http://both.test:{}/", four.port())),
    )
    .await?;
    assert_eq!((answer.text().as_str(), origin.connections()), ("four", 1));
    println!(
        "happy eyeballs: a deaf address is left for the next one; alone, it ends with the limit"
    );
    let session = session_to(six)?;
    let limits = Limits {
        connect: Duration::from_millis(100),
        ..Limits::default()
    };
    let alone = Fetcher::new(session, limits)?;
    let error = soon(
        "the limit",
        alone.get(format!("http://both.test:{}/", four.port())),
    )
    .await;
    assert!(
        matches!(error, Err(Error::Late(crate::fetcher::Phase::Connect))),
        "{error:?}"
    );
    Ok(())
}

fn session_to(address: std::net::SocketAddr) -> Outcome<reqwest::ClientBuilder> {
    Ok(session()?.resolve("both.test", address))
}
