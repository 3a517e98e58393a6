//! Whether events find somebody awake, and so whether sleepers leave their pollers to others (J1 in `idle.rs`).
//!
//! To leave it saves a wake for each event that comes while a peer is awake. A pool that is mostly asleep has nobody awake when
//! an event comes: the keeper is woken for it as the owner would be, and needs two calls of the kernel, one to sleep in several
//! pollers and one to ask the one that is ready.
//!
//! - N1 an event that wakes somebody is *alone* if it is the only one that ended the sleep of the last who slept. Every other
//!   is in company.
//! - N2 when more are alone than in company, by [`APART`], sleepers are *apart*: each stays in its own poller. Only who makes room
//!   (K2 in `crowd.rs`) leaves it all the same.
//! - N3 whoever sleeps as before, with its poller left to a keeper, is woken by that one at the next event that is alone.
//! - N4 sleepers leave their pollers again when as many events were in company.
//!
//! # Rejected
//!
//! Never to leave a poller: 0.28 to 0.32 sleeps per message or request of a busy service instead of 0.02, and fewer of them, by
//! a quarter and an eighth (`docs/performance.md`). Counting looks that found events and sleeps that events ended, however many: a busy service, whose last sleeper finds
//! many each time it wakes, came out as apart.
//!
//! Checked by the tests below.

use super::Worker;
use crate::idle::Stations;
use crate::primitive::atomic::{AtomicBool, AtomicU32, Ordering};

/// Enough that it is no chance; at 20 thousand messages per second it takes some milliseconds.
const APART: u32 = 64;

/// What was counted. Relaxed throughout, and not exact: no event depends on it.
#[derive(Debug, Default)]
pub struct Company {
    /// How many more events were alone than in company, 0 to [`APART`].
    alone: AtomicU32,
    apart: AtomicBool,
}

impl Company {
    /// N1: so many events have come, and nobody was awake or somebody.
    pub fn came(&self, events: usize, nobody_awake: bool) {
        if events == 0 {
            return;
        }
        let before = self.alone.load(Ordering::Relaxed);
        let now = match nobody_awake && events == 1 {
            true => (before + 1).min(APART),
            false => before.saturating_sub(u32::try_from(events).unwrap_or(APART)),
        };
        if now == before {
            return;
        }
        self.alone.store(now, Ordering::Relaxed);
        if now == 0 || now == APART {
            self.apart.store(now != 0, Ordering::Relaxed); // N2, N4
        }
    }

    /// N2: true if each sleeps in its own poller.
    pub fn is_apart(&self) -> bool {
        self.apart.load(Ordering::Relaxed)
    }
}

impl Worker {
    /// So many events have ended the sleep of this worker in its poller and in those that it keeps; it counts as asleep yet.
    pub(super) fn was_woken_by(&self, events: usize, keeps: Stations) {
        let scheduler = &self.scheduler;
        let nobody_awake = scheduler.awake() == 0;
        scheduler.company.came(events, nobody_awake);
        let is_apart = nobody_awake && scheduler.company.is_apart();
        // Who makes room would only lie down again.
        if is_apart && !scheduler.crowd.is_in_a_respite() {
            for station in keeps {
                scheduler.stations[station].park.unpark(); // N3
            }
        }
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::idle::{Bed, Wish};
    use crate::park::{How, NEVER, Prepared};
    use crate::primitive::Arc;
    use crate::timer::Timers;
    use crate::worker::{Config, Scheduler, Station};

    /// So many events, one after the other.
    fn apart_after(company: &Company, events: u32, nobody_awake: bool) -> bool {
        for _ in 0..events {
            company.came(1, nobody_awake);
        }
        company.is_apart()
    }

    #[test]
    fn sleepers_are_apart_when_events_are_alone_and_until_as_many_were_in_company() {
        let company = Company::default();
        assert!(!apart_after(&company, APART - 1, true));
        assert!(apart_after(&company, 1, true));
        assert!(apart_after(&company, APART - 1, false));
        assert!(!apart_after(&company, 1, false));
        assert!(!apart_after(&company, APART - 1, true));
    }

    #[test]
    fn events_in_numbers_are_company() {
        let company = Company::default();
        company.came(0, true);
        assert!(apart_after(&company, 2 * APART, true));
        company.came(APART as usize - 1, true);
        assert!(company.is_apart());
        company.came(2, true);
        assert!(!company.is_apart());
    }

    /// Two workers asleep, the first in its poller and in that of the second, with what the second's sleep is.
    fn sleepers() -> (Worker, Stations, Bed) {
        sleepers_on(0)
    }

    /// The same on so many processors; 0: nobody cares.
    fn sleepers_on(processors: usize) -> (Worker, Stations, Bed) {
        let clock = Clock::manual(1);
        let stations = [(); 2].map(|()| Station::new(None, Arc::new(Timers::new(clock.clone()))));
        let config = Config {
            workers: 2,
            processors,
            patient: true,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock, stations.into());
        let wish = |relies| Wish {
            sources: true,
            relies,
        };
        let left = scheduler.idle.park(1, wish(true), false);
        assert_eq!(left.how, How::Left);
        let prepared = scheduler.stations[1].park.prepare(How::Left, NEVER);
        assert_ne!(prepared, Prepared::Notified);
        let keeper = scheduler.idle.park(0, wish(true), false);
        let local = scheduler.seat(0).queue.sit_down().expect("it is vacant");
        (
            Worker::new(scheduler, 0, 0, local, None),
            keeper.keeps,
            left,
        )
    }

    fn second_sleeps(worker: &Worker) -> bool {
        worker.scheduler.stations[1].park.is_parked()
    }

    #[test]
    fn who_has_left_its_poller_is_called_back_to_it_once_sleepers_are_apart() {
        let (worker, keeps, _) = sleepers();
        for _ in 1..APART {
            worker.was_woken_by(1, keeps);
        }
        assert!(second_sleeps(&worker));
        worker.was_woken_by(1, keeps);
        assert!(!second_sleeps(&worker));
    }

    #[test]
    fn who_has_left_its_poller_is_called_back_although_workers_outnumber_processors() {
        let (worker, keeps, _) = sleepers_on(1);
        assert!(worker.scheduler.crowd.is_limited());
        for _ in 0..APART {
            worker.was_woken_by(1, keeps);
        }
        assert!(!second_sleeps(&worker));
    }

    #[test]
    fn nobody_is_called_back_who_makes_room() {
        let (worker, keeps, _) = sleepers();
        worker.scheduler.crowd.put_off(1, 2);
        for _ in 0..APART {
            worker.was_woken_by(1, keeps);
        }
        assert!(worker.scheduler.company.is_apart() && second_sleeps(&worker));
        assert!(!worker.wishes(false).relies && worker.wishes(true).relies);
    }

    #[test]
    fn events_that_end_a_sleep_while_a_peer_is_awake_are_company() {
        let (worker, keeps, left) = sleepers();
        let _ = worker.scheduler.idle.unpark_self(1, left, false);
        for _ in 0..APART {
            worker.was_woken_by(1, keeps);
        }
        assert!(!worker.scheduler.company.is_apart());
    }
}
