//! One word per source: what it is ready for, and which event said so.
//!
//! # Words
//!
//! *Tick*: moves with every event. An operation that found nothing to do clears the readiness it had seen,
//! but only if no event came in between, which the tick tells. *Generation*: moves when the slot gets a new
//! owner; it is part of the word so that one exchange both checks that an event is meant for this owner and
//! delivers it. *Registered*: the kernel knows the source; without it, nobody will ever set a bit here, and an
//! operation is simply tried. *Awaited*: the waiter list holds a waker.
//!
//! # Protocol
//!
//! - R1 Event: one exchange sets the bits and moves the tick, if the generation is the token's; then the wakers
//!   are taken.
//! - R2 Waiting: put the waker in its place first, then look at the word again. The waker slots order the two
//!   (their rule W5); for the list, AWAITED is set in the same word by a read-modify-write that also looks.
//! - R3 Clear: one exchange, if the tick is still the one that was seen. Closed halves are never cleared: their
//!   event comes once.
//!
//! All accesses are relaxed: the word publishes nothing but itself, and every pair above meets in one word or
//! in a waker slot. That a registered source's events come after its generation is the kernel's promise: its
//! queue's lock lies between.
//!
//! # Rejected
//!
//! One tick per poll for all sources: a source whose event came in the same poll is cleared wrongly and hangs
//! (tokio #6133, #6134). Ready bits set before the first event: `readable()` would then answer at once on a
//! silent socket; *not registered, so try* does the same for operations. Never clearing ERROR: a reader of a
//! socket's error queue would spin.
//!
//! Checked by the tests below and `loom-tests/tests/readiness.rs`.

use crate::poller::interest::Ready;
use crate::primitive::atomic::{AtomicU64, Ordering};

const READY: u64 = 0xff;
const REGISTERED: u64 = 1 << 8;
const WITH_PRIORITY: u64 = 1 << 9;
const AWAITED: u64 = 1 << 10;
const SHUT_DOWN: u64 = 1 << 11;
const TICK_SHIFT: u32 = 16;
const TICK: u64 = 0xffff << TICK_SHIFT;
const GENERATION_SHIFT: u32 = 32;

/// What a wait for readiness saw, and when.
///
/// Given back to `clear`, so that an event that came in the meantime is not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadyEvent {
    ready: Ready,
    tick: u16,
}

impl ReadyEvent {
    /// What the source is ready for, as far as it was asked for.
    #[must_use]
    pub fn ready(&self) -> Ready {
        self.ready
    }

    /// The same event, with only the bits of `mask` left to clear.
    #[must_use]
    pub fn only(self, mask: Ready) -> Self {
        Self {
            ready: self.ready & mask,
            ..self
        }
    }
}

/// The word at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u64);

impl State {
    pub fn ready(self) -> Ready {
        Ready::from_bits((self.0 & READY) as u8)
    }

    /// Present if any bit of `mask` is ready.
    pub fn event(self, mask: Ready) -> Option<ReadyEvent> {
        let ready = self.ready() & mask;
        (!ready.is_empty()).then_some(ReadyEvent {
            ready,
            tick: self.tick(),
        })
    }

    pub fn is_registered(self) -> bool {
        self.0 & REGISTERED != 0
    }

    pub fn has_priority(self) -> bool {
        self.0 & WITH_PRIORITY != 0
    }

    pub fn is_shut_down(self) -> bool {
        self.0 & SHUT_DOWN != 0
    }

    pub fn is_awaited(self) -> bool {
        self.0 & AWAITED != 0
    }

    pub fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT) as u32
    }

    fn tick(self) -> u16 {
        ((self.0 & TICK) >> TICK_SHIFT) as u16
    }
}

/// The word.
#[derive(Debug)]
pub struct Readiness(AtomicU64);

impl Readiness {
    pub fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    #[inline]
    pub fn load(&self) -> State {
        State(self.0.load(Ordering::Relaxed))
    }

    /// R1: delivers an event; `None` if it was meant for an earlier owner. Else the word before it.
    pub fn set_ready(&self, generation: u32, ready: Ready) -> Option<State> {
        self.change(|word| {
            (State(word).generation() == generation).then(|| {
                let tick = word.wrapping_add(1 << TICK_SHIFT) & TICK;
                (word & !TICK) | tick | u64::from(ready.bits())
            })
        })
        .ok()
    }

    /// R3: forgets what `event` saw, unless another event has come since.
    #[inline]
    pub fn clear(&self, event: ReadyEvent) {
        let bits = event.ready - Ready::READ_CLOSED - Ready::WRITE_CLOSED;
        let _ = self.change(|word| {
            let current = State(word).tick() == event.tick;
            current.then_some(word & !u64::from(bits.bits()))
        });
    }

    /// R2: from now on an event looks into the waiter list. Its lock is held.
    pub fn set_awaited(&self) -> State {
        State(self.0.fetch_or(AWAITED, Ordering::Relaxed))
    }

    /// No waker is left in the list. Its lock is held.
    pub fn clear_awaited(&self) {
        self.0.fetch_and(!AWAITED, Ordering::Relaxed);
    }

    /// The kernel knows the source; `ready` is what may be hoped for until its first event.
    pub fn set_registered(&self, priority: bool, ready: Ready) {
        let priority = if priority { WITH_PRIORITY } else { 0 };
        let bits = REGISTERED | priority | u64::from(ready.bits());
        self.0.fetch_or(bits, Ordering::Relaxed);
    }

    /// The kernel has forgotten the source. The generation stays: the owner is the same.
    pub fn clear_registered(&self) {
        let bits = REGISTERED | WITH_PRIORITY | READY;
        self.0.fetch_and(!bits, Ordering::Relaxed);
    }

    pub fn set_shut_down(&self) {
        self.0.fetch_or(SHUT_DOWN, Ordering::Relaxed);
    }

    /// The slot is to have another owner: everything but the shutdown goes, and the generation moves.
    pub fn next_generation(&self, mask: u32) {
        let _ = self.change(|word| {
            let next = State(word).generation().wrapping_add(1) & mask;
            Some((word & SHUT_DOWN) | (u64::from(next) << GENERATION_SHIFT))
        });
    }

    /// One exchange of the newest word; `Ok` holds the word before it.
    fn change(&self, new: impl Fn(u64) -> Option<u64>) -> Result<State, State> {
        self.0
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, new)
            .map(State)
            .map_err(State)
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    const READ: Ready = Ready::READABLE;

    #[test]
    fn an_event_that_came_in_between_is_not_cleared() {
        let word = Readiness::new();
        word.set_ready(0, READ).unwrap();
        let seen = word.load().event(READ).unwrap();
        word.set_ready(0, READ).unwrap();
        word.clear(seen);
        assert!(word.load().event(READ).is_some());
        word.clear(word.load().event(READ).unwrap());
        assert!(word.load().event(READ).is_none());
    }

    #[test]
    fn an_event_of_an_earlier_owner_is_ignored() {
        let word = Readiness::new();
        word.next_generation(u32::MAX);
        assert!(word.set_ready(0, READ).is_none());
        assert!(word.load().ready().is_empty());
        assert!(word.set_ready(1, READ).is_some());
    }

    #[test]
    fn closed_halves_stay_and_an_error_can_be_cleared() {
        let word = Readiness::new();
        word.set_ready(0, Ready::ALL).unwrap();
        word.clear(word.load().event(Ready::ALL).unwrap());
        assert_eq!(
            word.load().ready(),
            Ready::READ_CLOSED | Ready::WRITE_CLOSED
        );
    }

    #[test]
    fn clearing_one_half_leaves_the_other() {
        let word = Readiness::new();
        word.set_ready(0, READ | Ready::WRITABLE).unwrap();
        word.clear(word.load().event(READ).unwrap());
        assert_eq!(word.load().ready(), Ready::WRITABLE);
    }

    #[test]
    fn tick_and_generation_roll_over_without_touching_their_neighbours() {
        let word = Readiness::new();
        word.set_registered(true, READ);
        for _ in 0..=u16::MAX {
            word.set_ready(0, READ).unwrap();
        }
        let state = word.load();
        assert_eq!(
            (state.tick(), state.generation(), state.ready()),
            (0, 0, READ)
        );
        assert!(state.is_registered() && state.has_priority());
        word.next_generation(1);
        assert_eq!(word.load().generation(), 1);
        word.next_generation(1);
        assert_eq!(word.load(), State(0));
    }

    #[test]
    fn shutdown_outlives_the_owner() {
        let word = Readiness::new();
        word.set_shut_down();
        word.next_generation(u32::MAX);
        assert!(word.load().is_shut_down());
    }
}
