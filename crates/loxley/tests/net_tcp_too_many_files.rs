//! P10, C48: a process without file descriptors loses no connection. Alone in its file, because the limit is
//! one of the whole process.

use std::fs::File;

use loxley::io::AsyncReadExt;
use loxley::net::{TcpListener, TcpStream};
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
    files.pop();
    let (stream, peer) = listener.accept().await.unwrap();
    assert_eq!(peer, client.local_addr().unwrap());
    drop(stream);
    assert_eq!(client.read(&mut [0; 1]).await.unwrap(), 0);
}
