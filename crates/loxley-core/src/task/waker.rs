//! The waker of a task: its header's address and a reference. And a waker in one word, for the header itself.

use std::mem::ManuallyDrop;
use std::num::NonZero;
use std::ptr::NonNull;
use std::task::{RawWaker, RawWakerVTable, Waker};

use super::raw::{Header, dealloc_slow, header_of, release, site_of};
use super::state::Wake;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker for one poll: it borrows the runner's reference and must not be dropped.
#[inline]
pub(super) fn borrowed(header: &NonNull<Header>) -> ManuallyDrop<Waker> {
    let raw = RawWaker::new(header.as_ptr().cast_const().cast(), &VTABLE);
    // SAFETY: the four functions below keep the contract of a waker: each clone owns a reference
    // (task.rs, rule 1), and state and scheduler may be used from any thread.
    ManuallyDrop::new(unsafe { Waker::from_raw(raw) })
}

/// True for the waker of a task of ours, of whichever runtime: waking it runs no foreign code.
#[inline]
pub fn is_task_waker(waker: &Waker) -> bool {
    std::ptr::eq(waker.vtable(), &raw const VTABLE)
}

/// # Safety
///
/// `data` came from [`borrowed`], and the waker that carries it holds or borrows a reference.
#[inline]
unsafe fn header(data: *const ()) -> NonNull<Header> {
    // SAFETY: `borrowed` took the address from a `NonNull`.
    unsafe { NonNull::new_unchecked(data.cast_mut().cast()) }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    header_of(&header).state.ref_inc();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    match header_of(&header).state.wake_by_value() {
        Wake::Nothing => {}
        Wake::Dealloc => dealloc_slow(header),
        // SAFETY: the transition made the task SCHEDULED and kept our reference for its `Notified`.
        Wake::Enqueue => unsafe { (site_of(&header).vtable.schedule)(header) },
    }
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    let header = unsafe { header(data) };
    if header_of(&header).state.wake_by_ref() == Wake::Enqueue {
        // SAFETY: the transition made the task SCHEDULED, with a reference for its `Notified`.
        unsafe { (site_of(&header).vtable.schedule)(header) }
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: called by `Waker` with its own data.
    release(unsafe { header(data) }, 1);
}

/// A waker in one word: a task's is the address of its header, any other one is boxed.
///
/// Most joiners are tasks, and each task would have a second word for those that are not.
pub(super) struct ThinWaker(NonNull<()>);

/// Set in the word if it is the address of a box.
const BOXED: usize = 1;
const _: () = assert!(align_of::<Header>() > BOXED && align_of::<Waker>() > BOXED);

impl ThinWaker {
    pub(super) fn new(waker: Waker) -> Self {
        if !is_task_waker(&waker) {
            let boxed = NonNull::from(Box::leak(Box::new(waker)));
            return Self(boxed.cast().map_addr(|address| address | BOXED));
        }
        // Its reference is this one's now.
        let waker = ManuallyDrop::new(waker);
        // SAFETY: by its vtable it is a waker that `borrowed` made, of a `NonNull`, or a clone of one.
        Self(unsafe { header(waker.data()) }.cast())
    }

    /// The box, if it is one.
    fn boxed(&self) -> Option<NonNull<Waker>> {
        let address = NonZero::new(self.0.addr().get() & !BOXED)?;
        (address != self.0.addr()).then(|| self.0.with_addr(address).cast())
    }

    /// As [`Waker::will_wake`].
    pub(super) fn will_wake(&self, waker: &Waker) -> bool {
        match self.boxed() {
            // SAFETY: the box is this one's, and stays where it is.
            Some(boxed) => unsafe { boxed.as_ref() }.will_wake(waker),
            None => is_task_waker(waker) && std::ptr::eq(waker.data(), self.0.as_ptr()),
        }
    }

    pub(super) fn into_waker(self) -> Waker {
        let thin = ManuallyDrop::new(self);
        match thin.boxed() {
            // SAFETY: `new` leaked the box, and only this one had it.
            Some(boxed) => *unsafe { Box::from_raw(boxed.as_ptr()) },
            // SAFETY: `new` took the address, and the reference that goes along, out of such a waker.
            None => unsafe { Waker::new(thin.0.as_ptr(), &VTABLE) },
        }
    }
}

impl Drop for ThinWaker {
    fn drop(&mut self) {
        drop(Self(self.0).into_waker());
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use std::task::Wake;

    use super::super::Id;
    use super::super::owned::Links;
    use super::super::state::State;
    use super::*;
    use crate::primitive::atomic::{AtomicUsize, Ordering};
    use crate::primitive::{Arc, UnsafeCell};

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn header() -> Header {
        Header {
            state: State::new(),
            site: NonNull::dangling(),
            id: Id::next(),
            links: Links::new(),
            join_waker: UnsafeCell::new(None),
        }
    }

    #[test]
    fn a_thin_waker_of_a_task_is_its_address_and_one_reference() {
        let headers = [header(), header()];
        let [waker, other] = [0, 1].map(|index| borrowed(&NonNull::from(&headers[index])));
        let thin = ThinWaker::new((*waker).clone());
        assert!(thin.boxed().is_none());
        assert!(thin.will_wake(&waker) && !thin.will_wake(&other));
        assert!(!thin.will_wake(&Waker::from(Arc::new(Count::default()))));
        let back = thin.into_waker();
        assert!(back.will_wake(&waker));
        drop(ThinWaker::new(back));
        assert!(
            headers[0].state.ref_dec(3),
            "the three of a new task are all"
        );
    }

    #[test]
    fn a_thin_waker_of_anybody_else_wakes_and_is_dropped_once() {
        let counts = [(); 2].map(|()| Arc::new(Count::default()));
        let [waker, other] = [0, 1].map(|index: usize| Waker::from(counts[index].clone()));
        let thin = ThinWaker::new(waker.clone());
        assert!(thin.will_wake(&waker) && !thin.will_wake(&other));
        thin.into_waker().wake();
        assert_eq!(counts[0].0.load(Ordering::Relaxed), 1);
        drop(ThinWaker::new(waker));
        assert_eq!(Arc::strong_count(&counts[0]), 1);
    }
}
