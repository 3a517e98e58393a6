//! Those who look at the value.

use std::fmt;
use std::sync::Arc;

use loxley_core::coop;

use super::error::RecvError;
use super::{Ref, STEP, Shared};
use crate::sync::primitive::atomic::Ordering;

/// Looks at the value, and waits for another one.
///
/// Each receiver remembers which value it has seen; a clone has seen the same.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let (sender, mut receiver) = loxley::sync::watch::channel(1);
/// sender.send(2).unwrap();
/// receiver.changed().await.unwrap();
/// assert_eq!(*receiver.borrow(), 2);
/// # });
/// ```
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    /// The version that it has seen.
    seen: usize,
    /// Where it waits.
    list: usize,
}

impl<T> Receiver<T> {
    pub(super) fn new(shared: Arc<Shared<T>>, seen: usize) -> Self {
        // Relaxed: a sender or another receiver is there.
        shared.receivers.fetch_add(1, Ordering::Relaxed);
        let list = shared.list();
        Self { shared, seen, list }
    }

    /// Looks at the value, which does not count as seen then.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(receiver.has_changed().unwrap());
    /// ```
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.borrow(Some(self.seen))
    }

    /// Looks at the value, which counts as seen from now on.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert_eq!(*receiver.borrow_and_update(), 2);
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.borrow(Some(self.seen));
        // The lock is held: it is the version of this value.
        self.seen = self.shared.version().0;
        value
    }

    /// True if there is a value that this receiver has not seen.
    ///
    /// # Errors
    ///
    /// If all senders are gone.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// assert!(!receiver.has_changed().unwrap());
    /// sender.send(2).unwrap();
    /// assert!(receiver.has_changed().unwrap());
    /// drop(sender);
    /// assert!(receiver.has_changed().is_err());
    /// ```
    pub fn has_changed(&self) -> Result<bool, RecvError> {
        match self.shared.version() {
            (_, true) => Err(RecvError::closed()),
            (version, false) => Ok(version != self.seen),
        }
    }

    /// True if all senders are gone.
    ///
    /// ```
    /// let (sender, receiver) = loxley::sync::watch::channel(1);
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.version().1
    }

    /// The value counts as not seen from now on.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (_sender, mut receiver) = loxley::sync::watch::channel(1);
    /// receiver.mark_changed();
    /// receiver.changed().await.unwrap();
    /// # });
    /// ```
    pub fn mark_changed(&mut self) {
        self.seen = self.shared.version().0.wrapping_sub(STEP);
    }

    /// The value counts as seen from now on.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// receiver.mark_unchanged();
    /// assert!(!receiver.has_changed().unwrap());
    /// ```
    pub fn mark_unchanged(&mut self) {
        self.seen = self.shared.version().0;
    }

    /// Waits for a value that this receiver has not seen; it counts as seen then.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value has been seen.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped no value counts as seen.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::watch::channel(1);
    /// loxley::spawn(async move { sender.send(2) });
    /// receiver.changed().await.unwrap();
    /// assert_eq!(*receiver.borrow(), 2);
    /// assert!(receiver.changed().await.is_err());
    /// # });
    /// ```
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        let changing = wait(&self.shared, &mut self.seen, self.list);
        coop::cooperative(changing).await
    }

    /// Waits until the value is as wanted, and looks at it; it may be so already. It counts as seen then.
    ///
    /// The closure is called for each value that is found, with the lock held, and not for values in between.
    ///
    /// # Errors
    ///
    /// If all senders are gone and the last value is not as wanted.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let (sender, mut receiver) = loxley::sync::watch::channel(1);
    /// loxley::spawn(async move {
    ///     for value in 2..10 {
    ///         sender.send(value).unwrap();
    ///     }
    /// });
    /// assert!(*receiver.wait_for(|value| *value >= 5).await.unwrap() >= 5);
    /// # });
    /// ```
    pub async fn wait_for(
        &mut self,
        mut f: impl FnMut(&T) -> bool,
    ) -> Result<Ref<'_, T>, RecvError> {
        let waiting = wanted(&self.shared, &mut self.seen, self.list, &mut f);
        coop::cooperative(waiting).await
    }

    /// True if both look at one value.
    ///
    /// ```
    /// let (_sender, receiver) = loxley::sync::watch::channel(1);
    /// assert!(receiver.same_channel(&receiver.clone()));
    /// ```
    pub fn same_channel(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.shared, &other.shared)
    }
}

/// Protocol, step 2.
async fn wait<T>(shared: &Shared<T>, seen: &mut usize, list: usize) -> Result<(), RecvError> {
    loop {
        let changed = shared.changed[list].notified();
        let (version, closed) = shared.version();
        if version != *seen {
            *seen = version;
            return Ok(());
        }
        if closed {
            return Err(RecvError::closed());
        }
        // The budget is spent once, around all this.
        coop::unconstrained(changed).await;
    }
}

async fn wanted<'a, T>(
    shared: &'a Shared<T>,
    seen: &mut usize,
    list: usize,
    f: &mut impl FnMut(&T) -> bool,
) -> Result<Ref<'a, T>, RecvError> {
    loop {
        {
            let value = shared.borrow(Some(*seen));
            // The lock is held: it is the version of this value.
            *seen = shared.version().0;
            if f(&value) {
                return Ok(value);
            }
        }
        // The end is told only when there is nothing that has not been looked at.
        wait(shared, seen, list).await?;
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        Self::new(self.shared.clone(), self.seen)
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Release: pairs with the Acquire in `Sender::receiver_count`.
        if self.shared.receivers.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.abandoned.notify_waiters();
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("shared", &self.shared)
            .field("seen", &(self.seen / STEP))
            .finish()
    }
}
