//! The laws of `OnceCell`, `SetOnce` and `Barrier`.

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loxley::sync::{Barrier, BarrierWaitResult, OnceCell, SetError, SetOnce, SetOnceError};
use loxley::task::yield_now;
use support::{assert_send_sync, each, panic_of, probe};

#[test]
fn they_cross_threads_as_far_as_the_value_does() {
    auto_traits! {
        OnceCell<u8>: yes yes yes;
        OnceCell<Cell<u8>>: yes no yes;
        OnceCell<Rc<u8>>: no no yes;
        SetOnce<u8>: yes yes yes;
        SetOnce<Cell<u8>>: yes no yes;
        SetOnce<Rc<u8>>: no no yes;
        SetError<u8>: yes yes yes;
        SetOnceError<u8>: yes yes yes;
        Barrier: yes yes yes;
        BarrierWaitResult: yes yes yes;
    }
    assert_send_sync(&OnceCell::new().get_or_init(|| async { 1 }));
    assert_send_sync(&SetOnce::<u8>::new().wait());
    assert_send_sync(&Barrier::new(1).wait());
}

#[test]
fn the_value_is_made_once() {
    each(|| async {
        let cell = Arc::new(OnceCell::new());
        let made = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|number| {
                let (cell, made) = (cell.clone(), made.clone());
                loxley::spawn(async move {
                    let make = || async {
                        yield_now().await;
                        made.fetch_add(1, Ordering::SeqCst);
                        number
                    };
                    *cell.get_or_init(make).await
                })
            })
            .collect();
        let mut seen = Vec::new();
        for task in tasks {
            seen.push(task.await.unwrap());
        }
        assert!(seen.iter().all(|number| *number == seen[0]));
        assert_eq!(made.load(Ordering::SeqCst), 1);
    });
}

#[test]
fn the_next_makes_the_value_if_the_first_does_not() {
    let cell = OnceCell::new();
    // Cancelled.
    let mut first = probe(cell.get_or_init(std::future::pending::<u8>));
    first.pending();
    let mut failing = probe(cell.get_or_try_init(|| async { Err("no") }));
    failing.pending();
    let mut third = probe(cell.get_or_init(|| async { 3 }));
    third.pending();
    assert_eq!(cell.set(9), Err(SetError::InitializingError(9)));
    drop(first);
    assert!(failing.is_woken());
    assert_eq!(failing.ready(), Err("no"));
    assert!(third.is_woken());
    assert_eq!(third.ready(), &3);
    assert_eq!(cell.set(9), Err(SetError::AlreadyInitializedError(9)));
    // Panicked.
    let cell = OnceCell::new();
    panic_of(|| {
        probe(cell.get_or_init(|| async { panic!("on purpose") })).ready();
    });
    assert_eq!(cell.set(5), Ok(()));
    assert_eq!(cell.get(), Some(&5));
}

#[test]
fn who_waits_for_the_maker_is_woken_with_the_value() {
    let cell = OnceCell::new();
    let gate = loxley::sync::Semaphore::new(0);
    let mut first = probe(cell.get_or_init(|| async {
        gate.acquire().await.unwrap().forget();
        1
    }));
    first.pending();
    let mut others = [2, 3].map(|number| probe(cell.get_or_init(move || async move { number })));
    others.iter_mut().for_each(|other| other.pending());
    gate.add_permits(1);
    assert_eq!(first.ready(), &1);
    for other in &mut others {
        assert!(other.is_woken());
        assert_eq!(other.ready(), &1);
    }
}

#[test]
fn a_cell_is_made_copied_compared_and_emptied() {
    static GIVEN: OnceCell<u8> = OnceCell::const_new_with(5);
    let mut cell = GIVEN.clone();
    assert_eq!(cell, OnceCell::from(5));
    assert_ne!(cell, OnceCell::new());
    assert_eq!(format!("{cell:?}"), "OnceCell { value: Some(5) }");
    assert!(GIVEN.set(6).unwrap_err().is_already_init_err());
    assert_eq!(probe(GIVEN.get_or_init(|| async { 6 })).ready(), &5);
    *cell.get_mut().unwrap() = 7;
    assert_eq!(cell.take(), Some(7));
    assert_eq!(cell.take(), None);
    assert!(!cell.initialized());
    assert_eq!(probe(cell.get_or_init(|| async { 8 })).ready(), &8);
    assert_eq!(cell.into_inner(), Some(8));
    let value = Arc::new(());
    drop(OnceCell::from(value.clone()));
    assert_eq!(Arc::strong_count(&value), 1);
}

#[test]
fn all_who_wait_see_what_is_set() {
    each(|| async {
        let once = Arc::new(SetOnce::new());
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let once = once.clone();
                loxley::spawn(async move { *once.wait().await })
            })
            .collect();
        yield_now().await;
        once.set(5).unwrap();
        assert_eq!(once.set(6), Err(SetOnceError(6)));
        for task in tasks {
            assert_eq!(task.await.unwrap(), 5);
        }
        assert_eq!(once.wait().await, &5);
    });
}

#[test]
fn setting_wakes_and_leaving_loses_nothing() {
    let once = SetOnce::new();
    let (mut one, mut two) = (probe(once.wait()), probe(once.wait()));
    one.pending();
    two.pending();
    drop(one);
    once.set(1).unwrap();
    assert!(two.is_woken());
    assert_eq!(two.ready(), &1);
    assert_eq!(once.clone(), SetOnce::from(1));
    assert_eq!(format!("{once:?}"), "SetOnce { value: Some(1) }");
    drop(two);
    assert_eq!(once.into_inner(), Some(1));
}

#[test]
fn nobody_passes_a_barrier_before_all_have_come() {
    each(|| async {
        let barrier = Arc::new(Barrier::new(5));
        let come = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (barrier, come) = (barrier.clone(), come.clone());
                loxley::spawn(async move {
                    let mut led = 0;
                    for round in 1..=20 {
                        come.fetch_add(1, Ordering::SeqCst);
                        led += usize::from(barrier.wait().await.is_leader());
                        assert!(come.load(Ordering::SeqCst) >= round * 5);
                        barrier.wait().await;
                    }
                    led
                })
            })
            .collect();
        let mut led = 0;
        for task in tasks {
            led += task.await.unwrap();
        }
        assert_eq!(led, 20);
    });
}

#[test]
fn the_last_to_come_leads_and_the_barrier_is_as_new() {
    for size in [0, 1] {
        assert!(probe(Barrier::new(size).wait()).ready().is_leader());
    }
    let barrier = Barrier::new(3);
    for _ in 0..2 {
        let mut waiting = [(); 2].map(|()| probe(barrier.wait()));
        waiting.iter_mut().for_each(|one| one.pending());
        assert!(probe(barrier.wait()).ready().is_leader());
        for one in &mut waiting {
            assert!(one.is_woken());
            assert!(!one.ready().is_leader());
        }
    }
    // Who has come and goes is counted.
    for _ in 0..2 {
        probe(barrier.wait()).pending();
    }
    assert!(probe(barrier.wait()).ready().is_leader());
}
