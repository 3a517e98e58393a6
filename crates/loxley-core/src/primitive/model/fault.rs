//! The one place that a twin breaks, and the places that a model passes.
//!
//! A model that finds nothing proves little until it is known what it *would* find. So every atomic operation of
//! the model face asks here, with its place in the source, whether it is the one that is to be done wrongly. A
//! twin is a model of the real code with one such fault, and must fail.
//!
//! All threads of a model run on one thread of the system, the test's: what is kept here is std's and per test.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::panic::Location;
use std::sync::atomic::Ordering;
use std::thread_local;

/// What is done wrongly there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// The ordering is Relaxed, the fence missing.
    Weaken,
    /// This much is left of the ordering.
    Left(Ordering),
    /// A read-modify-write is a load and a store.
    Split,
    /// Nothing is written.
    Omit,
}

/// A place in the core's source, and what is done wrongly there.
#[derive(Clone, Debug)]
pub struct Fault {
    /// The end of the file's path.
    pub file: String,
    /// Counted from 1.
    pub line: u32,
    /// What is wrong.
    pub how: How,
}

/// A place where the core asks for more than Relaxed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Site {
    /// The path as the compiler knows it.
    pub file: &'static str,
    /// Counted from 1.
    pub line: u32,
    /// What is asked for.
    pub order: &'static str,
}

thread_local! {
    static FAULT: RefCell<Option<Fault>> = const { RefCell::new(None) };
    static MET: Cell<bool> = const { Cell::new(false) };
    static PASSED: RefCell<BTreeSet<Site>> = const { RefCell::new(BTreeSet::new()) };
}

/// From now on this thread's models have this fault.
pub fn set(fault: Option<Fault>) {
    FAULT.set(fault);
    MET.set(false);
}

/// True if a model came to the place of the fault.
pub fn was_met() -> bool {
    MET.get()
}

/// The places that this thread's models have passed so far.
pub fn passed() -> Vec<Site> {
    PASSED.with_borrow(|passed| passed.iter().copied().collect())
}

/// What is wrong with an operation of this ordering at the caller's place, if anything is.
#[track_caller]
pub(super) fn here(order: Ordering) -> Option<How> {
    let place = Location::caller();
    let (file, line) = (place.file(), place.line());
    if order != Ordering::Relaxed {
        let order = match order {
            Ordering::Acquire => "Acquire",
            Ordering::Release => "Release",
            Ordering::AcqRel => "AcqRel",
            _ => "SeqCst",
        };
        PASSED.with_borrow_mut(|passed| passed.insert(Site { file, line, order }));
    }
    FAULT.with_borrow(|fault| {
        let fault = fault.as_ref()?;
        let is_here = line == fault.line && file.ends_with(fault.file.as_str());
        is_here.then(|| {
            MET.set(true);
            fault.how
        })
    })
}
