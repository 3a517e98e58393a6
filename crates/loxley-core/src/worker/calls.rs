//! Whether it was worth it to call a peer for work.
//!
//! To wake a peer costs both sides some microseconds, and pays if both are busy from then on. Tasks that take turns at a lock
//! run one after the other, however many workers poll them: whoever is called for some of them blocks each at the lock,
//! sleeps, and is called again for those that have yielded meanwhile.
//!
//! - C1 who was called while another one was awake notes when.
//! - C2 who goes to sleep and leaves one awake at most, within [`WORTH`] after that, says that the call was *in vain*, the
//!   first, second or third time in a row. Any other sleep says that it was not.
//! - C3 who has quick polls, and work to share after a call in vain, waits until [`PAUSE`], twice or four times that, has
//!   passed since the last call, and looks at the clock as often as its patience would have been over (`pace.rs`).
//!
//! What waits is the rest of a queue in which every poll takes a few microseconds; if one does not, the monitor notices,
//! as it does where patience keeps work back. Who comes from outside is announced at once as ever, and what a full
//! deque sends away for as many as patience keeps back (`share.rs`).
//!
//! # Rejected
//!
//! Counting what the called one did: he may have taken the lock's turns over, and it is the caller who sleeps. Judging every
//! sleep: where many are awake, the last one of a chain of calls finds nothing. Waiting for a number of looks: a look comes after
//! up to a thousand polls, however long they have become.
//!
//! Checked by the tests below.

use crate::primitive::atomic::{AtomicU32, AtomicU64, Ordering};

/// A call pays if nobody sleeps for so long after it, in nanoseconds: twice what both sides spend on it.
const WORTH: u64 = 50_000;
/// From a call in vain to the next one, in nanoseconds.
const PAUSE: u64 = 100_000;
/// The longest pause is so many times that.
const MOST: u32 = 4;

/// What became of the last calls. Relaxed throughout: advice, and nobody's work depends on it.
#[derive(Debug, Default)]
pub struct Calls {
    last: AtomicU64,
    /// How many times [`PAUSE`] is to pass; 0: the last call was not in vain.
    pauses: AtomicU32,
}

impl Calls {
    /// C1.
    pub fn called(&self, now: u64) {
        self.last.store(now, Ordering::Relaxed);
    }

    /// C2.
    pub fn somebody_sleeps(&self, now: u64, awake: usize) {
        let before = self.pauses.load(Ordering::Relaxed);
        let in_vain = awake <= 1 && self.since_last(now) < WORTH;
        let after = match in_vain {
            true => (2 * before).clamp(1, MOST),
            false => 0,
        };
        if after != before {
            self.pauses.store(after, Ordering::Relaxed);
        }
    }

    /// True if the last one was not in vain.
    #[inline]
    pub fn pay(&self) -> bool {
        self.pauses.load(Ordering::Relaxed) == 0
    }

    /// C3: true if the pause after the last one is over.
    pub fn are_due(&self, now: u64) -> bool {
        let pause = u64::from(self.pauses.load(Ordering::Relaxed)) * PAUSE;
        self.since_last(now) >= pause
    }

    fn since_last(&self, now: u64) -> u64 {
        now.saturating_sub(self.last.load(Ordering::Relaxed))
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    /// A call at `now`, after which one of two sleeps at once; the next one may come after so long.
    fn in_vain(calls: &Calls, now: u64) -> u64 {
        calls.called(now);
        calls.somebody_sleeps(now + WORTH - 1, 1);
        (0..)
            .find(|after| calls.are_due(now + after * PAUSE))
            .unwrap()
            * PAUSE
    }

    #[test]
    fn pauses_double_from_one_call_in_vain_to_the_next_up_to_a_limit() {
        let calls = Calls::default();
        assert!(calls.pay() && calls.are_due(PAUSE));
        let pauses = [1, 2, 3, 4].map(|call| in_vain(&calls, call * 1_000_000));
        assert_eq!(pauses, [PAUSE, 2 * PAUSE, 4 * PAUSE, 4 * PAUSE]);
        assert!(!calls.pay());
    }

    #[test]
    fn a_call_after_which_both_stay_awake_for_a_while_pays() {
        let calls = Calls::default();
        in_vain(&calls, 1_000_000);
        calls.called(2_000_000);
        calls.somebody_sleeps(2_000_000 + WORTH, 1);
        assert!(calls.pay() && calls.are_due(2_000_000));
    }

    #[test]
    fn who_leaves_several_awake_says_nothing_against_calls() {
        let calls = Calls::default();
        in_vain(&calls, 1_000_000);
        calls.called(2_000_000);
        calls.somebody_sleeps(2_000_001, 2);
        assert!(calls.pay());
    }
}
