//! The list of those who wait: every primitive of this folder that lets tasks wait keeps one.
//!
//! # Words
//!
//! A [`Waiter`] is the part of a future that waits; its *node* is what the list links. The list lives in a *home*
//! (a semaphore, a `Notify`, ...), together with what the home keeps under the same lock, its *state*. Each node
//! carries a *note*: what is wanted and, later, what was given. To *serve* a waiter is to write its note and let it
//! go; the caller wakes it when the lock is released.
//!
//! # Protocol
//!
//! 1. A future finds that it has to wait. It clones its waker, takes the lock, looks again, and *enters*: the node
//!    is linked at the end. No allocation.
//! 2. Whoever has something to give takes the lock and serves, from the front, the back, or all: note, waker,
//!    links, and last of all `linked = false`.
//! 3. The future, polled again, reads `linked`. False: the note is its own, and it has no need of the lock. True:
//!    it goes on waiting, and takes the lock only if its waker has changed.
//! 4. A future that is dropped while linked takes the lock and its node out; the home may then serve others
//!    ([`Home::left`]). One that was served and never looked gives back what it got ([`Home::unclaimed`]).
//!
//! # Rules
//!
//! 1. While `linked` is true, the node's parts belong to the lock of its list.
//! 2. `linked` becomes false as the last thing that the lock's holder does to a node, with Release; after an
//!    Acquire that reads false the parts belong to the future, and the list never comes back to them.
//! 3. A linked node is pinned and not dropped: its waiter takes it out before it ends, and a node that is dropped
//!    all the same while linked ends the process. Memory of a pinned value that is forgotten stays valid.
//! 4. The list outlives its linked nodes and does not move, for a waiter holds its home by reference or by `Arc`
//!    ([`Keeper`]). That a home always gives the same list is checked.
//! 5. Wakers are cloned, woken and dropped by whoever holds no lock.
//!
//! # Rejected
//!
//! A slab of wakers under the lock: no `unsafe`, but it allocates under the lock and never shrinks at a good time.
//! Serving in several turns of the lock, 32 wakers at a time: a second list is then needed for those who were
//! there when the turn began, and they can leave it meanwhile. One turn that collects all wakers is linear too.
//!
//! Checked by the tests below and `loom-tests/tests/sync/waiters.rs`.

#![expect(unsafe_code, reason = "an intrusive list; the rules stand above")]

use std::fmt;
use std::marker::PhantomPinned;
use std::ops::{Deref, DerefMut};
use std::pin::Pin;
use std::ptr::NonNull;
use std::sync::Arc;
use std::task::{Poll, Waker};

use pin_project_lite::pin_project;

use super::primitive::atomic::{AtomicBool, Ordering};
use super::primitive::{Mutex, MutexGuard, UnsafeCell};
use super::wakes::Wakes;

/// Where a list lives.
pub(crate) trait Home {
    /// What the list's lock guards beside it.
    type State;
    /// What a waiter wants and gets.
    type Note;

    /// Always the same list.
    fn waiters(&self) -> &Waiters<Self::State, Self::Note>;

    /// A waiter has gone without being served.
    fn left(&self, _locked: Locked<'_, Self::State, Self::Note>) {}

    /// A waiter was served and has gone without looking.
    fn unclaimed(&self, _note: Self::Note) {}
}

/// How a waiter holds its home.
///
/// # Safety
///
/// The home stays alive, and where it is, as long as the keeper (rule 4).
pub(crate) unsafe trait Keeper {
    /// The home.
    type Home: Home;

    /// Always the same one.
    fn home(&self) -> &Self::Home;
}

// SAFETY: what is borrowed is neither moved nor dropped.
unsafe impl<H: Home> Keeper for &H {
    type Home = H;

    fn home(&self) -> &H {
        self
    }
}

// SAFETY: what is in an `Arc` is not moved, and is dropped after it.
unsafe impl<H: Home> Keeper for Arc<H> {
    type Home = H;

    fn home(&self) -> &H {
        self
    }
}

type StateOf<K> = <<K as Keeper>::Home as Home>::State;
type NoteOf<K> = <<K as Keeper>::Home as Home>::Note;
type LockedOf<'a, K> = Locked<'a, StateOf<K>, NoteOf<K>>;

/// A list with its lock, and what else the lock guards.
#[derive(Debug)]
pub(crate) struct Waiters<S, N>(Mutex<Inner<S, N>>);

#[derive(Debug)]
struct Inner<S, N> {
    state: S,
    list: List<N>,
}

#[derive(Debug)]
struct List<N> {
    head: Link<N>,
    tail: Link<N>,
}

type Link<N> = Option<NonNull<Node<N>>>;

// SAFETY: the pointers are followed only under the list's lock, and lead to nodes of which the lock's holder may
// touch everything (rule 1); so a list goes where its notes may go.
unsafe impl<N: Send> Send for List<N> {}

#[derive(Debug)]
struct Node<N> {
    linked: AtomicBool,
    /// Rules 1 and 2.
    parts: UnsafeCell<Parts<N>>,
    _pinned: PhantomPinned,
}

#[derive(Debug)]
struct Parts<N> {
    before: Link<N>,
    after: Link<N>,
    waker: Option<Waker>,
    note: Option<N>,
}

// SAFETY: the links are followed under the list's lock only; notes go from thread to thread.
unsafe impl<N: Send> Send for Node<N> {}
// SAFETY: through a shared node only `linked` is used, and the parts under the list's lock (rule 1).
unsafe impl<N: Send> Sync for Node<N> {}

impl<N> Node<N> {
    fn new() -> Self {
        Self {
            linked: AtomicBool::new(false),
            parts: UnsafeCell::new(Parts {
                before: None,
                after: None,
                waker: None,
                note: None,
            }),
            _pinned: PhantomPinned,
        }
    }

    /// # Safety
    ///
    /// The parts belong to the caller: it holds the list's lock, or is the future and has seen `linked` false
    /// (rules 1 and 2).
    unsafe fn with<R>(&self, f: impl FnOnce(&mut Parts<N>) -> R) -> R {
        // SAFETY: the caller's contract; no reference outlives the closure, and `f` is never foreign code.
        self.parts.with_mut(|parts| f(unsafe { &mut *parts }))
    }

    /// True if the future owns the parts.
    #[inline]
    fn is_served(&self) -> bool {
        // Acquire: pairs with the Release in `Locked::release` (rule 2).
        !self.linked.load(Ordering::Acquire)
    }
}

impl<N> Drop for Node<N> {
    fn drop(&mut self) {
        if !self.is_served() {
            // Rule 3: its neighbours would point to freed memory.
            std::process::abort();
        }
    }
}

impl<S, N> Waiters<S, N> {
    /// Nobody waits.
    #[cfg(not(loxley_loom))]
    pub(crate) const fn new(state: S) -> Self {
        Self(Mutex::new(Inner::new(state)))
    }

    /// Nobody waits.
    #[cfg(loxley_loom)]
    pub(crate) fn new(state: S) -> Self {
        Self(Mutex::new(Inner::new(state)))
    }

    /// Takes the lock. Foreign code must not run until it is released.
    #[inline]
    pub(crate) fn lock(&self) -> Locked<'_, S, N> {
        Locked {
            address: std::ptr::from_ref(self).addr(),
            inner: self.0.lock(),
        }
    }
}

impl<S, N> Inner<S, N> {
    const fn new(state: S) -> Self {
        Self {
            state,
            list: List {
                head: None,
                tail: None,
            },
        }
    }
}

/// The list and its state, under the lock.
#[derive(Debug)]
pub(crate) struct Locked<'a, S, N> {
    address: usize,
    inner: MutexGuard<'a, Inner<S, N>>,
}

impl<S, N> Deref for Locked<'_, S, N> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.inner.state
    }
}

impl<S, N> DerefMut for Locked<'_, S, N> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.inner.state
    }
}

impl<S, N> Locked<'_, S, N> {
    /// True if nobody waits.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.inner.list.head.is_none()
    }

    /// Lends the note of the one who has waited longest.
    pub(crate) fn peek<R>(&self, look: impl FnOnce(&N) -> R) -> Option<R> {
        let node = self.inner.list.head?;
        // SAFETY: a node in the list is alive (rule 3).
        let node = unsafe { node.as_ref() };
        // SAFETY: we hold the lock (rule 1).
        unsafe { node.with(|parts| parts.note.as_ref().map(look)) }
    }

    /// Serves the one who has waited longest; outer `None`: nobody waits.
    #[must_use = "who is served must be woken"]
    pub(crate) fn serve_first(&mut self, give: impl FnOnce(&mut N)) -> Option<Option<Waker>> {
        let node = self.inner.list.head?;
        Some(self.serve(node, give))
    }

    /// Serves the one who came last.
    #[must_use = "who is served must be woken"]
    pub(crate) fn serve_last(&mut self, give: impl FnOnce(&mut N)) -> Option<Option<Waker>> {
        let node = self.inner.list.tail?;
        Some(self.serve(node, give))
    }

    /// Serves all, in the order in which they came.
    pub(crate) fn serve_all(&mut self, wakes: &mut Wakes, mut give: impl FnMut(&mut N)) {
        while let Some(waker) = self.serve_first(&mut give) {
            wakes.push(waker);
        }
    }

    fn serve(&mut self, node: NonNull<Node<N>>, give: impl FnOnce(&mut N)) -> Option<Waker> {
        self.release(node, |parts| {
            if let Some(note) = &mut parts.note {
                give(note);
            }
            parts.waker.take()
        })
    }

    /// Links a node at the end.
    fn link(&mut self, node: Pin<&Node<N>>, note: N, waker: Option<Waker>) {
        let list = &mut self.inner.list;
        let new = NonNull::from(node.get_ref());
        let last = list.tail.replace(new);
        // SAFETY: a node that is not linked belongs to its future, which is the caller (rule 2).
        unsafe {
            node.with(|parts| {
                parts.before = last;
                parts.after = None;
                parts.waker = waker;
                parts.note = Some(note);
            });
        }
        match last {
            None => list.head = Some(new),
            // SAFETY: a node in the list is alive (rule 3), and we hold the lock (rule 1).
            Some(last) => unsafe { after(last, Some(new)) },
        }
        // Relaxed: the future is the only one outside the lock who reads it, and it is the caller.
        node.linked.store(true, Ordering::Relaxed);
    }

    /// Takes a linked node out; `last` is the last look at its parts.
    fn release<R>(&mut self, node: NonNull<Node<N>>, last: impl FnOnce(&mut Parts<N>) -> R) -> R {
        // SAFETY: a node in the list is alive (rule 3).
        let node = unsafe { node.as_ref() };
        // SAFETY: we hold the lock (rule 1).
        let (before, next, result) =
            unsafe { node.with(|parts| (parts.before.take(), parts.after.take(), last(parts))) };
        let list = &mut self.inner.list;
        match before {
            None => list.head = next,
            // SAFETY: a neighbour is in the list: alive (rule 3), and ours under the lock (rule 1).
            Some(before) => unsafe { after(before, next) },
        }
        match next {
            None => list.tail = before,
            // SAFETY: as above.
            Some(next) => unsafe { self::before(next, before) },
        }
        // Release: pairs with the Acquire in `is_served`. The last touch: the node may be freed now (rule 2).
        node.linked.store(false, Ordering::Release);
        result
    }
}

/// Sets what comes after a node.
///
/// # Safety
///
/// The node is alive, and the caller holds its list's lock.
unsafe fn after<N>(node: NonNull<Node<N>>, link: Link<N>) {
    // SAFETY: the caller's contract.
    let node = unsafe { node.as_ref() };
    // SAFETY: the caller's contract (rule 1).
    unsafe { node.with(|parts| parts.after = link) };
}

/// Sets what comes before a node.
///
/// # Safety
///
/// The node is alive, and the caller holds its list's lock.
unsafe fn before<N>(node: NonNull<Node<N>>, link: Link<N>) {
    // SAFETY: the caller's contract.
    let node = unsafe { node.as_ref() };
    // SAFETY: the caller's contract (rule 1).
    unsafe { node.with(|parts| parts.before = link) };
}

pin_project! {
    /// The part of a future that waits.
    pub(crate) struct Waiter<K: Keeper> {
        keeper: K,
        // The address of the list that it has entered; 0: none.
        entered: usize,
        // Which task the waker in the node wakes.
        task: (usize, usize),
        #[pin]
        node: Node<NoteOf<K>>,
    }

    impl<K: Keeper> PinnedDrop for Waiter<K> {
        fn drop(this: Pin<&mut Self>) {
            if this.entered != 0 {
                this.leave();
            }
        }
    }
}

impl<K: Keeper> Waiter<K> {
    /// Does not wait yet.
    #[inline]
    pub(crate) fn new(keeper: K) -> Self {
        Self {
            keeper,
            entered: 0,
            task: (0, 0),
            node: Node::new(),
        }
    }

    /// What it was made with.
    #[inline]
    pub(crate) fn keeper(&self) -> &K {
        &self.keeper
    }

    /// True from [`Self::enter`] until the note has been taken.
    #[inline]
    pub(crate) fn has_entered(&self) -> bool {
        self.entered != 0
    }

    /// Takes the lock and begins to wait if `decide` gives a note to wait with; says whether it did.
    ///
    /// Without a waker it is served all the same, and nobody is woken.
    ///
    /// # Panics
    ///
    /// If it waits already.
    pub(crate) fn enter(
        self: Pin<&mut Self>,
        waker: Option<Waker>,
        decide: impl FnOnce(&K::Home, &mut LockedOf<'_, K>) -> Option<NoteOf<K>>,
    ) -> bool {
        let this = self.project();
        assert!(*this.entered == 0, "a waiter enters once");
        let home = this.keeper.home();
        let mut locked = home.waiters().lock();
        let Some(note) = decide(home, &mut locked) else {
            drop(locked);
            return false; // the waker is dropped here, without the lock (rule 5)
        };
        *this.task = waker.as_ref().map_or((0, 0), identity);
        *this.entered = locked.address;
        locked.link(this.node.as_ref(), note, waker);
        true
    }

    /// Takes the note if it has been served; otherwise `waker`, if any, will be woken.
    pub(crate) fn poll_served(self: Pin<&mut Self>, waker: Option<&Waker>) -> Poll<NoteOf<K>> {
        let mut this = self.project();
        if !this.node.is_served() {
            let Some(waker) = waker else {
                return Poll::Pending;
            };
            // The node holds a clone of that waker, so the identity cannot be another one's.
            if *this.task == identity(waker) {
                return Poll::Pending;
            }
            let locked = this.keeper.home().waiters();
            if Self::replace(locked, this.node.as_ref(), *this.entered, waker) {
                *this.task = identity(waker);
                return Poll::Pending;
            }
        }
        *this.entered = 0;
        Poll::Ready(Self::take_note(this.node.as_mut()))
    }

    /// Puts another waker in; false if it has been served meanwhile.
    fn replace(
        list: &Waiters<StateOf<K>, NoteOf<K>>,
        node: Pin<&Node<NoteOf<K>>>,
        entered: usize,
        waker: &Waker,
    ) -> bool {
        let new = waker.clone(); // rule 5
        let locked = list.lock();
        check(&locked, entered);
        if node.is_served() {
            drop(locked);
            return false;
        }
        // SAFETY: linked, and we hold the lock of its list, as just checked (rule 1).
        let old = unsafe { node.with(|parts| parts.waker.replace(new)) };
        drop(locked);
        drop(old);
        true
    }

    /// The note of a node that is not linked.
    fn take_note(node: Pin<&mut Node<NoteOf<K>>>) -> NoteOf<K> {
        debug_assert!(node.is_served());
        // SAFETY: not linked, so the parts are the future's (rule 2).
        let note = unsafe { node.with(|parts| parts.note.take()) };
        note.expect("a note is there from `enter` until it is taken")
    }

    #[cold]
    fn leave(self: Pin<&mut Self>) {
        let mut this = self.project();
        let entered = std::mem::take(this.entered);
        let home = this.keeper.home();
        if !this.node.is_served() {
            let mut locked = home.waiters().lock();
            check(&locked, entered);
            if !this.node.is_served() {
                let node = NonNull::from(this.node.as_ref().get_ref());
                let rest = locked.release(node, |parts| (parts.waker.take(), parts.note.take()));
                home.left(locked);
                drop(rest);
                return;
            }
        }
        home.unclaimed(Self::take_note(this.node.as_mut()));
    }
}

impl<K: Keeper> fmt::Debug for Waiter<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiter")
            .field("waits", &self.has_entered())
            .finish_non_exhaustive()
    }
}

/// Rule 4: ends the process if a home has given another list than before.
fn check<S, N>(locked: &Locked<'_, S, N>, entered: usize) {
    if locked.address != entered {
        std::process::abort();
    }
}

/// Two wakers that are the same here wake the same task.
#[inline]
fn identity(waker: &Waker) -> (usize, usize) {
    let table = std::ptr::from_ref(waker.vtable());
    (waker.data().addr(), table.addr())
}

#[cfg(all(test, not(loxley_loom)))]
mod tests;
