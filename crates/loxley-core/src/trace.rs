//! What a task waits for: the leaves that a traced poll has found.
//!
//! Nobody notes what he waits for while all is well; it is found out when somebody asks. A dump has each idle task
//! polled once more, without a budget (`budget.rs`): every leaf of ours that is reached is noted here with its place
//! and the stack of the poll, wakes its task and says `Pending` without having done anything. The task is then polled
//! again in the ordinary way, so no wake is lost, and what was registered with a socket or a timer stays.
//!
//! # Rejected
//!
//! A word in each task that its leaves write at every `Pending`: a store for each wait, and only one leaf of several is
//! known. Walking the future's memory by debug information: it needs the compiler's help. tokio's own trace works as
//! this one does, with a look at a second thread-local variable in each leaf; here it is the budget's.

use std::backtrace::Backtrace;
use std::cell::RefCell;
use std::panic::Location;

use crate::primitive::Arc;
use crate::primitive::global::{AtomicU64, Ordering, thread_local};

/// Stacks that are kept of one dump. Beyond them only the places of the leaves are: a stack takes some kilobytes.
const STACKS: u64 = 4096;

static STACKS_LEFT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static LEAVES: RefCell<Vec<Leaf>> = const { RefCell::new(Vec::new()) };
}

/// Something that a task waits for.
#[derive(Clone, Debug)]
pub struct Leaf {
    /// Where in the runtime's own source it is.
    pub place: &'static Location<'static>,
    /// How the poll came there.
    pub stack: Option<Arc<Backtrace>>,
}

/// A dump begins: stacks may be taken again.
pub fn allow_stacks() {
    STACKS_LEFT.store(STACKS, Ordering::Relaxed);
}

/// A traced poll begins on this thread.
pub fn begin() {
    LEAVES.with_borrow_mut(Vec::clear);
}

/// It goes on, after another one inside it; these are the leaves that it has come to so far.
pub fn resume(leaves: Vec<Leaf>) {
    LEAVES.set(leaves);
}

/// It has come to a leaf.
pub fn note(place: &'static Location<'static>) {
    let take_one = |left: u64| left.checked_sub(1);
    let may = STACKS_LEFT.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take_one);
    let stack = may.ok().map(|_| Arc::new(Backtrace::force_capture()));
    LEAVES.with_borrow_mut(|leaves| leaves.push(Leaf { place, stack }));
}

/// It has ended; these are the leaves that it came to.
pub fn take() -> Vec<Leaf> {
    LEAVES.take()
}
