//! loom's atomics, each operation of which may be the one that a twin breaks (`fault.rs`), with a cure for what loom
//! would miss.
//!
//! loom 0.7.2 remembers one access per atomic, the last, to find what may happen in another order. A thread's own load
//! thus hides the earlier loads of all others from the write that follows it, and with them every execution in
//! which that write comes before those loads: loom #166, #392. Loads before an exchange are what this crate is made of.
//! So each atomic has one more object per thread, touched by that thread's loads and by the others' writes, which
//! orders nothing and lets no thread's access hide another's.

use std::cell::Cell;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

pub use std::sync::atomic::Ordering;

use loom::sync::Condvar;

use super::fault::{How, here};

/// loom's own limit.
const THREADS: usize = loom::MAX_THREADS;

std::thread_local! {
    /// Threads of this execution that have touched an atomic.
    static SEEN: Cell<usize> = const { Cell::new(0) };
}

loom::thread_local! {
    static INDEX: usize = SEEN.replace(SEEN.get() + 1);
}

/// To be called at the begin of each execution.
pub fn begin() {
    SEEN.set(0);
}

/// One object per thread; nobody ever waits, so telling nobody is an access without any order.
#[derive(Debug)]
struct Readers([Condvar; THREADS]);

impl Readers {
    fn new() -> Self {
        Self(std::array::from_fn(|_| Condvar::new()))
    }

    fn reading(&self) {
        // A thread that is ending has no index any more; what it drops is nobody else's.
        let _ = INDEX.try_with(|index| self.0[*index].notify_all());
    }

    fn writing(&self) {
        let _ = INDEX.try_with(|own| {
            let others = self.0[..SEEN.get()].iter().enumerate();
            for (_, other) in others.filter(|(index, _)| index != own) {
                other.notify_all();
            }
        });
    }
}

/// Orders everything, unless it is the twin's.
#[track_caller]
pub fn fence(order: Ordering) {
    match here(order) {
        None => loom::sync::atomic::fence(order),
        Some(How::Left(left)) => loom::sync::atomic::fence(left),
        Some(_) => {}
    }
}

/// What is left of an ordering for the reading half.
fn reading(order: Ordering) -> Ordering {
    match order {
        AcqRel | Acquire => Acquire,
        Release | Relaxed => Relaxed,
        order => order,
    }
}

/// What is left of an ordering for the writing half.
fn writing(order: Ordering) -> Ordering {
    match order {
        AcqRel | Release => Release,
        Acquire | Relaxed => Relaxed,
        order => order,
    }
}

/// What a fault leaves of an ordering.
fn left(wrong: How, order: Ordering) -> Ordering {
    match wrong {
        How::Left(Acquire) => reading(order),
        How::Left(Release) => writing(order),
        _ => Relaxed,
    }
}

macro_rules! atomic {
    ($name:ident $(<$item:ident>)?, $value:ty) => {
        /// loom's type, behind the door for faults.
        #[derive(Debug)]
        pub struct $name $(<$item>)? {
            value: loom::sync::atomic::$name $(<$item>)?,
            readers: Readers,
        }

        impl $(<$item>)? $name $(<$item>)? {
            /// Wraps a value.
            pub fn new(value: $value) -> Self {
                Self {
                    value: loom::sync::atomic::$name::new(value),
                    readers: Readers::new(),
                }
            }

            /// The value, as this thread sees it.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                let order = here(order).map_or(order, |wrong| left(wrong, order));
                self.readers.reading();
                self.value.load(order)
            }

            /// Changes the value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                let wrong = here(order);
                if wrong != Some(How::Omit) {
                    self.readers.writing();
                    let order = wrong.map_or(order, |wrong| left(wrong, order));
                    self.value.store(value, order);
                }
            }

            /// Changes the value and gives the one before.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.modify(here(order), order, |_| value, |atomic, order| atomic.swap(value, order))
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
                self.exchange(here(success), current, new, success, failure)
            }

            /// As [`Self::compare_exchange`]: loom never fails for nothing.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.exchange(here(success), current, new, success, failure)
            }

            fn exchange(
                &self,
                wrong: Option<How>,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                self.readers.writing();
                match wrong {
                    None => self.value.compare_exchange(current, new, success, failure),
                    Some(wrong @ (How::Weaken | How::Left(_))) => {
                        let (success, failure) = (left(wrong, success), left(wrong, failure));
                        self.value.compare_exchange(current, new, success, failure)
                    }
                    Some(wrong) => {
                        let before = self.value.load(reading(success));
                        if before != current {
                            return Err(before);
                        }
                        if wrong == How::Split {
                            self.value.store(new, writing(success));
                        }
                        Ok(before)
                    }
                }
            }

            /// A read-modify-write, or what the fault makes of it.
            fn modify(
                &self,
                wrong: Option<How>,
                order: Ordering,
                new: impl FnOnce($value) -> $value,
                right: impl FnOnce(&loom::sync::atomic::$name $(<$item>)?, Ordering) -> $value,
            ) -> $value {
                self.readers.writing();
                match wrong {
                    None => right(&self.value, order),
                    Some(wrong @ (How::Weaken | How::Left(_))) => {
                        right(&self.value, left(wrong, order))
                    }
                    Some(How::Omit) => self.value.load(reading(order)),
                    Some(How::Split) => {
                        let before = self.value.load(reading(order));
                        self.value.store(new(before), writing(order));
                        before
                    }
                }
            }
        }
    };
}

macro_rules! number {
    ($name:ident, $value:ty) => {
        atomic!($name, $value);

        impl $name {
            /// Adds and gives the value before.
            #[track_caller]
            pub fn fetch_add(&self, by: $value, order: Ordering) -> $value {
                let new = |value: $value| value.wrapping_add(by);
                self.modify(here(order), order, new, |atomic, order| {
                    atomic.fetch_add(by, order)
                })
            }

            /// Subtracts and gives the value before.
            #[track_caller]
            pub fn fetch_sub(&self, by: $value, order: Ordering) -> $value {
                let new = |value: $value| value.wrapping_sub(by);
                self.modify(here(order), order, new, |atomic, order| {
                    atomic.fetch_sub(by, order)
                })
            }

            /// Sets bits and gives the value before.
            #[track_caller]
            pub fn fetch_or(&self, bits: $value, order: Ordering) -> $value {
                let new = |value: $value| value | bits;
                self.modify(here(order), order, new, |atomic, order| {
                    atomic.fetch_or(bits, order)
                })
            }

            /// Keeps bits and gives the value before.
            #[track_caller]
            pub fn fetch_and(&self, bits: $value, order: Ordering) -> $value {
                let new = |value: $value| value & bits;
                self.modify(here(order), order, new, |atomic, order| {
                    atomic.fetch_and(bits, order)
                })
            }

            /// Raises and gives the value before.
            #[track_caller]
            pub fn fetch_max(&self, least: $value, order: Ordering) -> $value {
                let new = |value: $value| value.max(least);
                self.modify(here(order), order, new, |atomic, order| {
                    atomic.fetch_max(least, order)
                })
            }

            /// Changes the newest value unless `new` says no.
            #[track_caller]
            pub fn fetch_update(
                &self,
                success: Ordering,
                failure: Ordering,
                mut new: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let wrong = here(success);
                let mut before = self.load(Relaxed);
                while let Some(value) = new(before) {
                    match self.exchange(wrong, before, value, success, failure) {
                        Ok(_) => return Ok(before),
                        Err(now) => before = now,
                    }
                }
                Err(before)
            }
        }
    };
}

macro_rules! default {
    ($($name:ident)*) => {$(
        impl Default for $name {
            fn default() -> Self {
                Self::new(Default::default())
            }
        }
    )*};
}

atomic!(AtomicBool, bool);
atomic!(AtomicPtr<T>, *mut T);
number!(AtomicU8, u8);
number!(AtomicU32, u32);
number!(AtomicU64, u64);
number!(AtomicUsize, usize);
default!(AtomicBool AtomicU8 AtomicU32 AtomicU64 AtomicUsize);

impl AtomicBool {
    /// Sets the value if `bit` is true and gives the value before.
    #[track_caller]
    pub fn fetch_or(&self, bit: bool, order: Ordering) -> bool {
        let new = |value: bool| value | bit;
        self.modify(here(order), order, new, |atomic, order| {
            atomic.fetch_or(bit, order)
        })
    }
}
