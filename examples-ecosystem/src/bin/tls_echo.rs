//! tokio-rustls: an echo over TLS with a certificate made here, bytes both ways at once, who is not trusted, and how a
//! connection begins and ends.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use ecosystem::{Outcome, proof, soon, tls};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy, split};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
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
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    println!("tls: a server that nobody vouches for is refused");

    a_name_that_is_not_in_the_certificate_is_refused(&identity).await?;
    both_agree_on_a_protocol(&identity).await?;
    who_shares_no_protocol_is_refused(&identity).await?;
    both_know_the_servers_certificate(&identity).await?;
    who_speaks_no_tls_is_told_so(&identity).await?;
    an_end_with_a_word_is_an_end(&identity).await?;
    an_end_without_a_word_is_an_error(&identity).await?;
    who_does_not_read_holds_the_writer_back(&identity).await?;
    a_handshake_that_is_given_up_closes_the_connection(&identity).await?;
    many_handshakes_go_on_at_once(address, &identity).await?;

    proof();
    Ok(())
}

type Server = tokio_rustls::server::TlsStream<TcpStream>;
type Client = tokio_rustls::client::TlsStream<TcpStream>;

/// Both ends of a connection before TLS.
async fn plain() -> Outcome<(TcpStream, TcpStream)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = TcpStream::connect(listener.local_addr()?).await?;
    Ok((near, soon("a connection", listener.accept()).await?.0))
}

/// Both ends of a connection after the handshake, or why there is none; both sides offer these protocols.
async fn pair(
    identity: &tls::Identity,
    name: &'static str,
    server: &[&str],
    client: &[&str],
) -> Outcome<(std::io::Result<Client>, std::io::Result<Server>)> {
    let (near, far) = plain().await?;
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(server)?));
    let connector = TlsConnector::from(Arc::new(identity.client_config(client)?));
    let name = ServerName::try_from(name)?;
    Ok(soon("the handshake", async {
        tokio::join!(connector.connect(name, near), acceptor.accept(far))
    })
    .await)
}

async fn connected(identity: &tls::Identity) -> Outcome<(Client, Server)> {
    let (client, server) = pair(identity, "localhost", &[], &[]).await?;
    Ok((client?, server?))
}

async fn a_name_that_is_not_in_the_certificate_is_refused(identity: &tls::Identity) -> Outcome {
    let (client, server) = pair(identity, "example.com", &[], &[]).await?;
    let error = client.err().ok_or("it has another name")?;
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    assert!(server.is_err(), "the server is told");
    println!("tls: a name that is not in the certificate is refused by the client");
    Ok(())
}

async fn both_agree_on_a_protocol(identity: &tls::Identity) -> Outcome {
    let (client, server) = pair(identity, "localhost", &["h2", "http/1.1"], &["http/1.1"]).await?;
    let (client, server) = (client?, server?);
    let agreed = Some(&b"http/1.1"[..]);
    assert_eq!(client.get_ref().1.alpn_protocol(), agreed);
    assert_eq!(server.get_ref().1.alpn_protocol(), agreed);
    println!("tls: both agree on the protocol that both know");
    Ok(())
}

async fn who_shares_no_protocol_is_refused(identity: &tls::Identity) -> Outcome {
    let (client, server) = pair(identity, "localhost", &["h2"], &["http/1.1"]).await?;
    assert!(client.is_err() && server.is_err());
    println!("tls: who shares no protocol is refused by the server");
    Ok(())
}

async fn both_know_the_servers_certificate(identity: &tls::Identity) -> Outcome {
    let (client, _server) = connected(identity).await?;
    let shown = client.get_ref().1.peer_certificates().ok_or("none")?;
    assert_eq!(shown, [identity.certificate()]);
    println!("tls: the client sees the certificate that the server has");
    Ok(())
}

async fn who_speaks_no_tls_is_told_so(identity: &tls::Identity) -> Outcome {
    let (mut near, far) = plain().await?;
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(&[])?));
    near.write_all(b"GET / HTTP/1.1\r\n\r\n").await?;
    let error = soon("the refusal", acceptor.accept(far)).await.err();
    let error = error.ok_or("this is no TLS")?;
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
    println!("tls: who speaks no TLS ends the handshake with an error");
    Ok(())
}

async fn an_end_with_a_word_is_an_end(identity: &tls::Identity) -> Outcome {
    let (mut client, mut server) = connected(identity).await?;
    client.write_all(b"all").await?;
    client.shutdown().await?;
    let mut heard = Vec::new();
    soon("the end", server.read_to_end(&mut heard)).await?;
    assert_eq!(heard, b"all");
    // The other direction is still open.
    server.write_all(b"heard").await?;
    let mut answer = [0; 5];
    soon("the answer", client.read_exact(&mut answer)).await?;
    assert_eq!(&answer, b"heard");
    println!("tls: a side that has said all can still listen");
    Ok(())
}

async fn an_end_without_a_word_is_an_error(identity: &tls::Identity) -> Outcome {
    let (client, mut server) = connected(identity).await?;
    let (mut plain, _) = client.into_inner();
    plain.shutdown().await?;
    let error = soon("the error", server.read(&mut [0; 1])).await.err();
    let error = error.ok_or("anybody may have cut it off")?;
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{error}");
    println!("tls: a connection that is cut off is an error, not an end");
    Ok(())
}

async fn who_does_not_read_holds_the_writer_back(identity: &tls::Identity) -> Outcome {
    let (mut client, mut server) = connected(identity).await?;
    let writing = tokio::spawn(async move {
        client.write_all(&vec![7; BYTES]).await?;
        client.shutdown().await?;
        // To be closed when all has been read: what the server has told it is unread, and would reset the connection.
        std::io::Result::Ok(client)
    });
    // What both sockets hold is a part of it, so the writer cannot be done.
    let mut heard = vec![0; 1024];
    soon("a beginning", server.read_exact(&mut heard)).await?;
    assert!(!writing.is_finished(), "nobody holds so much");
    soon("the rest", server.read_to_end(&mut heard)).await?;
    let _client = soon("the writer's end", writing).await??;
    assert_eq!(heard.len(), BYTES);
    println!("tls: who does not read holds the writer back, and then gets everything");
    Ok(())
}

async fn a_handshake_that_is_given_up_closes_the_connection(identity: &tls::Identity) -> Outcome {
    let (mut near, far) = plain().await?;
    let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(&[])?));
    // The client never says a word.
    let handshake = timeout(Duration::from_millis(20), acceptor.accept(far));
    assert!(handshake.await.is_err());
    assert_eq!(soon("the end", near.read(&mut [0; 1])).await?, 0);
    println!("tls: a handshake that is given up closes its connection");
    Ok(())
}

async fn many_handshakes_go_on_at_once(
    address: std::net::SocketAddr,
    identity: &tls::Identity,
) -> Outcome {
    let connector = TlsConnector::from(Arc::new(identity.client_config(&[])?));
    let mut clients = tokio::task::JoinSet::new();
    for number in 0..100_u8 {
        let connector = connector.clone();
        clients.spawn(async move {
            let stream = TcpStream::connect(address).await?;
            let name = ServerName::try_from("localhost")?;
            let mut stream = connector.connect(name, stream).await?;
            stream.write_all(&[number; 100]).await?;
            let mut answer = [0; 100];
            stream.read_exact(&mut answer).await?;
            assert_eq!(answer, [number; 100]);
            Outcome::Ok(())
        });
    }
    while let Some(client) = soon("a handshake", clients.join_next()).await {
        client??;
    }
    println!("tls: a hundred handshakes go on at once");
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
