//! The laws of `CancellationToken`.

mod support;

use std::collections::HashSet;

use loxley::sync::{
    CancellationToken, DropGuard, DropGuardRef, WaitForCancellationFuture,
    WaitForCancellationFutureOwned,
};
use loxley::task::yield_now;
use support::{Random, assert_send_sync, each, probe};

#[test]
fn everything_crosses_threads_and_futures_are_pinned() {
    auto_traits! {
        CancellationToken: yes yes yes;
        DropGuard: yes yes yes;
        DropGuardRef<'static>: yes yes yes;
        WaitForCancellationFuture<'static>: yes yes no;
        WaitForCancellationFutureOwned: yes yes no;
    }
    assert_send_sync(&CancellationToken::new().run_until_cancelled(async {}));
}

#[test]
fn clones_are_one_token_and_children_follow() {
    let token = CancellationToken::new();
    let (copy, child) = (token.clone(), token.child_token());
    let below = child.child_token();
    assert_eq!(token, copy);
    assert_ne!(token, child);
    assert_eq!(HashSet::from([token.clone(), copy, child.clone()]).len(), 2);
    child.cancel();
    assert!(child.is_cancelled() && below.is_cancelled() && !token.is_cancelled());
    assert!(child.child_token().is_cancelled());
    let other = token.child_token();
    token.cancel();
    token.cancel();
    assert!(other.is_cancelled() && token.child_token().is_cancelled());
    assert_eq!(
        format!("{token:?}"),
        "CancellationToken { is_cancelled: true }"
    );
}

#[test]
fn all_who_wait_are_woken() {
    let token = CancellationToken::new();
    let child = token.child_token();
    let (mut one, mut two) = (
        probe(token.cancelled()),
        probe(child.clone().cancelled_owned()),
    );
    one.pending();
    two.pending();
    drop(probe(token.cancelled()));
    token.cancel();
    assert!(one.is_woken() && two.is_woken());
    one.ready();
    two.ready();
    probe(child.cancelled()).ready();
}

#[test]
fn a_token_that_goes_leaves_its_children_where_they_are() {
    let token = CancellationToken::new();
    let below = token.child_token().child_token().child_token();
    let mut waiting = probe(below.cancelled());
    waiting.pending();
    token.cancel();
    assert!(waiting.is_woken());
    // Without a parent nobody cancels it.
    let orphan = CancellationToken::new().child_token();
    probe(orphan.cancelled()).pending();
}

#[test]
fn guards_cancel_unless_they_are_disarmed() {
    let token = CancellationToken::new();
    assert_eq!(token.clone().drop_guard().disarm(), token);
    assert_eq!(token.drop_guard_ref().disarm(), &token);
    assert!(!token.is_cancelled());
    let child = token.child_token();
    drop(child.drop_guard_ref());
    assert!(child.is_cancelled() && !token.is_cancelled());
    drop(token.clone().drop_guard());
    assert!(token.is_cancelled());
}

#[test]
fn what_runs_until_cancelled_is_dropped_then() {
    each(|| async {
        let token = CancellationToken::new();
        let alive = std::sync::Arc::new(());
        let kept = alive.clone();
        let task = loxley::spawn(token.clone().run_until_cancelled_owned(async move {
            let _kept = kept;
            std::future::pending::<()>().await;
        }));
        yield_now().await;
        token.cancel();
        assert_eq!(task.await.unwrap(), None);
        assert_eq!(std::sync::Arc::strong_count(&alive), 1);
        assert_eq!(
            CancellationToken::new()
                .run_until_cancelled(async { 1 })
                .await,
            Some(1)
        );
        assert_eq!(token.run_until_cancelled(async { 1 }).await, None);
    });
}

#[test]
fn a_family_on_many_tasks_ends_as_a_whole() {
    each(|| async {
        let token = CancellationToken::new();
        let tasks: Vec<_> = (0..100)
            .map(|number| {
                let child = token.child_token();
                loxley::spawn(async move {
                    let below = child.child_token();
                    match number % 3 {
                        0 => child.cancelled().await,
                        1 => below.cancelled_owned().await,
                        _ => {
                            drop(child);
                            below.cancelled().await;
                        }
                    }
                })
            })
            .collect();
        yield_now().await;
        token.cancel();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// Random families against a model: each token knows all above it.
#[test]
fn a_token_is_cancelled_with_any_that_was_above_it() {
    let mut random = Random::new();
    for _ in 0..50 {
        // The token, the numbers of all above it and of itself.
        let mut family = vec![(CancellationToken::new(), vec![0])];
        let mut cancelled: HashSet<usize> = HashSet::new();
        for number in 1..200 {
            let at = random.below(family.len());
            match random.below(8) {
                0 => {
                    family[at].0.cancel();
                    cancelled.insert(*family[at].1.last().unwrap());
                }
                1 if family.len() > 1 => drop(family.swap_remove(at)),
                2 => {
                    let copy = (family[at].0.clone(), family[at].1.clone());
                    family.push(copy);
                }
                _ => {
                    let mut line = family[at].1.clone();
                    line.push(number);
                    family.push((family[at].0.child_token(), line));
                }
            }
            for (token, line) in &family {
                let expected = line.iter().any(|number| cancelled.contains(number));
                assert_eq!(token.is_cancelled(), expected);
            }
        }
    }
}
