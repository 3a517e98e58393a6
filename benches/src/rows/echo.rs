//! What does a message over TCP cost the server, and how long does it take?
//!
//! - `echo_64b_64`, `echo_64b_1000`, `echo_16k_64`: closed loop; size of the message and number of connections.
//! - `echo_open`: 20 000 messages of 64 bytes per second over 64 connections, whatever the server does. The tails.
//! - `churn`: connect, one exchange, close. Accept, registration and deregistration.
//!
//! One single-threaded client in its own process loads the server; processor time is the server's alone. *raw* is the
//! limit: threads with one epoll set each and nothing else.

use std::net::SocketAddr;
use std::time::Duration;

use crate::client::{self, Exchange, Load, Pace};
use crate::harness::{Amount, Better, Figure, Metric, Net, Plan, Row, listen, lower};
use crate::meter::Sample;
use crate::raw;
use crate::runtimes::forms;

const KMSG: Metric = Metric {
    label: "kmsg/s",
    figure: Figure::Rate,
    better: Better::Higher,
};
const CPU_US: Metric = Metric {
    label: "server CPU µs/msg",
    figure: Figure::CpuUs,
    better: Better::Lower,
};
const SWITCHES: Metric = lower("switches/msg", "switches");
const SMALL: usize = 64;
const LARGE: usize = 16 * 1024;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "echo_64b_64",
        question: "what does a message of 64 bytes cost over 64 connections?",
        amount: Amount::Millis(1_000),
        workers: None,
        metrics: &[KMSG, CPU_US, SWITCHES],
        forms: forms!(R => |plan| echo::<R>(plan, Pace::Closed, SMALL, 64), |plan| raw(plan, Pace::Closed, SMALL, 64)),
    },
    Row {
        name: "echo_64b_1000",
        question: "what does a message of 64 bytes cost over 1000 connections?",
        amount: Amount::Millis(1_000),
        workers: None,
        metrics: &[KMSG, CPU_US, SWITCHES],
        forms: forms!(R => |plan| echo::<R>(plan, Pace::Closed, SMALL, 1_000), |plan| raw(plan, Pace::Closed, SMALL, 1_000)),
    },
    Row {
        name: "echo_16k_64",
        question: "what does a message of 16 KiB cost over 64 connections?",
        amount: Amount::Millis(1_000),
        workers: None,
        metrics: &[KMSG, CPU_US, SWITCHES],
        forms: forms!(R => |plan| echo::<R>(plan, Pace::Closed, LARGE, 64), |plan| raw(plan, Pace::Closed, LARGE, 64)),
    },
    Row {
        name: "echo_16k_1000",
        question: "what does a message of 16 KiB cost over 1000 connections?",
        amount: Amount::Millis(1_000),
        workers: None,
        metrics: &[KMSG, CPU_US, SWITCHES],
        forms: forms!(R => |plan| echo::<R>(plan, Pace::Closed, LARGE, 1_000), |plan| raw(plan, Pace::Closed, LARGE, 1_000)),
    },
    Row {
        name: "echo_open",
        question: "how long do 20 000 messages per second take, counted from when each was due?",
        amount: Amount::Millis(1_500),
        workers: None,
        metrics: &[
            lower("p50 µs", "p50_us"),
            lower("p99 µs", "p99_us"),
            lower("p99.9 µs", "p999_us"),
            CPU_US,
        ],
        forms: forms!(R => |plan| echo::<R>(plan, OPEN, SMALL, 64), |plan| raw(plan, OPEN, SMALL, 64)),
    },
    Row {
        name: "churn",
        question: "what does a connection cost that lives for one exchange?",
        amount: Amount::Millis(1_000),
        workers: None,
        metrics: &[
            Metric {
                label: "kconn/s",
                figure: Figure::Rate,
                better: Better::Higher,
            },
            Metric {
                label: "server CPU µs/conn",
                figure: Figure::CpuUs,
                better: Better::Lower,
            },
        ],
        forms: forms!(R => |plan| echo::<R>(plan, Pace::Churn, SMALL, 64), |plan| raw(plan, Pace::Churn, SMALL, 64)),
    },
];

const OPEN: Pace = Pace::Open(20_000);

/// The load of a plan.
#[must_use]
pub fn load(plan: &Plan, pace: Pace, exchange: Exchange, connections: usize) -> Load {
    Load {
        pace,
        exchange,
        connections,
        duration: plan.duration(),
        warm_up: Duration::from_millis(plan.warm_up_amount()),
    }
}

fn echo<R: Net>(plan: &Plan, pace: Pace, size: usize, connections: usize) -> Sample {
    let runtime = R::start(plan.workers);
    let address = runtime.run(async move {
        let listener =
            listen(SocketAddr::from(([127, 0, 0, 1], 0)), false).expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let listener = R::listener(listener).expect("the runtime takes the listener");
        R::detach(R::spawn(accept_all::<R>(listener, size)));
        address
    });
    let load = load(plan, pace, Exchange::Echo(size), connections);
    client::measure(address, &load).expect("the client measures")
}

async fn accept_all<R: Net>(listener: R::Listener, size: usize) {
    loop {
        // A connection that was reset before it was accepted is its client's affair.
        if let Ok(stream) = R::accept(&listener).await {
            R::detach(R::spawn(serve::<R>(stream, size)));
        }
    }
}

async fn serve<R: Net>(mut stream: R::Stream, size: usize) {
    // Larger than a message, as servers have it: who reads less than there is room for need not ask again.
    let mut buffer = vec![0; (2 * size).max(4096)];
    loop {
        match R::read(&mut stream, &mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(count) => {
                if R::write_all(&mut stream, &buffer[..count]).await.is_err() {
                    return;
                }
            }
        }
    }
}

fn raw(plan: &Plan, pace: Pace, size: usize, connections: usize) -> Sample {
    let address = raw::serve_echo(plan.workers).expect("the raw server starts");
    let load = load(plan, pace, Exchange::Echo(size), connections);
    client::measure(address, &load).expect("the client measures")
}
