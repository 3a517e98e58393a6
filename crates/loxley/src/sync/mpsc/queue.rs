//! An unbounded queue for many producers and one consumer: blocks of slots, linked.
//!
//! # Words
//!
//! The *tail index* counts places; the first [`ROOM`] of each [`LAP`] are slots of one block, the last stands for "the
//! next block is being installed". A producer *claims* the slot at the tail, writes the value and *publishes* it. The
//! consumer *waits at* the slot at the head.
//!
//! # Protocol
//!
//! 1. Claiming: read the index, then the block, then exchange the index for the next one. If it succeeds, the block was
//!    the index's: neither index nor block has moved.
//! 2. Whoever claims a block's last slot installs the next block: the tail's block, the index over the gap, the
//!    link. Whoever comes meanwhile waits for these three stores.
//! 3. Publishing: the value, then the slot's state is swapped for READY. If it was WAITED the consumer waits at this
//!    slot, and the producer wakes it. The swap is the last that a producer does to a block.
//! 4. The consumer reads the slot's state. READY: the value is its own. Otherwise it may swap EMPTY for WAITED, after
//!    having put its waker in place: whoever publishes here then sees it.
//! 5. When the consumer has read a block's last slot, no producer touches the block (3), and the link is there (2 comes
//!    before 3). It keeps one emptied block for the next who installs, and frees others.
//!
//! So a message costs its producer one exchange on the tail and one swap in the slot, and nobody looks for a waker
//! unless one is waited for. One producer that is preempted between 1 and 3 keeps the consumer waiting at its slot,
//! because order is kept; one that is preempted in 2 keeps other producers waiting.
//!
//! # Rules
//!
//! 1. A slot's value belongs to whoever claimed it until READY, then to the consumer.
//! 2. The head belongs to the consumer: the callers see to it that there is one.
//! 3. A block is freed, or used again, by the consumer alone, after the last slot was read; or by the last owner of the
//!    queue.
//!
//! # Rejected
//!
//! A lock around a `VecDeque`: as fast with one producer, and a preempted holder stops everybody, the consumer too. A
//! node per message: an allocation each.
//!
//! Checked by the tests below, `tests/sync_mpsc.rs` and `loom-tests/tests/sync/mpsc.rs`.

#![expect(
    unsafe_code,
    reason = "slots that producers and the consumer hand over; the rules stand above"
)]

use std::fmt;
use std::mem::MaybeUninit;
use std::ptr;

use crossbeam_utils::CachePadded;

use crate::sync::primitive::atomic::{AtomicPtr, AtomicU8, AtomicUsize, Ordering};
use crate::sync::primitive::{UnsafeCell, pause};

/// Places of the index for one block.
const LAP: usize = if cfg!(loxley_loom) { 4 } else { 32 };
/// Slots of a block.
const ROOM: usize = LAP - 1;

/// The tail takes nothing any more.
const CLOSED: usize = 1;
/// One place of the index.
const STEP: usize = 2;

const EMPTY: u8 = 0;
const WAITED: u8 = 1;
const READY: u8 = 2;

struct Slot<T> {
    state: AtomicU8,
    value: UnsafeCell<MaybeUninit<T>>,
}

struct Block<T> {
    next: AtomicPtr<Block<T>>,
    slots: [Slot<T>; ROOM],
}

/// The queue. It does not know who waits: see [`Queue::push`] and [`Queue::wait`].
pub(super) struct Queue<T> {
    tail: CachePadded<Tail<T>>,
    /// Touched by the consumer only (rule 2).
    head: CachePadded<UnsafeCell<Head<T>>>,
}

struct Tail<T> {
    index: AtomicUsize,
    block: AtomicPtr<Block<T>>,
    /// An emptied block.
    spare: AtomicPtr<Block<T>>,
}

struct Head<T> {
    /// Counts places as the tail does, without CLOSED.
    place: usize,
    block: *mut Block<T>,
}

// SAFETY: values go from producers to the consumer; all else is atomic, or the consumer's.
unsafe impl<T: Send> Send for Queue<T> {}
// SAFETY: as above; no `&T` is ever given out.
unsafe impl<T: Send> Sync for Queue<T> {}

impl<T> Slot<T> {
    fn new() -> Self {
        Self {
            state: AtomicU8::new(EMPTY),
            value: UnsafeCell::new(MaybeUninit::uninit()),
        }
    }
}

impl<T> Block<T> {
    fn allocate() -> *mut Self {
        let mut block = Box::<Self>::new_uninit();
        let start = block.as_mut_ptr();
        // SAFETY: in the bounds of the allocation.
        let next = unsafe { &raw mut (*start).next };
        // SAFETY: as above, and aligned.
        unsafe { next.write(AtomicPtr::new(ptr::null_mut())) };
        // SAFETY: in the bounds of the allocation.
        let slots = unsafe { &raw mut (*start).slots }.cast::<Slot<T>>();
        for number in 0..ROOM {
            // One by one: a block of large values would not fit a small stack.
            // SAFETY: there are so many slots.
            let slot = unsafe { slots.add(number) };
            // SAFETY: in the bounds of the allocation, and aligned.
            unsafe { slot.write(Slot::new()) };
        }
        // SAFETY: every field has been written.
        Box::into_raw(unsafe { block.assume_init() })
    }

    /// # Safety
    ///
    /// The block belongs to the caller (rule 3), and its values have been read.
    unsafe fn free(block: *mut Self) {
        if !block.is_null() {
            // SAFETY: it comes from a box, and the caller is alone with it.
            drop(unsafe { Box::from_raw(block) });
        }
    }
}

/// How many messages lie before a place.
fn messages_before(place: usize) -> usize {
    place / LAP * ROOM + (place % LAP).min(ROOM)
}

impl<T> Queue<T> {
    /// An empty queue with its first block.
    pub(super) fn new() -> Self {
        let block = Block::allocate();
        Self {
            tail: CachePadded::new(Tail {
                index: AtomicUsize::new(0),
                block: AtomicPtr::new(block),
                spare: AtomicPtr::new(ptr::null_mut()),
            }),
            head: CachePadded::new(UnsafeCell::new(Head { place: 0, block })),
        }
    }

    /// Adds a value. True: the consumer waits for this one, and the caller wakes it.
    ///
    /// The error is the value, if the queue is closed and `even_closed` is false.
    #[inline]
    #[must_use = "the consumer may wait"]
    pub(super) fn push(&self, value: T, even_closed: bool) -> Result<bool, T> {
        let mut next = ptr::null_mut();
        let mut index = self.tail.index.load(Ordering::Acquire);
        loop {
            if index & CLOSED != 0 && !even_closed {
                self.recycle(next);
                return Err(value);
            }
            let offset = index / STEP % LAP;
            if offset == ROOM {
                pause(); // step 2
                index = self.tail.index.load(Ordering::Acquire);
                continue;
            }
            // Acquire: pairs with the Release in `install`. Read after the index (step 1).
            let block = self.tail.block.load(Ordering::Acquire);
            if offset + 1 == ROOM && next.is_null() {
                next = self.new_block();
            }
            // Acquire: the index after the block (step 1); pairs with the Release in `install`. Release: who sees
            // this index later sees the block too.
            match self.tail.index.compare_exchange_weak(
                index,
                index + STEP,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Err(now) => index = now,
                Ok(_) => {
                    if offset + 1 == ROOM {
                        self.install(block, std::mem::replace(&mut next, ptr::null_mut()));
                    }
                    self.recycle(next);
                    // SAFETY: the slot was claimed and is not published, so the block stays (rule 3).
                    let slot = unsafe { &(*block).slots[offset] };
                    return Ok(Self::publish(slot, value));
                }
            }
        }
    }

    /// Step 2.
    #[cold]
    fn install(&self, block: *mut Block<T>, next: *mut Block<T>) {
        // Release: pairs with the Acquire in `push`.
        self.tail.block.store(next, Ordering::Release);
        // Release: whoever sees the new index sees the new block. An addition: the index may be closed meanwhile.
        self.tail.index.fetch_add(STEP, Ordering::Release);
        // SAFETY: we claimed its last slot and have not published it (rule 3).
        let link = unsafe { &(*block).next };
        // Relaxed: the swap in `publish` comes after it, and the consumer has seen that.
        link.store(next, Ordering::Relaxed);
    }

    /// Step 3.
    #[inline]
    fn publish(slot: &Slot<T>, value: T) -> bool {
        slot.value.with_mut(|place| {
            // SAFETY: claimed and not published (rule 1).
            unsafe { (*place).write(value) };
        });
        // Release: publishes the value. Acquire: pairs with the Release in `wait`.
        slot.state.swap(READY, Ordering::AcqRel) == WAITED
    }

    fn new_block(&self) -> *mut Block<T> {
        // Acquire: pairs with the Release in `recycle`.
        let spare = self.tail.spare.swap(ptr::null_mut(), Ordering::Acquire);
        match spare.is_null() {
            true => Block::allocate(),
            false => spare,
        }
    }

    /// Keeps an empty block that nobody else has.
    #[inline]
    fn recycle(&self, block: *mut Block<T>) {
        if !block.is_null() {
            // AcqRel: pairs with the Acquire in `new_block` and with itself.
            let old = self.tail.spare.swap(block, Ordering::AcqRel);
            // SAFETY: whoever swaps a spare block out owns it.
            unsafe { Block::free(old) };
        }
    }

    /// Nothing is taken any more, but for what is pushed `even_closed`.
    pub(super) fn close(&self) {
        // Release: whoever sees it sees what the consumer did before. No pairing depends on it.
        self.tail.index.fetch_or(CLOSED, Ordering::AcqRel);
    }

    /// True after [`Self::close`].
    pub(super) fn is_closed(&self) -> bool {
        // Acquire: pairs with the Release in `close`.
        self.tail.index.load(Ordering::Acquire) & CLOSED != 0
    }

    /// How many messages have been claimed and not been taken.
    ///
    /// # Safety
    ///
    /// Nobody takes at the same time (rule 2).
    pub(super) unsafe fn len(&self) -> usize {
        // SAFETY: the caller's contract.
        let head = self.head.with(|head| unsafe { (*head).place });
        // Acquire: pairs with the exchange in `push`.
        let tail = self.tail.index.load(Ordering::Acquire) / STEP;
        messages_before(tail) - messages_before(head)
    }

    /// Takes the first message, if it is there.
    ///
    /// # Safety
    ///
    /// The caller is the only consumer (rule 2).
    #[inline]
    pub(super) unsafe fn pop(&self) -> Option<T> {
        // SAFETY: the caller's contract; nothing foreign runs meanwhile.
        self.head
            .with_mut(|head| self.pop_at(unsafe { &mut *head }))
    }

    #[inline]
    fn pop_at(&self, head: &mut Head<T>) -> Option<T> {
        let offset = head.place % LAP;
        // SAFETY: the head's block is the consumer's (rule 3).
        let slot = unsafe { &(*head.block).slots[offset] };
        // Acquire: pairs with the swap in `publish`.
        if slot.state.load(Ordering::Acquire) != READY {
            return None;
        }
        // SAFETY: READY, and not read before: the head goes on at once (rule 1).
        let value = slot.value.with(|place| unsafe { ptr::read(place) });
        // SAFETY: READY says that it was written.
        let value = unsafe { value.assume_init() };
        head.place += 1;
        if offset + 1 == ROOM {
            self.leave_block(head);
        }
        Some(value)
    }

    /// Step 5.
    #[cold]
    fn leave_block(&self, head: &mut Head<T>) {
        let block = head.block;
        // SAFETY: all its slots have been read, so it is the consumer's alone (rule 3).
        let emptied = unsafe { &*block };
        // Relaxed: stored before the swap of the last slot, which we have seen.
        head.block = emptied.next.load(Ordering::Relaxed);
        head.place += 1;
        // Relaxed, all: handed on by `recycle`.
        emptied.next.store(ptr::null_mut(), Ordering::Relaxed);
        for slot in &emptied.slots {
            slot.state.store(EMPTY, Ordering::Relaxed);
        }
        self.recycle(block);
    }

    /// Waits at the head: whoever publishes there is told. False: it is there by now.
    ///
    /// The caller's waker is in place already (step 4).
    ///
    /// # Safety
    ///
    /// The caller is the only consumer (rule 2).
    pub(super) unsafe fn wait(&self) -> bool {
        self.head.with(|head| {
            // SAFETY: the caller's contract.
            let head = unsafe { &*head };
            // SAFETY: the head's block is the consumer's (rule 3).
            let slot = unsafe { &(*head.block).slots[head.place % LAP] };
            // Release: pairs with the swap in `publish`, which is about to look for our waker. Acquire: READY.
            let waited =
                slot.state
                    .compare_exchange(EMPTY, WAITED, Ordering::Release, Ordering::Acquire);
            waited != Err(READY)
        })
    }
}

impl<T> Drop for Queue<T> {
    fn drop(&mut self) {
        // SAFETY: nobody else is there.
        while let Some(value) = unsafe { self.pop() } {
            drop(value);
        }
        // SAFETY: nobody else is there.
        let block = self.head.with_mut(|head| unsafe { (*head).block });
        // SAFETY: nobody else is there, and its values have been read.
        unsafe { Block::free(block) };
        // SAFETY: nobody else is there.
        unsafe { Block::free(self.tail.spare.load(Ordering::Relaxed)) };
    }
}

impl<T> fmt::Debug for Queue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::sync::Arc;

    fn pop<T>(queue: &Queue<T>) -> Option<T> {
        // SAFETY: each test has one consumer.
        unsafe { queue.pop() }
    }

    fn len<T>(queue: &Queue<T>) -> usize {
        // SAFETY: each test has one consumer.
        unsafe { queue.len() }
    }

    #[test]
    fn messages_come_in_order_over_many_blocks() {
        let (queue, mut model) = (Queue::new(), VecDeque::new());
        let mut seed = 12345_u32;
        for number in 0..10_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            if seed >> 31 == 0 || number < 200 {
                assert_eq!(queue.push(number, false), Ok(false));
                model.push_back(number);
            } else {
                assert_eq!(pop(&queue), model.pop_front());
            }
            assert_eq!(len(&queue), model.len());
        }
        while let Some(number) = model.pop_front() {
            assert_eq!(pop(&queue), Some(number));
        }
        assert_eq!(pop(&queue), None);
    }

    #[test]
    fn who_publishes_where_the_consumer_waits_is_told() {
        let queue = Queue::new();
        for number in 0..100 {
            // SAFETY: this test is the consumer.
            assert!(unsafe { queue.wait() } && unsafe { queue.wait() });
            assert_eq!(queue.push(number, false), Ok(true));
            assert_eq!(queue.push(number, false), Ok(false));
            // SAFETY: this test is the consumer.
            assert!(!unsafe { queue.wait() });
            assert_eq!((pop(&queue), pop(&queue)), (Some(number), Some(number)));
        }
    }

    #[test]
    fn a_closed_queue_gives_values_back() {
        let queue = Queue::new();
        queue.close();
        assert_eq!(queue.push(1, false), Err(1));
        assert_eq!(queue.push(2, true), Ok(false));
        assert_eq!((pop(&queue), len(&queue)), (Some(2), 0));
    }

    #[test]
    fn what_is_left_is_dropped_once() {
        let value = Arc::new(());
        let queue = Queue::new();
        for _ in 0..100 {
            assert!(queue.push(value.clone(), false).is_ok());
        }
        drop((0..40).map(|_| pop(&queue)).collect::<Vec<_>>());
        assert_eq!(Arc::strong_count(&value), 61);
        drop(queue);
        assert_eq!(Arc::strong_count(&value), 1);
    }

    #[test]
    fn large_values_fit_a_small_stack() {
        // A block has 31 slots: it would not fit, while the few copies of one value that a debug build makes do.
        let thread = std::thread::Builder::new().stack_size(256 << 10);
        let run = || {
            let large = Queue::<[u8; 9 << 10]>::new();
            assert_eq!(len(&large), 0);
        };
        thread.spawn(run).unwrap().join().unwrap();
    }

    #[test]
    fn many_producers_lose_nothing_and_keep_their_order() {
        const EACH: usize = 20_000;
        let queue = Arc::new(Queue::new());
        let producers: Vec<_> = (0..4)
            .map(|name| {
                let queue = queue.clone();
                std::thread::spawn(move || {
                    for number in 0..EACH {
                        assert_eq!(queue.push((name, number), false), Ok(false));
                    }
                })
            })
            .collect();
        let mut next = [0; 4];
        while next.iter().sum::<usize>() < 4 * EACH {
            match pop(&queue) {
                None => std::thread::yield_now(),
                Some((name, number)) => {
                    assert_eq!(next[name], number);
                    next[name] += 1;
                }
            }
        }
        for producer in producers {
            producer.join().unwrap();
        }
    }
}
