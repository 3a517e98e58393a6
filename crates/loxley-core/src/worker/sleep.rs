//! Going to sleep without missing anything: I1 to I4 of `idle.rs` for one worker.
//!
//! Checked by the tests below, `tests/worker_*.rs` and `loom-tests/tests/worker.rs`.

use std::time::Duration;

use super::pace::QUICK;
use super::{Hook, Worker};
use crate::idle::{Bed, Unparked, Wish};
use crate::park::{How, NEVER, Prepared};
use crate::poller::{PollGuard, Timeout};
use crate::task::{WakeList, contain};

/// In debug builds nobody sleeps longer than this without a look at whether a wake was lost.
const RECHECK: Duration = Duration::from_millis(500);
/// Work found by such a look must be there at so many: the wake may just be on its way.
const LOOKS: u32 = 5;
/// Between two of them.
const CONFIRM: Duration = Duration::from_millis(20);

/// Where a sleep is spent.
struct Place<'a> {
    bed: Bed,
    /// The own poller, if it is slept in.
    guard: Option<PollGuard<'a>>,
}

impl Worker {
    /// W6: sleeps until there is something to do, and takes in what came.
    pub fn park(&self) {
        if !self.scheduler.is_here() {
            self.forked();
        }
        self.seat.watch.running.clear();
        if self.scheduler.config.on_park.is_some() && self.set_searching(false) {
            // S2: the hook may take its time. Nobody relies on this searcher: it goes through I1 to I3 below.
            self.scheduler.idle.give_up_searching();
        }
        run_hook(self.scheduler.config.on_park.as_ref());
        // The hook may have woken a task (tokio #8222), and who is no tenant waits for its station here.
        if !self.has_own_work() && self.reclaim_station() {
            self.sleep_at_station();
        }
        run_hook(self.scheduler.config.on_unpark.as_ref());
    }

    fn sleep_at_station(&self) {
        if !self.station.begin_sleep(self.seat_index) {
            return;
        }
        self.seat.watch.set_resting(true);
        let mut wakes = self.wakes.take();
        let (bed, found) = self.publish_and_sleep(&mut wakes);
        if bed.how == How::Poll && !wakes.is_empty() {
            self.was_woken_by(wakes.len(), bed.keeps);
        }
        // I4, and the end of every sleep. Before the station can be taken away: the list knows stations, not threads,
        // and the next tenant's sleep must not be mistaken for this one.
        let unparked = self
            .scheduler
            .idle
            .unpark_self(self.station_index, bed, found);
        self.set_searching(unparked == Unparked::Searching);
        self.station.end_sleep(self.seat_index);
        self.seat.watch.set_resting(false);
        self.after_sleep(wakes, self.is_searching() && !found);
    }

    /// I1 to I3; true if there was something to do, false after a sleep.
    fn publish_and_sleep(&self, wakes: &mut WakeList) -> (Bed, bool) {
        let station = &*self.station;
        let until = station.timers.next_deadline();
        let now = self.scheduler.clock.now();
        self.count_work(self.pace.pause(now));
        self.set_slow(false);
        let was_searching = self.set_searching(false);
        let makes_room = self.makes_room();
        self.makes_room_until.set(0);
        let wish = self.wishes(makes_room);
        let bed = self
            .scheduler
            .idle
            .park(self.station_index, wish, was_searching); // I1
        self.scheduler
            .calls
            .somebody_sleeps(now, self.scheduler.awake()); // C2
        if bed.last {
            self.scheduler.all_asleep(now, until);
        }
        // The poller's lock before the park word: nobody else can then consume the kick that ends the sleep.
        let guard = match (bed.how, &station.poller) {
            (How::Poll, Some(poller)) => Some(poller.lock()),
            _ => None,
        };
        let place = Place { bed, guard };
        if station.park.prepare(bed.how, until) == Prepared::Notified {
            return (bed, false);
        }
        let found = self.must_not_sleep(&bed, until, makes_room && !bed.last); // I3
        if !found {
            self.sleep(place, now, until, wakes);
        }
        station.park.finish();
        (bed, found)
    }

    /// J1: what it asks of its sleep.
    pub(super) fn wishes(&self, makes_room: bool) -> Wish {
        let together = makes_room || !self.scheduler.company.is_apart();
        Wish {
            sources: self.station.registrations() > 0,
            relies: together && self.scheduler.may_rely_on_the_awake(),
        }
    }

    /// I3: true if there is something to do after all.
    fn must_not_sleep(&self, bed: &Bed, until: u64, makes_room: bool) -> bool {
        let station = &*self.station;
        self.should_leave()
            || !self.scheduler.injector.is_empty()
            || (!(makes_room && self.scheduler.may_rely_on_the_awake()) && self.scheduler.has_work()) // K2
            || station.timers.next_deadline() < until
            || (bed.how == How::Futex && station.registrations() > 0)
            || (bed.relies && !self.scheduler.may_rely_on_the_awake())
            || self
                .interrupt
                .as_ref()
                .is_some_and(|interrupt| interrupt.is_raised())
    }

    fn sleep(&self, place: Place<'_>, now: u64, until: u64, wakes: &mut WakeList) {
        #[cfg(feature = "test-util")]
        if until != NEVER && self.scheduler.clock.is_paused() {
            return self.skip_to(place, until, wakes);
        }
        let time = (until != NEVER).then(|| Duration::from_nanos(until.saturating_sub(now)));
        if cfg!(debug_assertions) && time.is_none_or(|time| time > RECHECK) {
            return self.sleep_and_recheck(place, wakes);
        }
        self.sleep_for(place, time, wakes);
    }

    /// The clock is paused: moves it to `until`, unless something else is to be done first.
    #[cfg(feature = "test-util")]
    #[cold]
    fn skip_to(&self, place: Place<'_>, until: u64, wakes: &mut WakeList) {
        if self.scheduler.clock.is_held() {
            // The end of the hold wakes us.
            return self.sleep_for(place, None, wakes);
        }
        if let Some(mut guard) = place.guard {
            if let Err(error) = guard.poll(Timeout::Zero, wakes) {
                drop(guard);
                return self.poller_failed(&error, wakes);
            }
        }
        if wakes.is_empty() && self.station.park.is_parked() && !self.scheduler.clock.is_held() {
            self.scheduler.clock.move_to(until);
        }
    }

    fn sleep_for(&self, place: Place<'_>, time: Option<Duration>, wakes: &mut WakeList) {
        self.counters().sleep_begins();
        if let Err(error) = self.sleep_at(place, time, wakes) {
            self.poller_failed(&error, wakes);
        }
        self.counters().sleep_ended();
    }

    fn sleep_at(
        &self,
        place: Place<'_>,
        time: Option<Duration>,
        wakes: &mut WakeList,
    ) -> std::io::Result<()> {
        let Some(mut guard) = place.guard else {
            self.counters().futex_parks.add(1);
            self.station.park.sleep(time);
            return Ok(());
        };
        self.counters().poller_parks.add(1);
        let timeout = time.map_or(Timeout::Never, Timeout::Until);
        if place.bed.keeps.is_empty() {
            guard.poll(timeout, wakes).map(drop)
        } else {
            self.keep(guard, place.bed.keeps, timeout, wakes)
        }
    }

    /// Debug builds: a sleep with an end, after which nothing may be left lying (P5). What is found at several looks
    /// was stranded by a lost wake, and is counted.
    #[cold]
    fn sleep_and_recheck(&self, place: Place<'_>, wakes: &mut WakeList) {
        let how = place.bed.how;
        self.sleep_for(place, Some(RECHECK), wakes);
        let mut looks = (0..LOOKS).map(|look| {
            if look > 0 {
                crate::primitive::thread::sleep(CONFIRM);
            }
            self.station.park.is_parked()
                && (self.scheduler.has_stranded_work() || self.neglects_its_station(how))
        });
        if wakes.is_empty() && looks.all(|lost| lost) {
            self.counters().rechecks.add(1);
        }
    }

    /// True if a source or a deadline was added that this sleeper should have been told of.
    fn neglects_its_station(&self, how: How) -> bool {
        let station = &*self.station;
        let due = station.timers.next_deadline() <= self.scheduler.clock.now();
        due || match how {
            How::Futex => station.registrations() > 0,
            How::Left => self.is_forgotten(),
            How::Poll => false,
        }
    }

    /// `called`: it was chosen to look for work.
    fn after_sleep(&self, mut wakes: WakeList, called: bool) {
        let now = self.scheduler.clock.now();
        if called && self.scheduler.awake() > 1 {
            self.scheduler.calls.called(now); // C1
        }
        self.pace.resume(now);
        self.scheduler.alarm.active(now);
        self.station.timers.expire(now, &mut wakes);
        self.deliver(wakes);
        // Who was only called has no polls to be slow with: two such would call each other for ever.
        self.set_slow(self.has_own_work() && self.pace.mean_poll() > QUICK);
    }

    /// The kernel refuses to wait on the poller. Its sockets answer with an error from now on, which is better than a wait
    /// without end; tasks and timers go on.
    #[cold]
    fn poller_failed(&self, error: &std::io::Error, wakes: &mut WakeList) {
        let Some(poller) = &self.station.poller else {
            return;
        };
        eprintln!(
            "loxley: worker {} could not wait on its poller, whose sockets fail from now on: {error}",
            self.station_index
        );
        poller.fail(wakes);
    }

    /// A task has forked the process, and the child's copy of this worker has come back to its loop: all it could do is to
    /// take the parent's events.
    #[cold]
    fn forked(&self) -> ! {
        eprintln!(
            "loxley: worker {} goes on in a forked child: a fork inside a task must end with `exec` or `exit`",
            self.station_index
        );
        std::process::abort();
    }
}

/// Runs a hook of the user's; a panic in it is the hook's own.
pub fn run_hook(hook: Option<&Hook>) {
    if let Some(hook) = hook {
        contain(|| hook());
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::panic::Location;

    use super::*;
    use crate::clock::Clock;
    use crate::primitive::Arc;
    use crate::primitive::atomic::Ordering;
    use crate::task::Id;
    use crate::timer::Timers;
    use crate::worker::{Config, Scheduler, Station};

    /// A worker whose polls took long, at the end of a sleep.
    fn slow_worker() -> Worker {
        let clock = Clock::manual(1);
        let station = Station::new(None, Arc::new(Timers::new(clock.clone())));
        let config = Config {
            workers: 1,
            patient: true,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock, vec![station]);
        let local = scheduler.seat(0).queue.sit_down().expect("it is vacant");
        scheduler.stations[0].settle(0);
        let worker = Worker::new(scheduler, 0, 0, local, None);
        worker.pace.resume(1);
        worker.pace.tick(1);
        worker.pace.pause(1 + 2 * QUICK);
        worker
    }

    #[test]
    fn who_is_woken_for_nothing_is_not_slow_whatever_its_polls_were() {
        let worker = slow_worker();
        worker.after_sleep(WakeList::new(), false);
        assert_eq!(worker.scheduler.slow.load(Ordering::Relaxed), 0);
    }

    #[test]
    fn who_is_woken_for_a_task_is_slow_if_its_polls_were() {
        let worker = slow_worker();
        let id = Id::next();
        let home = worker.scheduler.home_for(Some(&worker), id);
        let (task, _handle) = home.spawn(id, Location::caller(), async {});
        worker.push(task.expect("it is open"));
        worker.after_sleep(WakeList::new(), false);
        assert_eq!(worker.scheduler.slow.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn who_makes_room_leaves_its_peers_their_tasks_unless_one_blocks() {
        let worker = slow_worker();
        let scheduler = &worker.scheduler;
        let id = Id::next();
        let home = scheduler.home_for(None, id);
        let (task, _handle) = home.spawn(id, Location::caller(), async {});
        worker.push(task.expect("it is open"));
        assert!(worker.must_not_sleep(&Bed::FUTEX, NEVER, false));
        assert!(!worker.must_not_sleep(&Bed::FUTEX, NEVER, true));
        scheduler.in_place.store(1, Ordering::Relaxed);
        assert!(worker.must_not_sleep(&Bed::FUTEX, NEVER, true));
    }
}
