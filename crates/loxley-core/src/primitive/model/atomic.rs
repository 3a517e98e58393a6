//! loom's atomics, each operation of which may be the one that a twin breaks (`fault.rs`).

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

pub use std::sync::atomic::Ordering;

use super::fault::{How, here};

/// Orders everything, unless it is the twin's.
#[track_caller]
pub fn fence(order: Ordering) {
    if here(order).is_none() {
        loom::sync::atomic::fence(order);
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

macro_rules! atomic {
    ($name:ident $(<$item:ident>)?, $value:ty) => {
        /// loom's type, behind the door for faults.
        #[derive(Debug)]
        pub struct $name $(<$item>)? (loom::sync::atomic::$name $(<$item>)?);

        impl $(<$item>)? $name $(<$item>)? {
            /// Wraps a value.
            pub fn new(value: $value) -> Self {
                Self(loom::sync::atomic::$name::new(value))
            }

            /// The value, as this thread sees it.
            #[track_caller]
            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(here(order).map_or(order, |_| Relaxed))
            }

            /// Changes the value.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                match here(order) {
                    Some(How::Omit) => {}
                    wrong => self.0.store(value, wrong.map_or(order, |_| Relaxed)),
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
                match here(success) {
                    None => self.0.compare_exchange(current, new, success, failure),
                    Some(How::Weaken) => self.0.compare_exchange(current, new, Relaxed, Relaxed),
                    Some(wrong) => {
                        let before = self.0.load(reading(success));
                        if before != current {
                            return Err(before);
                        }
                        if wrong == How::Split {
                            self.0.store(new, writing(success));
                        }
                        Ok(before)
                    }
                }
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
                self.compare_exchange(current, new, success, failure)
            }

            /// A read-modify-write, or what the fault makes of it.
            fn modify(
                &self,
                wrong: Option<How>,
                order: Ordering,
                new: impl FnOnce($value) -> $value,
                right: impl FnOnce(&loom::sync::atomic::$name $(<$item>)?, Ordering) -> $value,
            ) -> $value {
                match wrong {
                    None => right(&self.0, order),
                    Some(How::Weaken) => right(&self.0, Relaxed),
                    Some(How::Omit) => self.0.load(reading(order)),
                    Some(How::Split) => {
                        let before = self.0.load(reading(order));
                        self.0.store(new(before), writing(order));
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
                match here(success) {
                    None => self.0.fetch_update(success, failure, new),
                    Some(How::Weaken) => self.0.fetch_update(Relaxed, Relaxed, new),
                    Some(wrong) => {
                        let before = self.0.load(reading(success));
                        let value = new(before).ok_or(before)?;
                        if wrong == How::Split {
                            self.0.store(value, writing(success));
                        }
                        Ok(before)
                    }
                }
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
