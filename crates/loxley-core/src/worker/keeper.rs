//! The pollers of those who sleep: J1 to J3 of `idle.rs` for one worker.
//!
//! - A worker that goes to sleep while another is awake leaves its poller to that one, which looks into it at each look
//!   and before it sleeps itself; the last to sleep is the keeper of all that are left. A message then wakes a thread only
//!   if nobody is awake, as with one poller for all; and still each worker has its own, for when it is busy.
//! - It does so only where those awake may be relied on to look soon: a monitor notices if they do not, nobody is stuck or
//!   blocks in place, and nobody's polls are *slow*: longer than [`pace::QUICK`](super::pace) on the average. Only who has a
//!   task to poll is slow; who was called and finds nothing would call the caller in turn.
//! - And it does so only if events find somebody awake, as `company.rs` counts them.
//!
//! # Rejected
//!
//! One epoll in which all pollers are nested: each event then takes that one's lock, which is what pollers of one's own
//! are to avoid. Handing the connections over instead: they come back as soon as the load grows. Waking the peer for each
//! message: 0.15 to 0.26 sleeps per message of an echo service with its client on the other core, where tokio's one
//! poller has 0.05 to 0.1 (`benches -- rivals echo_64b_64`).
//!
//! Checked by `tests/worker_keeper.rs`, `loom-tests/tests/keeper.rs` and the tests of `idle.rs`.

use super::{Scheduler, Worker};
use crate::idle::Stations;
use crate::poller::{PollGuard, Poller, Timeout};
use crate::primitive::atomic::{Ordering, fence};
use crate::task::WakeList;

impl Scheduler {
    /// True if whoever is awake will look into the pollers that are left, soon.
    pub fn may_rely_on_the_awake(&self) -> bool {
        self.config.patient
            && self.stuck.is_clear()
            && self.in_place.load(Ordering::Relaxed) == 0
            && self.slow.load(Ordering::Relaxed) == 0
    }

    /// J3: polls of somebody who is awake are slow, from now on.
    pub fn say_slow(&self) {
        self.slow.fetch_add(1, Ordering::Relaxed);
        self.call_a_keeper();
    }

    /// They are not, or he sleeps.
    pub fn say_quick(&self) {
        self.slow.fetch_sub(1, Ordering::Relaxed);
    }

    /// J3: the caller, who is not to be relied on any more, has said so where [`Scheduler::may_rely_on_the_awake`] looks.
    pub(super) fn call_a_keeper(&self) {
        fence(Ordering::SeqCst); // J3, pairs with I2
        // Those that are kept need nobody.
        if !self.idle.left().is_empty() && !self.idle.unattended().is_empty() {
            self.call_anybody();
        }
    }

    /// Wakes a sleeper, if there is one, whether others search or not.
    pub(super) fn call_anybody(&self) {
        if let Some(station) = self.idle.call_anybody() {
            self.stations[station].park.unpark();
        }
    }

    fn pollers(&self, stations: Stations) -> impl Iterator<Item = &Poller> + Clone {
        stations.filter_map(|station| self.stations[station].poller.as_deref())
    }
}

impl Worker {
    /// J1, at a look: takes in the events of the pollers that are left.
    #[inline]
    pub(super) fn look_into_left(&self) {
        let left = self.scheduler.idle.left();
        if !left.is_empty() {
            let mut wakes = self.wakes.take();
            for poller in self.scheduler.pollers(left) {
                harvest(poller, &mut wakes);
            }
            self.scheduler.company.came(wakes.len(), false);
            self.deliver(wakes);
        }
    }

    /// The end of W5: if others rely on this worker and events come [in numbers](Worker::brisk), it looks once more before
    /// it sleeps. True if there was anything. If they come one by one, the sleep tells of the next as well, for less.
    ///
    /// One poller with events is enough, for the work is the same and the others have collected more by the next time:
    /// fewer calls per event. They begin by turns.
    #[inline]
    pub(super) fn look_once_more(&self) -> bool {
        let left = self.scheduler.idle.left();
        !left.is_empty() && self.brisk.get() && {
            let own = self.station.poller.as_deref().into_iter();
            let pollers = own.chain(self.scheduler.pollers(left));
            let turn = self.turn.replace(self.turn.get().wrapping_add(1));
            let count = pollers.clone().count();
            let mut wakes = self.wakes.take();
            let mut by_turns = pollers.cycle().skip(turn % count.max(1)).take(count);
            let any = by_turns.any(|poller| {
                harvest(poller, &mut wakes);
                !wakes.is_empty()
            });
            self.deliver(wakes);
            self.brisk.set(any);
            any
        }
    }

    /// J2: sleeps in the own poller and in those of `keeps`.
    pub(super) fn keep(
        &self,
        mut guard: PollGuard<'_>,
        keeps: Stations,
        timeout: Timeout,
        wakes: &mut WakeList,
    ) -> std::io::Result<()> {
        let ready = guard.sleep_beside(timeout, self.scheduler.pollers(keeps))?;
        if ready & 1 != 0 {
            guard.poll(Timeout::Zero, wakes)?;
        }
        drop(guard);
        for (index, poller) in self.scheduler.pollers(keeps).enumerate() {
            if ready & (2 << index) != 0 {
                // An error is its owner's, as soon as that one sleeps there.
                let _ = poller.try_poll(Timeout::Zero, wakes);
            }
        }
        Ok(())
    }

    /// Says whether this worker's polls are slow, while it is awake.
    pub(super) fn set_slow(&self, slow: bool) {
        if self.slow.replace(slow) == slow {
            return;
        }
        if slow {
            self.scheduler.say_slow();
        } else {
            self.scheduler.say_quick();
        }
    }

    /// True if this worker's poller is left and nobody looks after it: a check for debug builds.
    pub(super) fn is_forgotten(&self) -> bool {
        self.scheduler.idle.all_parked()
            && self
                .scheduler
                .idle
                .unattended()
                .any(|station| station == self.station_index)
    }
}

/// Takes in what is there.
fn harvest(poller: &Poller, wakes: &mut WakeList) {
    if poller.registrations() > 0 {
        // Somebody else inside is polling it for us; an error comes back at the next park.
        let _ = poller.try_poll(Timeout::Zero, wakes);
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::io::{Read, Write};
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::task::{Context, Waker};

    use super::*;
    use crate::clock::Clock;
    use crate::idle::Wish;
    use crate::poller::{Direction, Registration};
    use crate::primitive::Arc;
    use crate::timer::Timers;
    use crate::worker::{Config, Station};

    /// Worker 0, awake, and worker 1, which has left its poller; in each poller a socket is waited for.
    struct Pair {
        worker: Worker,
        sockets: [(Registration, UnixStream, UnixStream); 2],
    }

    impl Pair {
        fn new() -> Self {
            let clock = Clock::manual(1);
            let pollers = [0, 1].map(|_| Arc::new(Poller::new(false).unwrap()));
            let stations = pollers.iter().map(|poller| {
                Station::new(Some(poller.clone()), Arc::new(Timers::new(clock.clone())))
            });
            let stations = stations.collect();
            let config = Config {
                workers: 2,
                ..Config::default()
            };
            let scheduler = Scheduler::new(config, clock, stations);
            let wish = Wish {
                sources: true,
                relies: true,
            };
            let _ = scheduler.idle.park(1, wish, false);
            let local = scheduler.seat(0).queue.sit_down().expect("it is vacant");
            let worker = Worker::new(scheduler, 0, 0, local, None);
            let sockets = pollers.map(|poller| {
                let (near, far) = UnixStream::pair().unwrap();
                far.set_nonblocking(true).unwrap();
                (Registration::new(poller, far.as_raw_fd()), near, far)
            });
            let pair = Self { worker, sockets };
            pair.read_all();
            pair.harvest_all();
            pair
        }

        /// Reads until there is nothing, and waits for more.
        fn read_all(&self) {
            for (source, _, far) in &self.sockets {
                let mut cx = Context::from_waker(Waker::noop());
                let mut far: &UnixStream = far;
                let mut read = || far.read(&mut [0; 8]);
                while source
                    .poll_io(&mut cx, Direction::Read, &mut read)
                    .is_ready()
                {}
            }
        }

        /// What a registration itself brings is taken in.
        fn harvest_all(&self) {
            let mut wakes = WakeList::new();
            for station in &self.worker.scheduler.stations {
                harvest(station.poller.as_deref().unwrap(), &mut wakes);
            }
        }

        /// Whether a last look finds anything, and how many calls it takes.
        fn look(&self) -> (bool, u64) {
            let polls = || {
                let stations = self.worker.scheduler.stations.iter();
                stations
                    .map(|station| station.poller.as_ref().unwrap().polls())
                    .sum::<u64>()
            };
            let before = polls();
            let any = self.worker.look_once_more();
            (any, polls() - before)
        }
    }

    #[test]
    fn who_found_nothing_does_not_look_again_until_events_come_in_numbers() {
        let mut pair = Pair::new();
        pair.worker.brisk.set(true);
        assert_eq!(pair.look(), (false, 2));
        assert_eq!(pair.look(), (false, 0));
        for (_, near, _) in &mut pair.sockets {
            near.write_all(b"x").unwrap();
        }
        pair.worker.look_into_left();
        assert_eq!(pair.look(), (false, 0), "one event is no number");
    }

    #[test]
    fn one_poller_with_events_is_enough_and_they_begin_by_turns() {
        let mut pair = Pair::new();
        for (_, near, _) in &mut pair.sockets {
            near.write_all(b"x").unwrap();
        }
        pair.worker.brisk.set(true);
        assert_eq!(pair.look(), (true, 1));
        assert_eq!(pair.look(), (true, 1), "the other one");
        assert_eq!(pair.look(), (false, 2));
    }

    #[test]
    fn who_becomes_slow_calls_somebody_only_for_pollers_that_nobody_keeps() {
        let clock = Clock::manual(1);
        let station = |_| Station::new(None, Arc::new(Timers::new(clock.clone())));
        let stations = (0..4).map(station).collect();
        let config = Config {
            workers: 4,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock, stations);
        let sources = |relies| Wish {
            sources: true,
            relies,
        };
        let asleep = || scheduler.idle.counts().0;
        let left = scheduler.idle.park(0, sources(true), false);
        scheduler.say_slow();
        assert_eq!(asleep(), 0, "the one who left its poller is called");
        let _ = scheduler.idle.unpark_self(0, left, false);
        let _ = scheduler.idle.park(0, sources(true), false);
        let keeper = scheduler.idle.park(1, sources(false), false);
        assert!(keeper.keeps.eq([0]));
        scheduler.say_slow();
        assert_eq!(asleep(), 2, "nobody is called");
    }
}
