//! The tour: two services on the runtime, clients of its own, and what both of them saw.
//!
//! Act 1 is a steady, open load. Act 2 is the same load while one task blocks the thread of its worker for
//! 100 ms of every 300: the tails beside one another show what that task does to strangers.

mod act;
mod args;
mod interrupt;
mod load;
mod protocol;
mod schedule;
mod service;
mod table;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::time::Duration;

use loxley::runtime::{Builder, Runtime};

use args::Args;
use interrupt::Interrupt;
use load::Load;
use protocol::Protocol;
use schedule::Schedule;

/// How long the runtime may take to stop.
const STOP: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let ended = match args::parse(std::env::args().skip(1)) {
        Ok(Args::Help) => {
            print!("{}", args::HELP);
            Ok(ExitCode::SUCCESS)
        }
        Ok(Args::Tour { short }) => tour(if short { &SHORT } else { &LONG }),
        Ok(Args::Serve(address)) => serve(address),
        Err(message) => {
            eprintln!("tour: {message}\n\n{}", args::HELP);
            return ExitCode::from(2);
        }
    };
    ended.unwrap_or_else(|error| {
        eprintln!("tour: {error}");
        ExitCode::FAILURE
    })
}

/// How much of everything.
#[derive(Debug)]
struct Plan {
    warm_up: Duration,
    act: Duration,
    echo_per_second: u64,
    http_per_second: u64,
}

const LONG: Plan = Plan {
    warm_up: Duration::from_millis(1000),
    act: Duration::from_millis(7000),
    echo_per_second: 8000,
    http_per_second: 4000,
};

const SHORT: Plan = Plan {
    warm_up: Duration::from_millis(400),
    act: Duration::from_millis(2000),
    ..LONG
};

/// Each service has so many connections, driven by so many threads.
const CONNECTIONS: usize = 16;
const THREADS: usize = 2;

/// Both acts.
fn tour(plan: &Plan) -> io::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let runtime = runtime()?;
    let local = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let echo = runtime.block_on(service::listen(local))?;
    let http = runtime.block_on(service::listen(local))?;
    let addresses = [echo.local_addr()?, http.local_addr()?];
    runtime.spawn(service::echo(echo));
    runtime.spawn(service::http(http));
    let metrics = runtime.handle().metrics();
    eprintln!(
        "{} workers; echo on {}, http on {}; {} requests/s for each act's {:.0} s",
        metrics.num_workers(),
        addresses[0],
        addresses[1],
        table::grouped(plan.echo_per_second + plan.http_per_second),
        plan.act.as_secs_f64(),
    );

    let loads = |length| {
        [
            load(Protocol::Echo, addresses[0], plan.echo_per_second, length),
            load(Protocol::Http, addresses[1], plan.http_per_second, length),
        ]
    };
    let play = |name: &str, length| act::play(name, &loads(length), &metrics, interrupt.flag());

    play("warm-up", plan.warm_up)?;
    let calm = play("act 1", plan.act)?;
    if interrupt.came() {
        return interrupted(runtime);
    }
    println!("{}", calm.table.text("act 1: a steady load", None));

    let offender = runtime.spawn(service::blocks_its_thread());
    let blocked = play("act 2", plan.act)?;
    offender.abort();
    if interrupt.came() {
        return interrupted(runtime);
    }
    let title = "act 2: the same, while one task blocks its thread 100 ms of every 300";
    println!("{}", blocked.table.text(title, Some(&calm.table)));
    println!(
        "Latencies count from when a request was meant to be sent, so waiting is never left out."
    );
    runtime.shutdown_timeout(STOP);

    let failed = calm.failed + blocked.failed;
    if failed > 0 {
        return Err(io::Error::other(format!(
            "{failed} requests had no right answer"
        )));
    }
    Ok(ExitCode::SUCCESS)
}

fn load(protocol: Protocol, address: SocketAddr, per_second: u64, length: Duration) -> Load {
    Load {
        protocol,
        address,
        schedule: Schedule::new(per_second, length),
        connections: CONNECTIONS,
        threads: THREADS,
    }
}

/// The HTTP service alone.
fn serve(address: SocketAddr) -> io::Result<ExitCode> {
    let interrupt = Interrupt::listen()?;
    let runtime = runtime()?;
    let listener = runtime.block_on(service::listen(address))?;
    println!("serving http://{}/ until Ctrl-C", listener.local_addr()?);
    runtime.spawn(service::http(listener));
    interrupt.wait();
    eprintln!("stopping");
    runtime.shutdown_timeout(STOP);
    Ok(ExitCode::SUCCESS)
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().build()
}

/// Ctrl-C in the middle: stop what runs and say so, without a table of half an act.
fn interrupted(runtime: Runtime) -> io::Result<ExitCode> {
    runtime.shutdown_timeout(STOP);
    eprintln!("interrupted");
    Ok(ExitCode::from(130))
}
