//! The deadline that the kernel keeps while somebody is active, so that nobody has to tick.
//!
//! A worker that leaves its sleep makes sure that the alarm will ring within [`PERIOD`]; the last one to sleep turns it
//! off. In between nobody touches it. Ringing wakes the monitor, which looks whether anybody is stuck.
//!
//! # Protocol
//!
//! Worker, awake: L1 count as active, `fence(SeqCst)`; L2 read `armed_for`; it is set, and not nearly over: done.
//! L3 else exchange it and set the kernel's timer.
//!
//! Last worker, going to sleep: L4 if active times come seldom, exchange `armed_for` to 0 and clear the kernel's timer;
//! if they come often, let it ring once for nothing, or be moved on by the next L3.
//! L5 `fence(SeqCst)`, and re-read the number of the active: not 0, set the timer again.
//!
//! Monitor, at the ring: L6 exchange `armed_for` to 0, `fence(SeqCst)`, read who is active; nobody: it waits for the
//! next ring, which L2 arranges.
//!
//! L1 against L5 and L6: either the worker reads 0 and arms, or the other side sees it active and does.
//!
//! At low load with a period of half a millisecond this costs one system call per turn and no context switch; beyond two
//! milliseconds, two calls.
//!
//! Checked by `loom-tests/tests/alarm.rs`.

use std::fmt;

use crate::primitive::OnceLock;
use crate::primitive::atomic::{AtomicBool, AtomicU64, Ordering, fence};

/// How long a worker may be active before somebody looks, in nanoseconds.
pub const PERIOD: u64 = 1_000_000;
/// Active times that are further apart than this come seldom.
const SELDOM: u64 = 2 * PERIOD;

const OFF: u64 = 0;

/// Sets the kernel's timer to this many nanoseconds from now; 0 clears it.
pub type Set = Box<dyn Fn(u64) + Send + Sync>;

/// The alarm.
#[derive(Default)]
pub struct Alarm {
    armed_for: AtomicU64,
    last_armed: AtomicU64,
    seldom: AtomicBool,
    /// Filled by the monitor; without one nothing rings.
    set: OnceLock<Set>,
}

impl Alarm {
    /// Nothing rings until [`Alarm::connect`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Names the kernel's timer; the first call counts.
    pub fn connect(&self, set: Set) {
        let _ = self.set.set(set);
    }

    /// L1 to L3; the caller counts as active already.
    #[inline]
    pub fn active(&self, now: u64) {
        let Some(set) = self.set.get() else { return };
        fence(Ordering::SeqCst); // L1, pairs with L5 and L6
        let armed_for = self.armed_for.load(Ordering::Relaxed);
        if armed_for > now + PERIOD / 2 {
            return;
        }
        self.arm(set, armed_for, now, PERIOD);
    }

    /// L3.
    fn arm(&self, set: &Set, seen: u64, now: u64, period: u64) {
        let target = now + period;
        // Relaxed: the word alone is exchanged; the order against the counts comes from the fences.
        let won =
            self.armed_for
                .compare_exchange(seen, target, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            let before = self.last_armed.swap(now, Ordering::Relaxed);
            self.seldom
                .store(now.saturating_sub(before) > SELDOM, Ordering::Relaxed);
            set(period);
        }
    }

    /// L4 and L5; `still_nobody` re-reads whether all sleep.
    #[inline]
    pub fn all_asleep(&self, now: u64, still_nobody: impl FnOnce() -> bool) {
        let Some(set) = self.set.get() else { return };
        if !self.seldom.load(Ordering::Relaxed) || self.armed_for.load(Ordering::Relaxed) == OFF {
            return;
        }
        if self.armed_for.swap(OFF, Ordering::Relaxed) != OFF {
            set(0);
        }
        fence(Ordering::SeqCst); // L5, pairs with L1
        if !still_nobody() {
            // Whoever it is may have set the timer just before we cleared it: set it whatever the word says.
            self.armed_for.store(now + PERIOD, Ordering::Relaxed);
            set(PERIOD);
        }
    }

    /// L6: it rang.
    pub fn rang(&self) {
        self.armed_for.store(OFF, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with L1
    }

    /// The monitor wants to look again after `period`.
    pub fn again(&self, now: u64, period: u64) {
        if let Some(set) = self.set.get() {
            let seen = self.armed_for.load(Ordering::Relaxed);
            if seen == OFF {
                self.arm(set, OFF, now, period);
            }
        }
    }
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("armed_for", &self.armed_for.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}
