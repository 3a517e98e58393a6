//! One thread that notices a worker stuck in one poll, and sees to it that nobody else waits for it.
//!
//! It never runs foreign code, sleeps while nothing is stuck, and nothing ticks: the alarm (`alarm.rs`) rings only after
//! workers have been active for a while, and the workers' polls and sleeps are counted anyway.
//!
//! # Words
//!
//! *Sample*: the progress of every active seat. *Stuck*: active, and no progress between two samples (`watch.rs`).
//! *Round*: what the monitor does every [`ROUND`] while somebody is stuck. *Spare*: a thread that stands in for a
//! worker when nobody else is left.
//!
//! # Protocol
//!
//! - V1 the alarm rings. Nobody is active: wait for the next ring. Else sample.
//! - V2 [`CONVICT`] later sample again. All moved: ring again later, at most [`SLOWEST`] apart. Else those who did
//!   not are stuck: rounds, until there are none.
//! - V3 a round publishes the verdicts and the mask, and watches the pollers of stuck tenants.
//! - V4 is there something to take over: a task in a slot or deque of theirs, a due timer, an event, a task in the
//!   injector? If so, and a worker sleeps, wake one, whatever the count of searchers says. If others are merely busy,
//!   they find the mask at their next look.
//! - V5 all are stuck. One of them sleeps in the kernel: a station is given to a spare. All compute: one spare in all,
//!   once work has waited for [`PREEMPT`]; the kernel's time slices then do the rest.
//! - V6 an event in a watched poller, the deadline of a stuck station, or the end of the round begin the next one.
//!
//! *Asleep in the kernel* is the thread's state in `/proc`, read only for those who are stuck. A CPU clock that stands
//! still proves nothing: preempted threads showed that in 64 % of 1 ms samples.
//!
//! # Rejected
//!
//! A ticking watcher: at low load its ticks are as many context switches as the work itself. Handing the whole queue to
//! a new thread at each verdict, as async-std's proposal did: an idle or busy peer is there already, most of the time.
//! One signal for sleeping and computing: a pool that only computes would fill the machine with threads.
//! Delivering events in this thread: a waker is foreign code, and may block the only thread that would notice.
//!
//! Checked by `tests/rescue_*.rs`.

mod os;

use std::time::Duration;

use crate::primitive::Arc;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::worker::{Scheduler, Seat, Station};
use os::{Doors, Wake};

/// Between the first sample and the verdict.
const CONVICT: Duration = Duration::from_micros(400);
/// Between two rounds.
const ROUND: Duration = Duration::from_micros(800);
/// The longest time between two rings while everybody moves, in nanoseconds.
const SLOWEST: u64 = 2_000_000;
/// How long work waits for a pool that only computes, in nanoseconds.
const PREEMPT: u64 = 10_000_000;
/// How long a spare may take to arrive before another is considered, in nanoseconds.
const ARRIVAL: u64 = 3_000_000;

/// Why a spare was started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Every worker is stuck, and one of them sleeps in the kernel.
    Asleep,
    /// Every worker computes, and work has waited for long.
    Computing,
}

/// What the monitor counts about itself.
#[derive(Debug, Default)]
pub struct Tally {
    rings: AtomicU64,
    verdicts: AtomicU64,
    calls: AtomicU64,
    spares_asleep: AtomicU64,
    spares_computing: AtomicU64,
}

impl Tally {
    /// Rings of the alarm.
    pub fn rings(&self) -> u64 {
        self.rings.load(Ordering::Relaxed)
    }

    /// Threads found stuck.
    pub fn verdicts(&self) -> u64 {
        self.verdicts.load(Ordering::Relaxed)
    }

    /// Sleeping workers woken to relieve somebody.
    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Spares started for this reason.
    pub fn spares(&self, reason: Reason) -> u64 {
        self.of(reason).load(Ordering::Relaxed)
    }

    fn of(&self, reason: Reason) -> &AtomicU64 {
        match reason {
            Reason::Asleep => &self.spares_asleep,
            Reason::Computing => &self.spares_computing,
        }
    }
}

/// What a monitor needs.
pub struct Monitor {
    scheduler: Arc<Scheduler>,
    doors: Arc<Doors>,
    tally: Arc<Tally>,
    /// Starts a spare for the station with this index; false if the system refused.
    start_spare: Box<dyn Fn(usize) -> bool + Send>,
}

/// Ends the monitor.
#[derive(Clone, Debug)]
pub struct Stop(Arc<Doors>);

impl Stop {
    /// Asks it to end; it does at once.
    pub fn stop(&self) {
        self.0.stop();
    }
}

/// A seat's progress at one moment.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Sample {
    seat: usize,
    progress: u64,
}

impl Monitor {
    /// Opens the monitor's doors and connects the scheduler's alarm.
    pub fn new(
        scheduler: Arc<Scheduler>,
        portable: bool,
        start_spare: Box<dyn Fn(usize) -> bool + Send>,
    ) -> std::io::Result<(Self, Stop, Arc<Tally>)> {
        let doors = Arc::new(Doors::open(portable)?);
        let bell = doors.clone();
        scheduler
            .alarm
            .connect(Box::new(move |period| bell.ring_in(period)));
        let tally = Arc::new(Tally::default());
        let stop = Stop(doors.clone());
        let monitor = Self {
            scheduler,
            doors,
            tally: tally.clone(),
            start_spare,
        };
        Ok((monitor, stop, tally))
    }

    /// The thread's life.
    pub fn run(self) {
        let mut period = crate::alarm::PERIOD;
        loop {
            match self.doors.wait(None) {
                Wake::Stop => return,
                Wake::Time | Wake::Event => continue,
                Wake::Ring => {}
            }
            self.tally.rings.fetch_add(1, Ordering::Relaxed);
            self.scheduler.alarm.rang();
            let first = self.samples();
            if first.is_empty() {
                period = crate::alarm::PERIOD; // V1
                continue;
            }
            let Some(stuck) = self.convict_after(&first) else {
                return;
            };
            if stuck.is_empty() {
                period = (period * 2).min(SLOWEST); // V2
            } else {
                period = crate::alarm::PERIOD;
                if Rounds::new(&self).run(stuck) == Wake::Stop {
                    return;
                }
            }
            self.scheduler
                .alarm
                .again(self.scheduler.clock.now(), period);
        }
    }

    /// The progress of all active seats.
    fn samples(&self) -> Vec<Sample> {
        let seats = self.scheduler.seats().enumerate();
        let active = seats.filter(|(_, seat)| seat.is_active());
        active
            .map(|(seat, active)| Sample {
                seat,
                progress: active.progress(),
            })
            .collect()
    }

    /// V2: who made no progress since `first`; `None` if the monitor should end.
    fn convict_after(&self, first: &[Sample]) -> Option<Vec<Sample>> {
        loop {
            match self.doors.wait(Some(CONVICT)) {
                Wake::Stop => return None,
                Wake::Time => break,
                // Taken back, or else nobody would set the alarm again while it seems to be set.
                Wake::Ring => self.scheduler.alarm.rang(),
                Wake::Event => {}
            }
        }
        let now = self.samples();
        Some(
            now.into_iter()
                .filter(|sample| first.contains(sample))
                .collect(),
        )
    }

    fn seat(&self, index: usize) -> &Arc<Seat> {
        self.scheduler.seat(index)
    }
}

/// The rounds from the first verdict to the last return.
struct Rounds<'a> {
    monitor: &'a Monitor,
    /// Stations whose pollers are watched.
    watched: Vec<usize>,
    /// An event was seen in a watched poller since the last action.
    event: bool,
    /// When work was first seen waiting for a pool in which all are stuck.
    waiting_since: Option<u64>,
    /// When a spare was last started, while it has not sat down.
    spare_due: Option<(u64, usize)>,
}

impl<'a> Rounds<'a> {
    fn new(monitor: &'a Monitor) -> Self {
        Self {
            monitor,
            watched: Vec::new(),
            event: false,
            waiting_since: None,
            spare_due: None,
        }
    }

    /// V3 to V6.
    fn run(&mut self, mut stuck: Vec<Sample>) -> Wake {
        let mut end = Wake::Time;
        self.publish(&stuck, &[]);
        while !stuck.is_empty() {
            let before = self.monitor.samples();
            let sampled_at = self.monitor.scheduler.clock.now();
            self.act(&stuck);
            end = self.rest();
            if end == Wake::Stop {
                break;
            }
            let now = self.monitor.samples();
            let mut next = now.clone();
            // Who was stuck stays so while it does not move; others get the same time to move as the first.
            let apart = Duration::from_nanos(self.monitor.scheduler.clock.now() - sampled_at);
            let convicted = |sample: &Sample| apart >= CONVICT && before.contains(sample);
            next.retain(|sample| stuck.contains(sample) || convicted(sample));
            self.publish(&next, &stuck);
            stuck = next;
        }
        self.monitor.scheduler.stuck.set(std::iter::empty());
        self.watch(&[]);
        end
    }

    /// V3.
    fn publish(&mut self, stuck: &[Sample], before: &[Sample]) {
        for sample in stuck {
            if !before.contains(sample) {
                self.monitor.tally.verdicts.fetch_add(1, Ordering::Relaxed);
            }
            self.monitor.seat(sample.seat).convict(sample.progress);
        }
        self.monitor
            .scheduler
            .stuck
            .set(stuck.iter().map(|sample| sample.seat));
        self.watch(stuck);
    }

    /// Watches the pollers of the stuck tenants, and of nobody else.
    fn watch(&mut self, stuck: &[Sample]) {
        let stations = &self.monitor.scheduler.stations;
        let wanted = stations.iter().enumerate().filter(|(_, station)| {
            station
                .tenant()
                .is_some_and(|tenant| stuck.iter().any(|sample| sample.seat == tenant))
        });
        let wanted: Vec<usize> = wanted.map(|(index, _)| index).collect();
        for &index in self.watched.iter().filter(|index| !wanted.contains(index)) {
            self.monitor.doors.unwatch(&stations[index]);
        }
        for &index in &wanted {
            // Again at every round: an event that nobody has taken in yet then shows again.
            self.monitor
                .doors
                .watch(&stations[index], self.watched.contains(&index));
        }
        self.watched = wanted;
    }

    /// V4 and V5.
    fn act(&mut self, stuck: &[Sample]) {
        let scheduler = &self.monitor.scheduler;
        let now = scheduler.clock.now();
        if !self.has_work(stuck, now) {
            self.waiting_since = None;
            return;
        }
        self.event = false;
        if let Some(station) = scheduler.idle.call_anybody() {
            self.monitor.tally.calls.fetch_add(1, Ordering::Relaxed);
            scheduler.stations[station].park.unpark();
            return;
        }
        let active = scheduler.seats().filter(|seat| seat.is_active()).count();
        if active > stuck.len() {
            self.waiting_since = None; // merely busy: they look at the mask
            return;
        }
        let since = *self.waiting_since.get_or_insert(now);
        self.stand_in(stuck, now, since);
    }

    /// V5.
    fn stand_in(&mut self, stuck: &[Sample], now: u64, since: u64) {
        if let Some((started, seats)) = self.spare_due {
            let arrived = self
                .monitor
                .scheduler
                .seats()
                .filter(|seat| seat.is_active())
                .count()
                > seats;
            if !arrived && now < started + ARRIVAL {
                return;
            }
        }
        let asleep = |sample: &Sample| {
            self.monitor
                .seat(sample.seat)
                .watch
                .thread()
                .is_some_and(os::is_asleep)
        };
        let alone = stuck
            .iter()
            .all(|sample| sample.seat < self.monitor.scheduler.config.workers);
        if stuck.iter().any(asleep) {
            self.start_spare(stuck, Reason::Asleep, now);
        } else if alone && now - since >= PREEMPT {
            self.start_spare(stuck, Reason::Computing, now);
        }
    }

    /// Gives a station to a spare: a vacant one, or that of a stuck tenant.
    fn start_spare(&mut self, stuck: &[Sample], reason: Reason, now: u64) {
        let scheduler = &self.monitor.scheduler;
        let available = |station: &Station| match station.tenant() {
            None => true,
            Some(tenant) => {
                stuck.iter().any(|sample| sample.seat == tenant) && station.take_from(tenant)
            }
        };
        let Some(index) = scheduler.stations.iter().position(available) else {
            return;
        };
        if (self.monitor.start_spare)(index) {
            self.monitor
                .tally
                .of(reason)
                .fetch_add(1, Ordering::Relaxed);
            let active = scheduler.seats().filter(|seat| seat.is_active()).count();
            self.spare_due = Some((now, active));
        }
    }

    /// True if somebody else could do something that waits for a stuck thread.
    fn has_work(&self, stuck: &[Sample], now: u64) -> bool {
        let scheduler = &self.monitor.scheduler;
        let due = |index: &usize| scheduler.stations[*index].timers.next_deadline() <= now;
        self.event
            || !scheduler.injector.is_empty()
            || stuck
                .iter()
                .any(|sample| self.monitor.seat(sample.seat).queue.len() > 0)
            || self.watched.iter().any(due)
    }

    /// V6.
    fn rest(&mut self) -> Wake {
        let scheduler = &self.monitor.scheduler;
        let deadlines = self
            .watched
            .iter()
            .map(|&index| scheduler.stations[index].timers.next_deadline());
        let next = deadlines.min().unwrap_or(u64::MAX);
        let now = scheduler.clock.now();
        let left = Duration::from_nanos(next.saturating_sub(now));
        // A deadline that has passed was acted upon; the next round sees whether it helped.
        let limit = if left.is_zero() {
            ROUND
        } else {
            left.min(ROUND)
        };
        loop {
            match self.monitor.doors.wait(Some(limit)) {
                Wake::Ring => scheduler.alarm.rang(),
                Wake::Event => {
                    self.event = true;
                    return Wake::Event;
                }
                end => return end,
            }
        }
    }
}
