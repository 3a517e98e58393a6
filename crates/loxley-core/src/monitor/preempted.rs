//! Who makes no progress because it waits for a processor.
//!
//! A thread that neither sleeps nor uses any processor time is *preempted*: others run in its place. It is not stuck. Where
//! more threads are busy than there are cores, somebody always is, for the few milliseconds of a time slice; whoever would be
//! woken to take over would wait in the same queue, and the work would move from cache to cache: an echo service
//! whose client is busy too used 11.6 µs per message without rescue and 14.7 with it. Who is preempted for [`PATIENCE`] is stuck all the same.
//!
//! # Rejected
//!
//! The run time in the thread's `schedstat`: of a thread that runs it is as old as the last tick, 4 ms. A clock that stands
//! still as the sign of a sleep: it stands still for both, so the state decides.
//!
//! Checked by the tests below and `tests/rescue_*.rs`.

use super::os;
use super::{Monitor, Sample};

/// Who waits for a processor this long, in nanoseconds, is stuck.
const PATIENCE: u64 = 10_000_000;

/// A sample, and how much processor time its thread had used by then; `None` if the system does not say.
#[derive(Clone, Copy, Debug)]
pub struct Timed {
    pub sample: Sample,
    ran: Option<u64>,
}

/// Those who have been preempted, and since when.
#[derive(Debug, Default)]
pub struct Preempted(Vec<(Sample, u64)>);

impl Preempted {
    /// Of those who made no progress since they were timed, the ones who are stuck.
    pub fn stuck(&mut self, monitor: &Monitor, unmoved: &[Timed], now: u64) -> Vec<Sample> {
        let verdicts = unmoved.iter().map(|timed| {
            let thread = monitor.thread(&timed.sample);
            (timed.sample, is_preempted(thread, timed.ran))
        });
        self.judge(verdicts, now)
    }

    fn judge(&mut self, verdicts: impl Iterator<Item = (Sample, bool)>, now: u64) -> Vec<Sample> {
        let before = std::mem::take(&mut self.0);
        let since = |sample: &Sample| {
            let known = before.iter().find(|(waiting, _)| waiting == sample);
            known.map_or(now, |(_, since)| *since)
        };
        let mut stuck = Vec::new();
        for (sample, preempted) in verdicts {
            if preempted && now.saturating_sub(since(&sample)) < PATIENCE {
                self.0.push((sample, since(&sample)));
            } else {
                stuck.push(sample);
            }
        }
        stuck
    }
}

impl Monitor {
    /// Adds to a sample what its thread's processor clock says.
    pub(super) fn timed(&self, sample: Sample) -> Timed {
        Timed {
            ran: self.processor_time(&sample),
            sample,
        }
    }
}

fn is_preempted(thread: Option<u32>, ran: Option<u64>) -> bool {
    let Some(thread) = thread.filter(|_| ran.is_some()) else {
        return false;
    };
    os::processor_time(thread) == ran && !os::is_asleep(thread)
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::primitive::thread_number;

    fn sample(seat: usize) -> Sample {
        Sample { seat, progress: 7 }
    }

    #[test]
    fn who_is_preempted_is_stuck_only_after_a_while() {
        let mut preempted = Preempted::default();
        let mut judge = |verdict, now| preempted.judge([(sample(0), verdict)].into_iter(), now);
        assert!(judge(true, 1).is_empty());
        assert!(judge(true, PATIENCE).is_empty());
        assert_eq!(judge(true, PATIENCE + 1), [sample(0)]);
    }

    #[test]
    fn who_computes_or_sleeps_is_stuck_at_once() {
        let mut preempted = Preempted::default();
        let stuck = preempted.judge([(sample(0), true), (sample(1), false)].into_iter(), 1);
        assert_eq!(stuck, [sample(1)]);
    }

    #[test]
    fn a_poll_in_between_starts_the_wait_anew() {
        let mut preempted = Preempted::default();
        let _ = preempted.judge([(sample(0), true)].into_iter(), 1);
        let moved = Sample {
            seat: 0,
            progress: 8,
        };
        assert!(
            preempted
                .judge([(moved, true)].into_iter(), PATIENCE + 1)
                .is_empty()
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_thread_that_computes_or_sleeps_is_not_preempted() {
        let here = thread_number();
        let ran = os::processor_time(here);
        assert!(ran.is_some());
        while os::processor_time(here) == ran {
            std::hint::spin_loop();
        }
        assert!(!is_preempted(Some(here), ran), "it has run since");
        let (number, numbers) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let sleeper = std::thread::spawn(move || {
            number.send(thread_number()).unwrap();
            let _ = ended.recv();
        });
        let thread = numbers.recv().unwrap();
        while !os::is_asleep(thread) {
            std::thread::yield_now();
        }
        assert!(!is_preempted(Some(thread), os::processor_time(thread)));
        drop(end);
        sleeper.join().unwrap();
    }
}
