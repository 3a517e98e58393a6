//! The client of the socket rows: one thread, one epoll set, in a process of its own.
//!
//! The server's processor time must be the server's alone, so the client is this same program started once more
//! (`benches client ..`). It prints `start` after its warm-up and a sample line at the end; the server reads its own
//! processor clock at both.
//!
//! *Words.*
//! - *Closed loop*: a connection sends its next request when the answer to the last one is there. Tells what
//!   the server can do; says nothing about waiting, since a slow server is asked less often.
//! - *Open loop*: requests are due at fixed times whatever the server does, and latency counts from when a request was
//!   due, not from when it could be sent.
//! - *Churn*: each exchange has a connection of its own. Clients are spread over 127.0.0.1 to 127.0.0.16 and close with
//!   linger 0, so that neither ports nor TIME_WAIT entries run out.
//!
//! *Rejected.* A multi-threaded client: on few cores it takes from the server what it is to measure.
//!
//! *Checked by* the tests below, those of its two modules and `tests/command_line.rs`.

mod answer;
mod load;

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
    timerfd_settime,
};
use socket2::{Domain, Protocol, Socket, Type};

use answer::Answer;
pub use load::{Exchange, Load, Pace};

use crate::meter::{Meter, Sample, histogram, nanos, voluntary_switches};

/// Puts the load on the server that this process runs at `address`, from a process of its own.
///
/// The sample's processor time is this process's; the client's own is its figure `client_cpu_ns`. The figure `late` counts
/// answers after more than 20 ms, `switches` is how often a thread of this process went to sleep, per operation.
///
/// # Errors
///
/// If the client does not start, fails, or prints something else than it should.
pub fn measure(address: SocketAddr, load: &Load) -> io::Result<Sample> {
    let mut client = Command::new(std::env::current_exe()?)
        .arg("client")
        .arg(address.to_string())
        .args(load.to_args())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut lines = BufReader::new(client.stdout.take().expect("stdout is piped")).lines();
    let mut line = || {
        lines
            .next()
            .unwrap_or_else(|| Err(io::Error::other("the client ended early")))
    };
    let first = line()?;
    if first != "start" {
        return Err(io::Error::other(format!("the client said {first:?}")));
    }
    let switches = voluntary_switches()?;
    let meter = Meter::start();
    let last = line()?;
    let cpu_ns = meter.stop(1).cpu_ns;
    let switches = voluntary_switches()?.saturating_sub(switches);
    client.wait()?;
    let seen: Sample = last.parse().map_err(io::Error::other)?;
    let client_cpu = seen.cpu_ns as f64;
    let per_op = switches as f64 / seen.ops as f64;
    let ours = Sample { cpu_ns, ..seen };
    Ok(ours
        .with("client_cpu_ns", client_cpu)
        .with("switches", per_op))
}

/// The client's main function.
///
/// # Errors
///
/// What the sockets say, and an answer that is wrong.
pub fn run(address: SocketAddr, load: &Load) -> io::Result<()> {
    let mut client = Client::connect(address, load)?;
    client.drive(load.warm_up)?;
    client.latency.reset();
    println!("start");
    let meter = Meter::start();
    client.drive(load.duration)?;
    let sample = meter.stop(client.latency.len());
    let late = client.latency.count_between(nanos(LATE), u64::MAX);
    println!(
        "{}",
        sample
            .with_percentiles(&client.latency)
            .with("late", late as f64)
    );
    Ok(())
}

struct Client {
    address: SocketAddr,
    pace: Pace,
    exchange: Exchange,
    request: Vec<u8>,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// Connections opened so far; chooses the next one's source address.
    opened: usize,
    buffer: Vec<u8>,
    /// From due (open) or sent (closed, churn: connect begun) to answered, in ns.
    latency: Histogram<u64>,
}

struct Connection {
    stream: TcpStream,
    /// Bytes of the request that are not written yet.
    unsent: usize,
    /// Whether the poller watches for room to write.
    watches_room: bool,
    answer: Answer,
    /// When the request under way was due.
    due: Option<Instant>,
    /// Requests that became due meanwhile.
    waiting: VecDeque<Instant>,
}

/// A server that answers nothing must not keep the client for ever.
const PATIENCE: Duration = Duration::from_secs(10);
/// Answers that take longer are counted as late.
const LATE: Duration = Duration::from_millis(20);
/// The token of the timer in the poller; connections have their index.
const TIMER: u64 = u64::MAX;

impl Client {
    fn connect(address: SocketAddr, load: &Load) -> io::Result<Client> {
        let request = match load.exchange {
            Exchange::Echo(size) => vec![b'e'; size],
            Exchange::Http => b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec(),
        };
        let mut client = Client {
            address,
            pace: load.pace,
            exchange: load.exchange,
            request,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::with_capacity(load.connections),
            opened: 0,
            buffer: vec![0; 64 * 1024],
            latency: histogram(),
        };
        for index in 0..load.connections {
            let stream = client.open(index)?;
            client.connections.push(Connection {
                stream,
                unsent: 0,
                watches_room: false,
                answer: Answer::to(load.exchange),
                due: None,
                waiting: VecDeque::new(),
            });
        }
        Ok(client)
    }

    /// Connects (on loopback that does not wait) and adds the socket to the poller.
    fn open(&mut self, index: usize) -> io::Result<TcpStream> {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
        if self.pace == Pace::Churn {
            let source = Ipv4Addr::new(127, 0, 0, 1 + (self.opened % 16) as u8);
            socket.bind(&SocketAddr::from((source, 0)).into())?;
            socket.set_linger(Some(Duration::ZERO))?;
        }
        self.opened += 1;
        socket.connect(&self.address.into())?;
        socket.set_tcp_nodelay(true)?;
        socket.set_nonblocking(true)?;
        epoll::add(
            &self.epoll,
            &socket,
            EventData::new_u64(index as u64),
            EventFlags::IN,
        )?;
        Ok(socket.into())
    }

    /// Puts the load on for `duration`, and on until the first answer is there: a window without any would tell nothing.
    fn drive(&mut self, duration: Duration) -> io::Result<()> {
        let start = Instant::now();
        let end = start + duration;
        let mut schedule = match self.pace {
            Pace::Open(rate) => Some(Schedule::new(start, rate, &self.epoll)?),
            Pace::Closed | Pace::Churn => None,
        };
        if schedule.is_none() {
            for index in 0..self.connections.len() {
                if self.connections[index].due.is_none() {
                    self.send(index, Instant::now())?;
                }
            }
        }
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        let patience = Timespec {
            tv_sec: PATIENCE.as_secs() as i64,
            tv_nsec: 0,
        };
        let answered = self.latency.len();
        let silent = |client: &Client| client.latency.len() == answered;
        while Instant::now() < end || silent(self) {
            epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&patience))?;
            // The clock of an open loop ticks on without answers.
            if events.is_empty() || (silent(self) && end.elapsed() > PATIENCE) {
                let message = format!("no answer for {PATIENCE:?}");
                return Err(io::Error::new(ErrorKind::TimedOut, message));
            }
            for event in events.drain(..) {
                match (event.data.u64(), &mut schedule) {
                    (TIMER, Some(schedule)) => self.send_due(schedule)?,
                    (TIMER, None) => {}
                    (index, _) => self.ready(index as usize, event.flags)?,
                }
            }
        }
        Ok(())
    }

    fn send_due(&mut self, schedule: &mut Schedule) -> io::Result<()> {
        let mut ticks = [0; 8];
        rustix::io::read(&schedule.timer, &mut ticks)?;
        while let Some((number, due)) = schedule.next(Instant::now()) {
            let index = number % self.connections.len();
            if self.connections[index].due.is_some() {
                self.connections[index].waiting.push_back(due);
            } else {
                self.send(index, due)?;
            }
        }
        Ok(())
    }

    fn send(&mut self, index: usize, due: Instant) -> io::Result<()> {
        let connection = &mut self.connections[index];
        connection.due = Some(due);
        connection.unsent = self.request.len();
        self.write_on(index)
    }

    /// Writes what is left of the request; watches for room if there is none.
    fn write_on(&mut self, index: usize) -> io::Result<()> {
        let connection = &mut self.connections[index];
        while connection.unsent > 0 {
            let rest = &self.request[self.request.len() - connection.unsent..];
            match connection.stream.write(rest) {
                Ok(count) => connection.unsent -= count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        let watch = connection.unsent > 0;
        if watch != connection.watches_room {
            let flags = if watch {
                EventFlags::IN | EventFlags::OUT
            } else {
                EventFlags::IN
            };
            epoll::modify(
                &self.epoll,
                &connection.stream,
                EventData::new_u64(index as u64),
                flags,
            )?;
            connection.watches_room = watch;
        }
        Ok(())
    }

    fn ready(&mut self, index: usize, flags: EventFlags) -> io::Result<()> {
        if flags.contains(EventFlags::OUT) {
            self.write_on(index)?;
        }
        if !flags.intersects(EventFlags::IN | EventFlags::ERR | EventFlags::HUP) {
            return Ok(());
        }
        let connection = &mut self.connections[index];
        match connection.stream.read(&mut self.buffer) {
            Ok(0) => {
                return Err(io::Error::new(
                    ErrorKind::UnexpectedEof,
                    "the server closed a connection",
                ));
            }
            Ok(count) => {
                if !connection.answer.take(&self.buffer[..count])? {
                    return Ok(());
                }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
        let due = connection
            .due
            .take()
            .ok_or_else(|| io::Error::other("an answer without a request"))?;
        self.latency.record(nanos(due.elapsed())).expect("it grows");
        self.answered(index)
    }

    fn answered(&mut self, index: usize) -> io::Result<()> {
        let now = Instant::now();
        match self.pace {
            Pace::Closed => self.send(index, now),
            Pace::Open(_) => match self.connections[index].waiting.pop_front() {
                Some(due) => self.send(index, due),
                None => Ok(()),
            },
            Pace::Churn => {
                let stream = self.open(index)?;
                let connection = &mut self.connections[index];
                // Closing the old socket takes it out of the poller.
                connection.stream = stream;
                connection.answer = Answer::to(self.exchange);
                self.send(index, now)
            }
        }
    }
}

/// The times at which an open loop's requests are due.
struct Schedule {
    start: Instant,
    interval: Duration,
    issued: u32,
    timer: OwnedFd,
}

impl Schedule {
    fn new(start: Instant, rate: u64, epoll: &OwnedFd) -> io::Result<Schedule> {
        let timer = timerfd_create(
            TimerfdClockId::Monotonic,
            TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC,
        )?;
        let interval = Duration::from_nanos(1_000_000_000 / rate);
        let tick = Timespec {
            tv_sec: 0,
            tv_nsec: i64::from(interval.subsec_nanos()),
        };
        timerfd_settime(
            &timer,
            TimerfdTimerFlags::empty(),
            &Itimerspec {
                it_interval: tick,
                it_value: tick,
            },
        )?;
        epoll::add(epoll, &timer, EventData::new_u64(TIMER), EventFlags::IN)?;
        Ok(Schedule {
            start,
            interval,
            issued: 0,
            timer,
        })
    }

    /// The next request that is due by now, with its number.
    fn next(&mut self, now: Instant) -> Option<(usize, Instant)> {
        let due = self.start + self.interval * self.issued;
        if due > now {
            return None;
        }
        self.issued += 1;
        Some((self.issued as usize - 1, due))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw;

    /// Three windows of a client that waits for no more than the first answer of each.
    fn drive(address: SocketAddr, pace: Pace, exchange: Exchange) {
        let load = Load {
            pace,
            exchange,
            connections: 4,
            duration: Duration::ZERO,
            warm_up: Duration::ZERO,
        };
        let mut client = Client::connect(address, &load).expect("it connects");
        for window in 1..=3 {
            client.drive(Duration::ZERO).expect("it is answered");
            assert!(client.latency.len() >= window, "{pace:?}");
        }
    }

    #[test]
    fn a_window_lasts_until_its_first_answer() {
        let echo = raw::serve_echo(1).expect("the raw server starts");
        for pace in [Pace::Open(20_000), Pace::Closed, Pace::Churn] {
            drive(echo, pace, Exchange::Echo(64));
        }
        let http = raw::serve_http(1).expect("the raw server starts");
        drive(http, Pace::Closed, Exchange::Http);
    }
}
