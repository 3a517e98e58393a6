//! Ends of tasks that lead to further ends, without one stack frame for each.
//!
//! Dropping a future or an output is foreign code, which may end the next task: an abort in a drop at shutdown, a spawn
//! in a drop after it, handles of finished tasks inside outputs. The first few run inside each other, as plain drops
//! would; what lies deeper waits in a list of this thread until the one above it returns.
//!
//! Checked by `tests/task_chains.rs`.

use std::cell::{Cell, RefCell};
use std::ptr::NonNull;

use super::raw::Header;
use crate::primitive::thread_local;

/// Ends that run inside each other.
const NESTED: usize = 4;

/// What is to be called with a header: it gives up the reference that the caller hands over.
type End = unsafe fn(NonNull<Header>);

struct Depth {
    depth: Cell<usize>,
    later: RefCell<Vec<(NonNull<Header>, End)>>,
}

thread_local! {
    static DEPTH: Depth = const {
        Depth {
            depth: Cell::new(0),
            later: RefCell::new(Vec::new()),
        }
    };
}

/// Calls `end`, now, or on this thread before the outermost such call returns. It must not unwind.
///
/// # Safety
///
/// The caller may call `end(header)` here, and does not care when it happens.
pub(super) unsafe fn end_within_depth(header: NonNull<Header>, end: End) {
    let depth = DEPTH.try_with(|here| {
        let depth = here.depth.get();
        if depth >= NESTED {
            here.later.borrow_mut().push((header, end));
        } else {
            here.depth.set(depth + 1);
        }
        depth
    });
    if depth.is_ok_and(|depth| depth >= NESTED) {
        return;
    }
    // SAFETY: by this function's own contract.
    unsafe { end(header) };
    if let Ok(depth) = depth {
        while let Some((header, end)) = next() {
            // SAFETY: by the contract of the call that put it there.
            unsafe { end(header) };
        }
        let _ = DEPTH.try_with(|here| here.depth.set(depth));
    }
}

fn next() -> Option<(NonNull<Header>, End)> {
    DEPTH.try_with(|here| here.later.borrow_mut().pop()).ok()?
}
