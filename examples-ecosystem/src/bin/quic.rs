//! quinn: many streams on one connection, datagrams, streams that are reset and stopped, strangers, and a close with a
//! reason.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use ecosystem::{Outcome, proof, soon, tls::Identity};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ClientConfig, Connection, ConnectionError, Endpoint, ReadError, ServerConfig};

const STREAMS: usize = 50;
const BYTES: usize = 100_000;

#[tokio::main]
async fn main() -> Outcome {
    let identity = Identity::new("localhost")?;
    let server = QuicServerConfig::try_from(identity.server_config(&["echo"])?)?;
    let any: SocketAddr = "127.0.0.1:0".parse()?;
    let server = Endpoint::server(ServerConfig::with_crypto(Arc::new(server)), any)?;
    let address = server.local_addr()?;
    let serving = tokio::spawn(serve(server.clone()));
    let client = Endpoint::client(any)?;
    let config = QuicClientConfig::try_from(identity.client_config(&["echo"])?)?;
    let config = ClientConfig::new(Arc::new(config));
    let connection = soon(
        "a connection",
        client.connect_with(config, address, "localhost")?,
    )
    .await?;

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

    proof();
    Ok(())
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
    let mut often = tokio::time::interval(std::time::Duration::from_millis(20));
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
