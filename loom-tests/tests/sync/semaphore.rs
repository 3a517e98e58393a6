//! Permits: steps 1 to 5 of `sync/permits.rs`.

use std::pin::pin;
use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Tracked, check, must_fail};
use loxley::sync::{Mutex, Semaphore};
use loxley_core::doors::fault::How;

use super::{poll, run, twin};

/// So many threads take the only permit and touch what it guards.
fn one_permit(threads: usize) {
    let (semaphore, data) = (Arc::new(Semaphore::new(1)), Tracked::new());
    let enter = |semaphore: &Semaphore, data: &Tracked| {
        let permit = run(semaphore.acquire()).unwrap();
        data.touch();
        drop(permit);
    };
    let others: Vec<_> = (1..threads)
        .map(|_| {
            let (semaphore, data) = (semaphore.clone(), data.clone());
            thread::spawn(move || enter(&semaphore, &data))
        })
        .collect();
    enter(&semaphore, &data);
    for other in others {
        other.join().unwrap();
    }
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn two_take_turns() {
    check(FULL, || one_permit(2));
}

#[test]
fn three_take_turns() {
    check(2, || one_permit(3));
}

/// The public lock, around a value.
#[test]
fn a_lock_hands_its_value_on() {
    check(2, || {
        let lock = Arc::new(Mutex::new((0, Tracked::new())));
        let other = lock.clone();
        let adding = thread::spawn(move || {
            let mut guard = run(other.lock());
            guard.0 += 1;
            guard.1.touch();
        });
        {
            let mut guard = run(lock.lock());
            guard.0 += 1;
            guard.1.touch();
        }
        adding.join().unwrap();
        assert_eq!(lock.try_lock().unwrap().0, 2);
    });
}

/// One wants two permits, which come one by one from two threads.
fn many() {
    let semaphore = Arc::new(Semaphore::new(0));
    let adding: Vec<_> = (0..2)
        .map(|_| {
            let semaphore = semaphore.clone();
            thread::spawn(move || semaphore.add_permits(1))
        })
        .collect();
    run(semaphore.acquire_many(2)).unwrap().forget();
    for adding in adding {
        adding.join().unwrap();
    }
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn permits_add_up() {
    check(2, || many());
}

/// One who wants too much goes; one behind it wants what is there.
fn makes_way() {
    let semaphore = Arc::new(Semaphore::new(1));
    let small = {
        let semaphore = semaphore.clone();
        thread::spawn(move || drop(run(semaphore.acquire()).unwrap()))
    };
    {
        let mut large = pin!(semaphore.acquire_many(2));
        assert!(poll(large.as_mut()).is_pending());
    }
    small.join().unwrap();
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn whoever_leaves_makes_way() {
    check(FULL, || makes_way());
}

/// One who wants too much goes, and grants what has come to the one behind it.
fn hands_on() {
    let (semaphore, data) = (Arc::new(Semaphore::new(0)), Tracked::new());
    let adding = {
        let (semaphore, data) = (semaphore.clone(), data.clone());
        thread::spawn(move || {
            data.touch();
            semaphore.add_permits(1);
        })
    };
    let mut small = pin!(semaphore.acquire());
    {
        let mut large = pin!(semaphore.acquire_many(2));
        assert!(poll(large.as_mut()).is_pending());
        assert!(poll(small.as_mut()).is_pending());
    }
    run(small).unwrap().forget();
    data.touch();
    adding.join().unwrap();
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn whoever_grants_hands_on_what_the_permit_stands_for() {
    check(2, || hands_on());
}

/// A waiter goes while its permit comes.
fn cancelled() {
    let semaphore = Arc::new(Semaphore::new(0));
    let leaving = {
        let semaphore = semaphore.clone();
        thread::spawn(move || {
            let mut taking = pin!(semaphore.acquire());
            let _ = poll(taking.as_mut());
        })
    };
    semaphore.add_permits(1);
    leaving.join().unwrap();
    assert_eq!(semaphore.available_permits(), 1);
}

#[test]
fn a_permit_is_not_lost_with_its_waiter() {
    check(FULL, || cancelled());
}

/// Closing ends every wait.
fn closes() {
    let semaphore = Arc::new(Semaphore::new(0));
    let waiting = {
        let semaphore = semaphore.clone();
        thread::spawn(move || run(semaphore.acquire()).is_err())
    };
    semaphore.close();
    assert!(waiting.join().unwrap());
}

#[test]
fn closing_ends_the_wait() {
    check(FULL, || closes());
}

#[test]
fn twin_3_a_release_that_publishes_nothing() {
    let twin = twin(
        "sync/permits.rs",
        "fn add(",
        "self.word.fetch_add",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || one_permit(2));
}

#[test]
fn twin_2_waiting_set_in_another_word_than_the_one_that_was_looked_at() {
    let twin = twin(
        "sync/permits.rs",
        "if word & WAITING == 0",
        "compare_exchange_weak",
        How::Split,
    );
    must_fail(twin, "deadlock", FULL, || one_permit(2));
}

#[test]
fn twin_3_a_grant_that_takes_no_notice_of_the_releaser() {
    let twin = twin("sync/permits.rs", "fn grant", ".fetch_update", How::Weaken);
    must_fail(twin, "Causality violation", FULL, || hands_on());
}

#[test]
fn twin_1_a_permit_taken_without_acquire() {
    let twin = twin(
        "sync/permits.rs",
        "fn try_take_from",
        "compare_exchange_weak",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", FULL, || one_permit(2));
}
