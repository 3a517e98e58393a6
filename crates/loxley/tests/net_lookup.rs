//! `lookup_host` takes what tokio's takes, and says what it says.

mod support;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use support::{current, panic_of, probe};

/// The answers of both runtimes to one argument, which is written twice because each takes it away.
macro_rules! both {
    ($($host:expr),+ $(,)?) => {[$(
        (
            current().block_on(async { collect(loxley::net::lookup_host($host).await) }),
            tokio_runtime().block_on(async { collect(tokio::net::lookup_host($host).await) }),
        )
    ),+]};
}

fn tokio_runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .unwrap()
}

type Answer = Result<Vec<SocketAddr>, (io::ErrorKind, String)>;

fn collect(answer: io::Result<impl Iterator<Item = SocketAddr>>) -> Answer {
    match answer {
        Ok(addresses) => Ok(addresses.collect()),
        Err(error) => Err((error.kind(), error.to_string())),
    }
}

#[test]
fn every_form_of_an_address_is_looked_up_as_in_tokio() {
    let (v4, v6) = (Ipv4Addr::new(10, 0, 0, 1), Ipv6Addr::LOCALHOST);
    let list = [
        SocketAddr::from((v4, 1)),
        SocketAddr::from((v6, 2)),
        SocketAddr::from((v4, 1)),
    ];
    let answers = both!(
        SocketAddr::from((v4, 80)),
        SocketAddrV4::new(v4, 80),
        SocketAddrV6::new(v6, 80, 7, 9),
        (IpAddr::from(v6), 80),
        (v4, 80),
        (v6, 80),
        &list[..],
        &[][..] as &[SocketAddr],
        "10.0.0.1:80",
        "[::1]:80",
        "[fe80::1%3]:80",
        &&String::from("10.0.0.1:80"),
        String::from("10.0.0.1:80"),
        ("10.0.0.1", 80),
        ("::1", 80),
        (String::from("::1"), 80),
        "localhost:80",
        ("localhost", 80),
        (String::from("localhost"), 80),
    );
    for (ours, theirs) in answers {
        assert!(ours.is_ok(), "{ours:?}");
        assert_eq!(ours, theirs);
    }
}

#[test]
fn what_is_no_address_is_the_error_that_it_is_in_tokio() {
    let answers = both!(
        "",
        "localhost",
        "localhost:",
        "localhost:port",
        "localhost:65536",
        "localhost:-1",
        "a:b:80",
        "a\0b:80",
        ("", 80),
        ("a\0b", 80),
        ("[::1]", 80),
    );
    for (ours, theirs) in answers {
        assert!(ours.is_err(), "{ours:?}");
        assert_eq!(ours, theirs);
    }
}

#[test]
fn an_address_needs_no_runtime_and_a_name_says_that_it_does() {
    let found = probe(loxley::net::lookup_host("10.0.0.1:80")).ready();
    assert_eq!(found.unwrap().next(), Some(([10, 0, 0, 1], 80).into()));
    let message = panic_of(|| probe(loxley::net::lookup_host("localhost:80")).pending());
    assert!(message.contains("runtime"), "{message}");
}
