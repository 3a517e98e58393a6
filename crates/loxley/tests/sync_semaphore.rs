//! The laws of `Semaphore`.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loxley::sync::{
    AcquireError, OwnedSemaphorePermit, Semaphore, SemaphorePermit, TryAcquireError,
};
use loxley::task::yield_now;
use support::{Random, assert_send_sync, current, each, panic_of, probe};

#[test]
fn everything_crosses_threads() {
    auto_traits! {
        Semaphore: yes yes yes;
        SemaphorePermit<'static>: yes yes yes;
        OwnedSemaphorePermit: yes yes yes;
        AcquireError: yes yes yes;
        TryAcquireError: yes yes yes;
    }
    let semaphore = Arc::new(Semaphore::new(1));
    assert_send_sync(&semaphore.acquire());
    assert_send_sync(&semaphore.acquire_many(2));
    assert_send_sync(&semaphore.clone().acquire_owned());
    assert_send_sync(&semaphore.clone().acquire_many_owned(1));
}

#[test]
fn no_more_hold_permits_than_there_are() {
    each(|| async {
        let semaphore = Arc::new(Semaphore::new(3));
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (semaphore, inside) = (semaphore.clone(), inside.clone());
                loxley::spawn(async move {
                    for _ in 0..50 {
                        let permit = semaphore.acquire().await.unwrap();
                        assert!(inside.fetch_add(1, Ordering::SeqCst) < 3);
                        yield_now().await;
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(semaphore.available_permits(), 3);
    });
}

#[test]
fn permits_go_round_in_the_order_of_the_requests() {
    let semaphore = Semaphore::new(0);
    let mut waiting: Vec<_> = (0..4).map(|_| probe(semaphore.acquire())).collect();
    for waiter in &mut waiting {
        waiter.pending();
    }
    for turn in 0..4 {
        semaphore.add_permits(1);
        for (place, waiter) in waiting.iter_mut().enumerate() {
            assert_eq!(
                waiter.is_woken(),
                place == turn,
                "turn {turn}, place {place}"
            );
        }
        let permit = waiting[turn].ready().unwrap();
        permit.forget();
    }
}

#[test]
fn a_large_request_is_not_starved_by_small_ones() {
    let semaphore = Semaphore::new(3);
    let held = semaphore.try_acquire().unwrap();
    let mut large = probe(semaphore.acquire_many(3));
    large.pending();
    // Two are free, and nobody gets them.
    assert_eq!(
        semaphore.try_acquire().unwrap_err(),
        TryAcquireError::NoPermits
    );
    let mut small = probe(semaphore.acquire());
    small.pending();
    drop(held);
    assert!(large.is_woken() && !small.is_woken());
    drop(large.ready());
    assert!(small.is_woken());
    assert!(small.ready().is_ok());
}

#[test]
fn a_request_that_leaves_makes_way_for_those_behind_it() {
    let semaphore = Semaphore::new(2);
    let mut large = probe(semaphore.acquire_many(3));
    large.pending();
    let mut small = [1, 1].map(|count| probe(semaphore.acquire_many(count)));
    for small in &mut small {
        small.pending();
    }
    drop(large);
    for small in &mut small {
        assert!(small.is_woken());
        small.ready().unwrap().forget();
    }
    assert_eq!(semaphore.available_permits(), 0);
}

#[test]
fn a_grant_that_nobody_looks_at_goes_to_the_next() {
    let semaphore = Semaphore::new(0);
    let (mut one, mut two) = (probe(semaphore.acquire()), probe(semaphore.acquire()));
    one.pending();
    two.pending();
    semaphore.add_permits(1);
    assert!(one.is_woken());
    drop(one);
    assert!(two.is_woken());
    drop(two);
    assert_eq!(semaphore.available_permits(), 1);
}

/// Every way in which a permit comes back wakes the one who waits (tokio #8260 and others).
#[test]
fn however_a_permit_comes_back_the_next_is_woken() {
    type Way = (
        &'static str,
        fn(&Arc<Semaphore>, SemaphorePermit<'_>, OwnedSemaphorePermit),
    );
    let ways: [Way; 6] = [
        ("drop", |_, permit, owned| {
            owned.forget();
            drop(permit);
        }),
        ("owned drop", |_, permit, owned| {
            permit.forget();
            drop(owned);
        }),
        ("split", |_, mut permit, owned| {
            owned.forget();
            drop(permit.split(1).unwrap());
            permit.forget();
        }),
        ("owned split", |_, permit, mut owned| {
            permit.forget();
            drop(owned.split(1).unwrap());
            owned.forget();
        }),
        ("add", |semaphore, permit, owned| {
            permit.forget();
            owned.forget();
            semaphore.add_permits(1);
        }),
        ("panic", |_, permit, owned| {
            owned.forget();
            let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(move || {
                let _permit = permit;
                std::panic::resume_unwind(Box::new(()));
            }));
        }),
    ];
    for (name, way) in ways {
        let semaphore = Arc::new(Semaphore::new(2));
        let owned = semaphore.clone().try_acquire_owned().unwrap();
        let permit = semaphore.try_acquire().unwrap();
        let mut waiting = probe(semaphore.acquire());
        waiting.pending();
        way(&semaphore, permit, owned);
        assert!(waiting.is_woken(), "{name}");
        assert!(waiting.ready().is_ok(), "{name}");
    }
}

#[test]
fn closing_wakes_all_who_wait_and_refuses_all_who_come() {
    each(|| async {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = semaphore.clone().acquire_owned().await.unwrap();
        let waiting: Vec<_> = (0..5)
            .map(|_| loxley::spawn(semaphore.clone().acquire_owned()))
            .collect();
        yield_now().await;
        semaphore.close();
        for waiting in waiting {
            assert!(waiting.await.unwrap().is_err());
        }
        assert!(semaphore.is_closed());
        assert_eq!(
            semaphore.try_acquire().unwrap_err(),
            TryAcquireError::Closed
        );
        assert!(semaphore.acquire_many(0).await.is_err());
        drop(held);
        assert_eq!(semaphore.available_permits(), 1);
        assert!(semaphore.acquire().await.is_err());
    });
}

#[test]
fn a_request_for_nothing_does_not_wait() {
    let semaphore = Semaphore::new(0);
    let mut waiting = probe(semaphore.acquire());
    waiting.pending();
    assert_eq!(semaphore.try_acquire_many(0).unwrap().num_permits(), 0);
    assert!(probe(semaphore.acquire_many(0)).ready().is_ok());
}

#[test]
fn forgotten_permits_are_gone() {
    let semaphore = Semaphore::new(5);
    semaphore.try_acquire_many(2).unwrap().forget();
    assert_eq!(semaphore.forget_permits(1), 1);
    assert_eq!(semaphore.forget_permits(usize::MAX), 2);
    assert_eq!(semaphore.forget_permits(1), 0);
    assert_eq!(semaphore.available_permits(), 0);
}

/// tokio #3644, #3188: numbers at their limits.
#[test]
fn too_many_permits_are_refused_and_nothing_changes() {
    let most = Semaphore::MAX_PERMITS;
    assert_eq!(most, usize::MAX >> 3);
    assert!(panic_of(|| Semaphore::new(most + 1)).contains("MAX_PERMITS"));
    let semaphore = Semaphore::new(most);
    for too_many in [1, most, most + 1, usize::MAX] {
        assert!(panic_of(|| semaphore.add_permits(too_many)).contains("MAX_PERMITS"));
        assert_eq!(semaphore.available_permits(), most);
    }
    semaphore.add_permits(0);
    let many = semaphore.try_acquire_many(u32::MAX).unwrap();
    assert_eq!(semaphore.available_permits(), most - u32::MAX as usize);
    let mut all = many;
    for _ in 0..3 {
        all.merge(semaphore.try_acquire_many(u32::MAX).unwrap());
    }
    assert_eq!(all.num_permits(), 4 * u32::MAX as usize);
    drop(all);
    assert_eq!(semaphore.available_permits(), most);
}

#[test]
fn permits_are_merged_and_split_without_loss() {
    let semaphore = Arc::new(Semaphore::new(10));
    let mut permit = semaphore.clone().try_acquire_many_owned(4).unwrap();
    permit.merge(semaphore.clone().try_acquire_many_owned(3).unwrap());
    let part = permit.split(5).unwrap();
    assert_eq!((permit.num_permits(), part.num_permits()), (2, 5));
    assert!(permit.split(3).is_none());
    assert_eq!(permit.split(0).unwrap().num_permits(), 0);
    drop(part);
    assert_eq!(semaphore.available_permits(), 8);
    let other = Arc::new(Semaphore::new(1));
    let foreign = other.clone().try_acquire_owned().unwrap();
    assert!(panic_of(|| permit.merge(foreign)).contains("different semaphore"));
    assert_eq!(other.available_permits(), 1);
}

#[test]
fn a_blocking_call_where_tasks_are_driven_panics_and_says_what_to_do() {
    let semaphore = Arc::new(Semaphore::new(1));
    let message = current().block_on(async { panic_of(|| semaphore.blocking_acquire()) });
    for advice in ["blocking_acquire", "acquire().await", "spawn_blocking"] {
        assert!(message.contains(advice), "{message}");
    }
    each(|| async {
        let semaphore = Arc::new(Semaphore::new(1));
        let held = semaphore.acquire().await.unwrap();
        let waiting = loxley::task::spawn_blocking({
            let semaphore = semaphore.clone();
            move || semaphore.blocking_acquire_many_owned(1).is_ok()
        });
        drop(held);
        assert!(waiting.await.unwrap());
    });
}

#[test]
fn an_acquire_costs_budget() {
    each(|| async {
        let semaphore = Semaphore::new(1);
        let mut polls = 0;
        let mut taking = std::pin::pin!(async {
            for _ in 0..1000 {
                drop(semaphore.acquire().await);
            }
        });
        std::future::poll_fn(|cx| {
            polls += 1;
            taking.as_mut().poll(cx)
        })
        .await;
        assert!(polls > 5, "{polls} polls");
    });
}

/// Requests, releases and departures at random against a model: a queue and a number.
#[test]
fn the_semaphore_is_a_queue_and_a_number() {
    let mut random = Random::new();
    let semaphore = Semaphore::new(4);
    let mut free = 4;
    let mut queue: Vec<(usize, _)> = Vec::new();
    let mut held: Vec<SemaphorePermit<'_>> = Vec::new();
    for _ in 0..5_000 {
        match random.below(5) {
            0 | 1 => {
                let count = random.below(4) + 1;
                let mut waiter = probe(semaphore.acquire_many(count as u32));
                match waiter.poll() {
                    std::task::Poll::Ready(permit) => {
                        assert!(queue.is_empty() && count <= free);
                        free -= count;
                        held.push(permit.unwrap());
                    }
                    std::task::Poll::Pending => {
                        assert!(!queue.is_empty() || count > free);
                        queue.push((count, waiter));
                    }
                }
            }
            2 if !queue.is_empty() => drop(queue.remove(random.below(queue.len()))),
            _ if !held.is_empty() => {
                let permit = held.swap_remove(random.below(held.len()));
                free += permit.num_permits();
            }
            _ => {}
        }
        while queue.first().is_some_and(|(count, _)| *count <= free) {
            let (count, mut waiter) = queue.remove(0);
            assert!(waiter.is_woken());
            free -= count;
            held.push(waiter.ready().unwrap());
        }
        assert!(queue.iter().all(|(_, waiter)| !waiter.is_woken()));
        assert_eq!(semaphore.available_permits(), free);
    }
}
