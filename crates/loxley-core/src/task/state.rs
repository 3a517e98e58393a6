//! The state word of a task: flags and reference count in one atomic.
//!
//! Every transition is one read-modify-write, a function with a name, and returns a `#[must_use]` enum that
//! says what the caller now has to do. Nobody reads the word and then writes it.
//!
//! # Flags
//!
//! - `SCHEDULED`: a [`Notified`](super::Notified) exists or must be made: the task is in a queue, on its way there,
//!   or was woken while it ran. At most one `Notified` exists at a time.
//! - `RUNNING`: somebody polls the future or cancels the task, and alone may touch the stage.
//! - `COMPLETE`: the output is stored. Set once, never cleared; nobody polls any more.
//! - `CANCELLED`: an abort was asked for; whoever runs the task next drops the future instead.
//! - `JOIN_INTEREST`: the `JoinHandle` exists, so the output belongs to it.
//! - `TRACED`: the next poll only finds out what the task waits for (`trace.rs`); another one follows in any case, so that
//!   it may take the place of a poll that a wake asked for.
//! - `JOIN_WAKER`: the join waker is stored; see *Who may touch the join waker* in `task.rs`.
//!
//! # Table (state without count × event → state, action)
//!
//! | state | wake | start | idle | complete | abort | shutdown |
//! |---|---|---|---|---|---|---|
//! | idle | scheduled, enqueue | – | – | – | scheduled+cancelled, enqueue | running+cancelled, cancel |
//! | scheduled | same | running, poll | – | – | +cancelled | +cancelled |
//! | scheduled+cancelled | same | running+cancelled, cancel | – | – | same | same |
//! | running | +scheduled | – | idle | complete | +cancelled | +cancelled |
//! | running+scheduled | same | – | scheduled, reschedule | complete | +cancelled | +cancelled |
//! | running+cancelled | +scheduled | – | same, cancel | complete | same | same |
//! | complete | same | – | – | – | same | same |
//!
//! A *trace* makes an idle task scheduled+traced, to be enqueued, and changes nothing else. Start then says trace, and
//! idle too and leaves it running; *traced* clears the flag and makes it scheduled, whether it was woken or not. Cancelled
//! goes before traced.
//!
//! "–" cannot happen: only the holder of the one `Notified` starts, only who set RUNNING ends it. The test
//! `the_table_of_states_and_events_holds` walks it; `loom-tests/tests/task_state.rs` checks the races.

use std::fmt;

use crate::primitive::atomic::{AtomicUsize, Ordering};

const SCHEDULED: usize = 1;
const RUNNING: usize = 1 << 1;
const COMPLETE: usize = 1 << 2;
const CANCELLED: usize = 1 << 3;
const JOIN_INTEREST: usize = 1 << 4;
const JOIN_WAKER: usize = 1 << 5;
const TRACED: usize = 1 << 6;
const REF_ONE: usize = 1 << 7;
const FLAGS: usize = REF_ONE - 1;

/// Somebody runs the task, or is going to.
const BUSY: usize = SCHEDULED | RUNNING;
/// A wake makes no `Notified`.
const NOT_IDLE: usize = BUSY | COMPLETE;
/// What a new `Notified` adds to an idle task: the flag, and its reference.
const NOTIFIED: usize = SCHEDULED + REF_ONE;

/// A new task: queued, with a handle; one reference each for the queue, the owned list and the handle.
const INITIAL: usize = NOTIFIED + JOIN_INTEREST + (2 * REF_ONE);

/// The atomic word.
pub struct State(AtomicUsize);

/// What a wake asks of the waker.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// Nothing: somebody else is going to run the task, or nobody ever will.
    Nothing,
    /// The caller owns the new `Notified` (and its reference) and must enqueue it.
    Enqueue,
    /// The caller gave up the last reference.
    Dealloc,
}

/// What the holder of a `Notified` has to do.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// Poll the future.
    Poll,
    /// Poll it to find out what it waits for.
    Trace,
    /// Drop the future and complete as cancelled.
    Cancel,
}

/// How a poll that returned `Pending` ends.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    /// The task waits; the runner's reference is gone.
    Done,
    /// It was woken while it ran: enqueue it again, with the runner's reference.
    Reschedule,
    /// The poll was only to find out what it waits for, and the task is still RUNNING: take what was found, then
    /// [`State::traced`], then enqueue it again, with the runner's reference.
    Traced,
    /// It was aborted while it ran and is still RUNNING: drop the future, complete as cancelled.
    Cancel,
}

/// What a completed task leaves to its runner.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Completed {
    /// No handle: drop the output.
    DropOutput,
    /// The output belongs to the handle, which is not waiting.
    Keep,
    /// The same, and the stored join waker is now the runner's to take and wake.
    WakeJoiner,
}

/// What a dropped `JoinHandle` has to clean up before it gives up its reference.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropJoin {
    /// Nothing, and the reference is gone already.
    Done,
    /// The stored join waker; then the reference.
    DropWaker,
    /// The output; then the reference.
    DropOutput,
}

/// The task completed first; the join waker field belongs to the runner now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlreadyComplete;

impl State {
    /// The word of a new task.
    pub fn new() -> Self {
        Self(AtomicUsize::new(INITIAL))
    }

    /// One compare-and-swap loop for every transition that depends on the old value. A flag that is known to be clear
    /// is added, one that is known to be set subtracted.
    #[inline]
    fn update<R>(&self, next: impl Fn(usize) -> (usize, R)) -> R {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let (new, action) = next(current);
            match self.try_update(current, new) {
                Ok(()) => return action,
                Err(seen) => current = seen,
            }
        }
    }

    #[inline]
    fn try_update(&self, current: usize, new: usize) -> Result<(), usize> {
        // Release publishes what this side did (a waker's writes, a poll's effects) to the transition that reads it;
        // Acquire is the reading side of the same pairs. A value written back unchanged publishes too: the poll
        // that follows must see the writes of *every* waker (tokio #7622).
        self.0
            .compare_exchange_weak(current, new, Ordering::AcqRel, Ordering::Relaxed)
            .map(|_| ())
    }

    /// Wakes by value: the caller's reference moves into the `Notified`, or is given up.
    #[inline]
    pub fn wake_by_value(&self) -> Wake {
        self.update(|state| {
            if state & NOT_IDLE == 0 {
                return (state + SCHEDULED, Wake::Enqueue);
            }
            let new = match state & COMPLETE {
                0 => (state | SCHEDULED) - REF_ONE,
                _ => state - REF_ONE,
            };
            let last = new < REF_ONE;
            (new, if last { Wake::Dealloc } else { Wake::Nothing })
        })
    }

    /// Wakes by reference: the `Notified` gets a reference of its own.
    #[inline]
    pub fn wake_by_ref(&self) -> Wake {
        let mut current = self.0.load(Ordering::Relaxed);
        // `update`, written out for the self-wake, as in `idle`.
        loop {
            let (new, wake) = match current & NOT_IDLE {
                0 => (current + NOTIFIED, Wake::Enqueue),
                // Nobody polls any more, so there is nobody to publish anything to.
                flags if flags & COMPLETE != 0 => return Wake::Nothing,
                _ => (current | SCHEDULED, Wake::Nothing),
            };
            match self.try_update(current, new) {
                Ok(()) => return wake,
                Err(seen) => current = seen,
            }
        }
    }

    /// Scheduled → running, by the holder of the `Notified`.
    #[inline]
    pub fn start(&self) -> Start {
        // SCHEDULED is set and RUNNING is not, so this addition swaps the two bits in one instruction.
        // Acquire: pairs with the Release of every wake, whose release sequence it continues, as any addition does.
        let previous = self.0.fetch_add(RUNNING - SCHEDULED, Ordering::Acquire);
        debug_assert_eq!(
            previous & NOT_IDLE,
            SCHEDULED,
            "a task was started twice: {:?}",
            Snapshot(previous)
        );
        if previous & (CANCELLED | TRACED) == 0 {
            Start::Poll
        } else if previous & CANCELLED != 0 {
            Start::Cancel
        } else {
            Start::Trace
        }
    }

    /// Running → idle, after a poll that returned `Pending`.
    #[inline]
    pub fn idle(&self) -> Idle {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            debug_assert!(current & RUNNING != 0, "{:?}", Snapshot(current));
            let flags = current & (CANCELLED | SCHEDULED | TRACED);
            if flags == SCHEDULED {
                // Nobody but us clears RUNNING, and nobody SCHEDULED before the next start, which finds an abort that
                // comes just now. Relaxed: what wakers published lives on in this chain of read-modify-writes, and what
                // the poll did goes with the task through its queue.
                self.0.fetch_sub(RUNNING, Ordering::Relaxed);
                return Idle::Reschedule;
            }
            if flags & CANCELLED != 0 {
                return Idle::Cancel;
            }
            if flags != 0 {
                return Idle::Traced;
            }
            match self.try_update(current, (current & !RUNNING) - REF_ONE) {
                Ok(()) => return Idle::Done,
                Err(seen) => current = seen,
            }
        }
    }

    /// Running → scheduled, after a poll that was traced.
    #[cold]
    pub fn traced(&self) {
        self.update(|state| ((state - RUNNING - TRACED) | SCHEDULED, ()));
    }

    /// Running → complete; the output is stored.
    #[inline]
    pub fn complete(&self) -> Completed {
        // RUNNING is set and COMPLETE is not: the addition moves the bit. Release publishes the output to
        // the handle's Acquire in `is_complete` or `drop_join`; Acquire takes the join waker over.
        let previous = self.0.fetch_add(COMPLETE - RUNNING, Ordering::AcqRel);
        debug_assert_eq!(
            previous & (RUNNING | COMPLETE),
            RUNNING,
            "a task was completed twice: {:?}",
            Snapshot(previous)
        );
        if previous & JOIN_INTEREST == 0 {
            Completed::DropOutput
        } else if previous & JOIN_WAKER == 0 {
            Completed::Keep
        } else {
            Completed::WakeJoiner
        }
    }

    /// Asks for a poll that finds out what an idle task waits for, by reference.
    pub fn trace(&self) -> Wake {
        self.update(|state| {
            if state & (NOT_IDLE | CANCELLED) == 0 {
                (state + TRACED + NOTIFIED, Wake::Enqueue)
            } else {
                (state, Wake::Nothing)
            }
        })
    }

    /// Asks for cancellation, by reference.
    pub fn abort(&self) -> Wake {
        self.update(|state| {
            if state & (COMPLETE | CANCELLED) != 0 {
                (state, Wake::Nothing)
            } else if state & BUSY != 0 {
                (state + CANCELLED, Wake::Nothing)
            } else {
                (state + CANCELLED + NOTIFIED, Wake::Enqueue)
            }
        })
    }

    /// Shutdown asks: true if the task was idle, and is now running, with a reference, for the caller to cancel.
    pub fn shutdown(&self) -> bool {
        self.update(|state| {
            if state & COMPLETE != 0 {
                (state, false)
            } else if state & BUSY != 0 {
                (state | CANCELLED, false)
            } else {
                ((state | CANCELLED) + RUNNING + REF_ONE, true)
            }
        })
    }

    /// Scheduled → running and cancelled, by the holder of the `Notified`, who does not want to poll.
    pub fn start_cancelled(&self) {
        // Relaxed: it is `start` that orders.
        self.0.fetch_or(CANCELLED, Ordering::Relaxed);
        let start = self.start();
        debug_assert_eq!(start, Start::Cancel);
    }

    /// True once the output is stored; the caller may then read it if it is the handle.
    #[inline]
    pub fn is_complete(&self) -> bool {
        // Acquire: pairs with the Release of `complete`.
        self.0.load(Ordering::Acquire) & COMPLETE != 0
    }

    /// True if the join waker is stored. Only the handle asks, so the bit changes to 0 by nobody else.
    pub fn has_join_waker(&self) -> bool {
        self.0.load(Ordering::Relaxed) & JOIN_WAKER != 0
    }

    /// Hands the stored join waker to whoever completes the task.
    pub fn set_join_waker(&self) -> Result<(), AlreadyComplete> {
        self.update(|state| match state & COMPLETE {
            0 => (state | JOIN_WAKER, Ok(())),
            _ => (state, Err(AlreadyComplete)),
        })
    }

    /// Takes the join waker back, to replace it.
    pub fn unset_join_waker(&self) -> Result<(), AlreadyComplete> {
        self.update(|state| match state & COMPLETE {
            0 => (state & !JOIN_WAKER, Ok(())),
            _ => (state, Err(AlreadyComplete)),
        })
    }

    /// The handle goes away.
    #[inline]
    pub fn drop_join(&self) -> DropJoin {
        self.update(|state| {
            let without = state & !JOIN_INTEREST;
            if state & COMPLETE != 0 {
                (without, DropJoin::DropOutput)
            } else if state & JOIN_WAKER != 0 {
                (without & !JOIN_WAKER, DropJoin::DropWaker)
            } else {
                // Not the last reference: the owned list holds one until the task completes.
                (without - REF_ONE, DropJoin::Done)
            }
        })
    }

    /// One more reference; the caller holds one already.
    #[inline]
    pub fn ref_inc(&self) {
        // Relaxed: a new reference is made from an existing one, as in `Arc`.
        let previous = self.0.fetch_add(REF_ONE, Ordering::Relaxed);
        if previous > isize::MAX as usize {
            std::process::abort(); // as `Arc` does: wakers were forgotten by the quintillion
        }
    }

    /// One more reference unless there is none left, for whoever found the task in the owned list.
    pub fn try_ref_inc(&self) -> bool {
        self.update(|state| match state >= REF_ONE {
            true => (state + REF_ONE, true),
            false => (state, false),
        })
    }

    /// Gives up `count` references; true if they were the last.
    #[inline]
    pub fn ref_dec(&self, count: usize) -> bool {
        // AcqRel: whoever frees the cell sees everything that the other holders did.
        let previous = self.0.fetch_sub(count * REF_ONE, Ordering::AcqRel);
        debug_assert!(previous >= count * REF_ONE, "{:?}", Snapshot(previous));
        previous & !FLAGS == count * REF_ONE
    }

    /// The word as it was a moment ago, for `Debug`.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.0.load(Ordering::Relaxed))
    }
}

impl fmt::Debug for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.snapshot().fmt(f)
    }
}

/// A copy of the word.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Snapshot(usize);

impl Snapshot {
    /// It was queued, or woken while it ran.
    pub fn is_scheduled(self) -> bool {
        self.0 & SCHEDULED != 0
    }

    /// Somebody polled or cancelled it.
    pub fn is_running(self) -> bool {
        self.0 & RUNNING != 0
    }

    /// It had ended.
    pub fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    /// It was to be traced, and had not been.
    pub fn is_traced(self) -> bool {
        self.0 & TRACED != 0
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(usize, &str); 7] = [
            (SCHEDULED, "scheduled"),
            (RUNNING, "running"),
            (COMPLETE, "complete"),
            (CANCELLED, "cancelled"),
            (JOIN_INTEREST, "join interest"),
            (JOIN_WAKER, "join waker"),
            (TRACED, "traced"),
        ];
        let set = NAMES.iter().filter(|(bit, _)| self.0 & bit != 0);
        f.write_str("State(")?;
        for (_, name) in set {
            write!(f, "{name}, ")?;
        }
        write!(f, "{} references)", self.0 / REF_ONE)
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    const IDLE: usize = 0;

    fn state(flags: usize) -> State {
        State(AtomicUsize::new(flags | (4 * REF_ONE)))
    }

    /// The flags after `event`, the change of the count, and what the event returned.
    fn after<R>(flags: usize, event: impl FnOnce(&State) -> R) -> (usize, isize, R) {
        let state = state(flags);
        let action = event(&state);
        let word = state.snapshot().0;
        (word & FLAGS, (word / REF_ONE) as isize - 4, action)
    }

    #[test]
    fn the_table_of_states_and_events_holds() {
        const S: usize = SCHEDULED;
        const R: usize = RUNNING;
        const X: usize = CANCELLED;
        const C: usize = COMPLETE;
        // state, wake by ref, abort, shutdown: the flags after each, and whether it asks for something.
        let rows = [
            (IDLE, (S, true), (S | X, true), (R | X, true)),
            (S, (S, false), (S | X, false), (S | X, false)),
            (S | X, (S | X, false), (S | X, false), (S | X, false)),
            (R, (R | S, false), (R | X, false), (R | X, false)),
            (
                R | S,
                (R | S, false),
                (R | S | X, false),
                (R | S | X, false),
            ),
            (R | X, (R | X | S, false), (R | X, false), (R | X, false)),
            (C, (C, false), (C, false), (C, false)),
            (C | S, (C | S, false), (C | S, false), (C | S, false)),
            (X, (X | S, true), (X, false), (R | X, true)),
        ];
        for (from, wake, abort, shutdown) in rows {
            let (flags, refs, action) = after(from, State::wake_by_ref);
            assert_eq!((flags, action == Wake::Enqueue), wake, "wake in {from:b}");
            assert_eq!(refs, isize::from(wake.1), "a Notified holds a reference");
            let (flags, refs, action) = after(from, State::abort);
            assert_eq!((flags, action == Wake::Enqueue), abort, "abort in {from:b}");
            assert_eq!(refs, isize::from(abort.1));
            let (flags, refs, action) = after(from, State::shutdown);
            assert_eq!((flags, action), shutdown, "shutdown in {from:b}");
            assert_eq!(refs, isize::from(shutdown.1));
        }
        assert_eq!(after(S, State::start), (R, 0, Start::Poll));
        assert_eq!(after(S | X, State::start), (R | X, 0, Start::Cancel));
        assert_eq!(after(R, State::idle), (IDLE, -1, Idle::Done));
        assert_eq!(after(R | S, State::idle), (S, 0, Idle::Reschedule));
        assert_eq!(after(R | X, State::idle), (R | X, 0, Idle::Cancel));
        assert_eq!(after(R | S | X, State::idle), (R | S | X, 0, Idle::Cancel));
    }

    #[test]
    fn a_trace_is_for_idle_tasks_and_a_poll_follows_it() {
        const S: usize = SCHEDULED;
        const R: usize = RUNNING;
        const X: usize = CANCELLED;
        const T: usize = TRACED;
        assert_eq!(after(IDLE, State::trace), (S | T, 1, Wake::Enqueue));
        for other in [S, S | X, R, R | S, R | X, COMPLETE, X] {
            assert_eq!(after(other, State::trace), (other, 0, Wake::Nothing));
        }
        assert_eq!(after(S | T, State::wake_by_ref), (S | T, 0, Wake::Nothing));
        assert_eq!(after(S | T, State::start), (R | T, 0, Start::Trace));
        assert_eq!(
            after(S | T | X, State::start),
            (R | T | X, 0, Start::Cancel)
        );
        for flags in [R | T, R | S | T] {
            assert_eq!(after(flags, State::idle), (flags, 0, Idle::Traced));
            assert_eq!(after(flags, State::traced), (S, 0, ()));
        }
        assert_eq!(after(R | T | X, State::traced), (S | X, 0, ()));
        assert_eq!(after(R | X | T, State::idle), (R | X | T, 0, Idle::Cancel));
    }

    #[test]
    fn a_wake_by_value_spends_its_reference_or_hands_it_on() {
        assert_eq!(
            after(IDLE, State::wake_by_value),
            (SCHEDULED, 0, Wake::Enqueue)
        );
        for busy in [SCHEDULED, RUNNING, RUNNING | SCHEDULED] {
            let (flags, refs, action) = after(busy, State::wake_by_value);
            assert_eq!((flags, refs, action), (busy | SCHEDULED, -1, Wake::Nothing));
        }
        let ended = (COMPLETE, -1, Wake::Nothing);
        assert_eq!(after(COMPLETE, State::wake_by_value), ended);
        let last = State(AtomicUsize::new(COMPLETE | REF_ONE));
        assert_eq!(last.wake_by_value(), Wake::Dealloc);
    }

    #[test]
    fn completion_tells_who_owns_the_output() {
        let complete = State::complete;
        assert_eq!(
            after(RUNNING, complete),
            (COMPLETE, 0, Completed::DropOutput)
        );
        let with_handle = after(RUNNING | JOIN_INTEREST, complete);
        assert_eq!(with_handle, (COMPLETE | JOIN_INTEREST, 0, Completed::Keep));
        let (_, _, action) = after(RUNNING | JOIN_INTEREST | JOIN_WAKER, complete);
        assert_eq!(action, Completed::WakeJoiner);
    }

    #[test]
    fn a_dropped_handle_cleans_up_what_is_its_own() {
        assert_eq!(
            after(JOIN_INTEREST, State::drop_join),
            (IDLE, -1, DropJoin::Done)
        );
        let waiting = after(JOIN_INTEREST | JOIN_WAKER, State::drop_join);
        assert_eq!(waiting, (IDLE, 0, DropJoin::DropWaker));
        let done = after(COMPLETE | JOIN_INTEREST | JOIN_WAKER, State::drop_join);
        assert_eq!(done, (COMPLETE | JOIN_WAKER, 0, DropJoin::DropOutput));
    }

    #[test]
    fn the_join_waker_is_the_handles_until_the_task_has_ended() {
        const H: usize = JOIN_INTEREST;
        const W: usize = JOIN_WAKER;
        for before in [H, H | W] {
            assert_eq!(after(before, State::set_join_waker), (H | W, 0, Ok(())));
            assert_eq!(after(before, State::unset_join_waker), (H, 0, Ok(())));
        }
        for ended in [COMPLETE | H, COMPLETE | H | W] {
            let late = (ended, 0, Err(AlreadyComplete));
            assert_eq!(after(ended, State::set_join_waker), late);
            assert_eq!(after(ended, State::unset_join_waker), late);
        }
    }

    #[test]
    fn each_question_is_about_one_flag() {
        type Question = fn(&State) -> bool;
        let questions: [(usize, Question); 6] = [
            (COMPLETE, State::is_complete),
            (JOIN_WAKER, State::has_join_waker),
            (SCHEDULED, |state| state.snapshot().is_scheduled()),
            (RUNNING, |state| state.snapshot().is_running()),
            (COMPLETE, |state| state.snapshot().is_complete()),
            (TRACED, |state| state.snapshot().is_traced()),
        ];
        for (flag, is_set) in questions {
            assert!(is_set(&state(flag)), "{flag:b}");
            assert!(!is_set(&state(FLAGS - flag)), "{flag:b}");
        }
    }

    #[test]
    fn who_does_not_want_to_poll_starts_a_cancelled_task() {
        for before in [SCHEDULED, SCHEDULED | CANCELLED] {
            let (flags, refs, ()) = after(before, State::start_cancelled);
            assert_eq!((flags, refs), (RUNNING | CANCELLED, 0));
        }
    }

    #[test]
    fn a_reference_is_one_more_up_to_the_limit() {
        assert_eq!(after(IDLE, State::ref_inc), (IDLE, 1, ()));
        // One more ends the process.
        State(AtomicUsize::new(isize::MAX as usize)).ref_inc();
    }

    #[test]
    fn the_last_reference_is_noticed_once() {
        let state = State(AtomicUsize::new(COMPLETE | (2 * REF_ONE)));
        assert!(!state.ref_dec(1));
        assert!(state.try_ref_inc());
        assert!(state.ref_dec(2));
        assert!(!state.try_ref_inc());
    }

    #[test]
    fn debug_prints_the_decoded_word() {
        let text = format!("{:?}", State::new());
        assert_eq!(text, "State(scheduled, join interest, 3 references)");
    }
}
