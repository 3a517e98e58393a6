//! The wakers of any number of tasks that wait for one source through `&self`.
//!
//! An event wakes all that wait for what it brought, as in tokio: readiness is a level, so a woken task that
//! goes away has consumed nothing, and the others, awake themselves, strand nowhere. A place in the list
//! belongs to its future, which gives it back when it is dropped; an event only takes the waker out.
//!
//! Wakers are foreign code: they are cloned and dropped outside the lock.
//!
//! # Rejected
//!
//! Waking one waiter per event: an edge comes once, and the one woken may be dropped before it runs. Links
//! inside the futures: pinning and `unsafe` for lists that are nearly always short.

use std::task::Waker;

use crate::poller::interest::Ready;
use crate::poller::readiness::{Readiness, State};
use crate::primitive::Mutex;
use crate::task::WakeList;

/// Room that an empty list may keep.
const KEPT: usize = 4;

#[derive(Debug)]
enum Place {
    /// Free; the next free place.
    Free(Option<usize>),
    /// Belongs to a future.
    Taken { mask: Ready, waker: Option<Waker> },
}

#[derive(Debug, Default)]
struct Places {
    all: Vec<Place>,
    free: Option<usize>,
    taken: usize,
}

/// The list.
#[derive(Debug, Default)]
pub struct Waiters(Mutex<Places>);

impl Waiters {
    /// Puts a waker in the future's place, taking one if it has none. Returns the word as it was afterwards
    /// (R2 in `readiness.rs`).
    pub fn wait(
        &self,
        word: &Readiness,
        key: &mut Option<usize>,
        mask: Ready,
        waker: &Waker,
    ) -> State {
        if let Some(key) = *key {
            if self.0.lock().holds(key, waker) {
                return word.load();
            }
        }
        let new = waker.clone();
        let mut places = self.0.lock();
        let old = places.put(key, mask, new);
        let state = word.set_awaited();
        drop(places);
        drop(old);
        state
    }

    /// Gives a place back; its waker, if still there, is dropped.
    pub fn leave(&self, key: usize) {
        let waker = self.0.lock().free(key);
        drop(waker);
    }

    /// Takes the wakers of all that wait for one of these bits.
    pub fn take(&self, word: &Readiness, ready: Ready, wakes: &mut WakeList) {
        let mut places = self.0.lock();
        let mut left = false;
        for place in &mut places.all {
            if let Place::Taken { mask, waker } = place {
                if (*mask & ready).is_empty() {
                    left |= waker.is_some();
                } else if let Some(waker) = waker.take() {
                    wakes.push(waker);
                }
            }
        }
        if !left {
            word.clear_awaited();
        }
    }
}

impl Places {
    fn holds(&self, key: usize, waker: &Waker) -> bool {
        match &self.all[key] {
            Place::Taken { waker: held, .. } => {
                held.as_ref().is_some_and(|held| held.will_wake(waker))
            }
            Place::Free(_) => false,
        }
    }

    /// Returns the waker that was there before.
    fn put(&mut self, key: &mut Option<usize>, mask: Ready, waker: Waker) -> Option<Waker> {
        let place = Place::Taken {
            mask,
            waker: Some(waker),
        };
        if let Some(key) = *key {
            return into_waker(std::mem::replace(&mut self.all[key], place));
        }
        self.taken += 1;
        *key = Some(match self.free {
            Some(index) => {
                if let Place::Free(next) = std::mem::replace(&mut self.all[index], place) {
                    self.free = next;
                }
                index
            }
            None => {
                self.all.push(place);
                self.all.len() - 1
            }
        });
        None
    }

    fn free(&mut self, key: usize) -> Option<Waker> {
        let place = std::mem::replace(&mut self.all[key], Place::Free(self.free));
        self.free = Some(key);
        self.taken -= 1;
        if self.taken == 0 {
            self.free = None;
            self.all.clear();
            self.all.shrink_to(KEPT);
        }
        into_waker(place)
    }
}

fn into_waker(place: Place) -> Option<Waker> {
    match place {
        Place::Taken { waker, .. } => waker,
        Place::Free(_) => None,
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;
    use crate::primitive::Arc;
    use std::task::Wake;

    struct Nothing;

    impl Wake for Nothing {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn an_event_takes_only_those_it_is_for() {
        let (list, word, waker) = (Waiters::default(), Readiness::new(), Waker::noop());
        let (mut reader, mut writer) = (None, None);
        let _ = list.wait(&word, &mut reader, Ready::READABLE, waker);
        let _ = list.wait(&word, &mut writer, Ready::WRITABLE, waker);
        let mut wakes = WakeList::new();
        list.take(&word, Ready::READABLE, &mut wakes);
        assert_eq!(wakes.len(), 1);
        assert!(word.load().is_awaited());
        list.take(&word, Ready::ALL, &mut wakes);
        assert_eq!(wakes.len(), 2);
        assert!(!word.load().is_awaited());
    }

    #[test]
    fn places_are_used_again_and_nothing_stays_behind() {
        let (list, word) = (Waiters::default(), Readiness::new());
        let wake = Arc::new(Nothing);
        let waker = Waker::from(wake.clone());
        for round in 0..3 {
            let mut keys = [None; 20];
            for key in &mut keys {
                let _ = list.wait(&word, key, Ready::READABLE, &waker);
                let _ = list.wait(&word, key, Ready::READABLE, &waker);
            }
            assert_eq!(Arc::strong_count(&wake), 22, "round {round}");
            for key in keys.iter().rev().flatten() {
                list.leave(*key);
            }
            assert_eq!(Arc::strong_count(&wake), 2);
            assert!(list.0.lock().all.capacity() <= KEPT);
        }
        let (mut one, mut two, mut three) = (None, None, None);
        let _ = list.wait(&word, &mut one, Ready::READABLE, &waker);
        let _ = list.wait(&word, &mut two, Ready::READABLE, &waker);
        list.leave(one.unwrap());
        let _ = list.wait(&word, &mut three, Ready::READABLE, &waker);
        assert_eq!(three, one);
    }
}
