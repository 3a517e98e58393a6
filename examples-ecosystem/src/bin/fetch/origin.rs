//! Servers whose every byte the laws decide: HTTP/1 by hand.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use ecosystem::{Outcome, tls::Identity};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A connection, plain or not.
pub trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// One connection, seen from the server.
pub struct Peer {
    /// 0 is the first connection.
    pub number: usize,
    pub wire: BufReader<Box<dyn Wire>>,
}

/// A request without its body.
#[derive(Debug, Clone)]
pub struct Head {
    pub method: String,
    pub target: String,
    pub headers: Vec<(String, String)>,
}

impl Head {
    /// The value of a header; names are in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let header = self.headers.iter().find(|header| header.0 == name);
        header.map(|(_, value)| value.as_str())
    }
}

impl Peer {
    /// The next request; `None` if there is no further one.
    pub async fn head(&mut self) -> Outcome<Option<Head>> {
        let mut line = String::new();
        if self.wire.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            return Err(format!("no request line: {line:?}").into());
        };
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            self.wire.read_line(&mut line).await?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_lowercase(), value.trim().to_owned()));
        }
        Ok(Some(Head {
            method,
            target,
            headers,
        }))
    }

    pub async fn send(&mut self, text: impl AsRef<[u8]>) -> Outcome {
        self.wire.write_all(text.as_ref()).await?;
        Ok(self.wire.flush().await?)
    }

    /// An answer with a body, after which the connection stays open.
    pub async fn answer(&mut self, status: &str, headers: &str, body: impl AsRef<[u8]>) -> Outcome {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status}\r\ncontent-length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.send([head.as_bytes(), body].concat()).await
    }

    /// Waits until the other side closes; what it still sends is thrown away.
    pub async fn gone(&mut self) {
        let mut rest = [0; 1024];
        while self.wire.read(&mut rest).await.is_ok_and(|count| count > 0) {}
    }
}

/// A server on a port of its own, for as long as the program runs.
pub struct Origin {
    pub address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Origin {
    /// Starts one; `serve` is called for each connection.
    pub async fn start<S, F>(serve: S) -> Outcome<Self>
    where
        S: Fn(Peer) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        Self::on(TcpListener::bind("127.0.0.1:0").await?, None, serve)
    }

    /// Starts one that speaks TLS.
    pub async fn start_tls<S, F>(identity: &Identity, serve: S) -> Outcome<Self>
    where
        S: Fn(Peer) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let acceptor = TlsAcceptor::from(Arc::new(identity.server_config(&[])?));
        Self::on(
            TcpListener::bind("127.0.0.1:0").await?,
            Some(acceptor),
            serve,
        )
    }

    pub fn on<S, F>(listener: TcpListener, tls: Option<TlsAcceptor>, serve: S) -> Outcome<Self>
    where
        S: Fn(Peer) -> F + Send + Sync + 'static,
        F: Future<Output = Outcome> + Send + 'static,
    {
        let address = listener.local_addr()?;
        let connections = Arc::new(AtomicUsize::new(0));
        let count = connections.clone();
        let serve = Arc::new(serve);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let (serve, tls) = (serve.clone(), tls.clone());
                tokio::spawn(async move {
                    // A client that ends the connection ends its service; the laws look at the client's side.
                    if let Some(wire) = wire(stream, tls).await {
                        let _ = serve(Peer {
                            number,
                            wire: BufReader::new(wire),
                        })
                        .await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            connections,
        })
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections have come.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

async fn wire(stream: TcpStream, tls: Option<TlsAcceptor>) -> Option<Box<dyn Wire>> {
    match tls {
        None => Some(Box::new(stream)),
        Some(acceptor) => Some(Box::new(acceptor.accept(stream).await.ok()?)),
    }
}
