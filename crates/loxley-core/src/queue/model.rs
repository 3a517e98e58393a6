//! The deques' stand-in under loom: the contract of crossbeam's, and no more.
//!
//! - C1 A push happens before the take that returns its item: released by the one, acquired by the other.
//! - C2 One taker gets an item. A taker that loses the race for one hears of it (`Retry`).
//! - C3 Whoever cannot know of a push yet may find the queue empty; so may `is_empty` and `len`, which order
//!   nothing. Who has seen a push of one thread, or is ordered after it, finds the item or learns that it is taken.
//! - C4 The owner alone pushes into a deque, so what it finds empty is empty.
//! - C5 A batch takes about half, the first item for the caller, the others in order into its own deque.
//! - C6 No operation is a fence for anything else, even where today's crossbeam has one inside.
//!
//! A queue is a row of places, each used once: empty, then an item, then taken. A lock in their stead would order
//! more than C1 to C6 promise, and hide a missing fence of ours.

use std::cell::Cell;
use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use crate::primitive::Arc;
use crate::primitive::atomic::{AtomicPtr, Ordering};

/// Items that ever go through one queue of a model; each place is an atomic for loom to follow.
const PLACES: usize = 4;

/// What a look at a queue gave.
#[derive(Debug)]
pub enum Steal<T> {
    /// Nothing is there, as far as the caller can know.
    Empty,
    /// One item.
    Success(T),
    /// Somebody was faster.
    Retry,
}

/// The places: null, then a box, then `taken`.
struct Row<T> {
    places: [AtomicPtr<T>; PLACES],
    owns: PhantomData<fn(T) -> T>,
}

/// What a place showed.
enum Place<T> {
    Empty,
    Item(*mut T),
    Taken,
}

fn taken<T>() -> *mut T {
    ptr::without_provenance_mut(1)
}

impl<T> Row<T> {
    fn new() -> Self {
        Self {
            places: std::array::from_fn(|_| AtomicPtr::new(ptr::null_mut())),
            owns: PhantomData,
        }
    }

    fn look(&self, index: usize, order: Ordering) -> Place<T> {
        match self.places[index].load(order) {
            item if item.is_null() => Place::Empty,
            item if item == taken() => Place::Taken,
            item => Place::Item(item),
        }
    }

    /// Puts an item into the first free place, for one of many who push.
    fn push(&self, item: T) {
        let item = Box::into_raw(Box::new(item));
        let put = self.places.iter().any(|place| {
            // Release: C1, pairs with `take`.
            let put =
                place.compare_exchange(ptr::null_mut(), item, Ordering::Release, Ordering::Relaxed);
            put.is_ok()
        });
        assert!(put, "a model pushes at most {PLACES} items into one queue");
    }

    /// Takes the first item that the caller can know of.
    fn take(&self) -> Steal<T> {
        for index in 0..PLACES {
            match self.look(index, Ordering::Relaxed) {
                Place::Empty => return Steal::Empty,
                Place::Taken => {}
                Place::Item(item) => {
                    // Acquire: C1, pairs with `push`.
                    let took = self.places[index].compare_exchange(
                        item,
                        taken(),
                        Ordering::Acquire,
                        Ordering::Relaxed,
                    );
                    return match took {
                        // SAFETY: `push` leaked the box, and one exchange takes it out (C2).
                        Ok(item) => Steal::Success(*unsafe { Box::from_raw(item) }),
                        Err(_) => Steal::Retry,
                    };
                }
            }
        }
        Steal::Empty
    }

    /// C3: what the caller can know.
    fn len(&self) -> usize {
        let mut items = 0;
        for index in 0..PLACES {
            match self.look(index, Ordering::Relaxed) {
                Place::Empty => break,
                Place::Taken => {}
                Place::Item(_) => items += 1,
            }
        }
        items
    }

    fn is_empty(&self) -> bool {
        for index in 0..PLACES {
            match self.look(index, Ordering::Relaxed) {
                Place::Empty => return true,
                Place::Taken => {}
                Place::Item(_) => return false,
            }
        }
        true
    }

    /// C5.
    fn take_batch(&self, dest: &Worker<T>) -> Steal<T> {
        let half = self.len().div_ceil(2);
        let first = self.take();
        if matches!(first, Steal::Success(_)) {
            for _ in 1..half {
                let Steal::Success(item) = self.take() else {
                    break;
                };
                dest.push(item);
            }
        }
        first
    }
}

impl<T> Drop for Row<T> {
    fn drop(&mut self) {
        for place in &self.places {
            // An exchange reads the newest value, whatever this thread has seen.
            let item = place.swap(taken(), Ordering::Acquire);
            if !item.is_null() && item != taken() {
                // SAFETY: as in `take`.
                drop(unsafe { Box::from_raw(item) });
            }
        }
    }
}

/// The owner's side of a deque.
pub struct Worker<T> {
    row: Arc<Row<T>>,
    /// The next place to push into.
    next: Cell<usize>,
}

impl<T> Worker<T> {
    /// An empty deque, first in, first out.
    pub fn new_fifo() -> Self {
        Self {
            row: Arc::new(Row::new()),
            next: Cell::new(0),
        }
    }

    /// The side for everybody.
    pub fn stealer(&self) -> Stealer<T> {
        Stealer(self.row.clone())
    }

    /// Puts an item at the end.
    pub fn push(&self, item: T) {
        let index = self.next.replace(self.next.get() + 1);
        assert!(
            index < PLACES,
            "a model pushes at most {PLACES} items into one queue"
        );
        // Release: C1, pairs with `take`; C4 makes a store enough.
        self.row.places[index].store(Box::into_raw(Box::new(item)), Ordering::Release);
    }

    /// Takes the first item.
    pub fn pop(&self) -> Option<T> {
        loop {
            match self.row.take() {
                Steal::Success(item) => return Some(item),
                Steal::Empty => return None,
                Steal::Retry => {}
            }
        }
    }

    /// How many items are there, or a moment ago were.
    pub fn len(&self) -> usize {
        self.row.len()
    }
}

/// Everybody's side of a deque.
pub struct Stealer<T>(Arc<Row<T>>);

impl<T> Stealer<T> {
    /// True if nothing is there, as far as the caller can know.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many items are there, as far as the caller can know.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes the first item.
    pub fn steal(&self) -> Steal<T> {
        self.0.take()
    }

    /// Takes half.
    pub fn steal_batch_and_pop(&self, dest: &Worker<T>) -> Steal<T> {
        self.0.take_batch(dest)
    }
}

/// A queue into which everybody pushes.
pub struct Injector<T>(Row<T>);

impl<T> Injector<T> {
    /// An empty queue.
    pub fn new() -> Self {
        Self(Row::new())
    }

    /// Puts an item at the end.
    pub fn push(&self, item: T) {
        self.0.push(item);
    }

    /// Takes the first item.
    pub fn steal(&self) -> Steal<T> {
        self.0.take()
    }

    /// Takes half.
    pub fn steal_batch_and_pop(&self, dest: &Worker<T>) -> Steal<T> {
        self.0.take_batch(dest)
    }

    /// True if nothing is there, as far as the caller can know.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many items are there, as far as the caller can know.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl<T> fmt::Debug for Worker<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Worker")
    }
}
