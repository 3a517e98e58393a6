//! The state word of a task beside the table in its head, and beside a law of its own: the count is that of the holders.

use loxley_core::doors::{Completed, DropJoin, Idle, Start, State, Wake};

use crate::Input;

/// Who holds a reference, and what the flags are by the table.
#[derive(Debug)]
struct Model {
    wakers: usize,
    /// A `Notified` exists, in a queue.
    queued: bool,
    /// Somebody polls or cancels.
    runner: bool,
    /// The owned list.
    owned: bool,
    handle: bool,
    scheduled: bool,
    running: bool,
    complete: bool,
    cancelled: bool,
    join_waker: bool,
}

impl Model {
    fn references(&self) -> usize {
        let holders = [self.queued, self.runner, self.owned, self.handle];
        self.wakers + holders.iter().filter(|holds| **holds).count()
    }

    /// What `Debug` prints.
    fn text(&self) -> String {
        let flags = [
            (self.scheduled, "scheduled, "),
            (self.running, "running, "),
            (self.complete, "complete, "),
            (self.cancelled, "cancelled, "),
            (self.handle, "join interest, "),
            (self.join_waker, "join waker, "),
        ];
        let set: String = flags
            .iter()
            .filter(|(set, _)| *set)
            .map(|(_, name)| *name)
            .collect();
        format!("State({set}{} references)", self.references())
    }

    /// A wake by somebody who has a reference of its own: true if the task must be queued.
    fn wake(&mut self) -> bool {
        if self.complete {
            return false;
        }
        let enqueue = !self.scheduled && !self.running;
        self.scheduled = true;
        self.queued |= enqueue;
        enqueue
    }
}

pub fn run(data: &[u8]) {
    let _ = operations(&mut Input(data));
}

fn operations(input: &mut Input<'_>) -> Option<()> {
    let state = State::new();
    let mut model = Model {
        wakers: 0,
        queued: true,
        runner: false,
        owned: true,
        handle: true,
        scheduled: true,
        running: false,
        complete: false,
        cancelled: false,
        join_waker: false,
    };
    loop {
        assert_eq!(format!("{state:?}"), model.text());
        step(input.below(14)?, &state, &mut model);
        if model.references() == 0 {
            assert!(!state.try_ref_inc(), "nobody is left, and yet it is found");
            return Some(());
        }
    }
}

/// Does one thing, if somebody is there who may.
fn step(event: usize, state: &State, model: &mut Model) {
    let polling = model.runner && model.running && !model.complete;
    match event {
        // The runner hands out wakers, and they hand out others.
        0 if (polling || model.wakers > 0) && model.wakers < 100 => {
            state.ref_inc();
            model.wakers += 1;
        }
        1 if model.wakers > 0 => {
            let enqueue = model.wake();
            let expected = if enqueue {
                Wake::Enqueue
            } else {
                Wake::Nothing
            };
            assert_eq!(state.wake_by_ref(), expected);
        }
        2 if model.wakers > 0 => {
            model.wakers -= 1;
            let enqueue = model.wake();
            let expected = match (enqueue, model.references()) {
                (true, _) => Wake::Enqueue,
                (false, 0) => Wake::Dealloc,
                (false, _) => Wake::Nothing,
            };
            assert_eq!(state.wake_by_value(), expected);
        }
        3 if model.wakers > 0 => {
            model.wakers -= 1;
            assert_eq!(state.ref_dec(1), model.references() == 0);
        }
        4 | 5 if model.queued && !model.running && !model.complete => {
            // 5: by somebody who does not want to poll.
            (model.queued, model.runner) = (false, true);
            (model.scheduled, model.running) = (false, true);
            if event == 5 {
                model.cancelled = true;
                state.start_cancelled();
                return;
            }
            let expected = if model.cancelled {
                Start::Cancel
            } else {
                Start::Poll
            };
            assert_eq!(state.start(), expected);
        }
        6 if polling => {
            let expected = match (model.cancelled, model.scheduled) {
                (true, _) => Idle::Cancel,
                (false, true) => Idle::Reschedule,
                (false, false) => Idle::Done,
            };
            assert_eq!(state.idle(), expected);
            if expected != Idle::Cancel {
                (model.running, model.runner) = (false, false);
                model.queued = expected == Idle::Reschedule;
            }
        }
        7 if polling => {
            let expected = match (model.handle, model.join_waker) {
                (false, _) => Completed::DropOutput,
                (true, false) => Completed::Keep,
                (true, true) => Completed::WakeJoiner,
            };
            assert_eq!(state.complete(), expected);
            (model.running, model.complete) = (false, true);
            assert!(state.is_complete());
            // The runner leaves, and with it the owned list.
            (model.runner, model.owned) = (false, false);
            assert_eq!(state.ref_dec(2), model.references() == 0);
        }
        8 if model.wakers > 0 || model.handle => {
            // Who runs sees the mark; only a task at rest has to be queued for it.
            let at_rest = !model.complete && !model.scheduled && !model.running;
            let enqueue = at_rest && !model.cancelled && model.wake();
            model.cancelled |= !model.complete;
            let expected = if enqueue {
                Wake::Enqueue
            } else {
                Wake::Nothing
            };
            assert_eq!(state.abort(), expected);
        }
        9 if model.owned => {
            let takes = !model.complete && !model.scheduled && !model.running;
            model.cancelled |= !model.complete;
            model.running |= takes;
            model.runner |= takes;
            assert_eq!(state.shutdown(), takes);
        }
        10 if model.handle && !model.join_waker => {
            assert_eq!(state.set_join_waker().is_ok(), !model.complete);
            model.join_waker = !model.complete;
            assert_eq!(state.has_join_waker(), model.join_waker);
        }
        11 if model.handle && model.join_waker => {
            assert_eq!(state.unset_join_waker().is_ok(), !model.complete);
            model.join_waker = model.complete;
        }
        12 if model.handle => {
            let expected = match (model.complete, model.join_waker) {
                (true, _) => DropJoin::DropOutput,
                (false, true) => DropJoin::DropWaker,
                (false, false) => DropJoin::Done,
            };
            assert_eq!(state.drop_join(), expected);
            model.handle = false;
            model.join_waker &= model.complete;
            if expected != DropJoin::Done {
                assert_eq!(state.ref_dec(1), model.references() == 0);
            }
        }
        13 if model.owned && model.wakers < 100 => {
            assert!(state.try_ref_inc());
            model.wakers += 1;
        }
        _ => {}
    }
}
