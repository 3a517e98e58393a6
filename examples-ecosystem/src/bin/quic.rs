//! quinn: many streams on one connection, datagrams, streams that are reset and stopped, strangers, limits, silence, a
//! client that moves, and a close with a reason.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ecosystem::{Outcome, proof, soon, tls::Identity};
use futures_util::future::poll_immediate;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Connection, ConnectionError, Endpoint, ReadError, SendDatagramError,
    ServerConfig, TransportConfig,
};

const STREAMS: usize = 50;
const BYTES: usize = 100_000;

#[tokio::main]
async fn main() -> Outcome {
    let identity = Identity::new("localhost")?;
    let (client, server) = ends(&identity, TransportConfig::default())?;
    let address = server.local_addr()?;
    let serving = tokio::spawn(serve(server.clone()));
    let connection = soon("a connection", client.connect(address, "localhost")?).await?;

    many_streams(&connection).await?;
    a_datagram(&connection).await?;
    a_reset(&connection).await?;
    a_stop(&connection).await?;
    strangers_are_refused(&client, address, &identity).await?;

    connection.close(7_u32.into(), b"enough");
    let reason = soon("the server's end", serving).await??;
    let ConnectionError::ApplicationClosed(close) = reason else {
        return Err(format!("the server heard {reason}").into());
    };
    assert_eq!(
        (u64::from(close.error_code), &close.reason[..]),
        (7, &b"enough"[..])
    );
    soon("the client's last packets", client.wait_idle()).await;
    soon("the server's last packets", server.wait_idle()).await;
    println!("quic: closed with a reason, which the server heard");

    a_slow_reader_holds_the_writer_back(&identity).await?;
    streams_have_a_limit(&identity).await?;
    who_has_finished_learns_that_all_has_come(&identity).await?;
    a_datagram_has_a_limit(&identity).await?;
    a_client_moves(&identity).await?;
    a_server_may_refuse(&identity).await?;
    silence_ends_a_connection(&identity).await?;
    a_deaf_server_is_given_up(&identity).await?;
    proof();
    Ok(())
}

/// A client and a server with the same limits.
fn ends(identity: &Identity, limits: TransportConfig) -> Outcome<(Endpoint, Endpoint)> {
    let limits = Arc::new(limits);
    let any: SocketAddr = "127.0.0.1:0".parse()?;
    let server = QuicServerConfig::try_from(identity.server_config(&["echo"])?)?;
    let mut server = ServerConfig::with_crypto(Arc::new(server));
    server.transport_config(limits.clone());
    let config = QuicClientConfig::try_from(identity.client_config(&["echo"])?)?;
    let mut config = ClientConfig::new(Arc::new(config));
    config.transport_config(limits);
    let mut client = Endpoint::client(any)?;
    client.set_default_client_config(config);
    Ok((client, Endpoint::server(server, any)?))
}

/// Both ends of a connection.
async fn connected(client: &Endpoint, server: &Endpoint) -> Outcome<(Connection, Connection)> {
    let connecting = client.connect(server.local_addr()?, "localhost")?;
    let accepting = async { Outcome::Ok(server.accept().await.ok_or("nobody came")?.await?) };
    let connecting = async { Outcome::Ok(connecting.await?) };
    soon("a connection", async {
        tokio::try_join!(connecting, accepting)
    })
    .await
}

/// Echoes the streams and datagrams of one connection, and says how it ended. Whoever comes later fails in the handshake.
async fn serve(server: Endpoint) -> Outcome<ConnectionError> {
    let connection = server.accept().await.ok_or("nobody came")?.await?;
    tokio::spawn(async move {
        while let Some(incoming) = server.accept().await {
            if let Ok(connecting) = incoming.accept() {
                tokio::spawn(connecting);
            }
        }
    });
    let datagrams = connection.clone();
    tokio::spawn(async move {
        while let Ok(datagram) = datagrams.read_datagram().await {
            let _ = datagrams.send_datagram(datagram);
        }
    });
    loop {
        match connection.accept_bi().await {
            Ok((mut writer, mut reader)) => {
                tokio::spawn(async move {
                    if tokio::io::copy(&mut reader, &mut writer).await.is_ok() {
                        let _ = writer.finish();
                    } else {
                        let _ = writer.reset(3_u32.into());
                    }
                });
            }
            Err(reason) => return Ok(reason),
        }
    }
}

async fn many_streams(connection: &Connection) -> Outcome {
    let mut streams = tokio::task::JoinSet::new();
    for number in 0..STREAMS {
        let connection = connection.clone();
        streams.spawn(async move {
            let (mut writer, mut reader) = connection.open_bi().await?;
            let sent = vec![number as u8; BYTES];
            let writing = tokio::spawn(async move {
                writer.write_all(&sent).await?;
                Outcome::Ok(writer.finish()?)
            });
            let got = reader.read_to_end(BYTES).await?;
            writing.await??;
            assert!(
                got == vec![number as u8; BYTES],
                "stream {number} came back otherwise"
            );
            Outcome::Ok(())
        });
    }
    while let Some(stream) = soon("a stream", streams.join_next()).await {
        stream??;
    }
    println!("quic: {STREAMS} streams of {BYTES} bytes at once, there and back");
    Ok(())
}

/// A datagram may be lost, so it is sent until one comes back.
async fn a_datagram(connection: &Connection) -> Outcome {
    let mut often = tokio::time::interval(Duration::from_millis(20));
    let echo = soon("a datagram", async {
        loop {
            tokio::select! {
                echo = connection.read_datagram() => break Outcome::Ok(echo?),
                _ = often.tick() => connection.send_datagram(Bytes::from_static(b"arrow"))?,
            }
        }
    });
    assert_eq!(echo.await?, "arrow");
    println!("quic: a datagram there and back");
    Ok(())
}

async fn a_reset(connection: &Connection) -> Outcome {
    let (mut writer, mut reader) = connection.open_bi().await?;
    writer.write_all(b"begin").await?;
    let mut begin = [0; 5];
    soon("the begin", reader.read_exact(&mut begin)).await?;
    writer.reset(1_u32.into())?;
    let error = soon("the end", reader.read_to_end(10)).await.unwrap_err();
    let reset = matches!(&error, quinn::ReadToEndError::Read(ReadError::Reset(code)) if u64::from(*code) == 3);
    assert!(reset, "{error:?}");
    println!("quic: a stream that is reset is told so, on both sides");
    Ok(())
}

async fn a_stop(connection: &Connection) -> Outcome {
    let (mut writer, mut reader) = connection.open_bi().await?;
    writer.write_all(b"begin").await?;
    let mut begin = [0; 5];
    soon("the begin", reader.read_exact(&mut begin)).await?;
    reader.stop(9_u32.into())?;
    // The server fails to echo, and resets what it no longer reads.
    let stopped = soon("the end", async {
        loop {
            if let Err(error) = writer.write_all(&[0; 1_000]).await {
                break error;
            }
        }
    });
    let stopped = stopped.await;
    assert!(
        matches!(stopped, quinn::WriteError::Stopped(_)),
        "{stopped:?}"
    );
    println!("quic: who writes to one that has stopped reading is told so");
    Ok(())
}

/// One that the client does not trust, and one that speaks another protocol.
async fn strangers_are_refused(
    client: &Endpoint,
    address: SocketAddr,
    identity: &Identity,
) -> Outcome {
    let stranger = Identity::new("localhost")?;
    for config in [
        stranger.client_config(&["echo"])?,
        identity.client_config(&["other"])?,
    ] {
        let config = ClientConfig::new(Arc::new(QuicClientConfig::try_from(config)?));
        let connecting = client.connect_with(config, address, "localhost")?;
        let error = soon("the refusal", connecting).await.err();
        let told = matches!(
            &error,
            Some(ConnectionError::TransportError(_) | ConnectionError::ConnectionClosed(_))
        );
        assert!(told, "{error:?}");
    }
    println!(
        "quic: a server that nobody vouches for is refused, and a protocol that it does not speak"
    );
    Ok(())
}

async fn a_slow_reader_holds_the_writer_back(identity: &Identity) -> Outcome {
    const CHUNK: usize = 1_000;
    let mut limits = TransportConfig::default();
    limits.stream_receive_window(10_000_u32.into());
    let (client, server) = ends(identity, limits)?;
    let (near, far) = connected(&client, &server).await?;
    let (sent, mut counted) = tokio::sync::watch::channel(0_usize);
    let mut writer = near.open_uni().await?;
    let writing = tokio::spawn(async move {
        for number in 0..1_000 {
            writer.write_all(&[0; CHUNK]).await?;
            sent.send_replace(number + 1);
        }
        Outcome::Ok(writer.finish()?)
    });
    // Nobody reads: the writer gets as far as the window.
    soon("the window", counted.wait_for(|count| *count == 10)).await?;
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    assert_eq!(*counted.borrow(), 10, "chunks went into a window of 10");
    let mut reader = soon("the stream", far.accept_uni()).await?;
    let got = soon("all of it", reader.read_to_end(1_000 * CHUNK)).await?;
    assert_eq!(got.len(), 1_000 * CHUNK);
    soon("the writer's end", writing).await??;
    println!("quic: a slow reader holds the writer back, and gets everything");
    Ok(())
}

async fn streams_have_a_limit(identity: &Identity) -> Outcome {
    let mut limits = TransportConfig::default();
    limits.max_concurrent_bidi_streams(2_u32.into());
    let (client, server) = ends(identity, limits)?;
    let (near, far) = connected(&client, &server).await?;
    let (mut writer, mut reader) = soon("the first", near.open_bi()).await?;
    let _second = soon("the second", near.open_bi()).await?;
    let third = near.open_bi();
    tokio::pin!(third);
    assert!(
        poll_immediate(&mut third).await.is_none(),
        "two are all there are"
    );
    writer.write_all(b"first").await?;
    writer.finish()?;
    let (mut answer, mut question) = soon("the first", far.accept_bi()).await?;
    assert_eq!(soon("its end", question.read_to_end(5)).await?, b"first");
    answer.finish()?;
    assert_eq!(soon("its end", reader.read_to_end(0)).await?, b"");
    soon("the third", third).await?;
    println!("quic: the third stream waits until one of two has ended");
    Ok(())
}

async fn who_has_finished_learns_that_all_has_come(identity: &Identity) -> Outcome {
    let (client, server) = ends(identity, TransportConfig::default())?;
    let (near, far) = connected(&client, &server).await?;
    // The server opens streams too.
    let mut writer = far.open_uni().await?;
    writer.write_all(&[7; BYTES]).await?;
    writer.finish()?;
    let mut reader = soon("the stream", near.accept_uni()).await?;
    let reading = tokio::spawn(async move { reader.read_to_end(BYTES).await });
    assert_eq!(soon("the word", writer.stopped()).await?, None);
    assert!(soon("all of it", reading).await?? == [7; BYTES]);
    println!("quic: who has finished a stream learns that all has come");
    Ok(())
}

async fn a_datagram_has_a_limit(identity: &Identity) -> Outcome {
    let (client, server) = ends(identity, TransportConfig::default())?;
    let (near, _far) = connected(&client, &server).await?;
    let limit = near.max_datagram_size().ok_or("there are datagrams")?;
    assert!(limit < 65_536, "UDP has no more");
    let long = near.send_datagram(Bytes::from(vec![0; 65_536]));
    assert!(matches!(long, Err(SendDatagramError::TooLarge)), "{long:?}");
    println!("quic: a datagram that fits into no packet is refused at once");
    Ok(())
}

async fn a_client_moves(identity: &Identity) -> Outcome {
    let (client, server) = ends(identity, TransportConfig::default())?;
    let (near, far) = connected(&client, &server).await?;
    let before = far.remote_address();
    client.rebind(std::net::UdpSocket::bind("127.0.0.1:0")?)?;
    let after = client.local_addr()?;
    assert_ne!(before.port(), after.port());
    let mut writer = near.open_uni().await?;
    writer.write_all(b"from elsewhere").await?;
    writer.finish()?;
    let mut reader = soon("the stream", far.accept_uni()).await?;
    let got = soon("all of it", reader.read_to_end(20)).await?;
    assert_eq!(got, b"from elsewhere");
    assert_eq!(far.remote_address().port(), after.port());
    println!("quic: a connection stays when the client moves to another socket");
    Ok(())
}

async fn a_server_may_refuse(identity: &Identity) -> Outcome {
    let (client, server) = ends(identity, TransportConfig::default())?;
    let connecting = client.connect(server.local_addr()?, "localhost")?;
    soon("somebody", server.accept())
        .await
        .ok_or("nobody came")?
        .refuse();
    let error = soon("the refusal", connecting).await.err();
    assert!(
        matches!(error, Some(ConnectionError::ConnectionClosed(_))),
        "{error:?}"
    );
    assert_eq!(server.open_connections(), 0);
    println!("quic: a server refuses whom it does not want");
    Ok(())
}

fn briefly() -> Outcome<TransportConfig> {
    let mut limits = TransportConfig::default();
    limits.max_idle_timeout(Some(Duration::from_millis(100).try_into()?));
    Ok(limits)
}

async fn silence_ends_a_connection(identity: &Identity) -> Outcome {
    let (client, server) = ends(identity, briefly()?)?;
    // Where the machine is slow, the handshake may take longer than that.
    let (near, far) = soon("a connection", async {
        loop {
            if let Ok(both) = connected(&client, &server).await {
                break both;
            }
        }
    })
    .await;
    for end in [near, far] {
        let reason = soon("the end", end.closed()).await;
        assert_eq!(reason, ConnectionError::TimedOut);
    }
    println!("quic: silence ends a connection, on both sides");
    Ok(())
}

async fn a_deaf_server_is_given_up(identity: &Identity) -> Outcome {
    let (client, _) = ends(identity, briefly()?)?;
    let deaf = std::net::UdpSocket::bind("127.0.0.1:0")?;
    let connecting = client.connect(deaf.local_addr()?, "localhost")?;
    let error = soon("the limit", connecting).await.err();
    assert_eq!(error, Some(ConnectionError::TimedOut));
    println!("quic: a server that never answers is given up");
    Ok(())
}
