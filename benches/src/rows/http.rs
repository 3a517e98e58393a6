//! What does an HTTP request cost, with hyper on top?
//!
//! hyper 1.x, HTTP/1.1, keep-alive, no pipelining, 64 connections in a closed loop, a 13-byte answer. The same service on
//! every runtime; only the stream under hyper differs: loxley's own adapter (feature `hyper`), hyper-util's `TokioIo`,
//! smol-hyper's `FuturesIo`. *raw* is the limit: hyper's connections polled by threads with one epoll set each.

use std::net::SocketAddr;

use hyper::service::service_fn;

use super::echo::load;
use crate::client::{self, Exchange, Pace};
use crate::harness::{Amount, Better, Figure, Metric, Net, Plan, Row, listen, lower};
use crate::meter::Sample;
use crate::raw::{self, hello};
use crate::runtimes::forms;

/// The rows of this family.
pub const ROWS: &[Row] = &[Row {
    name: "http_hello",
    question: "what does an HTTP request cost over 64 connections that stay open?",
    amount: Amount::Millis(1_000),
    workers: None,
    metrics: &[
        Metric {
            label: "kreq/s",
            figure: Figure::Rate,
            better: Better::Higher,
        },
        Metric {
            label: "server CPU µs/req",
            figure: Figure::CpuUs,
            better: Better::Lower,
        },
        lower("p50 µs", "p50_us"),
        lower("p99 µs", "p99_us"),
    ],
    forms: forms!(R => http::<R>, raw),
}];

fn http<R: Net>(plan: &Plan) -> Sample {
    let runtime = R::start(plan.workers);
    let address = runtime.run(async move {
        let listener =
            listen(SocketAddr::from(([127, 0, 0, 1], 0)), false).expect("a loopback port is free");
        let address = listener.local_addr().expect("it is bound");
        let listener = R::listener(listener).expect("the runtime takes the listener");
        R::detach(R::spawn(accept_all::<R>(listener)));
        address
    });
    client::measure(address, &load(plan, Pace::Closed, Exchange::Http, 64))
        .expect("the client measures")
}

fn raw(plan: &Plan) -> Sample {
    let address = raw::serve_http(plan.workers).expect("the raw server starts");
    client::measure(address, &load(plan, Pace::Closed, Exchange::Http, 64))
        .expect("the client measures")
}

async fn accept_all<R: Net>(listener: R::Listener) {
    loop {
        let Ok(stream) = R::accept(&listener).await else {
            continue;
        };
        R::detach(R::spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new()
                .serve_connection(R::hyper(stream), service_fn(hello));
            // The client closes when it has measured; that is no fault of the server.
            let _closed = serving.await;
        }));
    }
}
