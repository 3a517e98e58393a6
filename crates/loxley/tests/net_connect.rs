//! What the connector promises. The clock is paused, so that time passes only while everybody waits; the attempts are
//! played by a function, or end at listeners of this machine.

mod support;

use std::collections::HashMap;
use std::future::{Future, pending};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};

use loxley::io::AsyncReadExt;
use loxley::net::connect::{
    BlockingResolver, ConnectError, Connector, Phase, Resolve, StaticResolver,
};
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::Builder;
use loxley::time::{Duration, Instant, sleep, timeout};
use support::panic_of;

/// What an address of a [`Network`] does.
#[derive(Clone, Copy, Debug)]
enum Peer {
    /// Accepts after so many milliseconds.
    Accepts(u64),
    /// Refuses after so many milliseconds.
    Refuses(u64),
    /// Never answers.
    Silent,
}
use Peer::{Accepts, Refuses, Silent};

/// Peers, and a diary of the attempts.
#[derive(Debug)]
struct Network {
    peers: HashMap<SocketAddr, Peer>,
    addresses: Vec<SocketAddr>,
    begun: Instant,
    /// Who was tried, and after how many milliseconds.
    tried: Mutex<Vec<(SocketAddr, u64)>>,
    /// Attempts and connections that are not closed yet.
    open: Arc<AtomicUsize>,
    /// Connections that came to be.
    connected: AtomicUsize,
}

/// An attempt, and later its connection.
#[derive(Debug)]
struct Connection {
    to: SocketAddr,
    open: Arc<AtomicUsize>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Network {
    /// The resolver names the peers in this order.
    fn of(peers: &[(&str, Peer)]) -> Arc<Network> {
        let peers = peers
            .iter()
            .map(|(address, peer)| (address.parse().unwrap(), *peer));
        let peers: Vec<(SocketAddr, Peer)> = peers.collect();
        Arc::new(Network {
            addresses: peers.iter().map(|(address, _)| *address).collect(),
            peers: peers.into_iter().collect(),
            begun: Instant::now(),
            tried: Mutex::default(),
            open: Arc::default(),
            connected: AtomicUsize::new(0),
        })
    }

    fn now(&self) -> u64 {
        self.begun.elapsed().as_millis() as u64
    }

    fn dial(
        self: &Arc<Self>,
        to: SocketAddr,
    ) -> impl Future<Output = io::Result<Connection>> + use<> {
        self.tried.lock().unwrap().push((to, self.now()));
        self.open.fetch_add(1, Ordering::SeqCst);
        let connection = Connection {
            to,
            open: Arc::clone(&self.open),
        };
        let network = Arc::clone(self);
        async move {
            match network.peers[&to] {
                Accepts(after) => {
                    sleep(Duration::from_millis(after)).await;
                    network.connected.fetch_add(1, Ordering::SeqCst);
                    Ok(connection)
                }
                Refuses(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Err(ErrorKind::ConnectionRefused.into())
                }
                Silent => pending().await,
            }
        }
    }

    /// Connects with a head start of 250 ms.
    async fn connect(self: &Arc<Self>) -> Result<Connection, ConnectError> {
        self.connect_by(&Connector::new().resolver(Arc::clone(self)))
            .await
    }

    async fn connect_by(
        self: &Arc<Self>,
        connector: &Connector<Arc<Network>>,
    ) -> Result<Connection, ConnectError> {
        connector
            .connect_with("host.example", 80, |to| self.dial(to))
            .await
    }

    /// Who was tried, and after how many milliseconds.
    fn tried(&self) -> Vec<(String, u64)> {
        let tried = self.tried.lock().unwrap();
        tried.iter().map(|(to, at)| (to.to_string(), *at)).collect()
    }

    fn open(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }
}

impl Resolve for Network {
    async fn resolve(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!((host, port), ("host.example", 80));
        Ok(self.addresses.clone())
    }
}

fn list(tried: &[(&str, u64)]) -> Vec<(String, u64)> {
    let tried = tried.iter();
    tried.map(|(to, at)| (to.to_string(), *at)).collect()
}

/// C22.
#[loxley::test(start_paused = true)]
async fn a_single_family_is_tried_in_order() {
    let network = Network::of(&[
        ("10.0.0.1:80", Refuses(10)),
        ("10.0.0.2:80", Refuses(20)),
        ("10.0.0.3:80", Accepts(5)),
        ("10.0.0.4:80", Accepts(0)),
    ]);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "10.0.0.3:80".parse().unwrap());
    assert_eq!(
        network.tried(),
        list(&[("10.0.0.1:80", 0), ("10.0.0.2:80", 10), ("10.0.0.3:80", 30)])
    );
    assert_eq!(network.now(), 35);
}

/// C22: what does not answer keeps its head start and no more.
#[loxley::test(start_paused = true)]
async fn a_silent_address_of_a_single_family_does_not_hang_the_connect() {
    let network = Network::of(&[("10.0.0.1:80", Silent), ("10.0.0.2:80", Accepts(1))]);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "10.0.0.2:80".parse().unwrap());
    assert_eq!(network.now(), 251);
}

#[loxley::test(start_paused = true)]
async fn an_endless_head_start_tries_one_after_the_other() {
    let network = Network::of(&[
        ("[fd00::1]:80", Refuses(90_000)),
        ("10.0.0.1:80", Accepts(0)),
    ]);
    let connector = Connector::new()
        .resolver(Arc::clone(&network))
        .head_start(Duration::MAX);
    network.connect_by(&connector).await.unwrap();
    assert_eq!(
        network.tried(),
        list(&[("[fd00::1]:80", 0), ("10.0.0.1:80", 90_000)])
    );
}

#[loxley::test(start_paused = true)]
async fn no_head_start_tries_all_at_once() {
    let network = Network::of(&[
        ("[fd00::1]:80", Accepts(3)),
        ("[fd00::2]:80", Accepts(2)),
        ("10.0.0.1:80", Accepts(1)),
    ]);
    let connector = Connector::new()
        .resolver(Arc::clone(&network))
        .head_start(Duration::ZERO);
    let connection = network.connect_by(&connector).await.unwrap();
    assert_eq!(connection.to, "10.0.0.1:80".parse().unwrap());
    assert_eq!((network.now(), network.open()), (1, 1));
    assert_eq!(network.tried().len(), 3);
}

/// C23.
#[loxley::test(start_paused = true)]
async fn the_second_family_starts_after_the_head_start() {
    let network = Network::of(&[
        ("[fd00::1]:80", Silent),
        ("[fd00::2]:80", Silent),
        ("10.0.0.1:80", Accepts(7)),
    ]);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "10.0.0.1:80".parse().unwrap());
    assert_eq!(
        network.tried(),
        list(&[("[fd00::1]:80", 0), ("10.0.0.1:80", 250)])
    );
}

/// C23.
#[loxley::test(start_paused = true)]
async fn the_second_family_starts_at_once_when_the_first_try_fails() {
    let network = Network::of(&[
        ("10.0.0.1:80", Refuses(4)),
        ("10.0.0.2:80", Silent),
        ("[fd00::1]:80", Accepts(6)),
    ]);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "[fd00::1]:80".parse().unwrap());
    assert_eq!(
        network.tried(),
        list(&[("10.0.0.1:80", 0), ("[fd00::1]:80", 4)])
    );
    assert_eq!(network.now(), 10);
}

/// C23: and a first try that wins within its head start is the only one.
#[loxley::test(start_paused = true)]
async fn a_first_try_that_answers_within_its_head_start_is_the_only_one() {
    let network = Network::of(&[("[fd00::1]:80", Accepts(249)), ("10.0.0.1:80", Accepts(0))]);
    network.connect().await.unwrap();
    assert_eq!(network.tried(), list(&[("[fd00::1]:80", 0)]));
}

/// C24.
#[loxley::test(start_paused = true)]
async fn when_all_fail_the_error_has_the_last_one_and_a_list_of_all() {
    let network = Network::of(&[
        ("[fd00::1]:80", Refuses(400)),
        ("10.0.0.1:80", Refuses(1)),
        ("[fd00::2]:80", Refuses(2)),
    ]);
    let error = network.connect().await.unwrap_err();
    assert_eq!(error.phase(), Phase::Connect);
    assert!(!error.is_timeout());
    let failed: Vec<_> = error
        .attempts()
        .iter()
        .map(|attempt| {
            (
                attempt.address().to_string(),
                attempt.error().unwrap().kind(),
            )
        })
        .collect();
    let refused = |address: &str| (address.to_owned(), ErrorKind::ConnectionRefused);
    // In the order in which they failed, which is not the one in which they began.
    assert_eq!(
        failed,
        [
            refused("10.0.0.1:80"),
            refused("[fd00::2]:80"),
            refused("[fd00::1]:80")
        ]
    );
    assert_eq!(
        error.last_error().unwrap().kind(),
        ErrorKind::ConnectionRefused
    );
    assert_eq!(
        error.to_string(),
        "connecting to host.example:80: 3 attempts failed, the last to [fd00::1]:80: connection refused"
    );
    assert!(std::error::Error::source(&error).is_some());
    let error = io::Error::from(error);
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    let inside = error.get_ref().unwrap();
    assert_eq!(
        inside
            .downcast_ref::<ConnectError>()
            .unwrap()
            .attempts()
            .len(),
        3
    );
    assert_eq!(network.open(), 0);
}

/// C25.
#[loxley::test(start_paused = true)]
async fn a_late_winner_is_closed() {
    let network = Network::of(&[("[fd00::1]:80", Accepts(300)), ("10.0.0.1:80", Accepts(20))]);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "10.0.0.1:80".parse().unwrap());
    assert_eq!(network.open(), 1, "the other attempt is still open");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(
        network.connected.load(Ordering::SeqCst),
        1,
        "the other attempt went on"
    );
}

/// C25.
#[loxley::test(start_paused = true)]
async fn of_two_winners_at_one_moment_the_earlier_attempt_stays() {
    let network = Network::of(&[("[fd00::1]:80", Accepts(270)), ("10.0.0.1:80", Accepts(20))]);
    let connection = network.connect().await.unwrap();
    assert_eq!(network.now(), 270);
    assert_eq!(connection.to, "[fd00::1]:80".parse().unwrap());
    assert_eq!(network.open(), 1, "the other attempt is still open");
}

/// C26.
#[loxley::test(start_paused = true)]
async fn an_outer_timeout_closes_every_attempt_still_open() {
    let network = Network::of(&[
        ("[fd00::1]:80", Silent),
        ("10.0.0.1:80", Silent),
        ("[fd00::2]:80", Silent),
    ]);
    timeout(Duration::from_millis(600), network.connect())
        .await
        .unwrap_err();
    assert_eq!(network.tried().len(), 3);
    assert_eq!(network.open(), 0);
}

/// C26.
#[loxley::test(start_paused = true)]
async fn the_deadline_closes_every_attempt_still_open_and_names_them() {
    let network = Network::of(&[
        ("[fd00::1]:80", Silent),
        ("10.0.0.1:80", Refuses(30)),
        ("[fd00::2]:80", Silent),
    ]);
    let connector = Connector::new()
        .resolver(Arc::clone(&network))
        .deadline(Duration::from_secs(3));
    let error = network.connect_by(&connector).await.unwrap_err();
    assert_eq!((network.now(), network.open()), (3000, 0));
    assert!(error.is_timeout());
    assert_eq!(error.phase(), Phase::Connect);
    let tried: Vec<_> = error
        .attempts()
        .iter()
        .map(|attempt| (attempt.address().to_string(), attempt.error().is_some()))
        .collect();
    let tried: Vec<_> = tried.iter().map(|(to, ended)| (&to[..], *ended)).collect();
    assert_eq!(
        tried,
        [
            ("10.0.0.1:80", true),
            ("[fd00::1]:80", false),
            ("[fd00::2]:80", false)
        ]
    );
    assert_eq!(
        error.to_string(),
        "connecting to host.example:80: the deadline of 3s passed with 2 attempts open, \
         1 attempt failed, the last to 10.0.0.1:80: connection refused"
    );
    assert_eq!(io::Error::from(error).kind(), ErrorKind::TimedOut);
}

#[loxley::test(start_paused = true)]
async fn no_time_at_all_is_enough_for_one_attempt() {
    let network = Network::of(&[("[fd00::1]:80", Silent), ("10.0.0.1:80", Silent)]);
    let connector = Connector::new()
        .resolver(Arc::clone(&network))
        .deadline(Duration::ZERO);
    let error = network.connect_by(&connector).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.attempts().len(), 1);
    assert_eq!(
        error.to_string(),
        "connecting to host.example:80: the deadline of 0ns passed with 1 attempt open, 0 attempts failed"
    );
    assert_eq!((network.now(), network.open()), (0, 0));
}

/// C26, with real sockets: the peer sees the end.
#[loxley::test]
async fn a_dropped_connect_closes_its_sockets() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (begun, hears) = loxley::sync::oneshot::channel();
    let connect = loxley::spawn(async move {
        let mut begun = Some(begun);
        let dial = |to| {
            let begun = begun.take().unwrap();
            async move {
                let stream = TcpStream::connect(to).await?;
                begun.send(()).unwrap();
                // Connected, and still not done: as TLS would be in its handshake.
                pending::<()>().await;
                Ok(stream)
            }
        };
        Connector::new()
            .connect_with("127.0.0.1", address.port(), dial)
            .await
            .map(drop)
    });
    hears.await.unwrap();
    let (mut far, _) = listener.accept().await.unwrap();
    connect.abort();
    assert!(connect.await.unwrap_err().is_cancelled());
    assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
}

/// C27.
#[loxley::test(start_paused = true)]
async fn the_answers_are_sorted_so_that_one_broken_family_does_not_hang_the_connect() {
    let dead: Vec<_> = (1..=9).map(|n| format!("[fd00::{n}]:80")).collect();
    let mut peers: Vec<_> = dead.iter().map(|address| (&address[..], Silent)).collect();
    peers.push(("10.0.0.1:80", Refuses(0)));
    peers.push(("10.0.0.2:80", Accepts(0)));
    let network = Network::of(&peers);
    let connection = network.connect().await.unwrap();
    assert_eq!(connection.to, "10.0.0.2:80".parse().unwrap());
    assert_eq!(
        network.tried(),
        list(&[
            ("[fd00::1]:80", 0),
            ("10.0.0.1:80", 250),
            ("[fd00::2]:80", 250),
            ("10.0.0.2:80", 500)
        ])
    );
}

#[loxley::test(start_paused = true)]
async fn an_address_that_is_named_twice_is_tried_once() {
    let network = Network::of(&[
        ("10.0.0.1:80", Refuses(0)),
        ("10.0.0.1:80", Refuses(0)),
        ("10.0.0.2:80", Refuses(0)),
    ]);
    let error = network.connect().await.unwrap_err();
    assert_eq!(error.attempts().len(), 2);
}

/// C28: without the limit the lookups hold all three threads, and the test hangs.
#[test]
fn slow_names_cannot_exhaust_the_blocking_pool() {
    let (answer, answers) = mpsc::channel();
    let answers = Mutex::new(answers);
    let resolver = BlockingResolver::new(2, move |_, port| {
        answers.lock().unwrap().recv().unwrap();
        Ok(vec![([127, 0, 0, 1], port).into()])
    });
    let runtime = Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(3)
        .build()
        .unwrap();
    runtime.block_on(async {
        let lookups: Vec<_> = (0..8)
            .map(|port| {
                let resolver = resolver.clone();
                loxley::spawn(async move { resolver.resolve("slow.example", port).await })
            })
            .collect();
        // They have taken what they may have.
        while !format!("{resolver:?}").contains("free: 0") {
            loxley::task::yield_now().await;
        }
        for _ in 0..8 {
            assert_eq!(loxley::task::spawn_blocking(|| 7).await.unwrap(), 7);
        }
        // Two lookups are given up; their threads still wait, and count.
        lookups[0].abort();
        lookups[1].abort();
        loxley::task::spawn_blocking(|| ()).await.unwrap();
        assert!(format!("{resolver:?}").contains("free: 0"));
        for _ in 0..8 {
            answer.send(()).unwrap();
        }
        for (port, lookup) in lookups.into_iter().enumerate().skip(2) {
            let found = lookup.await.unwrap().unwrap();
            assert_eq!(found, [([127, 0, 0, 1], port as u16).into()]);
        }
    });
}

/// C29 for a connect: what waits for its turn counts towards the deadline.
#[test]
fn a_deadline_that_passes_while_the_name_is_looked_up_says_so() {
    let runtime = Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        struct Never;
        impl Resolve for Never {
            async fn resolve(&self, _: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
                pending().await
            }
        }
        let connector = Connector::new()
            .resolver(Never)
            .deadline(Duration::from_secs(2));
        let error = connector.connect("slow.example", 80).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Resolve);
        assert!(error.is_timeout() && error.attempts().is_empty() && error.last_error().is_none());
        assert_eq!(
            error.to_string(),
            "connecting to slow.example:80: the deadline of 2s passed while looking up the name"
        );
    });
}

#[loxley::test]
async fn a_name_without_addresses_is_an_error_that_names_the_phase() {
    let names = StaticResolver::over(BlockingResolver::system()).host("empty.example", []);
    let connector = Connector::new().resolver(names);
    let error = connector.connect("empty.example", 80).await.unwrap_err();
    assert_eq!(error.phase(), Phase::Resolve);
    assert_eq!(error.last_error().unwrap().kind(), ErrorKind::NotFound);
    // The top-level domain is kept free for this (RFC 2606); a name with a zero byte is refused before it is asked for.
    for host in ["", "a\0b"] {
        let error = Connector::new().connect(host, 80).await.unwrap_err();
        assert_eq!(error.phase(), Phase::Resolve);
        assert!(error.last_error().is_some() && !error.is_timeout());
    }
}

#[loxley::test]
async fn a_lookup_that_panics_is_an_error_and_gives_its_thread_back() {
    let resolver = BlockingResolver::new(1, |host, _| match host {
        "bad.example" => panic!("not this one"),
        _ => Ok(vec![]),
    });
    for _ in 0..3 {
        resolver.resolve("bad.example", 80).await.unwrap_err();
    }
    assert_eq!(resolver.resolve("good.example", 80).await.unwrap(), []);
}

#[test]
fn a_resolver_without_threads_panics() {
    for limit in [0, usize::MAX] {
        assert!(!panic_of(|| BlockingResolver::system_with_limit(limit)).is_empty());
    }
}

/// With real sockets.
#[loxley::test]
async fn of_several_addresses_one_that_answers_is_taken() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let open = listener.local_addr().unwrap();
    let refused = {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        other.local_addr().unwrap()
    };
    let names = StaticResolver::over(BlockingResolver::system())
        .host("Two.example", [refused, open])
        .host("here.example", [([127, 0, 0, 1], 0).into()]);
    let connector = Connector::new().resolver(names);
    let stream = connector.connect("two.EXAMPLE", 1).await.unwrap();
    assert_eq!(stream.peer_addr().unwrap(), open);
    let stream = connector.connect("here.example", open.port()).await;
    assert_eq!(stream.unwrap().peer_addr().unwrap(), open);
}

#[loxley::test]
async fn an_address_is_connected_to_without_asking_anybody() {
    struct Unasked;
    impl Resolve for Unasked {
        async fn resolve(&self, host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
            panic!("asked for {host}")
        }
    }
    let connector = Connector::new().resolver(Unasked);
    for (host, address) in [
        ("10.0.0.1", "10.0.0.1:80"),
        ("::1", "[::1]:80"),
        ("[::1]", "[::1]:80"),
    ] {
        let to = connector
            .connect_with(host, 80, async |to| Ok(to))
            .await
            .unwrap();
        assert_eq!(to.to_string(), address);
    }
}

#[test]
fn a_connect_crosses_threads() {
    fn send<T: Send>(_: &T) {}
    let connector = Connector::new();
    send(&connector.connect("localhost", 80));
    let named = Connector::new().resolver(StaticResolver::over(BlockingResolver::system()));
    send(&named.connect("localhost", 80));
}
