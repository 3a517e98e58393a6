//! From verdict to event: how long each stall lasts, what the thread does meanwhile, and who is told.
//!
//! A stall begins for us with the first sample of its verdict and ends with the first round that sees progress, so no
//! clock is read per poll. Its task is written down by the worker, two words per poll (`task/running.rs`), and read here
//! while the worker is known to be in that very poll.
//!
//! One that lasts costs the pool its trust (`alarm.rs`), if the thread slept or computed: who is put off by others moves on as soon as
//! it has a processor.
//!
//! At most [`BURST`] events come per second; the next one says how many were left out. That nobody is left to stand in is
//! told once per second, of the oldest stall.

use std::time::Duration;

use super::os::{self, Stack};
use super::{LongPoll, LongPollKind, Monitor, Sample};
use crate::alarm::SHORT;
use crate::primitive::atomic::Ordering;
use crate::task::{Id, name_of};

/// Events per second.
const BURST: u32 = 10;
const SECOND: u64 = 1_000_000_000;
/// A poll that lasts for so long is reported before it is over.
const LASTING: u64 = 10 * SECOND;
/// Rounds in which every stuck thread's state is read; afterwards every sixteenth.
const CLOSELY: u32 = 32;

/// What is told of long polls, and to whom.
pub struct Report {
    /// Polls longer than this, in nanoseconds.
    pub threshold: u64,
    /// The runtime's name.
    pub runtime: Option<crate::primitive::Arc<str>>,
    /// Takes an event, and does not run foreign code on this thread.
    pub tell: Box<dyn Fn(LongPoll) + Send>,
}

struct Stall {
    sample: Sample,
    began: u64,
    task: Option<(Id, &'static std::panic::Location<'static>)>,
    task_name: Option<crate::primitive::Arc<str>>,
    rounds: u32,
    asleep: u32,
    awake: u32,
    stack: Option<Stack>,
    /// The processor time that the thread had used at the verdict; `None` if the system does not say.
    ran: Option<u64>,
    /// It has become long.
    long: bool,
    told: bool,
}

/// The stalls of now, and what is left of the limit.
#[derive(Default)]
pub struct Stalls {
    now: Vec<Stall>,
    second: u64,
    told: u32,
    suppressed: u64,
    /// When it may be told again that nobody is left.
    unrelieved_until: u64,
}

/// Why an event is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Occasion {
    Over,
    Lasting,
    Unrelieved,
}

impl Stalls {
    /// A verdict: this seat has not moved since `began`.
    pub fn begin(&mut self, monitor: &Monitor, sample: Sample, began: u64) {
        let running = monitor.seat(sample.seat).watch.running.get();
        self.now.push(Stall {
            sample,
            began,
            // Now: the name goes when the task ends.
            task_name: running.and_then(|(id, _)| name_of(id)),
            task: running,
            rounds: 0,
            asleep: 0,
            awake: 0,
            stack: None,
            ran: monitor.processor_time(&sample),
            long: false,
            told: false,
        });
    }

    /// A round: `stuck` are those who still are.
    pub fn look(&mut self, monitor: &Monitor, stuck: &[Sample], now: u64) {
        let threshold = monitor
            .report
            .as_ref()
            .map_or(u64::MAX, |report| report.threshold);
        let mut index = 0;
        while index < self.now.len() {
            let stall = &mut self.now[index];
            let lasted = now.saturating_sub(stall.began);
            if stuck.contains(&stall.sample) {
                stall.observe(monitor);
                if lasted >= SHORT && stall.is_the_tasks_doing(monitor) {
                    monitor.scheduler.alarm.stalled(now);
                }
                if lasted >= threshold && !stall.long {
                    stall.long = true;
                    stall.stack = monitor.thread(&stall.sample).and_then(os::capture_stack);
                }
                if lasted >= LASTING.max(threshold) && !stall.told {
                    stall.told = true;
                    self.tell(monitor, index, Occasion::Lasting, now);
                }
                index += 1;
                continue;
            }
            let told = stall.told;
            monitor.tally.stalls.record(lasted);
            if lasted >= threshold {
                monitor.tally.long_polls.fetch_add(1, Ordering::Relaxed);
                if !told {
                    self.tell(monitor, index, Occasion::Over, now);
                }
            }
            self.now.swap_remove(index);
        }
    }

    /// Something waits for those who are stuck, and no spare could be started.
    pub fn unrelieved(&mut self, monitor: &Monitor, now: u64) {
        if now < self.unrelieved_until {
            return;
        }
        let stalls = self.now.iter().enumerate();
        if let Some((oldest, _)) = stalls.min_by_key(|(_, stall)| stall.began) {
            self.unrelieved_until = now + SECOND;
            self.tell(monitor, oldest, Occasion::Unrelieved, now);
        }
    }

    fn tell(&mut self, monitor: &Monitor, index: usize, occasion: Occasion, now: u64) {
        let Some(report) = &monitor.report else {
            return;
        };
        if now.saturating_sub(self.second) >= SECOND {
            (self.second, self.told) = (now, 0);
        }
        if self.told >= BURST {
            self.suppressed += 1;
            return;
        }
        self.told += 1;
        let stall = &self.now[index];
        (report.tell)(LongPoll {
            runtime: report.runtime.clone(),
            worker: stall.sample.seat,
            task: stall.task,
            task_name: stall.task_name.clone(),
            duration: Duration::from_nanos(now.saturating_sub(stall.began)),
            kind: stall.kind(),
            is_over: occasion == Occasion::Over,
            is_unrelieved: occasion == Occasion::Unrelieved,
            suppressed: std::mem::take(&mut self.suppressed),
            stack: stall.stack.clone(),
        });
    }
}

impl Stall {
    /// Reads the thread's state, every time at first and then now and then.
    fn observe(&mut self, monitor: &Monitor) {
        self.rounds += 1;
        if self.rounds > CLOSELY && self.rounds % 16 != 0 {
            return;
        }
        match monitor.thread(&self.sample).is_some_and(os::is_asleep) {
            true => self.asleep += 1,
            false => self.awake += 1,
        }
    }

    /// False if it only waits for a processor.
    fn is_the_tasks_doing(&self, monitor: &Monitor) -> bool {
        self.asleep > 0 || computes(self.ran, monitor.processor_time(&self.sample))
    }

    fn kind(&self) -> LongPollKind {
        match self.asleep > self.awake {
            true => LongPollKind::Slept,
            false => LongPollKind::Computed,
        }
    }
}

/// True if a thread that had used so much processor time has used a fair share since, or if nobody can tell.
fn computes(before: Option<u64>, now: Option<u64>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => now.saturating_sub(before) >= SHORT / 2,
        _ => true,
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn who_has_used_little_processor_time_in_a_stall_is_put_off() {
        assert!(!computes(Some(7), Some(7)));
        assert!(!computes(Some(7), Some(6 + SHORT / 2)));
        assert!(computes(Some(7), Some(7 + SHORT / 2)));
        assert!(computes(None, Some(7)), "unknown");
    }
}
