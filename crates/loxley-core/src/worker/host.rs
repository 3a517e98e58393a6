//! Whose pollers and wheels are used where there are more workers than processors.
//!
//! Every poller with a socket in it and every wheel with a timer in it is a reason to wake somebody, and to call the kernel
//! once more for what would have come with one call. That is worth it as long as each can have a processor of its own. So
//! with more workers than that:
//!
//! - G1 sockets are put into the pollers of the *hosts* alone, the first stations, as many as there are processors.
//! - G2 for each processor there is a wheel in which its share of the workers *meet*. A timer that may share a wake (V6 in
//!   `timer/wheel.rs`) goes there if somebody comes there before its deadline anyway, so that nobody is told. Else it goes into
//!   the own wheel; and if somebody came there only [`LITTLE`] later or more, the others meet in the own one from now on.
//! - G3 without a monitor neither holds: what is gathered with one worker must not wait for it when it is stuck.
//!
//! With as many processors as workers, everybody is a host and meets nobody.
//!
//! # Rejected
//!
//! Timers in the wheels of the hosts: one that sleeps has to be woken for each timer that is earlier than what it waits for,
//! and a host that is not needed has no timer, so that each is the first. Meeting wherever the earliest timer is: of many
//! that come in any order a dozen are the earliest so far, and each wheel that was met in keeps what it has. Calling fewer
//! peers instead: who sleeps in a poller where an event comes, or until a deadline, is woken by the kernel.
//!
//! Checked by the tests below and `tests/worker_pollers.rs`.

use super::{BLOCKED, Config, MEETS, Worker};
use crate::primitive::CachePadded;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::timer::{Deadline, Here};

/// G2, in nanoseconds: a wheel that is empty or has far timers only is left, and one with many that are near is not.
const LITTLE: u64 = 10_000_000;

/// G1 and G2 for all workers.
#[derive(Debug)]
pub struct Hosts {
    /// The stations below this are hosts.
    count: usize,
    /// The stations in whose wheels workers meet; none if all are hosts. Relaxed throughout: any wheel will do.
    meetings: Box<[CachePadded<AtomicUsize>]>,
}

impl Hosts {
    pub fn new(config: &Config, stations: usize) -> Self {
        let are_few = config.patient && (1..stations).contains(&config.processors); // G3
        let count = if are_few { config.processors } else { stations };
        let meetings = (0..if are_few { count } else { 0 }).map(AtomicUsize::new);
        Self {
            count,
            meetings: meetings.map(CachePadded::new).collect(),
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// G1: where the sockets of a worker at this station go.
    pub fn of(&self, station: usize) -> usize {
        station % self.count
    }

    /// G2: true if not every worker has a wheel of its own.
    pub fn meet(&self) -> bool {
        !self.meetings.is_empty()
    }
}

impl Worker {
    /// The wheel for a timer that is set now.
    #[inline]
    pub fn wheel_for(&self, deadline: Deadline) -> Here<'_> {
        // One question for two: with neither, the wheel is the own one and nobody is to be told.
        if self.mode.get() & (MEETS | BLOCKED) != 0 {
            return self.unusual_wheel_for(deadline);
        }
        Here {
            timers: self.timers(),
            own: self.station.is_tenant(self.seat_index),
        }
    }

    #[cold]
    fn unusual_wheel_for(&self, deadline: Deadline) -> Here<'_> {
        let met = self.mode.get() & MEETS != 0 && deadline.shares;
        let met = met.then(|| self.meet(deadline.at)).flatten();
        met.unwrap_or_else(|| Here {
            timers: self.timers(),
            own: self.is_tenant(),
        })
    }

    /// G2: the wheel of another worker, if it is to go there.
    fn meet(&self, deadline: u64) -> Option<Here<'_>> {
        let meetings = &self.scheduler.hosts.meetings;
        let meeting = &meetings[self.station_index % meetings.len()];
        let station = meeting.load(Ordering::Relaxed);
        if station == self.station_index {
            return None;
        }
        let timers = &self.scheduler.stations[station].timers;
        let next = timers.next_deadline();
        if next > deadline && next - deadline > LITTLE {
            meeting.store(self.station_index, Ordering::Relaxed);
        }
        (next <= deadline).then_some(Here { timers, own: false })
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::pin::Pin;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::park::NEVER;
    use crate::poller::{Poller, Registration};
    use crate::primitive::Arc;
    use crate::task::WakeList;
    use crate::timer::{Entry, Timers};
    use crate::worker::{Scheduler, Station};

    const MS: u64 = 1_000_000;

    fn config(workers: usize, processors: usize) -> Config {
        Config {
            workers,
            processors,
            patient: true,
            ..Config::default()
        }
    }

    /// All workers of a machine, on one thread.
    struct Machine {
        workers: Vec<Worker>,
        clock: Clock,
        entries: Vec<Pin<Box<Entry>>>,
    }

    impl Machine {
        fn new(workers: usize, processors: usize) -> Self {
            let clock = Clock::manual(1);
            let station = |_| {
                let poller = Arc::new(Poller::new(false).unwrap());
                Station::new(Some(poller), Arc::new(Timers::new(clock.clone())))
            };
            let stations = (0..workers).map(station).collect();
            let scheduler = Scheduler::new(config(workers, processors), clock.clone(), stations);
            let workers = (0..workers).map(|index| {
                let local = scheduler
                    .seat(index)
                    .queue
                    .sit_down()
                    .expect("it is vacant");
                scheduler.stations[index].settle(index);
                Worker::new(scheduler.clone(), index, index, local, None)
            });
            Self {
                workers: workers.collect(),
                clock,
                entries: Vec::new(),
            }
        }

        fn scheduler(&self) -> &Scheduler {
            &self.workers[0].scheduler
        }

        /// This worker sets a timer; says in whose wheel.
        fn set(&mut self, worker: usize, at: u64, shares: bool) -> usize {
            let deadline = Deadline { at, shares };
            let worker = &self.workers[worker];
            let here = worker.wheel_for(deadline);
            let mut stations = self.scheduler().stations.iter();
            let found = stations.position(|station| Arc::ptr_eq(&station.timers, here.timers));
            let mut entry = Box::pin(Entry::new(worker.timers().clone()));
            let mut cx = Context::from_waker(Waker::noop());
            assert!(
                entry
                    .as_mut()
                    .poll(&mut cx, Some(here), deadline)
                    .is_pending()
            );
            self.entries.push(entry);
            found.expect("it is one of theirs")
        }

        /// Goes from deadline to deadline until there are none, and counts those who come.
        fn wakes(&self) -> usize {
            let stations = &self.scheduler().stations;
            let next = || {
                let next = stations
                    .iter()
                    .map(|station| station.timers.next_deadline());
                next.min().filter(|&next| next != NEVER)
            };
            let mut wakes = 0;
            while let Some(next) = next() {
                self.clock
                    .advance(Duration::from_nanos(next - self.clock.now()));
                for station in stations {
                    if station.timers.next_deadline() <= next {
                        wakes += 1;
                        station.timers.expire(next, &mut WakeList::new());
                    }
                }
            }
            wakes
        }
    }

    /// Wakes for 3000 timers of the next second that are set by turns, in any order.
    fn wakes_of_many(workers: usize, processors: usize) -> usize {
        let mut machine = Machine::new(workers, processors);
        for number in 0..3000_u64 {
            let at = 10 * MS + number.wrapping_mul(2_654_435_761) % (990 * MS);
            machine.set(number as usize % workers, at, true);
        }
        machine.wakes()
    }

    #[test]
    fn more_workers_than_processors_make_no_more_wakes_of_many_timers() {
        let (alone, many) = (wakes_of_many(1, 1), wakes_of_many(64, 1));
        assert!(many < alone + alone / 5, "{many} wakes instead of {alone}");
        let each = wakes_of_many(64, 64);
        assert!(each > 2 * alone, "{each} wakes with a processor for each");
    }

    #[test]
    fn a_timer_goes_where_somebody_comes_before_it() {
        let mut machine = Machine::new(3, 1);
        assert_eq!(machine.set(1, 50 * MS, true), 1, "nobody comes anywhere");
        assert_eq!(machine.set(2, 50 * MS, true), 1);
        assert_eq!(machine.set(2, 49 * MS, true), 2, "a little before that");
        assert_eq!(machine.set(0, 60 * MS, true), 1);
        assert_eq!(machine.set(0, 20 * MS, true), 0, "long before that");
        assert_eq!(machine.set(1, 60 * MS, true), 0, "and the others follow");
    }

    #[test]
    fn an_exact_timer_stays_with_its_worker() {
        let mut machine = Machine::new(2, 1);
        machine.set(0, 10 * MS, true);
        assert_eq!(machine.set(1, 20 * MS, false), 1);
        assert_eq!(machine.set(1, 20 * MS, true), 0);
    }

    #[test]
    fn with_a_processor_for_each_every_timer_stays_with_its_worker() {
        for processors in [0, 2, 3] {
            let mut machine = Machine::new(2, processors);
            machine.set(0, 10 * MS, true);
            assert_eq!(machine.set(1, 20 * MS, true), 1);
        }
    }

    #[test]
    fn there_are_as_many_hosts_as_processors_or_workers() {
        let count = |config: &Config| Hosts::new(config, 4).count();
        let hosts = [0, 1, 3, 4, 5].map(|processors| count(&config(4, processors)));
        assert_eq!(hosts, [4, 1, 3, 4, 4]);
        let unwatched = Config {
            patient: false,
            ..config(4, 1)
        };
        assert_eq!(count(&unwatched), 4, "nobody would notice who is stuck");
    }

    #[test]
    fn sockets_go_to_hosts_unless_their_pollers_have_failed() {
        let machine = Machine::new(5, 2);
        let scheduler = machine.scheduler();
        let mut sources = Vec::new();
        let mut connect = || {
            let station = scheduler.least_registered();
            let poller = scheduler.stations[station].poller.clone();
            let (socket, _) = UnixStream::pair().unwrap();
            let source = Registration::new(poller.unwrap(), socket.as_raw_fd());
            sources.push((source, socket));
            station
        };
        let mut stations: Vec<_> = (0..6).map(|_| connect()).collect();
        stations.sort_unstable();
        assert_eq!(stations, [0, 0, 0, 1, 1, 1]);
        let fail = |station: usize| {
            let poller = scheduler.stations[station].poller.as_ref();
            poller.unwrap().fail(&mut WakeList::new());
        };
        fail(0);
        assert_eq!([connect(), connect()], [1, 1]);
        fail(1);
        assert!((2..5).contains(&connect()));
        assert_eq!(
            [0, 1, 2, 3, 4].map(|station| scheduler.hosts.of(station)),
            [0, 1, 0, 1, 0]
        );
    }
}
