//! `SetOnce`: a value that is set once, and that others wait for.

use std::error::Error;
use std::fmt;
use std::pin::pin;

use loxley_core::coop;

use super::Notify;
use super::once::Once;

/// A value that somebody sets once, and that tasks can wait for.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::SetOnce;
///
/// static ADDRESS: SetOnce<&str> = SetOnce::const_new();
///
/// let waiting = loxley::spawn(async { *ADDRESS.wait().await });
/// ADDRESS.set("127.0.0.1").unwrap();
/// assert_eq!(waiting.await.unwrap(), "127.0.0.1");
/// # });
/// ```
pub struct SetOnce<T> {
    value: Once<T>,
    set: Notify,
}

impl<T> SetOnce<T> {
    /// Without a value.
    ///
    /// ```
    /// assert_eq!(loxley::sync::SetOnce::<u8>::new().get(), None);
    /// ```
    pub fn new() -> Self {
        Self {
            value: Once::empty(),
            set: Notify::new(),
        }
    }

    /// As [`SetOnce::new`], for a `static`.
    ///
    /// ```
    /// use loxley::sync::SetOnce;
    ///
    /// static NUMBER: SetOnce<u8> = SetOnce::const_new();
    /// assert!(!NUMBER.initialized());
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new() -> Self {
        Self {
            value: Once::empty(),
            set: Notify::const_new(),
        }
    }

    /// With this value, if there is one.
    ///
    /// ```
    /// assert_eq!(loxley::sync::SetOnce::new_with(Some(5)).get(), Some(&5));
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// With this value, for a `static`.
    ///
    /// ```
    /// use loxley::sync::SetOnce;
    ///
    /// static NUMBER: SetOnce<u8> = SetOnce::const_new_with(5);
    /// assert_eq!(NUMBER.get(), Some(&5));
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            value: Once::full(value),
            set: Notify::const_new(),
        }
    }

    /// True if the value is set.
    ///
    /// ```
    /// assert!(loxley::sync::SetOnce::from(5).initialized());
    /// ```
    pub fn initialized(&self) -> bool {
        self.value.get().is_some()
    }

    /// The value, if it is set.
    ///
    /// ```
    /// assert_eq!(loxley::sync::SetOnce::from(5).get(), Some(&5));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// Sets the value and wakes all who wait for it.
    ///
    /// # Errors
    ///
    /// [`SetOnceError`], with the value, if there is one already.
    ///
    /// ```
    /// let once = loxley::sync::SetOnce::new();
    /// once.set(5).unwrap();
    /// assert_eq!(once.set(6).unwrap_err().0, 6);
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetOnceError<T>> {
        self.value.fill(value).map_err(SetOnceError)?;
        self.set.notify_waiters();
        Ok(())
    }

    /// The value, if there is one.
    ///
    /// ```
    /// assert_eq!(loxley::sync::SetOnce::from(5).into_inner(), Some(5));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Waits for the value.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// assert_eq!(loxley::sync::SetOnce::from(5).wait().await, &5);
    /// # });
    /// ```
    pub async fn wait(&self) -> &T {
        coop::cooperative(async {
            loop {
                if let Some(value) = self.value.get() {
                    return value;
                }
                // Before the second look: whatever comes after it is not missed.
                let set = pin!(self.set.notified());
                if let Some(value) = self.value.get() {
                    return value;
                }
                set.await;
            }
        })
        .await
    }
}

impl<T> Default for SetOnce<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for SetOnce<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SetOnce")
            .field("value", &self.get())
            .finish()
    }
}

impl<T: Clone> Clone for SetOnce<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for SetOnce<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for SetOnce<T> {}

impl<T> From<T> for SetOnce<T> {
    fn from(value: T) -> Self {
        Self {
            value: Once::full(value),
            set: Notify::new(),
        }
    }
}

/// There was a value already; holds the one that was to be set.
///
/// ```
/// let error = loxley::sync::SetOnce::from(5).set(6).unwrap_err();
/// assert_eq!(error, loxley::sync::SetOnceError(6));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct SetOnceError<T>(pub T);

impl<T> fmt::Display for SetOnceError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SetOnceError")
    }
}

impl<T: fmt::Debug> Error for SetOnceError<T> {}
