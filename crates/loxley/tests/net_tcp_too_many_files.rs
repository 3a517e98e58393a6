//! P10, C48: a process without file descriptors loses no connection. Alone in its file, because the limit is
//! one of the whole process.

use std::fs::File;
use std::process::Stdio;

use loxley::io::AsyncReadExt;
use loxley::net::connect::{Connector, Phase};
use loxley::net::unix::pipe;
use loxley::net::{TcpListener, TcpStream, UdpSocket, UnixStream};
use loxley::process::Command;
use loxley::signal::unix::{SignalKind, signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

#[loxley::test]
async fn too_many_open_files_are_an_error_and_the_next_accept_works() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap())
        .await
        .unwrap();
    let limit = getrlimit(Resource::Nofile);
    setrlimit(
        Resource::Nofile,
        Rlimit {
            current: Some(128),
            maximum: limit.maximum,
        },
    )
    .unwrap();
    let mut files: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();

    for _ in 0..3 {
        let error = listener.accept().await.unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::MFILE.raw_os_error())
        );
    }
    // Whatever needs a descriptor says so, and is not harmed.
    let number = |error: std::io::Error| error.raw_os_error();
    let full = Some(rustix::io::Errno::MFILE.raw_os_error());
    let address = listener.local_addr().unwrap();
    assert_eq!(number(TcpStream::connect(address).await.unwrap_err()), full);
    let connector = Connector::new();
    let error = connector.connect("127.0.0.1", address.port()).await;
    let error = error.unwrap_err();
    assert_eq!(error.phase(), Phase::Connect);
    assert_eq!(error.last_error().unwrap().raw_os_error(), full);
    assert_eq!(number(UdpSocket::bind(address).await.unwrap_err()), full);
    assert_eq!(number(UnixStream::pair().unwrap_err()), full);
    assert_eq!(number(pipe::pipe().unwrap_err()), full);
    let file = loxley::fs::File::open("/dev/null").await;
    assert_eq!(number(file.unwrap_err()), full);
    assert_eq!(number(signal(SignalKind::hangup()).unwrap_err()), full);
    let child = Command::new("cat").stdin(Stdio::piped()).spawn();
    assert_eq!(number(child.unwrap_err()), full);

    files.pop();
    let (stream, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    drop(stream);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}
