//! The waker of a task: its header's address and a reference.

use std::mem::ManuallyDrop;
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
