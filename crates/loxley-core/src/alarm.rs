//! The deadline that the kernel keeps while somebody is active, so that nobody has to tick.
//!
//! The first worker to leave its sleep makes sure that the alarm will ring soon; the last one to sleep takes that back.
//! In between nobody touches it. Ringing wakes the monitor, which looks whether anybody is stuck.
//!
//! # Words
//!
//! *Quiet*: all workers sleep. *In time*: within [`PERIOD`], or within [`TRUSTING`] while the pool is *trusted*, which it
//! is until a task has kept a worker stuck for more than [`SHORT`], and again [`MEMORY`] after the last one did. Active times
//! come *often* if two fit into that, by the average time from one quiet to the next; else *seldom*.
//!
//! # Protocol
//!
//! Worker, awake: L1 count as active, `fence(SeqCst)`; L2 read `armed_for`; it is set, in time, and it has not been quiet
//! since the alarm was claimed: done, because it rings for somebody who may be stuck, and nobody may put that off.
//! L3 else claim it, and set it unless it will ring in time. If active times come often, it is moved on two of them
//! before it would ring: at every sixth or so, and it never rings.
//!
//! Last worker, going to sleep: L4 if active times come seldom, exchange `armed_for`, and set the kernel's timer to a
//! little after the deadline that ends the sleep, so that it is right for the next turn; without a deadline clear it.
//! If they come often, let it be moved on by the next L3, or ring once for nothing.
//! L5 `fence(SeqCst)`, and re-read the word and the number of the active: changed, or not 0, set the timer again.
//!
//! Monitor, at the ring: L6 exchange `armed_for` to 0, `fence(SeqCst)`, read who is active; nobody: it waits for the
//! next ring, which L2 arranges.
//!
//! L1 against L5 and L6: either the worker reads 0 and arms, or the other side sees it active and does.
//!
//! # What it costs
//!
//! Setting the kernel's timer is the whole cost. On a virtual machine with ticks of 4 ms, in turns that cost 10 to 20 µs
//! otherwise: 6 µs to set it to a millisecond from now and 5 µs to clear it, because the processor's own timer has to be
//! set for it; 1.7 µs for both if it lies beyond the next tick. Hence the trust: who has not stalled anybody for ten minutes
//! is noticed after 5 ms instead of 1.5 when it does, once. Hence also the moving on: turns that come often pay for a sixth
//! of a call each, turns that a deadline begins for one, others for two.
//!
//! # Rejected
//!
//! No trust, and other ways to be called after a millisecond. What costs is writing the processor's timer, which a virtual
//! machine leaves itself for. Writes per turn of 5 ms that begins with a deadline, and in brackets of 50 ms, counted by
//! `perf stat -e msr:write_msr` over loops of sleep, set, compute, clear:
//!
//! | | |
//! |---|---|
//! | no alarm | 0.06 (0.02) |
//! | as it is while trusted: 4.2 ms ahead, and cleared | 0.16 (0.00) |
//! | as it is while trusted, set at the end of a turn for the next one | 0.31 (0.03) |
//! | 1 ms ahead, and cleared | 1.65 (1.88) |
//! | 1 ms beyond the next turn's deadline, set at the end of a turn | 0.60 (0.33); not to be had if a socket begins it |
//! | just behind the next tick, by `CLOCK_MONOTONIC_COARSE`, and cleared | 1.12 (1.02): processors tick at times of their own; and 2 ms ahead on average |
//!
//! A sleeper's own timeout, an epoll's or a futex's, is such a timer too, and so is that of one more thread, which besides
//! has to be woken in every turn: two switches instead of one. Left to ring instead of being cleared, it wakes the monitor
//! in every turn. Timers on a thread's processor time see no sleep, and are looked at by ticks. A clock read per poll, or a
//! flag that the next look sees, tells nobody while the poll lasts.
//!
//! Moving it on at each wake that finds less than half of it left: a peer that wakes often then puts off for ever what
//! is to ring for a stuck worker. Clearing it at every sleep: two calls per turn.
//!
//! Distrust for every stall: a machine that is busy with others puts workers off for some milliseconds in their polls, again and
//! again, and the monitor looked at such a service twice as often (`docs/performance.md`, *tried and kept*).
//!
//! Checked by the tests below and `loom-tests/tests/alarm.rs`.

use std::fmt;

use crate::primitive::OnceLock;
use crate::primitive::atomic::{AtomicU64, Ordering, fence};

/// How long a worker may be active before somebody looks, in nanoseconds. The looks that follow and the way of whoever is
/// called take 0.65 ms more, and 1.5 ms are promised.
pub const PERIOD: u64 = 750_000;
/// The same in a pool that is trusted: beyond the next tick of most kernels.
const TRUSTING: u64 = 4_200_000;
/// A stall that ends so soon after its first sample, in nanoseconds, costs no trust: nobody has waited long for it.
pub const SHORT: u64 = 2_000_000;
/// How long a pool is not trusted after a worker was stuck.
const MEMORY: u64 = 600_000_000_000;
/// The most that one quiet time counts in the average, so that it follows soon.
const LONGEST: u64 = 2 * TRUSTING;
/// A sleep may end this much before its deadline.
const EARLIER: u64 = 100_000;

const OFF: u64 = 0;

/// Sets the kernel's timer to this many nanoseconds from now; 0 clears it.
pub type Set = Box<dyn Fn(u64) + Send + Sync>;

/// The alarm. Its times are the scheduler's clock's.
pub struct Alarm {
    armed_for: AtomicU64,
    /// When somebody became active for whom it rings.
    claimed_at: AtomicU64,
    /// When it was quiet last.
    quiet_at: AtomicU64,
    /// The average time from one quiet to the next.
    apart: AtomicU64,
    /// When the pool is trusted again.
    trusted_at: AtomicU64,
    /// Filled by the monitor; without one nothing rings.
    set: OnceLock<Set>,
}

impl Default for Alarm {
    fn default() -> Self {
        Self {
            armed_for: AtomicU64::new(OFF),
            claimed_at: AtomicU64::new(0),
            quiet_at: AtomicU64::new(0),
            apart: AtomicU64::new(LONGEST),
            trusted_at: AtomicU64::new(0),
            set: OnceLock::new(),
        }
    }
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
        if cfg!(loxley_without_rescue) {
            return;
        }
        let Some(set) = self.set.get() else { return };
        fence(Ordering::SeqCst); // L1, pairs with L5 and L6
        let armed_for = self.armed_for.load(Ordering::Relaxed);
        let quiet_at = self.quiet_at.load(Ordering::Relaxed);
        // A sleeper's reading of the clock may be older than the claim; what it has set is known by its being late.
        let in_time = armed_for <= now.saturating_add(TRUSTING + EARLIER);
        if armed_for != OFF && in_time && quiet_at <= self.claimed_at.load(Ordering::Relaxed) {
            return; // L2
        }
        self.claimed_at.store(now, Ordering::Relaxed);
        let apart = self.apart.load(Ordering::Relaxed);
        let most = self.in_time(now);
        let least = match is_often(apart, most) {
            true => 2 * apart,
            false => most / 2,
        };
        let left = armed_for.saturating_sub(now);
        if left < least || left > most + EARLIER {
            self.arm(set, armed_for, now, most);
        }
    }

    /// How long after a worker became active it has to ring.
    pub fn in_time(&self, now: u64) -> u64 {
        match now >= self.trusted_at.load(Ordering::Relaxed) {
            true => TRUSTING,
            false => PERIOD,
        }
    }

    /// A task keeps a worker stuck, and not for a short time.
    pub fn stalled(&self, now: u64) {
        self.trusted_at.store(now + MEMORY, Ordering::Relaxed);
    }

    /// L3.
    fn arm(&self, set: &Set, seen: u64, now: u64, period: u64) {
        let target = now + period;
        // Relaxed: the word alone is exchanged; the order against the counts comes from the fences.
        let won =
            self.armed_for
                .compare_exchange(seen, target, Ordering::Relaxed, Ordering::Relaxed);
        if won.is_ok() {
            set(period);
        }
    }

    /// L4 and L5; `until`: when the caller's sleep ends; `still_nobody` re-reads whether all sleep.
    #[inline]
    pub fn all_asleep(&self, now: u64, until: u64, still_nobody: impl FnOnce() -> bool) {
        let Some(set) = self.set.get() else { return };
        let (apart, most) = (self.quiet(now), self.in_time(now));
        let armed_for = self.armed_for.load(Ordering::Relaxed);
        if is_often(apart, most) || armed_for == OFF {
            return;
        }
        let target = match until {
            u64::MAX => OFF,
            until => until.saturating_add(most),
        };
        if armed_for == target {
            return;
        }
        if self.armed_for.swap(target, Ordering::Relaxed) != OFF || target != OFF {
            set(target.saturating_sub(now));
        }
        fence(Ordering::SeqCst); // L5, pairs with L1
        // Whoever was active meanwhile may have set the timer just before we did, and rest again: set it whatever the word
        // says, or it says for ever that the timer is set which we have cleared.
        if self.armed_for.load(Ordering::Relaxed) != target || !still_nobody() {
            self.armed_for.store(now + PERIOD, Ordering::Relaxed);
            set(PERIOD);
        }
    }

    /// It is quiet: how often does that come? Two who say so at once may lose one of the times; it is an average.
    fn quiet(&self, now: u64) -> u64 {
        let before = self.quiet_at.load(Ordering::Relaxed);
        self.quiet_at.store(now, Ordering::Relaxed);
        let apart = now.saturating_sub(before).min(LONGEST);
        let average = (3 * self.apart.load(Ordering::Relaxed) + apart) / 4;
        self.apart.store(average, Ordering::Relaxed);
        average
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
                self.claimed_at.store(now, Ordering::Relaxed);
                self.arm(set, OFF, now, period);
            }
        }
    }
}

fn is_often(apart: u64, most: u64) -> bool {
    2 * apart <= most
}

impl fmt::Debug for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Alarm")
            .field("armed_for", &self.armed_for.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::primitive::Arc;

    /// An alarm over a timer that counts how often it is set, and remembers for when.
    #[derive(Default)]
    struct Kernel {
        now: AtomicU64,
        rings_at: AtomicU64,
        sets: AtomicU64,
    }

    fn alarm() -> (Alarm, Arc<Kernel>) {
        let (alarm, kernel) = (Alarm::new(), Arc::new(Kernel::default()));
        let timer = kernel.clone();
        alarm.connect(Box::new(move |period| {
            let at = timer.now.load(Ordering::Relaxed) + period;
            let at = if period == 0 { u64::MAX } else { at };
            timer.rings_at.store(at, Ordering::Relaxed);
            timer.sets.fetch_add(1, Ordering::Relaxed);
        }));
        kernel.rings_at.store(u64::MAX, Ordering::Relaxed);
        (alarm, kernel)
    }

    impl Kernel {
        /// Time passes; panics if it rings meanwhile.
        fn reach(&self, now: u64) {
            assert!(
                now < self.rings_at.load(Ordering::Relaxed),
                "it rang at {now}"
            );
            self.now.store(now, Ordering::Relaxed);
        }

        fn sets(&self) -> u64 {
            self.sets.swap(0, Ordering::Relaxed)
        }
    }

    /// So many turns of 20 µs, one per `period`; sets per hundred turns after the first fifty.
    fn turns(period: u64, by_deadline: bool, trusted: bool) -> u64 {
        let (alarm, kernel) = alarm();
        if !trusted {
            alarm.stalled(0);
        }
        let most = if trusted { TRUSTING } else { PERIOD };
        let mut now = 7 * PERIOD;
        for turn in 0..150 {
            if turn == 50 {
                kernel.sets();
            } else if turn < 50 && now >= kernel.rings_at.load(Ordering::Relaxed) {
                alarm.rang(); // while it learns
                kernel.rings_at.store(u64::MAX, Ordering::Relaxed);
            }
            kernel.reach(now);
            alarm.active(now);
            let left = kernel.rings_at.load(Ordering::Relaxed) - now;
            assert!(
                left <= most + EARLIER,
                "a stall that begins now is noticed late"
            );
            kernel.reach(now + 20_000);
            now += period;
            let until = if by_deadline { now } else { u64::MAX };
            alarm.all_asleep(now - period + 20_000, until, || true);
        }
        kernel.sets()
    }

    #[test]
    fn short_turns_never_let_it_ring_and_set_it_seldom() {
        assert!(turns(500_000, true, true) <= 20);
        assert!(turns(500_000, false, true) <= 20);
        assert!(turns(1_000_000, false, true) <= 50);
        for (period, trusted) in [(5_000_000, true), (50_000_000, true), (5_000_000, false)] {
            assert!(turns(period, true, trusted) <= 100, "once a turn");
            assert!(turns(period, false, trusted) <= 200, "set and cleared");
        }
    }

    #[test]
    fn after_a_long_quiet_it_rings_within_a_period() {
        let (alarm, kernel) = alarm();
        alarm.stalled(0);
        for now in (PERIOD..100 * PERIOD).step_by(PERIOD as usize / 2) {
            kernel.now.store(now, Ordering::Relaxed);
            alarm.active(now);
            alarm.all_asleep(now + 1, u64::MAX, || true);
        }
        let now = 1_000 * PERIOD;
        kernel.now.store(now, Ordering::Relaxed);
        alarm.rang();
        alarm.active(now);
        assert!(kernel.rings_at.load(Ordering::Relaxed) <= now + PERIOD);
    }

    #[test]
    fn a_peer_that_wakes_often_does_not_put_it_off() {
        let (alarm, kernel) = alarm();
        kernel.reach(PERIOD);
        alarm.active(PERIOD); // stuck from now on
        let rings_at = kernel.rings_at.load(Ordering::Relaxed);
        for now in (PERIOD..rings_at).step_by(PERIOD as usize / 10) {
            kernel.reach(now);
            alarm.active(now);
        }
        assert_eq!(kernel.rings_at.load(Ordering::Relaxed), rings_at);
    }

    #[test]
    fn who_wakes_before_the_deadline_sets_it_anew() {
        let (alarm, kernel) = alarm();
        kernel.reach(9 * PERIOD);
        alarm.active(9 * PERIOD);
        alarm.all_asleep(9 * PERIOD + 1, 1_000 * PERIOD, || true);
        kernel.reach(20 * PERIOD);
        alarm.active(20 * PERIOD);
        assert!(kernel.rings_at.load(Ordering::Relaxed) <= 20 * PERIOD + TRUSTING);
    }

    #[test]
    fn who_has_stalled_is_not_trusted_for_a_while() {
        let rings_after = |now: u64| {
            let (alarm, kernel) = alarm();
            alarm.stalled(0);
            kernel.reach(now);
            alarm.active(now);
            kernel.rings_at.load(Ordering::Relaxed) - now
        };
        assert_eq!(rings_after(MEMORY - 1), PERIOD);
        assert_eq!(rings_after(MEMORY), TRUSTING);
    }

    #[test]
    fn who_was_active_while_it_was_cleared_does_not_leave_it_cleared() {
        let alarm = Arc::new(Alarm::new());
        let rings_at = Arc::new(AtomicU64::new(u64::MAX));
        let (kernel, other) = (rings_at.clone(), Arc::downgrade(&alarm));
        alarm.connect(Box::new(move |period| {
            let at = match period {
                0 => {
                    // Between the word and the timer somebody is active for a moment.
                    other.upgrade().unwrap().active(9 * PERIOD + 2);
                    u64::MAX
                }
                period => 9 * PERIOD + period,
            };
            kernel.store(at, Ordering::Relaxed);
        }));
        alarm.active(9 * PERIOD);
        alarm.all_asleep(9 * PERIOD + 1, u64::MAX, || true);
        assert!(rings_at.load(Ordering::Relaxed) <= 10 * PERIOD);
    }

    #[test]
    fn somebody_active_meanwhile_finds_it_set() {
        let (alarm, kernel) = alarm();
        kernel.reach(9 * PERIOD);
        alarm.active(9 * PERIOD);
        alarm.all_asleep(9 * PERIOD + 1, u64::MAX, || false);
        assert!(kernel.rings_at.load(Ordering::Relaxed) <= 10 * PERIOD + 1);
    }
}
