//! One place to sleep: K1 to K5 and U1 to U3 of `park.rs`, on the futex and in the poller.
//!
//! Sleeper: K1 store `until`, swap the word to PARKED_*; K2 fence; K3 re-check every source; K4 sleep; K5 swap the word
//! to RUNNING.
//!
//! Waker: U1 publish the reason, fence; U2 read the word or `until`; U3 swap the word to NOTIFIED; the value found says
//! which sleep must be ended.
//!
//! PARKED_POLL is published only while the sleeper holds its poller's lock: nobody else can consume the kick.
//!
//! A wake that is lost leaves the sleeper asleep for ever, which loom reports.

use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Tracked, Twin, check, must_fail};
use loxley_core::doors::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use loxley_core::doors::fault::How;
use loxley_core::doors::park::{self, NEVER, Park, Prepared};
use loxley_core::doors::poller::{Poller, Timeout};
use loxley_core::doors::task::WakeList;

/// A place to sleep, and the sources that its sleeper re-checks.
struct Place {
    park: Park,
    poller: Option<Arc<Poller>>,
    raised: AtomicBool,
    registrations: AtomicUsize,
    deadline: AtomicU64,
}

impl Place {
    fn new(with_poller: bool) -> Arc<Self> {
        let poller = with_poller.then(|| Arc::new(Poller::new(false).expect("a model's poller")));
        let kicked = poller.clone();
        Arc::new(Self {
            park: Park::new(Box::new(move || {
                if let Some(poller) = &kicked {
                    poller.kick();
                }
            })),
            poller,
            raised: AtomicBool::new(false),
            registrations: AtomicUsize::new(0),
            deadline: AtomicU64::new(NEVER),
        })
    }

    /// Sleeps once at most; `found` is K3.
    fn sleep(&self, until: u64, lock_first: bool, found: impl FnOnce(&Self) -> bool) {
        let Some(poller) = &self.poller else {
            if self.park.prepare(park::How::Futex, until) == Prepared::Ready {
                if !found(self) {
                    self.park.sleep(None);
                }
                self.park.finish();
            }
            return;
        };
        let mut guard = lock_first.then(|| poller.lock());
        if self.park.prepare(park::How::Poll, until) == Prepared::Ready {
            if !found(self) {
                let guard = guard.get_or_insert_with(|| poller.lock());
                let _ = guard.poll(Timeout::Never, &mut WakeList::new());
            }
            self.park.finish();
        }
    }

    /// Sleeps until the flag is raised, as `block_on` and workers do.
    fn sleep_until_raised(&self, lock_first: bool, recheck: bool) {
        let raised = |place: &Self| place.raised.load(Ordering::Relaxed);
        while !raised(self) {
            self.sleep(NEVER, lock_first, |place| recheck && raised(place));
        }
    }
}

fn raise(place: &Arc<Place>) -> thread::JoinHandle<()> {
    let place = place.clone();
    thread::spawn(move || {
        place.raised.store(true, Ordering::Relaxed);
        place.park.unpark();
    })
}

/// A wake before, during or after the preparations.
fn a_wake(with_poller: bool, recheck: bool) {
    let place = Place::new(with_poller);
    let waker = raise(&place);
    place.sleep_until_raised(true, recheck);
    waker.join().unwrap();
}

#[test]
fn a_token_is_kept_for_a_sleep_on_the_futex() {
    check(FULL, || a_wake(false, false));
}

#[test]
fn a_token_is_kept_for_a_sleep_in_the_poller() {
    check(FULL, || a_wake(true, false));
}

/// The woken thread sees what its waker wrote, without looking at anything else.
fn a_wake_that_publishes() {
    let (place, written) = (Place::new(false), Tracked::new());
    let waker = {
        let (place, written) = (place.clone(), written.clone());
        thread::spawn(move || {
            written.touch();
            place.park.unpark();
        })
    };
    let woken = match place.park.prepare(park::How::Futex, NEVER) {
        Prepared::Notified => true,
        Prepared::Ready => {
            place.park.sleep(None);
            place.park.finish()
        }
    };
    assert!(woken);
    written.look();
    waker.join().unwrap();
}

#[test]
fn the_woken_see_what_their_waker_wrote() {
    check(FULL, || a_wake_that_publishes());
}

/// Two wakes, one sleeper.
fn two_wakes() {
    let place = Place::new(false);
    let wakers = [raise(&place), raise(&place)];
    place.sleep_until_raised(true, false);
    for waker in wakers {
        waker.join().unwrap();
    }
}

#[test]
fn of_two_wakes_none_is_too_many() {
    check(2, || two_wakes());
}

/// A peer harvests the poller while its tenant goes to sleep there and is woken.
fn a_foreign_poll(lock_first: bool) {
    let place = Place::new(true);
    let waker = raise(&place);
    let peer = {
        let place = place.clone();
        thread::spawn(move || {
            let poller = place.poller.as_ref().expect("this place has a poller");
            let _ = poller.try_poll(Timeout::Zero, &mut WakeList::new());
        })
    };
    place.sleep_until_raised(lock_first, true);
    waker.join().unwrap();
    peer.join().unwrap();
}

#[test]
fn a_foreign_poll_does_not_eat_the_wake() {
    check(2, || a_foreign_poll(true));
}

/// A registration is added while the tenant goes to sleep on the futex.
fn a_registration(recheck: bool) {
    let place = Place::new(false);
    let adder = {
        let place = place.clone();
        thread::spawn(move || {
            place.registrations.fetch_add(1, Ordering::Relaxed);
            place.park.registration_added();
        })
    };
    let added = |place: &Place| place.registrations.load(Ordering::Relaxed) > 0;
    while !added(&place) {
        place.sleep(NEVER, true, |place| recheck && added(place));
    }
    adder.join().unwrap();
}

#[test]
fn a_new_registration_ends_a_sleep_on_the_futex() {
    check(FULL, || a_registration(true));
}

/// An earlier deadline is added while the tenant goes to sleep until a later one.
fn a_deadline(with_poller: bool, recheck: bool) {
    let place = Place::new(with_poller);
    place.deadline.store(100, Ordering::Relaxed);
    let adder = {
        let place = place.clone();
        thread::spawn(move || {
            place.deadline.store(50, Ordering::Relaxed);
            place.park.deadline_added(50);
        })
    };
    let next = |place: &Place| place.deadline.load(Ordering::Relaxed);
    loop {
        let until = next(&place);
        if until == 50 {
            break;
        }
        place.sleep(until, true, |place| recheck && next(place) < until);
    }
    adder.join().unwrap();
}

#[test]
fn an_earlier_deadline_ends_a_sleep_on_the_futex() {
    check(FULL, || a_deadline(false, true));
}

#[test]
fn an_earlier_deadline_ends_a_sleep_in_the_poller() {
    check(FULL, || a_deadline(true, true));
}

const fn twin(after: &'static str, line: &'static str, how: How) -> Option<Twin> {
    Some(Twin {
        file: "park.rs",
        after,
        line,
        how,
    })
}

#[test]
fn twin_a_wake_without_a_token() {
    let twin = twin("pub fn unpark", "self.word.swap", How::Omit);
    must_fail(twin, "deadlock", FULL, || a_wake(false, false));
}

#[test]
fn twin_u3_in_two_steps() {
    let twin = twin("pub fn unpark", "self.word.swap", How::Split);
    must_fail(twin, "deadlock", FULL, || a_wake(false, false));
}

#[test]
fn twin_k1_in_two_steps() {
    let twin = twin("pub fn prepare", "self.word.swap", How::Split);
    must_fail(twin, "deadlock", FULL, || a_wake(false, false));
}

#[test]
fn twin_u3_that_publishes_nothing() {
    let twin = twin("pub fn unpark", "self.word.swap", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || {
        a_wake_that_publishes()
    });
}

#[test]
fn twin_k5_that_does_not_acquire() {
    let twin = twin("pub fn finish", "self.word.swap", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || {
        a_wake_that_publishes()
    });
}

#[test]
fn twin_the_park_word_before_the_lock() {
    must_fail(None, "deadlock", 2, || a_foreign_poll(false));
}

#[test]
fn twin_k2_against_a_registration() {
    let twin = twin("pub fn prepare", "fence(", How::Weaken);
    must_fail(twin, "deadlock", FULL, || a_registration(true));
}

#[test]
fn twin_u1_for_a_registration() {
    let twin = twin("pub fn registration_added", "fence(", How::Weaken);
    must_fail(twin, "deadlock", FULL, || a_registration(true));
}

#[test]
fn twin_without_k3_for_registrations() {
    must_fail(None, "deadlock", FULL, || a_registration(false));
}

#[test]
fn twin_k2_against_a_deadline() {
    let twin = twin("pub fn prepare", "fence(", How::Weaken);
    must_fail(twin, "deadlock", FULL, || a_deadline(false, true));
}

#[test]
fn twin_u1_for_a_deadline() {
    let twin = twin("pub fn deadline_added", "fence(", How::Weaken);
    must_fail(twin, "deadlock", FULL, || a_deadline(false, true));
}

#[test]
fn twin_without_k3_for_deadlines() {
    must_fail(None, "deadlock", FULL, || a_deadline(true, false));
}
