//! Load: client threads that send by the schedule, whatever the service does.
//!
//! A thread drives several connections with `poll(2)`: it sends what is due, reads what came, and sleeps until
//! the next of the two. It never waits for one answer in order to send the next request, and a slow connection
//! holds up no other; the service sees an open load and the histogram sees the full wait.
//!
//! Nothing here runs on the runtime: the clients must not be slowed down by what they measure, except through
//! the processors that both share.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::protocol::{Answer, Protocol};
use crate::schedule::Schedule;

/// After the last request is due, answers are awaited for this long.
const GRACE: Duration = Duration::from_secs(2);

/// The longest sleep without a look at the stop flag.
const GLANCE: Duration = Duration::from_millis(50);

/// What is driven, and how hard.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) protocol: Protocol,
    pub(crate) address: SocketAddr,
    pub(crate) schedule: Schedule,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
}

/// What the clients of one service saw.
#[derive(Debug)]
pub(crate) struct Seen {
    /// Nanoseconds from the intended send time to the answer.
    pub(crate) latencies: Histogram<u64>,
    /// Requests that were due.
    pub(crate) sent: u64,
    /// Answers that were not what was asked for.
    pub(crate) wrong: u64,
    /// Requests that were never answered.
    pub(crate) lost: u64,
}

impl Seen {
    fn new() -> Seen {
        // A minute at the most, with three digits.
        let latencies = Histogram::new_with_bounds(1, 60_000_000_000, 3);
        Seen {
            latencies: latencies.expect("the bounds are in order"),
            sent: 0,
            wrong: 0,
            lost: 0,
        }
    }

    fn add(&mut self, other: &Seen) {
        let same = self.latencies.add(&other.latencies);
        same.expect("all histograms have the same bounds");
        self.sent += other.sent;
        self.wrong += other.wrong;
        self.lost += other.lost;
    }

    /// Right answers that came.
    pub(crate) fn answered(&self) -> u64 {
        self.latencies.len()
    }
}

/// The connections of one load, open and ready.
#[derive(Debug)]
pub(crate) struct Clients {
    load: Load,
    threads: Vec<Client>,
}

impl Clients {
    /// Opens all connections.
    pub(crate) fn connect(load: Load) -> io::Result<Clients> {
        let mut threads = Vec::new();
        for share in 0..load.threads {
            let count = (load.connections / load.threads).max(1);
            let connections = (0..count).map(|_| Connection::open(&load));
            threads.push(Client {
                schedule: load.schedule.share(share as u64, load.threads as u64),
                connections: connections.collect::<io::Result<_>>()?,
                seen: Seen::new(),
            });
        }
        Ok(Clients { load, threads })
    }

    /// What they drive.
    pub(crate) fn load(&self) -> &Load {
        &self.load
    }

    /// Runs the schedule from `begin` on; ends early when `stop` is set.
    pub(crate) fn run(self, begin: Instant, answered: &AtomicU64, stop: &AtomicBool) -> Seen {
        let mut all = Seen::new();
        thread::scope(|scope| {
            let threads: Vec<_> = self
                .threads
                .into_iter()
                .map(|client| scope.spawn(move || client.run(begin, answered, stop)))
                .collect();
            for thread in threads {
                match thread.join() {
                    Ok(seen) => all.add(&seen),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
        });
        all
    }
}

/// One thread's share.
#[derive(Debug)]
struct Client {
    schedule: Schedule,
    connections: Vec<Connection>,
    seen: Seen,
}

impl Client {
    fn run(mut self, begin: Instant, answered: &AtomicU64, stop: &AtomicBool) -> Seen {
        exact_timers();
        thread::sleep(begin.saturating_duration_since(Instant::now()));
        while !stop.load(Ordering::Relaxed) {
            let now = begin.elapsed();
            self.send_due(now);
            let next = self.next(now);
            if next.is_zero() {
                break;
            }
            let ready = self.wait(next.min(GLANCE));
            answered.fetch_add(self.receive(&ready, begin), Ordering::Relaxed);
        }
        for connection in &self.connections {
            self.seen.lost += connection.waiting.len() as u64;
        }
        self.seen
    }

    /// Sends every request that is due; several at once if the thread itself came late.
    fn send_due(&mut self, now: Duration) {
        let count = self.connections.len() as u64;
        while self.schedule.contains(self.seen.sent) {
            let due = self.schedule.due(self.seen.sent);
            if due > now || count == 0 {
                break;
            }
            let at = (self.seen.sent % count) as usize;
            self.connections[at].request(due);
            self.seen.sent += 1;
        }
        for connection in &mut self.connections {
            connection.flush();
        }
    }

    /// How long nothing is due; zero when all is over.
    fn next(&self, now: Duration) -> Duration {
        let sent = self.seen.sent;
        if self.schedule.contains(sent) && !self.connections.is_empty() {
            // Due meanwhile: look at the sockets first, but do not sleep.
            let wait = self.schedule.due(sent).saturating_sub(now);
            return wait.max(Duration::from_nanos(1));
        }
        if self.connections.iter().all(|one| one.waiting.is_empty()) {
            return Duration::ZERO;
        }
        (self.schedule.length() + GRACE).saturating_sub(now)
    }

    /// Sleeps until something can be read or written; says on which connections.
    fn wait(&self, limit: Duration) -> Vec<bool> {
        let mut sockets: Vec<PollFd<'_>> = self
            .connections
            .iter()
            .map(|connection| {
                let mut wanted = PollFlags::IN;
                if !connection.outgoing.is_empty() {
                    wanted |= PollFlags::OUT;
                }
                PollFd::new(&connection.stream, wanted)
            })
            .collect();
        let limit = Timespec {
            tv_sec: limit.as_secs() as _,
            tv_nsec: limit.subsec_nanos() as _,
        };
        match poll(&mut sockets, Some(&limit)) {
            Ok(_) => sockets
                .iter()
                .map(|socket| !socket.revents().is_empty())
                .collect(),
            // Interrupted by a signal: nothing is known, the loop looks again.
            Err(_) => vec![false; sockets.len()],
        }
    }

    /// Reads from the ready connections; gives the number of answers.
    fn receive(&mut self, ready: &[bool], begin: Instant) -> u64 {
        let mut answers = 0;
        let seen = &mut self.seen;
        for (connection, _) in self
            .connections
            .iter_mut()
            .zip(ready)
            .filter(|(_, ready)| **ready)
        {
            connection.flush();
            connection.receive(|due, right| {
                answers += 1;
                if right {
                    let wait = begin.elapsed().saturating_sub(due);
                    seen.latencies.saturating_record(wait.as_nanos() as u64);
                } else {
                    seen.wrong += 1;
                }
            });
        }
        self.connections.retain(|connection| {
            if connection.closed {
                seen.lost += connection.waiting.len() as u64;
            }
            !connection.closed
        });
        answers
    }
}

/// One socket and what is under way on it.
#[derive(Debug)]
struct Connection {
    protocol: Protocol,
    stream: TcpStream,
    /// Intended send times of the requests without an answer, oldest first.
    waiting: VecDeque<Duration>,
    outgoing: Vec<u8>,
    incoming: Vec<u8>,
    closed: bool,
}

impl Connection {
    fn open(load: &Load) -> io::Result<Connection> {
        let stream = TcpStream::connect(load.address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Connection {
            protocol: load.protocol,
            stream,
            waiting: VecDeque::new(),
            outgoing: Vec::new(),
            incoming: Vec::new(),
            closed: false,
        })
    }

    fn request(&mut self, due: Duration) {
        self.protocol.request(due, &mut self.outgoing);
        self.waiting.push_back(due);
    }

    fn flush(&mut self) {
        while !self.outgoing.is_empty() && !self.closed {
            match self.stream.write(&self.outgoing) {
                Ok(count) => drop(self.outgoing.drain(..count)),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.closed = true,
            }
        }
    }

    /// One read, and every answer that it completes: when it was due, and whether it is right.
    fn receive(&mut self, mut answer: impl FnMut(Duration, bool)) {
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer) {
            Ok(0) => self.closed = true,
            Ok(count) => self.incoming.extend_from_slice(&buffer[..count]),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(_) => self.closed = true,
        }
        while let Some(&due) = self.waiting.front() {
            match self.protocol.answer(due, &self.incoming) {
                Answer::Incomplete => return,
                Answer::Complete { length, right } => {
                    self.incoming.drain(..length);
                    self.waiting.pop_front();
                    answer(due, right);
                }
            }
        }
        // Nobody asked for what is left.
        self.closed |= !self.incoming.is_empty();
    }
}

/// Lets this thread's sleeps end when they should instead of 50 µs later.
fn exact_timers() {
    #[cfg(target_os = "linux")]
    {
        // Refused: the latencies are a little pessimistic, no more.
        let _ = rustix::thread::set_current_timer_slack(std::num::NonZeroU64::new(1));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    /// A service for one connection that answers as `serve` says, on a thread of its own.
    fn service(serve: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || serve(listener.accept().unwrap().0));
        address
    }

    fn drive(address: SocketAddr, per_second: u64, length: Duration) -> Seen {
        let load = Load {
            protocol: Protocol::Echo,
            address,
            schedule: Schedule::new(per_second, length),
            connections: 1,
            threads: 1,
        };
        let clients = Clients::connect(load).unwrap();
        clients.run(Instant::now(), &AtomicU64::new(0), &AtomicBool::new(false))
    }

    fn echo(mut stream: TcpStream) {
        let mut copy = stream.try_clone().unwrap();
        let _ = io::copy(&mut stream, &mut copy);
    }

    #[test]
    fn every_request_is_sent_and_answered() {
        let seen = drive(service(echo), 500, Duration::from_millis(200));
        assert_eq!(
            (seen.sent, seen.answered(), seen.wrong, seen.lost),
            (100, 100, 0, 0)
        );
    }

    #[test]
    fn a_service_that_pauses_is_charged_for_all_that_was_due_meanwhile() {
        // The service does not read until 100 requests, all that are due within 100 ms, lie in its socket.
        let address = service(|mut stream| {
            let mut all = vec![0; 100 * 64];
            stream.read_exact(&mut all).unwrap();
            stream.write_all(&all).unwrap();
            echo(stream);
        });
        let seen = drive(address, 1000, Duration::from_millis(100));
        assert_eq!(seen.answered(), 100);
        // The first was due 99 ms before the last was sent, the median one half of that.
        assert!(
            seen.latencies.max() >= 99_000_000,
            "{}",
            seen.latencies.max()
        );
        assert!(seen.latencies.value_at_quantile(0.5) >= 48_000_000);
    }

    #[test]
    fn a_wrong_answer_is_counted() {
        let address = service(|mut stream| {
            let mut one = [0; 64];
            stream.read_exact(&mut one).unwrap();
            one[63] ^= 1;
            stream.write_all(&one).unwrap();
            echo(stream);
        });
        let seen = drive(address, 100, Duration::from_millis(50));
        assert_eq!((seen.answered(), seen.wrong, seen.lost), (4, 1, 0));
    }

    #[test]
    fn a_service_that_goes_away_loses_the_rest_and_ends_the_run() {
        let address = service(|mut stream| {
            let mut one = [0; 64];
            stream.read_exact(&mut one).unwrap();
            stream.write_all(&one).unwrap();
        });
        let seen = drive(address, 100, Duration::from_millis(200));
        assert!(seen.answered() <= 1 && seen.answered() + seen.lost == seen.sent);
    }

    #[test]
    fn the_stop_flag_ends_a_run() {
        let load = Load {
            protocol: Protocol::Echo,
            address: service(echo),
            schedule: Schedule::new(1, Duration::from_secs(3600)),
            connections: 1,
            threads: 1,
        };
        let clients = Clients::connect(load).unwrap();
        let seen = clients.run(Instant::now(), &AtomicU64::new(0), &AtomicBool::new(true));
        assert_eq!(seen.answered(), 0);
    }
}
