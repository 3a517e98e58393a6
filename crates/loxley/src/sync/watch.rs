//! The newest value, for all who want to see it.
//!
//! A channel always holds one value. A sender replaces or changes it; receivers look at it, and can wait until it is
//! another than the one that they have [seen](Receiver::borrow_and_update). What a slow receiver misses is lost.
//!
//! A [`Ref`] holds a lock: while one is there, senders block their threads. Keep it short, and never across an `await`.
//!
//! ```
//! # loxley::runtime::Runtime::new().unwrap().block_on(async {
//! use loxley::sync::watch;
//!
//! let (sender, mut receiver) = watch::channel("starting");
//! loxley::spawn(async move {
//!     sender.send("running").unwrap();
//! });
//! while receiver.changed().await.is_ok() {
//!     println!("now {}", *receiver.borrow_and_update());
//! }
//! assert_eq!(*receiver.borrow(), "running");
//! # });
//! ```
//!
//! # Protocol
//!
//! 1. A sender changes the value under the lock and, before it lets the lock go, counts the version up. Then it
//!    notifies all who wait. A closure that panics, or says that it has changed nothing, counts nothing.
//! 2. A receiver that waits makes its place in a `Notify` first and then looks at the version; so it either sees the
//!    new one, or is notified.
//! 3. The last sender sets CLOSED in the version and notifies all.
//!
//! The receivers are spread over several `Notify`, for they would all enter one list at the same time.

pub mod error;
mod receiver;
mod sender;

use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;

pub use receiver::Receiver;
pub use sender::Sender;

use super::Notify;
use super::primitive::atomic::{AtomicUsize, Ordering};
use super::primitive::{RwLock, RwLockReadGuard};

/// Lists over which the receivers are spread.
const LISTS: usize = if cfg!(loxley_loom) { 1 } else { 8 };

/// In the version: all senders are gone.
const CLOSED: usize = 1;
/// One change.
const STEP: usize = 2;

struct Shared<T> {
    value: RwLock<T>,
    /// Changed under the lock for writing, but for CLOSED.
    version: AtomicUsize,
    receivers: AtomicUsize,
    senders: AtomicUsize,
    /// The list of the next receiver.
    next: AtomicUsize,
    changed: [Notify; LISTS],
    /// Told when the last receiver goes.
    abandoned: Notify,
}

impl<T> UnwindSafe for Shared<T> {}
impl<T> RefUnwindSafe for Shared<T> {}

/// A channel with a first value, which counts as seen.
///
/// ```
/// let (sender, receiver) = loxley::sync::watch::channel(1);
/// assert_eq!(*receiver.borrow(), 1);
/// assert!(!receiver.has_changed().unwrap());
/// # drop(sender);
/// ```
pub fn channel<T>(init: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(init);
    let receiver = sender.subscribe();
    (sender, receiver)
}

impl<T> Shared<T> {
    fn new(value: T) -> Arc<Self> {
        Arc::new(Self {
            value: RwLock::new(value),
            version: AtomicUsize::new(0),
            receivers: AtomicUsize::new(0),
            senders: AtomicUsize::new(1),
            next: AtomicUsize::new(0),
            changed: std::array::from_fn(|_| Notify::new()),
            abandoned: Notify::new(),
        })
    }

    /// Version and CLOSED.
    fn version(&self) -> (usize, bool) {
        // Acquire: pairs with the Release in `Sender::send_if_modified` and in the last sender's drop.
        let word = self.version.load(Ordering::Acquire);
        (word & !CLOSED, word & CLOSED != 0)
    }

    fn notify_receivers(&self) {
        for list in &self.changed {
            list.notify_waiters();
        }
    }

    /// A list for another receiver.
    fn list(&self) -> usize {
        // Relaxed: a number that nothing depends on.
        self.next.fetch_add(1, Ordering::Relaxed) % LISTS
    }

    fn borrow(&self, seen: Option<usize>) -> Ref<'_, T> {
        let value = self.value.read();
        // After the lock: the version belongs to the value.
        let (version, _) = self.version();
        let has_changed = seen.is_some_and(|seen| seen != version);
        Ref { value, has_changed }
    }
}

impl<T: fmt::Debug> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (version, closed) = self.version();
        f.debug_struct("Shared")
            .field("version", &(version / STEP))
            .field("closed", &closed)
            .field("receivers", &self.receivers.load(Ordering::Relaxed))
            .field("senders", &self.senders.load(Ordering::Relaxed))
            .finish_non_exhaustive()
    }
}

/// The value, looked at; nobody can change it meanwhile.
///
/// While it is there senders block their threads; a thread that has one must not send, nor ask for a second one: a
/// sender may have come in between.
///
/// ```
/// let (_sender, receiver) = loxley::sync::watch::channel(5);
/// let value: loxley::sync::watch::Ref<'_, i32> = receiver.borrow();
/// assert_eq!(*value, 5);
/// ```
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
    has_changed: bool,
}

impl<T> Ref<'_, T> {
    /// True if the receiver that it was borrowed from had not seen this value. Always false from a sender.
    ///
    /// ```
    /// let (sender, mut receiver) = loxley::sync::watch::channel(1);
    /// sender.send(2).unwrap();
    /// assert!(receiver.borrow_and_update().has_changed());
    /// assert!(!receiver.borrow_and_update().has_changed());
    /// ```
    pub fn has_changed(&self) -> bool {
        self.has_changed
    }
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: fmt::Debug> fmt::Debug for Ref<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ref")
            .field("inner", &**self)
            .field("has_changed", &self.has_changed)
            .finish()
    }
}
