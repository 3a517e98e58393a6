//! More threads want to run than there are processors.
//!
//! A thread that is put off for a time slice takes with it what it is in the middle of: a task, the events that it has just
//! taken in. And two workers that take turns on one processor serve no more than one of them that stays there. So where
//! somebody else needs the processors too (a client, a database on the same machine), fewer workers are to be awake.
//!
//! *Crowded*: a worker was put off although no more workers were awake than there are processors. *Respite*: how long fewer
//! are awake then.
//!
//! - K0 where there are more workers than processors, no more are called for short work than there are processors: whoever comes
//!   puts off somebody who is awake, for a few tasks, and sleeps again. So K2 to K4 hold without a respite, too, as long as
//!   those awake may be relied on and their polls are short.
//! - K1 a worker finds at a look that the time since the last one was odd (`pace.rs`) and that the kernel had it put off
//!   meanwhile. If as many workers are awake as there are processors, one fewer may be so for [`RESPITE`]: for twice that if
//!   a respite has just passed, and so on.
//! - K2 the one that was put off *makes room*, if those awake may be relied on: it takes in no more events, and when it has no
//!   tasks left, it sleeps and leaves its poller (J1 in `idle.rs`). If it still has some after [`RUN_DRY`], it stays, and takes
//!   in events as ever, for nobody else does. Everybody who has no tasks left while more than may be so are awake makes room,
//!   too. Tasks in the queues of others are left to them, and I3 does not look there.
//! - K3 as long as there is a respite, nobody is called for work that takes less than [`WORTH`] to do: a time slice is longer.
//!   Who was called and finds something calls no other in turn (S2): those who pushed meanwhile are awake.
//! - K4 hints that say "worth a look" are then announced by nobody (Q2 in `queue.rs`), so whoever is awake sees at its looks
//!   whether its queue has become long; and who is about to block in place calls somebody if anything waits at all.
//! - K5 at a look after the respite it is over, and peers are called as ever, up to K0.
//!
//! A worker that is stuck while others make room is the monitor's, as ever.
//!
//! The idea is process control (Tucker and Gupta, SOSP 1989), where a server told each program how many threads to run; here
//! each program sees for itself that it has too many.
//!
//! # Rejected
//!
//! Counting who is put off by reading `/proc`: 20 µs. Making room at each preemption, however few are awake: on a machine with
//! free processors the kernel has only moved somebody. One respite for ever: who needs the processors may be gone. For K0, to
//! call who slept last on another processor: a third less time where who calls was put off by who came, but no gain beside it.
//!
//! Checked by the tests below, and those of `share.rs` and `sleep.rs`.

use super::{Config, Scheduler, Worker};
use crate::primitive::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use crate::primitive::times_put_off;

/// The shortest respite, in nanoseconds: a few time slices.
const RESPITE: u64 = 10_000_000;
/// The longest one is so many times that.
const MOST: u32 = 8;
/// A preemption so soon after a respite says that it was too short, in nanoseconds.
const SOON: u64 = 2 * RESPITE;
/// Who has tasks for longer than this does not make room, in nanoseconds.
const RUN_DRY: u64 = 1_000_000;
/// Work that takes longer is worth another worker, in nanoseconds.
const WORTH: u64 = 2_000_000;
/// As many may be awake as there are.
const ALL: usize = usize::MAX;

/// How many workers may be awake. Relaxed throughout: advice, and nobody's work depends on it.
#[derive(Debug)]
pub struct Crowd {
    /// K0, outside of respites.
    most: usize,
    /// The same for now.
    limit: AtomicUsize,
    /// When the respite ends, or has ended.
    until: AtomicU64,
    /// How many times [`RESPITE`] it takes.
    respites: AtomicU32,
}

impl Crowd {
    /// K0.
    pub fn new(config: &Config) -> Self {
        let outnumber = config.patient && (1..config.workers).contains(&config.processors);
        let most = if outnumber { config.processors } else { ALL };
        Self {
            most,
            limit: AtomicUsize::new(most),
            until: AtomicU64::new(0),
            respites: AtomicU32::new(0),
        }
    }

    /// K1: one of those `awake` was put off.
    pub fn put_off(&self, now: u64, awake: usize) {
        let until = self.until.load(Ordering::Relaxed);
        let respites = match now < until.saturating_add(SOON) && until != 0 {
            true => (2 * self.respites.load(Ordering::Relaxed)).clamp(1, MOST),
            false => 1,
        };
        self.respites.store(respites, Ordering::Relaxed);
        let until = now + u64::from(respites) * RESPITE;
        self.until.store(until, Ordering::Relaxed);
        let limit = awake.saturating_sub(1).clamp(1, self.most);
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// True if not all may be awake.
    #[inline]
    pub fn is_limited(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != ALL
    }

    /// True if even fewer may be than K0 says.
    pub fn is_in_a_respite(&self) -> bool {
        self.limit.load(Ordering::Relaxed) != self.most
    }

    /// True if more than these would be too many.
    #[inline]
    pub fn is_full(&self, awake: usize) -> bool {
        awake >= self.limit.load(Ordering::Relaxed)
    }

    /// K3: true if so many tasks, of which each takes so long, are left to those awake.
    #[inline]
    pub fn can_wait(&self, tasks: usize, poll: u64) -> bool {
        tasks as u64 * poll < WORTH
    }

    /// K5: a look at `now`.
    pub fn look(&self, now: u64) {
        if self.is_in_a_respite() && now >= self.until.load(Ordering::Relaxed) {
            self.limit.store(self.most, Ordering::Relaxed);
        }
    }
}

impl Worker {
    /// K1: the time since the last look was odd.
    #[cold]
    pub(super) fn ask_whether_put_off(&self, now: u64) {
        if let Some(times) = times_put_off() {
            self.was_put_off(times, now);
        }
    }

    /// So often since this thread began.
    fn was_put_off(&self, times: u64, now: u64) {
        if times <= self.put_off.replace(times) {
            return;
        }
        let scheduler = &self.scheduler;
        let awake = scheduler.awake();
        let processors = scheduler.config.processors;
        if scheduler.config.patient && (1..=awake).contains(&processors) {
            scheduler.crowd.put_off(now, awake);
            self.makes_room_until
                .set(if awake > 1 { now + RUN_DRY } else { 0 });
        }
    }

    /// K4 and K5.
    #[cold]
    pub(super) fn look_in_a_crowd(&self, now: u64) {
        self.scheduler.crowd.look(now);
        self.crowded.set(self.scheduler.crowd.is_limited());
        if self.local.length() > 0 && !self.is_no_use_to_call() {
            self.announce_soon();
        }
    }

    /// K3: whoever comes would take a processor from those awake.
    #[inline]
    pub(super) fn is_no_use_to_call(&self) -> bool {
        self.scheduler.crowd.is_limited() && self.are_enough_awake()
    }

    fn are_enough_awake(&self) -> bool {
        let crowd = &self.scheduler.crowd;
        self.is_crowded(self.scheduler.awake())
            && crowd.can_wait(self.local.length(), self.pace.mean_poll())
    }

    /// True if these are as many as may be awake: in a respite, or by K0.
    fn is_crowded(&self, awake: usize) -> bool {
        let Scheduler { crowd, .. } = &*self.scheduler;
        let short = || self.pace.patience() > 0 && self.scheduler.may_rely_on_the_awake();
        crowd.is_full(awake) && (crowd.is_in_a_respite() || short())
    }

    /// K2: true if it takes in no events at this look.
    pub(super) fn runs_dry(&self, now: u64) -> bool {
        let until = self.makes_room_until.get();
        if now >= until {
            self.makes_room_until.set(0);
        }
        now < until && self.makes_room()
    }

    /// K2: true if it is to sleep rather than to look for more.
    pub(super) fn makes_room(&self) -> bool {
        let was_put_off = self.makes_room_until.get() != 0;
        let crowd = &self.scheduler.crowd;
        let room = crowd.is_limited() && {
            let awake = self.scheduler.awake();
            awake > 1
                && (was_put_off || self.is_crowded(awake - 1))
                && self.scheduler.may_rely_on_the_awake()
        };
        if !room {
            self.makes_room_until.set(0);
        }
        room
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::os::fd::AsRawFd;
    use std::os::unix::net::UnixStream;
    use std::time::Duration;

    use super::*;
    use crate::clock::Clock;
    use crate::idle::Wish;
    use crate::park::NEVER;
    use crate::poller::{Poller, Registration};
    use crate::primitive::Arc;
    use crate::timer::Timers;
    use crate::worker::Station;

    #[test]
    fn one_fewer_may_be_awake_until_the_respite_is_over() {
        let crowd = Crowd::new(&Config::default());
        assert!(!crowd.is_full(2));
        crowd.put_off(1, 2);
        assert!(crowd.is_full(1));
        crowd.look(RESPITE);
        assert!(crowd.is_full(1));
        crowd.look(1 + RESPITE);
        assert!(!crowd.is_full(2));
    }

    #[test]
    fn where_workers_outnumber_processors_so_many_of_them_may_be_awake() {
        let crowd = |workers, patient| {
            let config = Config {
                workers,
                processors: 2,
                patient,
                ..Config::default()
            };
            Crowd::new(&config)
        };
        assert!(!crowd(2, true).is_limited() && !crowd(3, false).is_limited());
        let crowd = crowd(3, true);
        assert!(crowd.is_full(2) && !crowd.is_full(1) && !crowd.is_in_a_respite());
        crowd.put_off(1, 3);
        assert!(
            crowd.is_full(2) && !crowd.is_full(1),
            "nobody else is there"
        );
        crowd.put_off(1, 2);
        assert!(crowd.is_full(1) && crowd.is_in_a_respite());
        crowd.look(u64::MAX);
        assert!(crowd.is_full(2) && !crowd.is_full(1) && !crowd.is_in_a_respite());
    }

    #[test]
    fn respites_double_while_one_follows_the_other_and_begin_anew_after_calm() {
        let crowd = Crowd::new(&Config::default());
        let mut now = 1;
        let mut lasts = |wait: u64| {
            now += wait;
            crowd.put_off(now, 2);
            let lasted = crowd.until.load(Ordering::Relaxed) - now;
            now += lasted;
            lasted / RESPITE
        };
        let soon = [0, 0, 0, SOON - 1, 0].map(&mut lasts);
        assert_eq!(soon, [1, 2, 4, 8, 8]);
        assert_eq!(lasts(SOON), 1);
    }

    #[test]
    fn somebody_may_always_be_awake() {
        let crowd = Crowd::new(&Config::default());
        crowd.put_off(1, 1);
        assert!(!crowd.is_full(0) && crowd.is_full(1));
    }

    #[test]
    fn what_takes_longer_than_a_peer_is_worth_does_not_wait() {
        let crowd = Crowd::new(&Config::default());
        assert!(crowd.can_wait(64, WORTH / 65));
        assert!(!crowd.can_wait(64, WORTH / 64));
    }

    /// A worker whose peer is awake, with a socket in its own poller.
    fn worker(processors: usize) -> (Worker, (Registration, UnixStream)) {
        let clock = Clock::manual(1);
        let pollers = [(); 2].map(|()| Arc::new(Poller::new(false).unwrap()));
        let station = |poller: &Arc<Poller>| {
            Station::new(Some(poller.clone()), Arc::new(Timers::new(clock.clone())))
        };
        let stations = pollers.iter().map(station).collect();
        let config = Config {
            workers: 2,
            processors,
            patient: true,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock, stations);
        let local = scheduler.seat(0).queue.sit_down().expect("it is vacant");
        scheduler.stations[0].settle(0);
        let (socket, _) = UnixStream::pair().unwrap();
        let source = Registration::new_connecting(pollers[0].clone(), socket.as_raw_fd());
        let worker = Worker::new(scheduler, 0, 0, local, None);
        (worker, (source.unwrap(), socket))
    }

    /// Calls of its poller at a look.
    fn polls_at_a_look(worker: &Worker) -> u64 {
        let poller = worker.station.poller.as_ref().unwrap();
        let before = poller.polls();
        worker.look();
        poller.polls() - before
    }

    #[test]
    fn who_makes_room_takes_in_no_more_events() {
        let (worker, _source) = worker(2);
        assert_eq!(polls_at_a_look(&worker), 1);
        worker.was_put_off(1, 1);
        assert_eq!(polls_at_a_look(&worker), 0);
    }

    /// Of two that were put off and always had tasks, neither took in events for seconds.
    #[test]
    fn who_does_not_run_dry_takes_in_events_as_ever() {
        let (worker, _source) = worker(2);
        let clock = &worker.scheduler.clock;
        worker.was_put_off(1, clock.now());
        clock.advance(Duration::from_nanos(RUN_DRY - 1));
        assert_eq!(polls_at_a_look(&worker), 0);
        clock.advance(Duration::from_nanos(1));
        assert!(worker.scheduler.crowd.is_limited());
        assert_eq!(polls_at_a_look(&worker), 1);
    }

    #[test]
    fn while_too_many_are_awake_everybody_without_tasks_makes_room() {
        let (worker, _source) = worker(2);
        assert!(!worker.makes_room());
        worker.scheduler.crowd.put_off(1, 2);
        assert!(worker.makes_room());
        assert_eq!(polls_at_a_look(&worker), 1, "who was not put off looks on");
        worker.scheduler.crowd.put_off(1, 3);
        assert!(!worker.makes_room(), "two may be awake");
    }

    #[test]
    fn nobody_makes_room_who_is_the_only_one_awake_or_in_no_respite() {
        let (worker, _source) = worker(2);
        worker.makes_room_until.set(NEVER);
        assert!(!worker.makes_room(), "no respite");
        worker.scheduler.crowd.put_off(1, 2);
        let _ = worker.scheduler.idle.park(1, Wish::default(), false);
        worker.makes_room_until.set(NEVER);
        assert!(!worker.makes_room(), "the only one");
    }

    #[test]
    fn who_was_put_off_once_more_makes_room() {
        let (worker, _source) = worker(2);
        worker.was_put_off(1, 1);
        assert!(worker.makes_room());
        worker.makes_room_until.set(0);
        worker.was_put_off(1, 2);
        assert_eq!(worker.makes_room_until.get(), 0);
    }

    #[test]
    fn who_was_put_off_where_processors_are_free_or_nobody_knows_stays() {
        for processors in [0, 3] {
            let (worker, _source) = worker(processors);
            worker.was_put_off(1, 1);
            assert!(!worker.scheduler.crowd.is_limited());
            assert_eq!(worker.makes_room_until.get(), 0);
        }
    }
}
