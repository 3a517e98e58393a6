//! [`DelayQueue`]: values that come out when their time has come.
//!
//! The values sit in a table; a tree orders their deadlines, equal ones by insertion. One timer waits for the earliest.
//! Inserting, removing and changing cost the logarithm of the number of values. Names and meaning are tokio-util's; its
//! hierarchical wheel rounds to milliseconds, which this does not.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

#[cfg(feature = "stream")]
use futures_core::Stream;
use loxley_core::coop;

use super::{Instant, Sleep, sleep_until};

/// Values, each with a deadline; they come out in the order of these.
///
/// With the feature `stream` it is a `Stream` of [`Expired`] values that ends when it is empty, and goes on when something is inserted.
///
/// # Examples
///
/// ```
/// use std::future::poll_fn;
/// use loxley::time::{DelayQueue, Duration, Instant};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() {
/// let now = Instant::now();
/// let mut queue = DelayQueue::new();
/// queue.insert_at("second", now + Duration::from_millis(2));
/// queue.insert_at("first", now + Duration::from_millis(1));
/// let never = queue.insert("never", Duration::from_secs(3600));
/// queue.remove(&never);
///
/// let mut seen = Vec::new();
/// while let Some(expired) = poll_fn(|cx| queue.poll_expired(cx)).await {
///     seen.push(expired.into_inner());
/// }
/// assert_eq!(seen, ["first", "second"]);
/// # }
/// ```
pub struct DelayQueue<T> {
    places: Vec<Place<T>>,
    free: Vec<usize>,
    /// Deadline and order of insertion; the index of the place.
    order: BTreeMap<(Instant, u64), usize>,
    inserted: u64,
    timer: Option<Pin<Box<Sleep>>>,
    /// Who was told to wait; a change that matters wakes it.
    waker: Option<Waker>,
}

struct Place<T> {
    /// Moves when the place is emptied, so that an old key is noticed.
    generation: u64,
    entry: Option<Entry<T>>,
}

struct Entry<T> {
    value: T,
    position: (Instant, u64),
}

/// Names a value in a [`DelayQueue`], as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    index: usize,
    generation: u64,
}

/// A value that has come out of a [`DelayQueue`].
#[derive(Debug)]
pub struct Expired<T> {
    value: T,
    deadline: Instant,
    key: Key,
}

impl<T> Expired<T> {
    /// The value.
    pub fn get_ref(&self) -> &T {
        &self.value
    }

    /// The value.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.value
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value
    }

    /// The deadline that it had.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The key that it had.
    pub fn key(&self) -> Key {
        self.key
    }
}

impl<T> DelayQueue<T> {
    /// An empty queue.
    #[must_use]
    pub fn new() -> DelayQueue<T> {
        DelayQueue::with_capacity(0)
    }

    /// An empty queue with room for `capacity` values.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> DelayQueue<T> {
        DelayQueue {
            places: Vec::with_capacity(capacity),
            free: Vec::new(),
            order: BTreeMap::new(),
            inserted: 0,
            timer: None,
            waker: None,
        }
    }

    /// Inserts a value that comes out after `timeout`; an absurd one saturates and never comes out.
    ///
    /// # Panics
    ///
    /// Outside a runtime the next poll panics, not this.
    pub fn insert(&mut self, value: T, timeout: Duration) -> Key {
        self.insert_at(value, after(timeout))
    }

    /// Inserts a value that comes out at `when`, which may have passed.
    pub fn insert_at(&mut self, value: T, when: Instant) -> Key {
        let index = self.free.pop().unwrap_or_else(|| {
            self.places.push(Place {
                generation: 0,
                entry: None,
            });
            self.places.len() - 1
        });
        let position = self.enter(index, when);
        let place = &mut self.places[index];
        place.entry = Some(Entry { value, position });
        Key {
            index,
            generation: place.generation,
        }
    }

    /// Puts the index where its deadline belongs; if that is the front, whoever waits is woken.
    fn enter(&mut self, index: usize, when: Instant) -> (Instant, u64) {
        let position = (when, self.inserted);
        self.inserted += 1;
        self.order.insert(position, index);
        if self.order.first_key_value().map(|(first, _)| *first) == Some(position) {
            self.wake();
        }
        position
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until a value comes out; `None` if the queue is empty.
    ///
    /// Only the waker of the last call is kept.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_time`](crate::runtime::Builder::enable_time), if it has to wait.
    pub fn poll_expired(&mut self, cx: &mut Context<'_>) -> Poll<Option<Expired<T>>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            let Some((&(deadline, _), &index)) = self.order.first_key_value() else {
                self.timer = None;
                self.waker = Some(cx.waker().clone());
                return Poll::Ready(None);
            };
            if deadline <= Instant::now() {
                unit.made_progress();
                return Poll::Ready(Some(self.take(index)));
            }
            match &mut self.timer {
                Some(timer) if timer.deadline() == deadline => {}
                Some(timer) => timer.as_mut().reset(deadline),
                None => self.timer = Some(Box::pin(sleep_until(deadline))),
            }
            let timer = self.timer.as_mut().expect("it was set just now");
            if timer.as_mut().poll(cx).is_pending() {
                self.waker = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
    }

    /// When the value comes out.
    ///
    /// # Panics
    ///
    /// If it is not there any more.
    #[must_use]
    #[track_caller]
    pub fn deadline(&self, key: &Key) -> Instant {
        self.entry(key).position.0
    }

    #[track_caller]
    fn entry(&self, key: &Key) -> &Entry<T> {
        match self.places.get(key.index) {
            Some(place) if place.generation == key.generation => {
                place.entry.as_ref().expect("a place in use has an entry")
            }
            _ => panic!("invalid key: its value has left the queue"),
        }
    }

    fn is_valid(&self, key: &Key) -> bool {
        self.places
            .get(key.index)
            .is_some_and(|place| place.generation == key.generation && place.entry.is_some())
    }

    /// Empties a place that is in use.
    fn take(&mut self, index: usize) -> Expired<T> {
        let place = &mut self.places[index];
        let entry = place.entry.take().expect("a place in use has an entry");
        let key = Key {
            index,
            generation: place.generation,
        };
        place.generation += 1;
        self.free.push(index);
        self.order.remove(&entry.position);
        Expired {
            value: entry.value,
            deadline: entry.position.0,
            key,
        }
    }

    /// Takes a value out before its time.
    ///
    /// # Panics
    ///
    /// If it is not there any more.
    #[track_caller]
    pub fn remove(&mut self, key: &Key) -> Expired<T> {
        match self.try_remove(key) {
            Some(expired) => expired,
            None => panic!("invalid key: its value has left the queue"),
        }
    }

    /// Takes a value out before its time; `None` if it is not there any more.
    pub fn try_remove(&mut self, key: &Key) -> Option<Expired<T>> {
        if !self.is_valid(key) {
            return None;
        }
        let removed = self.take(key.index);
        if self.order.is_empty() {
            // Whoever waits learns that there is nothing to wait for.
            self.wake();
        }
        Some(removed)
    }

    /// Gives the value another deadline, `timeout` from now.
    ///
    /// # Panics
    ///
    /// If it is not there any more.
    #[track_caller]
    pub fn reset(&mut self, key: &Key, timeout: Duration) {
        self.reset_at(key, after(timeout));
    }

    /// Gives the value another deadline.
    ///
    /// # Panics
    ///
    /// If it is not there any more.
    #[track_caller]
    pub fn reset_at(&mut self, key: &Key, when: Instant) {
        let before = self.entry(key).position;
        self.order.remove(&before);
        let position = self.enter(key.index, when);
        if let Some(entry) = &mut self.places[key.index].entry {
            entry.position = position;
        }
    }

    /// The key of the value that comes out next.
    #[must_use]
    pub fn peek(&self) -> Option<Key> {
        let (_, &index) = self.order.first_key_value()?;
        let generation = self.places[index].generation;
        Some(Key { index, generation })
    }

    /// Drops all values. Old keys stay invalid.
    pub fn clear(&mut self) {
        let used: Vec<usize> = std::mem::take(&mut self.order).into_values().collect();
        for index in used {
            let place = &mut self.places[index];
            place.generation += 1;
            self.free.push(index);
            drop(place.entry.take());
        }
        self.timer = None;
        self.wake();
    }

    /// How many values there is room for without another allocation.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.places.capacity()
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.order.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// Makes room for `additional` values more.
    ///
    /// # Panics
    ///
    /// If that is more than the machine can address.
    #[track_caller]
    pub fn reserve(&mut self, additional: usize) {
        let more = additional.saturating_sub(self.free.len());
        self.places.reserve(more);
    }

    /// Gives back memory that is not in use, as far as keys in use allow.
    pub fn shrink_to_fit(&mut self) {
        self.compact();
    }

    /// The same as [`shrink_to_fit`](DelayQueue::shrink_to_fit). Keys in use stay valid.
    pub fn compact(&mut self) {
        while let Some(place) = self.places.last() {
            if place.entry.is_some() || place.generation > 0 {
                // A place that had a value keeps its generation, so that an old key is noticed.
                break;
            }
            self.places.pop();
        }
        let places = self.places.len();
        self.free.retain(|index| *index < places);
        self.places.shrink_to_fit();
        self.free.shrink_to_fit();
    }
}

fn after(timeout: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(timeout).unwrap_or_else(Instant::far_future)
}

impl<T> Unpin for DelayQueue<T> {}

impl<T> Default for DelayQueue<T> {
    fn default() -> Self {
        DelayQueue::new()
    }
}

#[cfg(feature = "stream")]
impl<T> Stream for DelayQueue<T> {
    type Item = Expired<T>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Expired<T>>> {
        self.get_mut().poll_expired(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), None)
    }
}

impl<T> fmt::Debug for DelayQueue<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DelayQueue")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
