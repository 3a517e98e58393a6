//! loom's thread-local variables with the face of std's: `const` initial values, and `get` and `set` of cells.

use std::cell::Cell;

/// The thread is ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccessError;

/// A variable of which each model thread has its own.
#[derive(Debug)]
pub struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T> LocalKey<T> {
    /// Lends the value.
    pub fn with<R>(&'static self, f: impl FnOnce(&T) -> R) -> R {
        self.0.with(f)
    }

    /// Lends the value, unless the thread is ending.
    pub fn try_with<R>(&'static self, f: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        self.0.try_with(f).map_err(|_| AccessError)
    }
}

impl<T> LocalKey<Cell<T>> {
    /// A copy of the value.
    pub fn get(&'static self) -> T
    where
        T: Copy,
    {
        self.with(Cell::get)
    }

    /// Changes the value.
    pub fn set(&'static self, value: T) {
        self.with(|cell| cell.set(value));
    }

    /// Changes the value and gives the one before.
    pub fn replace(&'static self, value: T) -> T {
        self.with(|cell| cell.replace(value))
    }
}

macro_rules! local {
    ($($(#[$note:meta])* $vis:vis static $name:ident: $type:ty = const { $init:expr };)*) => {$(
        $(#[$note])*
        $vis static $name: $crate::primitive::LocalKey<$type> = {
            loom::thread_local!(static KEY: $type = $init);
            $crate::primitive::LocalKey(&KEY)
        };
    )*};
}
pub(crate) use local as thread_local;
