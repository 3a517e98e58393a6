//! Peers that break, vanish, say nothing, or never listen; and a network that loses packets.
#![cfg(target_os = "linux")]

#[path = "support/faults.rs"]
mod faults;

use std::io::ErrorKind;
use std::process::Command;

use faults::{
    assert_at_rest, both_flavors, connection, echo, in_a_child_under, is_child, pool, skipped,
    watched, with_base_line, works,
};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};
use loxley::time::{Duration, sleep, timeout};

/// The connection ends with a reset.
fn reset(stream: TcpStream) {
    stream.set_zero_linger().unwrap();
}

fn is_broken(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionReset | ErrorKind::BrokenPipe | ErrorKind::ConnectionAborted
    )
}

#[test]
fn a_reset_ends_whoever_reads_and_says_so_once() {
    with_base_line("a_reset_ends_whoever_reads_and_says_so_once", || {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let (mut near, far, _) = connection().await;
                let reader = loxley::spawn(async move {
                    let error = near.read(&mut [0; 8]).await.unwrap_err();
                    // Afterwards it is the end, again and again.
                    for _ in 0..3 {
                        assert_eq!(near.read(&mut [0; 8]).await.unwrap(), 0);
                    }
                    assert!(is_broken(&near.write(b"late").await.unwrap_err()));
                    error
                });
                // It waits by now, or it will find the reset at its first try: both are the law's.
                loxley::task::yield_now().await;
                reset(far);
                assert!(is_broken(&reader.await.unwrap()));
                assert_at_rest().await;
            });
        }
    });
}

#[test]
fn a_reset_ends_whoever_waits_to_write() {
    with_base_line("a_reset_ends_whoever_waits_to_write", || {
        for runtime in both_flavors() {
            runtime.block_on(async {
                let (mut near, far, _) = connection().await;
                let writer = loxley::spawn(async move {
                    let bytes = vec![0; 1 << 20];
                    loop {
                        if let Err(error) = near.write_all(&bytes).await {
                            return (near, error);
                        }
                    }
                });
                // The buffers are full once nothing moves any more.
                assert_at_rest().await;
                reset(far);
                let (mut near, error) = writer.await.unwrap();
                assert!(is_broken(&error), "{error:?}");
                for _ in 0..3 {
                    assert!(is_broken(&near.write(b"more").await.unwrap_err()));
                }
                assert_at_rest().await;
            });
        }
    });
}

#[test]
fn a_reset_in_the_accept_queue_costs_its_own_connection_alone() {
    with_base_line(
        "a_reset_in_the_accept_queue_costs_its_own_connection_alone",
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    for _ in 0..5 {
                        reset(TcpStream::connect(address).await.unwrap());
                    }
                    let mut near = TcpStream::connect(address).await.unwrap();
                    let own = near.local_addr().unwrap();
                    let mut far = loop {
                        match listener.accept().await {
                            Ok((far, peer)) if peer == own => break far,
                            // Linux hands out what was reset in the queue; its reads say so.
                            Ok((mut gone, _)) => {
                                assert!(is_broken(&gone.read(&mut [0; 1]).await.unwrap_err()))
                            }
                            Err(error) => assert!(is_broken(&error), "{error:?}"),
                        }
                    };
                    echo(&mut near, &mut far, 10).await;
                    assert_at_rest().await;
                });
            }
        },
    );
}

#[test]
fn a_reset_after_the_end_of_what_we_send_still_ends_the_read() {
    with_base_line(
        "a_reset_after_the_end_of_what_we_send_still_ends_the_read",
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    let (mut near, mut far, _) = connection().await;
                    near.shutdown().await.unwrap();
                    assert_eq!(far.read(&mut [0; 1]).await.unwrap(), 0);
                    reset(far);
                    assert!(is_broken(&near.read(&mut [0; 1]).await.unwrap_err()));
                    assert_at_rest().await;
                });
            }
        },
    );
}

#[test]
fn a_peer_that_never_reads_costs_its_writer_nothing_but_patience() {
    with_base_line(
        "a_peer_that_never_reads_costs_its_writer_nothing_but_patience",
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    const SIZE: usize = 16 << 20;
                    let (mut near, mut far, _) = connection().await;
                    let writer = loxley::spawn(async move {
                        let bytes: Vec<u8> = (0..SIZE).map(|index| index as u8).collect();
                        near.write_all(&bytes).await.unwrap();
                    });
                    assert_at_rest().await;
                    assert!(!writer.is_finished(), "no system buffers as much");
                    // One byte makes little room and no storm.
                    assert_eq!(far.read_u8().await.unwrap(), 0);
                    assert_at_rest().await;
                    let mut rest = Vec::new();
                    far.read_to_end(&mut rest).await.unwrap();
                    assert_eq!(rest.len(), SIZE - 1);
                    assert!(
                        rest.iter()
                            .zip(1..SIZE)
                            .all(|(byte, index)| *byte == index as u8)
                    );
                    writer.await.unwrap();
                });
            }
        },
    );
}

#[test]
fn peers_that_say_a_byte_now_and_then_are_served_and_leave_the_workers_at_rest() {
    with_base_line(
        "peers_that_say_a_byte_now_and_then_are_served_and_leave_the_workers_at_rest",
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    let (mut peers, mut readers) = (Vec::new(), Vec::new());
                    for _ in 0..200 {
                        peers.push(TcpStream::connect(address).await.unwrap());
                        let (mut stream, _) = listener.accept().await.unwrap();
                        readers.push(loxley::spawn(async move {
                            let mut bytes = [0; 3];
                            stream.read_exact(&mut bytes).await.unwrap();
                            bytes
                        }));
                    }
                    for byte in b"abc" {
                        assert_at_rest().await;
                        for peer in &mut peers {
                            peer.write_all(&[*byte]).await.unwrap();
                        }
                    }
                    for reader in readers {
                        assert_eq!(&reader.await.unwrap(), b"abc");
                    }
                });
            }
        },
    );
}

#[test]
fn connections_that_come_and_go_by_the_thousand_leave_nothing_behind() {
    with_base_line(
        "connections_that_come_and_go_by_the_thousand_leave_nothing_behind",
        || {
            for runtime in both_flavors() {
                runtime.block_on(async {
                    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                    let address = listener.local_addr().unwrap();
                    let server = loxley::spawn(async move {
                        for _ in 0..4_000 {
                            let (mut stream, _) = listener.accept().await.unwrap();
                            loxley::spawn(async move {
                                let byte = stream.read_u8().await.unwrap();
                                stream.write_all(&[byte]).await.unwrap();
                                reset(stream);
                            });
                        }
                    });
                    let clients: Vec<_> = (0..8)
                        .map(|client: u8| {
                            loxley::spawn(async move {
                                for _ in 0..500 {
                                    let mut stream = TcpStream::connect(address).await.unwrap();
                                    stream.write_all(&[client]).await.unwrap();
                                    assert_eq!(stream.read_u8().await.unwrap(), client);
                                }
                            })
                        })
                        .collect();
                    for client in clients {
                        client.await.unwrap();
                    }
                    server.await.unwrap();
                    let metrics = loxley::runtime::Handle::current().metrics();
                    while metrics.num_alive_tasks() > 0 {
                        sleep(Duration::from_millis(1)).await;
                    }
                    let left = (0..metrics.num_workers())
                        .map(|worker| metrics.worker_registration_count(worker))
                        .sum::<usize>();
                    assert_eq!(left, 0, "registrations are left");
                });
            }
        },
    );
}

/// Runs `body` in a network of its own, whose loopback can be filtered.
fn in_a_network_of_its_own(test: &str, body: impl FnOnce() + Send + 'static) {
    if is_child() {
        run("ip", &["link", "set", "lo", "up"]);
        return watched(body);
    }
    let line = "ip link set lo up && iptables -A INPUT -i lo -j ACCEPT";
    if let Err(why) = works("unshare", &["-n", "sh", "-c", line]) {
        return skipped(test, &why);
    }
    in_a_child_under(&["unshare", "-n"], test, body);
}

fn run(program: &str, args: &[&str]) {
    works(program, args).unwrap();
}

fn filter(rule: &[&str]) {
    let mut command = Command::new("iptables");
    assert!(command.args(rule).status().unwrap().success());
}

#[test]
fn a_peer_that_vanishes_without_a_word_costs_nothing_and_a_timeout_finds_it() {
    in_a_network_of_its_own(
        "a_peer_that_vanishes_without_a_word_costs_nothing_and_a_timeout_finds_it",
        || {
            let runtime = pool(2).build().unwrap();
            runtime.block_on(async {
                let (mut near, mut far, listener) = connection().await;
                echo(&mut near, &mut far, 5).await;
                filter(&["-A", "INPUT", "-i", "lo", "-j", "DROP"]);
                far.write_all(b"unheard").await.unwrap();
                let mut bytes = [0; 7];
                let read = timeout(Duration::from_millis(50), near.read_exact(&mut bytes)).await;
                assert!(read.is_err(), "{read:?}");
                let address = listener.local_addr().unwrap();
                let connect = timeout(Duration::from_millis(50), TcpStream::connect(address));
                assert!(connect.await.is_err());
                assert_at_rest().await;
                // What was unheard is sent again when the way is free.
                filter(&["-F", "INPUT"]);
                near.read_exact(&mut bytes).await.unwrap();
                assert_eq!(&bytes, b"unheard");
                echo(&mut near, &mut far, 5).await;
            });
        },
    );
}

#[test]
fn a_network_that_loses_packets_loses_no_bytes() {
    in_a_network_of_its_own("a_network_that_loses_packets_loses_no_bytes", || {
        filter(&[
            "-A",
            "INPUT",
            "-i",
            "lo",
            "-m",
            "statistic",
            "--mode",
            "random",
            "--probability",
            "0.1",
            "-j",
            "DROP",
        ]);
        let runtime = pool(2).build().unwrap();
        runtime.block_on(async {
            const SIZE: usize = 1 << 20;
            let (mut near, mut far, _) = connection().await;
            let writer = loxley::spawn(async move {
                let bytes: Vec<u8> = (0..SIZE).map(|index| (index / 7) as u8).collect();
                near.write_all(&bytes).await.unwrap();
                near.shutdown().await.unwrap();
            });
            let mut bytes = Vec::new();
            far.read_to_end(&mut bytes).await.unwrap();
            assert_eq!(bytes.len(), SIZE);
            assert!(
                bytes
                    .iter()
                    .zip(0..SIZE)
                    .all(|(byte, index)| *byte == (index / 7) as u8)
            );
            writer.await.unwrap();
        });
    });
}
