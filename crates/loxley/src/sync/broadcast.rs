//! Each value, for every receiver.
//!
//! A value stays until all receivers that were there when it was sent have taken it, or until the channel is full and
//! a newer one takes its place: then the slow receivers are told how many they have missed, with
//! [`RecvError::Lagged`](error::RecvError::Lagged), and go on with the oldest that is there. So a slow receiver keeps
//! nobody waiting.
//!
//! ```
//! # loxley::runtime::Runtime::new().unwrap().block_on(async {
//! use loxley::sync::broadcast;
//!
//! let (sender, mut one) = broadcast::channel(16);
//! let mut two = sender.subscribe();
//! sender.send("hello").unwrap();
//! assert_eq!((one.recv().await, two.recv().await), (Ok("hello"), Ok("hello")));
//! # });
//! ```
//!
//! # How it works
//!
//! Values lie in a ring, each in a slot with a lock of its own, with its *position* and how many receivers have still to
//! take it. The *tail* (the next position, the number of receivers, the list of those who wait) has a lock too.
//!
//! 1. Sending: under the tail's lock, the slot is overwritten and all who wait are served; they are woken after it, and
//!    what was overwritten is dropped after it.
//! 2. Receiving: the slot of the receiver's own position, alone. If it holds that position, the value is cloned under
//!    the slot's lock (it need not be `Sync`), or moved out by the last one.
//! 3. Otherwise the receiver looks once more under the tail's lock: it is behind, or it enters the list.
//! 4. A receiver that goes takes itself off the number, and then off every slot that still counts it.
//!
//! Locks are taken in the order tail, slot. A woken receiver takes no lock but its slot's, so that a thousand of them
//! that are woken by one value do a thousand small things, and none of them looks at the others.

pub mod error;
mod receiver;
mod sender;

use std::fmt;
use std::sync::Arc;

pub use receiver::Receiver;
pub use sender::{Sender, WeakSender};

use super::Notify;
use super::primitive::Mutex;
use super::primitive::atomic::{AtomicUsize, Ordering};
use super::waiters::{Home, Waiters};

/// A channel that keeps at least `capacity` values: the next power of two.
///
/// # Panics
///
/// If `capacity` is 0, or more than `usize::MAX / 2`.
///
/// ```
/// let (sender, mut receiver) = loxley::sync::broadcast::channel(2);
/// assert_eq!(sender.send(5).unwrap(), 1);
/// assert_eq!(receiver.try_recv(), Ok(5));
/// ```
#[track_caller]
pub fn channel<T: Clone>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(capacity);
    let receiver = sender.subscribe();
    (sender, receiver)
}

struct Shared<T> {
    slots: Box<[Mutex<Slot<T>>]>,
    tail: Waiters<Tail, ()>,
    senders: AtomicUsize,
    weak: AtomicUsize,
    /// Told when the last receiver goes.
    abandoned: Notify,
}

struct Slot<T> {
    /// Which value it holds, or has held.
    position: u64,
    /// How many receivers have still to take it.
    left: usize,
    value: Option<T>,
}

#[derive(Debug)]
struct Tail {
    /// The position of the next value. A `u64` does not wrap.
    next: u64,
    receivers: usize,
    /// All senders are gone.
    closed: bool,
}

impl<T> Home for Shared<T> {
    type State = Tail;
    type Note = ();

    fn waiters(&self) -> &Waiters<Tail, ()> {
        &self.tail
    }
}

impl<T> Shared<T> {
    #[track_caller]
    fn new(capacity: usize) -> Arc<Self> {
        assert!(capacity > 0, "broadcast channel capacity cannot be zero");
        assert!(
            capacity <= usize::MAX >> 1,
            "broadcast channel capacity exceeded `usize::MAX / 2`"
        );
        let empty = |_| {
            Mutex::new(Slot {
                position: u64::MAX,
                left: 0,
                value: None,
            })
        };
        Arc::new(Self {
            slots: (0..capacity.next_power_of_two()).map(empty).collect(),
            tail: Waiters::new(Tail {
                next: 0,
                receivers: 0,
                closed: false,
            }),
            senders: AtomicUsize::new(1),
            weak: AtomicUsize::new(0),
            abandoned: Notify::new(),
        })
    }

    fn slot(&self, position: u64) -> &Mutex<Slot<T>> {
        // The length is a power of two.
        &self.slots[position as usize & (self.slots.len() - 1)]
    }

    /// The oldest position that is still there, if `next` is the next.
    fn oldest(&self, next: u64) -> u64 {
        next.saturating_sub(self.slots.len() as u64)
    }

    fn strong_count(&self) -> usize {
        // Acquire: as `Arc`'s counts are read.
        self.senders.load(Ordering::Acquire)
    }

    fn weak_count(&self) -> usize {
        // Acquire: as above.
        self.weak.load(Ordering::Acquire)
    }

    #[track_caller]
    fn subscribe(self: &Arc<Self>) -> Receiver<T> {
        let mut tail = self.tail.lock();
        assert!(tail.receivers < usize::MAX >> 2, "max receivers");
        tail.receivers += 1;
        let next = tail.next;
        drop(tail);
        Receiver::new(self.clone(), next)
    }
}

impl<T> fmt::Debug for Shared<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("capacity", &self.slots.len())
            .field("senders", &self.strong_count())
            .finish_non_exhaustive()
    }
}
