//! An echo service over UDP and over unix datagrams, and a client that asks both.
//!
//! The service is one loop over two sockets. UDP may lose a datagram, so the client numbers its questions, asks again
//! when no answer comes, and throws away the answers to earlier ones; a unix socket loses nothing, and the same client
//! serves there. To be answered over a unix socket one needs a name too, and removes it afterwards.
//!
//! `cargo run -p examples --example datagrams` asks a service of its own, and ends.
//! `cargo run -p examples --example datagrams -- serve 127.0.0.1:7009 /tmp/echo` serves until ctrl-c.
//! `cargo run -p examples --example datagrams -- ask 127.0.0.1:7009 hello` asks it, and so does `ask /tmp/echo hello`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loxley::net::{UdpSocket, UnixDatagram};
use loxley::select;
use loxley::time::timeout;

/// Bytes of the largest datagram.
const LARGEST: usize = 1024;

#[loxley::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => check().await,
        ["serve", address, path] => {
            let service = Service::bind(address, Path::new(path)).await?;
            println!("listening on {} and {path}", service.udp.local_addr()?);
            select! {
                result = service.run() => result,
                result = loxley::signal::ctrl_c() => result,
            }
        }
        ["ask", place, text] => {
            println!("{}", ask(place, text).await?);
            Ok(())
        }
        _ => Err(io::Error::other(
            "usage: datagrams [serve ADDRESS PATH | ask ADDRESS|PATH TEXT]",
        )),
    }
}

struct Service {
    udp: UdpSocket,
    unix: UnixDatagram,
    _name: Name,
}

impl Service {
    async fn bind(address: &str, path: &Path) -> io::Result<Service> {
        let udp = UdpSocket::bind(address).await?;
        let unix = UnixDatagram::bind(path)?;
        let _name = Name(path.to_owned());
        Ok(Service { udp, unix, _name })
    }

    /// Sends back what comes, for ever. Receiving may be given up at any time and loses no datagram.
    async fn run(&self) -> io::Result<()> {
        let (mut one, mut two) = ([0; LARGEST], [0; LARGEST]);
        loop {
            select! {
                received = self.udp.recv_from(&mut one) => {
                    let (count, peer) = received?;
                    self.udp.send_to(&one[..count], peer).await?;
                }
                received = self.unix.recv_from(&mut two) => {
                    let (count, peer) = received?;
                    // Who has no name cannot be answered, and who is gone need not be.
                    if let Some(path) = peer.as_pathname() {
                        let _ = self.unix.send_to(&two[..count], path).await;
                    }
                }
            }
        }
    }
}

/// A socket that was connected to the service.
enum Client {
    Udp(UdpSocket),
    Unix { socket: UnixDatagram, _name: Name },
}

impl Client {
    async fn connect(place: &str) -> io::Result<Client> {
        if !place.contains('/') {
            let socket = UdpSocket::bind("0.0.0.0:0").await?;
            socket.connect(place).await?;
            return Ok(Client::Udp(socket));
        }
        let path = format!("{place}.{}", std::process::id());
        let socket = UnixDatagram::bind(&path)?;
        let _name = Name(path.into());
        socket.connect(place)?;
        Ok(Client::Unix { socket, _name })
    }

    async fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Client::Udp(socket) => socket.send(bytes).await,
            Client::Unix { socket, .. } => socket.send(bytes).await,
        }
    }

    async fn recv(&self, bytes: &mut [u8]) -> io::Result<usize> {
        match self {
            Client::Udp(socket) => socket.recv(bytes).await,
            Client::Unix { socket, .. } => socket.recv(bytes).await,
        }
    }
}

/// The echo of `text`. Asks up to five times.
async fn ask(place: &str, text: &str) -> io::Result<String> {
    let client = Client::connect(place).await?;
    for number in 0..5 {
        let question = format!("{number} {text}");
        client.send(question.as_bytes()).await?;
        let answer = async {
            let mut bytes = [0; LARGEST];
            loop {
                let count = client.recv(&mut bytes).await?;
                if &bytes[..count] == question.as_bytes() {
                    return Ok(text.to_owned());
                }
            }
        };
        if let Ok(answer) = timeout(Duration::from_secs(1), answer).await {
            return answer;
        }
    }
    let message = format!("{place} does not answer");
    Err(io::Error::new(io::ErrorKind::TimedOut, message))
}

/// The name of a unix socket, which outlives the socket unless somebody removes it.
struct Name(PathBuf);

impl Drop for Name {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

async fn check() -> io::Result<()> {
    let path = std::env::temp_dir().join(format!("loxley-echo-{}", std::process::id()));
    let service = Service::bind("127.0.0.1:0", &path).await?;
    let udp = service.udp.local_addr()?.to_string();
    let unix = path.to_string_lossy().into_owned();
    let serving = loxley::spawn(async move { service.run().await });

    for place in [&udp, &unix] {
        let echo = ask(place, "is there an echo?").await?;
        println!("{place} answers: {echo}");
        assert_eq!(echo, "is there an echo?");
    }
    serving.abort();
    assert!(
        serving
            .await
            .expect_err("it serves for ever")
            .is_cancelled()
    );
    assert!(!path.exists(), "its name is gone with it");
    Ok(())
}
