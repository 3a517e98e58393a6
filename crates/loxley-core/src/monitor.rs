//! One thread that notices a worker stuck in one poll, and sees to it that nobody else waits for it.
//!
//! It never runs foreign code, sleeps while nothing is stuck, and nothing ticks: the alarm (`alarm.rs`) rings only after
//! workers have been active for a while, and the workers' polls and sleeps are counted anyway.
//!
//! # Words
//!
//! *Sample*: the progress of every active seat. *Stuck*: active, and no progress between two samples (`watch.rs`).
//! *Round*: what the monitor does every `ROUND` while somebody is stuck. *Spare*: a thread that stands in for a
//! worker when nobody else is left.
//!
//! # Protocol
//!
//! - V1 the alarm rings. Nobody is active: wait for the next ring. Else sample.
//! - V2 [`CONVICT`] later sample again. All moved: ring again later, at most [`SLOWEST`] apart, or as long as a trusted pool waits
//!   for the first ring (`alarm.rs`). Else those who have not moved [`CONFIRM`] later either are stuck, unless they are preempted
//!   (`preempted.rs`): rounds, until there are none.
//! - V3 a round publishes the verdicts and the mask, and watches the pollers of stuck tenants.
//! - V4 is there something to take over: a task in a slot or deque of theirs, a due timer, an event, a task in the
//!   injector? If so, and a worker sleeps, wake one, whatever the count of searchers says. If others are merely busy,
//!   they find the mask at their next look.
//! - V5 all are stuck. One of them sleeps in the kernel: a station is given to a spare. All compute: one spare in all,
//!   once work has waited for `PREEMPT`; the kernel's time slices then do the rest.
//!   No spare can be started: that is counted, told once per second, and tried again after a while.
//! - V6 each round notes who still is stuck; a stall that is over, and was long, becomes an event (`stalls.rs`).
//! - V7 an event in a watched poller, the deadline of a stuck station, or the end of the round begin the next one.
//!
//! *Asleep in the kernel* is the thread's state in `/proc`, read only for those who are stuck. A CPU clock that stands
//! still proves nothing: preempted threads showed that in 64 % of 1 ms samples.
//!
//! # Rejected
//!
//! A ticking watcher: at low load its ticks are as many context switches as the work itself. Handing the whole queue to
//! a new thread at each verdict, as async-std's proposal did: an idle or busy peer is there already, most of the time.
//! One signal for sleeping and computing: a pool that only computes would fill the machine with threads.
//! Delivering events, or telling anybody of a long poll, in this thread: a waker or a hook is foreign code, and may block the only thread that would notice.
//!
//! Built with `--cfg loxley_without_rescue`, which only the benches do, the machine lacks all that the polls and sleeps of
//! workers do for this: the yardstick of what that costs (`benches/src/rescue/cost.rs`).
//!
//! Checked by `tests/rescue_*.rs` and `loom-tests/tests/{rescue,protocol}.rs`.

mod long_poll;
mod os;
mod preempted;
mod rounds;
mod stalls;

use std::time::Duration;

use crate::primitive::Arc;
use crate::primitive::atomic::{AtomicU64, Ordering};
use crate::worker::{Histogram, Scheduler, Seat};
pub use long_poll::{LongPoll, LongPollKind};
use os::{Doors, Wake};
use preempted::{Preempted, Timed};
use rounds::Rounds;
pub use stalls::Report;
use stalls::Stalls;

/// Between the first sample and the second.
const CONVICT: Duration = Duration::from_micros(300);
/// Between the second and the verdict on those who had not moved by then.
const CONFIRM: Duration = Duration::from_micros(100);
/// The longest time between two rings while everybody moves, in nanoseconds; a pool that is trusted is looked at more seldom.
const SLOWEST: u64 = 2_000_000;

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
    spares_refused: AtomicU64,
    long_polls: AtomicU64,
    /// How long stalls were.
    pub stalls: Histogram,
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

    /// Polls longer than the threshold.
    pub fn long_polls(&self) -> u64 {
        self.long_polls.load(Ordering::Relaxed)
    }

    /// Spares that were wanted and could not be started: too many, or the system refused.
    pub fn spares_refused(&self) -> u64 {
        self.spares_refused.load(Ordering::Relaxed)
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
    /// `None`: long polls are not reported.
    report: Option<Report>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
        report: Option<Report>,
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
            report,
        };
        Ok((monitor, stop, tally))
    }

    /// The thread's life.
    pub fn run(self) {
        let mut period = crate::alarm::PERIOD;
        let mut stalls = Stalls::default();
        let mut preempted = Preempted::default();
        loop {
            match self.doors.wait(None) {
                Wake::Stop => return,
                Wake::Time | Wake::Event => continue,
                Wake::Ring => {}
            }
            self.tally.rings.fetch_add(1, Ordering::Relaxed);
            self.scheduler.alarm.rang();
            let began = self.scheduler.clock.now();
            let first = self.samples();
            if first.is_empty() {
                period = crate::alarm::PERIOD; // V1
                continue;
            }
            let Some(stuck) = self.convict_after(&first, &mut preempted) else {
                return;
            };
            if stuck.is_empty() {
                let in_time = self.scheduler.alarm.in_time(began);
                period = (period * 2).min(SLOWEST.max(in_time)); // V2
            } else {
                period = crate::alarm::PERIOD;
                if Rounds::new(&self, &mut stalls, &mut preempted).run(stuck, began) == Wake::Stop {
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

    /// V2: who is stuck since `first`; `None` if the monitor should end.
    fn convict_after(&self, first: &[Sample], preempted: &mut Preempted) -> Option<Vec<Sample>> {
        self.pass(CONVICT)?;
        let unmoved = self.samples().into_iter();
        let unmoved = unmoved.filter(|sample| first.contains(sample));
        let mut unmoved: Vec<Timed> = unmoved.map(|sample| self.timed(sample)).collect();
        if unmoved.is_empty() {
            return Some(Vec::new());
        }
        self.pass(CONFIRM)?;
        let now = self.samples();
        unmoved.retain(|timed| now.contains(&timed.sample));
        Some(preempted.stuck(self, &unmoved, self.scheduler.clock.now()))
    }

    /// Lets this time pass; `None` if the monitor should end.
    fn pass(&self, time: Duration) -> Option<()> {
        loop {
            match self.doors.wait(Some(time)) {
                Wake::Stop => return None,
                Wake::Time => return Some(()),
                // Taken back, or else nobody would set the alarm again while it seems to be set.
                Wake::Ring => self.scheduler.alarm.rang(),
                Wake::Event => {}
            }
        }
    }

    fn seat(&self, index: usize) -> &Arc<Seat> {
        self.scheduler.seat(index)
    }

    /// The thread that sits there.
    fn thread(&self, sample: &Sample) -> Option<u32> {
        self.seat(sample.seat).watch.thread()
    }

    /// The processor time that it has used, in nanoseconds; `None` if the system does not say.
    fn processor_time(&self, sample: &Sample) -> Option<u64> {
        self.thread(sample).and_then(os::processor_time)
    }
}
