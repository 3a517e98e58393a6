//! `Notify`: waking tasks without a value.
//!
//! # Words
//!
//! The *word* holds the state (EMPTY, WAITING: the list is not empty, PERMIT: a notification is stored) and, above
//! it, how often `notify_waiters` was *called*.
//!
//! # Protocol
//!
//! 1. `notified()` notes the number of calls. Polled first, it is ready if there has been a call since, or if it can
//!    take the stored permit; otherwise it enters the list, with WAITING set in the very word that it looked at.
//! 2. `notify_one` stores the permit unless WAITING is set; then it takes the lock and serves one.
//! 3. `notify_waiters` counts itself in the word. If WAITING was set it does so under the lock, and serves all.
//! 4. A future that goes after `notify_one` has served it, without having looked, notifies another one. One that
//!    was served by `notify_waiters` does not: all others were served too.
//!
//! WAITING changes only under the lock, and the word has one order, so no fences are needed.
//!
//! Checked by `tests/sync_notify.rs` and `loom-tests/tests/sync/notify.rs`.

use std::future::Future;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use loxley_core::coop;
use pin_project_lite::pin_project;

use super::primitive::atomic::{AtomicUsize, Ordering};
use super::waiters::{Home, Keeper, Locked, Waiter, Waiters};
use super::wakes::Wakes;

const STATE: usize = 3;
const EMPTY: usize = 0;
const WAITING: usize = 1;
const PERMIT: usize = 2;
/// One call of `notify_waiters`.
const CALL: usize = 4;

/// Wakes tasks, one or all; a wake for which nobody waits is kept, once.
///
/// It carries no data: whoever is notified looks for himself at what has changed.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::Notify;
/// use std::sync::Arc;
///
/// let notify = Arc::new(Notify::new());
/// let waiting = loxley::spawn({
///     let notify = notify.clone();
///     async move { notify.notified().await }
/// });
/// notify.notify_one();
/// waiting.await.unwrap();
/// # });
/// ```
#[derive(Debug)]
pub struct Notify {
    word: AtomicUsize,
    waiters: Waiters<(), By>,
}

/// Who has served a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Nobody,
    One,
    Last,
    All,
}

impl UnwindSafe for Notify {}
impl RefUnwindSafe for Notify {}

impl Default for Notify {
    fn default() -> Self {
        Self::new()
    }
}

impl Notify {
    /// Nobody waits and nothing is stored.
    ///
    /// ```
    /// let notify = loxley::sync::Notify::new();
    /// notify.notify_one();
    /// ```
    pub fn new() -> Self {
        Self {
            word: AtomicUsize::new(EMPTY),
            waiters: Waiters::new(()),
        }
    }

    /// As [`Notify::new`], for a `static`.
    ///
    /// ```
    /// static CHANGED: loxley::sync::Notify = loxley::sync::Notify::const_new();
    /// CHANGED.notify_one();
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new() -> Self {
        Self {
            word: AtomicUsize::new(EMPTY),
            waiters: Waiters::new(()),
        }
    }

    /// Waits for a notification.
    ///
    /// A stored notification is taken at once. Otherwise the future takes its place in the queue when it is polled
    /// first, or by [`Notified::enable`]; [`Notify::notify_waiters`] reaches it from the moment of this call on.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up its place; a notification that it has got and not seen goes to the next.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = loxley::sync::Notify::new();
    /// let notified = notify.notified();
    /// notify.notify_waiters();
    /// notified.await;
    /// # });
    /// ```
    pub fn notified(&self) -> Notified<'_> {
        Notified {
            inner: Inner::new(self),
        }
    }

    /// As [`Notify::notified`], with a future that holds the `Notify` by `Arc`.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::Notify;
    /// use std::sync::Arc;
    ///
    /// let notify = Arc::new(Notify::new());
    /// let waiting = loxley::spawn(notify.clone().notified_owned());
    /// notify.notify_one();
    /// waiting.await.unwrap();
    /// # });
    /// ```
    pub fn notified_owned(self: Arc<Self>) -> OwnedNotified {
        OwnedNotified {
            inner: Inner::new(self),
        }
    }

    /// Wakes the task that has waited longest; if nobody waits, the next [`Notify::notified`] is ready at once.
    ///
    /// However often it is called while nobody waits, one notification is stored.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = loxley::sync::Notify::new();
    /// notify.notify_one();
    /// notify.notified().await;
    /// # });
    /// ```
    pub fn notify_one(&self) {
        self.notify(By::One);
    }

    /// As [`Notify::notify_one`], for the task that came last.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::pin::pin;
    ///
    /// let notify = loxley::sync::Notify::new();
    /// let (mut first, mut last) = (pin!(notify.notified()), pin!(notify.notified()));
    /// first.as_mut().enable();
    /// last.as_mut().enable();
    /// notify.notify_last();
    /// last.await;
    /// # });
    /// ```
    pub fn notify_last(&self) {
        self.notify(By::Last);
    }

    /// Wakes all who wait now, and stores nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = loxley::sync::Notify::new();
    /// let (one, two) = (notify.notified(), notify.notified());
    /// notify.notify_waiters();
    /// one.await;
    /// two.await;
    /// # });
    /// ```
    pub fn notify_waiters(&self) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & STATE != WAITING {
            match self.exchange(word, word.wrapping_add(CALL)) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
        let mut wakes = Wakes::new();
        let mut locked = self.waiters.lock();
        // Release: pairs with the Acquire in `Inner::begin`.
        let before = self.word.fetch_add(CALL, Ordering::Release);
        if before & STATE == WAITING {
            locked.serve_all(&mut wakes, |by| *by = By::All);
            self.nobody_waits();
        }
        drop(locked);
        wakes.wake();
    }

    fn notify(&self, by: By) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & STATE != WAITING {
            match self.exchange(word, word & !STATE | PERMIT) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
        self.notify_locked(self.waiters.lock(), by);
    }

    #[cold]
    fn notify_locked(&self, mut locked: Locked<'_, (), By>, by: By) {
        let mut word = self.word.load(Ordering::Relaxed);
        while word & STATE != WAITING {
            match self.exchange(word, word & !STATE | PERMIT) {
                Ok(()) => return,
                Err(now) => word = now,
            }
        }
        let served = match by {
            By::Last => locked.serve_last(|note| *note = by),
            _ => locked.serve_first(|note| *note = by),
        };
        if locked.is_empty() {
            self.nobody_waits();
        }
        drop(locked);
        if let Some(waker) = served.flatten() {
            waker.wake();
        }
    }

    /// WAITING becomes EMPTY; the caller holds the lock, and the list is empty.
    fn nobody_waits(&self) {
        // Relaxed: the list has its lock.
        self.word.fetch_and(!WAITING, Ordering::Relaxed);
    }

    fn exchange(&self, word: usize, new: usize) -> Result<(), usize> {
        // Release: pairs with the Acquire in `Inner::begin`. Needed also when the word stays what it was.
        self.word
            .compare_exchange_weak(word, new, Ordering::Release, Ordering::Relaxed)
            .map(|_| ())
    }
}

impl Home for Notify {
    type State = ();
    type Note = By;

    fn waiters(&self) -> &Waiters<(), By> {
        &self.waiters
    }

    fn left(&self, locked: Locked<'_, (), By>) {
        if locked.is_empty() {
            self.nobody_waits();
        }
    }

    fn unclaimed(&self, by: By) {
        if matches!(by, By::One | By::Last) {
            self.notify(by);
        }
    }
}

pin_project! {
    #[derive(Debug)]
    struct Inner<K: Keeper<Home = Notify>> {
        calls: usize,
        done: bool,
        #[pin]
        waiter: Waiter<K>,
    }
}

impl<K: Keeper<Home = Notify>> Inner<K> {
    fn new(keeper: K) -> Self {
        // Acquire: what happened before the calls that are not waited for is seen by who begins to wait.
        let calls = keeper.home().word.load(Ordering::Acquire) & !STATE;
        Self {
            calls,
            done: false,
            waiter: Waiter::new(keeper),
        }
    }

    fn poll(self: Pin<&mut Self>, waker: Option<&Waker>) -> Poll<()> {
        let this = self.project();
        if *this.done {
            return Poll::Ready(());
        }
        if this.waiter.has_entered() {
            ready!(this.waiter.poll_served(waker));
        } else {
            ready!(Self::begin(this.waiter, *this.calls, waker));
        }
        *this.done = true;
        Poll::Ready(())
    }

    /// Step 1.
    fn begin(waiter: Pin<&mut Waiter<K>>, calls: usize, waker: Option<&Waker>) -> Poll<()> {
        if Self::try_take(waiter.keeper().home(), calls) {
            return Poll::Ready(());
        }
        let waits = waiter.enter(waker.cloned(), |notify, _locked| {
            Self::must_wait(notify, calls).then_some(By::Nobody)
        });
        match waits {
            true => Poll::Pending,
            false => Poll::Ready(()),
        }
    }

    /// Takes the permit, or finds that there has been a call.
    fn try_take(notify: &Notify, calls: usize) -> bool {
        // Acquire: pairs with the Release of the notification.
        let mut word = notify.word.load(Ordering::Acquire);
        loop {
            if word & !STATE != calls {
                return true;
            }
            if word & STATE != PERMIT {
                return false;
            }
            // Acquire: pairs with the Release of the notification.
            let taken = notify.word.compare_exchange_weak(
                word,
                word & !STATE | EMPTY,
                Ordering::Acquire,
                Ordering::Acquire,
            );
            match taken {
                Ok(_) => return true,
                Err(now) => word = now,
            }
        }
    }

    /// Under the lock: true if WAITING is set now, false if there is nothing to wait for.
    fn must_wait(notify: &Notify, calls: usize) -> bool {
        while !Self::try_take(notify, calls) {
            let word = notify.word.load(Ordering::Relaxed);
            if word & STATE == PERMIT || word & !STATE != calls {
                continue;
            }
            // Relaxed: says nothing but that somebody waits, and the list has its lock.
            let set = notify.word.compare_exchange_weak(
                word,
                word | WAITING,
                Ordering::Relaxed,
                Ordering::Relaxed,
            );
            if set.is_ok() {
                return true;
            }
        }
        false
    }
}

pin_project! {
    /// The future of [`Notify::notified`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let notify = loxley::sync::Notify::new();
    /// let notified: loxley::sync::futures::Notified<'_> = notify.notified();
    /// notify.notify_one();
    /// notified.await;
    /// # });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct Notified<'a> {
        #[pin]
        inner: Inner<&'a Notify>,
    }
}

pin_project! {
    /// The future of [`Notify::notified_owned`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use std::sync::Arc;
    ///
    /// let notify = Arc::new(loxley::sync::Notify::new());
    /// let notified: loxley::sync::futures::OwnedNotified = notify.clone().notified_owned();
    /// notify.notify_one();
    /// notified.await;
    /// # });
    /// ```
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct OwnedNotified {
        #[pin]
        inner: Inner<Arc<Notify>>,
    }
}

macro_rules! future {
    ($($name:ty)*) => {$(
        impl $name {
            /// Takes its place in the queue now, without being awaited. True if it is notified already.
            ///
            /// For the case that one must be sure to miss nothing between here and the `await`.
            ///
            /// ```
            /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
            /// use std::pin::pin;
            /// use std::sync::Arc;
            ///
            /// let notify = Arc::new(loxley::sync::Notify::new());
            /// let mut notified = pin!(notify.clone().notified_owned());
            /// assert!(!notified.as_mut().enable());
            /// notify.notify_one(); // finds it in the queue
            /// assert!(notified.as_mut().enable());
            /// notified.await;
            /// # });
            /// ```
            pub fn enable(self: Pin<&mut Self>) -> bool {
                self.project().inner.poll(None).is_ready()
            }
        }

        impl Future for $name {
            type Output = ();

            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                let unit = ready!(coop::poll_proceed(cx));
                ready!(self.project().inner.poll(Some(cx.waker())));
                unit.made_progress();
                Poll::Ready(())
            }
        }
    )*};
}

future!(Notified<'_> OwnedNotified);
