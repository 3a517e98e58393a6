//! The laws of `Notify`.

mod support;

use std::sync::Arc;

use loxley::sync::Notify;
use loxley::sync::futures::{Notified, OwnedNotified};
use loxley::task::yield_now;
use support::{Random, each, probe};

#[test]
fn everything_crosses_threads_and_futures_are_pinned() {
    auto_traits! {
        Notify: yes yes yes;
        Notified<'static>: yes yes no;
        OwnedNotified: yes yes no;
    }
    fn unwinds<T: std::panic::UnwindSafe + std::panic::RefUnwindSafe>() {}
    unwinds::<Notify>();
}

#[test]
fn one_notification_is_kept_and_no_more() {
    let notify = Notify::new();
    for _ in 0..3 {
        notify.notify_one();
    }
    probe(notify.notified()).ready();
    probe(notify.notified()).pending();
}

#[test]
fn the_one_who_has_waited_longest_is_woken() {
    let notify = Notify::new();
    let mut waiting = [(); 3].map(|()| probe(notify.notified()));
    waiting.iter_mut().for_each(|waiter| waiter.pending());
    notify.notify_one();
    assert_eq!(
        waiting.each_ref().map(|w| w.is_woken()),
        [true, false, false]
    );
    notify.notify_last();
    assert_eq!(
        waiting.each_ref().map(|w| w.is_woken()),
        [true, false, true]
    );
    waiting[0].ready();
    waiting[2].ready();
    waiting[1].pending();
}

#[test]
fn all_who_wait_are_woken_and_nothing_is_kept() {
    let notify = Notify::new();
    let mut waiting = [(); 3].map(|()| probe(notify.notified()));
    waiting.iter_mut().for_each(|waiter| waiter.pending());
    notify.notify_waiters();
    for waiter in &mut waiting {
        assert_eq!(waiter.wakes(), 1);
        waiter.ready();
    }
    probe(notify.notified()).pending();
}

#[test]
fn notify_waiters_reaches_who_was_there_before_it_and_not_who_came_later() {
    let notify = Notify::new();
    let mut before = probe(notify.notified());
    notify.notify_waiters();
    let mut after = probe(notify.notified());
    before.ready();
    after.pending();
}

#[test]
fn a_kept_notification_survives_notify_waiters() {
    let notify = Notify::new();
    notify.notify_one();
    notify.notify_waiters();
    probe(notify.notified()).ready();
    probe(notify.notified()).pending();
}

#[test]
fn a_notification_that_nobody_looks_at_goes_on() {
    for last in [false, true] {
        let notify = Notify::new();
        let mut waiting = [(); 3].map(|()| probe(notify.notified()));
        waiting.iter_mut().for_each(|waiter| waiter.pending());
        let [one, mut two, three] = waiting;
        let (served, mut other) = if last { (three, one) } else { (one, three) };
        match last {
            true => notify.notify_last(),
            false => notify.notify_one(),
        }
        assert!(served.is_woken());
        drop(served);
        // The next from the same end.
        assert!(two.is_woken() && !other.is_woken());
        two.ready();
        drop(two);
        other.pending();
    }
    let notify = Notify::new();
    let mut only = probe(notify.notified());
    only.pending();
    notify.notify_one();
    drop(only);
    probe(notify.notified()).ready();
}

#[test]
fn one_who_was_woken_with_all_passes_nothing_on() {
    let notify = Notify::new();
    let mut waiting = probe(notify.notified());
    waiting.pending();
    notify.notify_waiters();
    drop(waiting);
    probe(notify.notified()).pending();
}

#[test]
fn one_who_leaves_is_not_notified() {
    let notify = Notify::new();
    let mut gone = probe(notify.notified());
    gone.pending();
    assert_eq!(gone.wakers_held(), 1);
    drop(gone);
    notify.notify_one();
    probe(notify.notified()).ready();
}

#[test]
fn an_enabled_future_has_its_place_in_the_queue() {
    let notify = Arc::new(Notify::new());
    let (mut one, mut two) = (
        probe(notify.notified()),
        probe(notify.clone().notified_owned()),
    );
    assert!(!two.as_mut().enable());
    assert!(!one.as_mut().enable());
    notify.notify_one();
    one.pending();
    assert!(two.as_mut().enable());
    two.ready();
    notify.notify_one();
    assert!(one.is_woken());
    one.ready();
    one.ready();
    notify.notify_one();
    assert!(probe(notify.notified()).as_mut().enable());
    assert!(!probe(notify.notified()).as_mut().enable());
}

#[test]
fn a_future_follows_its_task_to_another_waker() {
    let notify = Notify::new();
    let mut waiting = probe(notify.notified());
    waiting.pending();
    // Another task polls it.
    let waker = std::task::Waker::noop();
    let mut cx = std::task::Context::from_waker(waker);
    assert!(Future::poll(waiting.as_mut(), &mut cx).is_pending());
    assert_eq!(waiting.wakers_held(), 0);
    waiting.pending();
    notify.notify_one();
    assert!(waiting.is_woken());
}

#[test]
fn every_notification_ends_one_wait() {
    each(|| async {
        const EACH: usize = 200;
        let notify = Arc::new(Notify::new());
        let answer = Arc::new(Notify::new());
        let waiting = loxley::spawn({
            let (notify, answer) = (notify.clone(), answer.clone());
            async move {
                for _ in 0..EACH {
                    notify.notified().await;
                    answer.notify_one();
                }
            }
        });
        for _ in 0..EACH {
            notify.notify_one();
            answer.notified().await;
        }
        waiting.await.unwrap();
    });
}

#[test]
fn all_tasks_see_the_end() {
    each(|| async {
        let notify = Arc::new(Notify::new());
        let tasks: Vec<_> = (0..100)
            .map(|_| loxley::spawn(notify.clone().notified_owned()))
            .collect();
        yield_now().await;
        // Futures count from the moment they were made.
        notify.notify_waiters();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

/// A waker that comes back to the very `Notify` that wakes it.
#[test]
fn a_waker_may_use_what_wakes_it() {
    struct Again(Arc<Notify>);
    impl std::task::Wake for Again {
        fn wake(self: Arc<Self>) {
            self.0.notify_waiters();
            self.0.notify_one();
        }
    }
    let notify = Arc::new(Notify::new());
    let waker = std::task::Waker::from(Arc::new(Again(notify.clone())));
    let mut cx = std::task::Context::from_waker(&waker);
    for _ in 0..2 {
        let mut waiting = [(); 3].map(|()| Box::pin(notify.clone().notified_owned()));
        for waiter in &mut waiting {
            let _ = waiter.as_mut().poll(&mut cx);
        }
        notify.notify_one();
        notify.notify_waiters();
    }
    probe(notify.notified()).ready();
}

/// Random steps against a model: a queue and a flag.
#[test]
fn the_notify_is_a_queue_and_a_flag() {
    let mut random = Random::new();
    let notify = Notify::new();
    let mut kept = false;
    let mut queue: Vec<support::Probe<Notified<'_>>> = Vec::new();
    for _ in 0..20_000 {
        match random.below(6) {
            0 | 1 if queue.len() < 10 => {
                let mut waiter = probe(notify.notified());
                match waiter.poll().is_ready() {
                    true => assert!(std::mem::take(&mut kept)),
                    false => {
                        assert!(!kept);
                        queue.push(waiter);
                    }
                }
            }
            2 if !queue.is_empty() => drop(queue.remove(random.below(queue.len()))),
            3 => {
                notify.notify_waiters();
                for mut waiter in queue.drain(..) {
                    assert!(waiter.is_woken());
                    waiter.ready();
                }
            }
            which => {
                let last = which == 4;
                match last {
                    true => notify.notify_last(),
                    false => notify.notify_one(),
                }
                kept = queue.is_empty();
                if !kept {
                    let place = if last { queue.len() - 1 } else { 0 };
                    let mut served = queue.remove(place);
                    assert!(served.is_woken());
                    if random.below(2) == 0 {
                        served.ready();
                    } else {
                        drop(served);
                        kept = queue.is_empty();
                        if !kept {
                            let place = if last { queue.len() - 1 } else { 0 };
                            queue.remove(place).ready();
                        }
                    }
                }
            }
        }
        assert!(queue.iter().all(|waiter| !waiter.is_woken()));
    }
}
