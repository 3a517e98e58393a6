//! Atomics and locks that count: which line of source writes how often, and how often a cache line moves to it from another
//! thread. With `--cfg loxley_counted`, for `benches shared`; no other build has any of this.
//!
//! *Write*: a store, a read-modify-write, or taking a lock. A line *moves* to a write if another thread touched it last, and to
//! a load if another thread wrote it last: that is what costs, and what would cost more with more processors. Not seen:
//! what crossbeam's deques and a contended lock do inside, and data that are no atomics.
//!
//! The bookkeeping orders everything and takes time: this is for counts, of a program whose threads are busy.

#![expect(dead_code, reason = "all have the same shape, whoever uses what of it")]

use std::collections::BTreeMap;
use std::panic::Location;
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{self as std_atomic, AtomicU64 as Cell};

use std_atomic::Ordering::{self, Relaxed, SeqCst};

/// Lines that are remembered; of two that fall together only the last one touched is.
const LINES: usize = 1 << 16;
/// More places than the crate has.
const PLACES: usize = 1 << 12;

/// The line touched last, by which thread, and whether it wrote.
static LAST: [Cell; LINES] = [const { Cell::new(0) }; LINES];
static COUNTS: [Place; PLACES] = [const { Place::new() }; PLACES];

/// What one line of source has written, and the cache lines that moved to it.
struct Place {
    location: OnceLock<&'static Location<'static>>,
    writes: Cell,
    moves: Cell,
}

impl Place {
    const fn new() -> Self {
        Self {
            location: OnceLock::new(),
            writes: Cell::new(0),
            moves: Cell::new(0),
        }
    }

    /// The one of this location.
    fn of(location: &'static Location<'static>) -> &'static Self {
        let mut at = ptr::from_ref(location).addr() / align_of::<Location<'_>>();
        loop {
            let place = &COUNTS[at % PLACES];
            if ptr::eq(*place.location.get_or_init(|| location), location) {
                return place;
            }
            at += 1;
        }
    }
}

/// Counts a touch of this word, and remembers who it was.
#[track_caller]
fn touch<T>(word: &T, writes: bool) {
    static THREADS: Cell = Cell::new(1);
    std::thread_local! {
        static NUMBER: u64 = THREADS.fetch_add(1, SeqCst) % (1 << 15);
    }
    let line = ptr::from_ref(word).addr() as u64 / 64;
    let slot = (line.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 48) as usize;
    let number = NUMBER.try_with(|number| *number).unwrap_or(0);
    let now = line << 16 | number << 1 | u64::from(writes);
    let before = LAST[slot].swap(now, SeqCst);
    let moves = before >> 16 == line && before >> 1 != now >> 1 && (writes || before & 1 == 1);
    if writes || moves {
        let place = Place::of(Location::caller());
        place.writes.fetch_add(writes.into(), Relaxed);
        place.moves.fetch_add(moves.into(), Relaxed);
    }
}

#[track_caller]
fn wrote<T>(word: &T) {
    touch(word, true);
}

/// What each line of source has done so far: writes, and the moves of cache lines to it.
pub fn counts() -> BTreeMap<String, (u64, u64)> {
    let mut counts = BTreeMap::new();
    for place in &COUNTS {
        let Some(location) = place.location.get() else {
            continue;
        };
        let (_, file) = location.file().rsplit_once("src/").unwrap_or_default();
        let sum = counts
            .entry(format!("{file}:{}", location.line()))
            .or_insert((0, 0));
        sum.0 += place.writes.load(SeqCst);
        sum.1 += place.moves.load(SeqCst);
    }
    counts
}

/// What protocols use, in the shape of the real face.
pub mod atomic {
    pub use std::sync::atomic::{Ordering, fence};

    pub use super::{AtomicBool, AtomicPtr, AtomicU8, AtomicU32, AtomicU64, AtomicUsize};
}

/// What no protocol depends on.
pub mod global {
    pub use std::sync::atomic::Ordering;
    pub use std::thread_local;

    pub use super::{AtomicPtr, AtomicU64, Mutex};
}

/// A lock whose taking is a write.
#[derive(Debug, Default)]
pub struct Mutex<T>(parking_lot::Mutex<T>);

impl<T> Mutex<T> {
    /// Wraps a value.
    pub const fn new(value: T) -> Self {
        Self(parking_lot::Mutex::new(value))
    }

    /// Waits for the lock.
    #[track_caller]
    pub fn lock(&self) -> parking_lot::MutexGuard<'_, T> {
        wrote(&self.0);
        self.0.lock()
    }

    /// Takes the lock if it is free.
    #[track_caller]
    pub fn try_lock(&self) -> Option<parking_lot::MutexGuard<'_, T>> {
        wrote(&self.0);
        self.0.try_lock()
    }
}

macro_rules! atomic {
    ($name:ident $(<$item:ident>)?, $value:ty, [$($change:ident)*]) => {
        /// std's, counted.
        #[derive(Debug)]
        #[repr(transparent)]
        pub struct $name $(<$item>)? (std_atomic::$name $(<$item>)?);

        impl $(<$item>)? $name $(<$item>)? {
            /// Wraps a value.
            pub const fn new(value: $value) -> Self {
                Self(std_atomic::$name::new(value))
            }

            /// The value, as this thread sees it.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                touch(&self.0, false);
                self.0.load(order)
            }

            /// Changes the value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                wrote(&self.0);
                self.0.store(value, order);
            }

            /// Changes the value if it is `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                wrote(&self.0);
                self.0.compare_exchange(current, new, success, failure)
            }

            /// As [`Self::compare_exchange`], and may fail for nothing.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                wrote(&self.0);
                self.0.compare_exchange_weak(current, new, success, failure)
            }

            $(
                /// std's, counted.
                #[track_caller]
                pub fn $change(&self, value: $value, order: Ordering) -> $value {
                    wrote(&self.0);
                    self.0.$change(value, order)
                }
            )*
        }
    };
}

macro_rules! number {
    ($($name:ident: $value:ty),*) => {$(
        atomic!($name, $value, [swap fetch_add fetch_sub fetch_or fetch_and fetch_max]);

        impl $name {
            /// Changes the newest value unless `new` says no.
            #[track_caller]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                new: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                wrote(&self.0);
                self.0.fetch_update(success, failure, new)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(0)
            }
        }
    )*};
}

atomic!(AtomicBool, bool, [swap fetch_or]);
atomic!(AtomicPtr<T>, *mut T, [swap]);
number!(AtomicU8: u8, AtomicU32: u32, AtomicU64: u64, AtomicUsize: usize);

impl Default for AtomicBool {
    fn default() -> Self {
        Self::new(false)
    }
}

impl<T> Default for AtomicPtr<T> {
    fn default() -> Self {
        Self::new(ptr::null_mut())
    }
}
