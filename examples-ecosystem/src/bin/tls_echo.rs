//! An echo over TLS with tokio-rustls: a certificate made here, bytes both ways at once, and a peer that is not trusted.

use std::sync::Arc;

use ecosystem::{Outcome, proof, soon, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Much more than all buffers on the way together.
const BYTES: usize = 8 << 20;

#[tokio::main]
async fn main() -> Outcome {
    let identity = tls::Identity::new("localhost")?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(&[])?));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not trust us goes away in the handshake.
                let Ok(stream) = acceptor.accept(stream).await else {
                    return;
                };
                let (mut reader, mut writer) = split(stream);
                if copy(&mut reader, &mut writer).await.is_ok() {
                    let _ = writer.shutdown().await;
                }
            });
        }
    });

    let mut clients = tokio::task::JoinSet::new();
    let trusting = TlsConnector::from(Arc::new(identity.client_config(&[])?));
    for seed in 0..4_u8 {
        let connector = trusting.clone();
        clients.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            let stream = connector
                .connect(ServerName::try_from("localhost")?, stream)
                .await?;
            talk(stream, seed).await
        });
    }
    while let Some(client) = soon("an echo", clients.join_next()).await {
        client??;
    }
    println!("tls: 4 times {BYTES} bytes there and back at once");

    let stranger = tls::Identity::new("localhost")?;
    let connector = TlsConnector::from(Arc::new(stranger.client_config(&[])?));
    let stream = TcpStream::connect(address).await?;
    let answer = connector.connect(ServerName::try_from("localhost")?, stream);
    let error = soon("the refusal", answer)
        .await
        .expect_err("nobody vouches for this server");
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData, "{error}");
    println!("tls: a server that nobody vouches for is refused");

    proof();
    Ok(())
}

/// Writes and reads at the same time: neither end has room for all of it.
async fn talk(stream: tokio_rustls::client::TlsStream<TcpStream>, seed: u8) -> Outcome {
    let (mut reader, mut writer) = split(stream);
    let sent: Vec<u8> = (0..BYTES)
        .map(|at| (at as u8).wrapping_mul(31).wrapping_add(seed))
        .collect();
    let expected = sent.clone();
    let writing = tokio::spawn(async move {
        writer.write_all(&sent).await?;
        writer.shutdown().await
    });
    let mut got = Vec::with_capacity(BYTES);
    reader.read_to_end(&mut got).await?;
    writing.await??;
    assert!(got == expected, "the echo differs");
    Ok(())
}
