//! What tokio-util has and loxley too: tasks with keys and in order, polled senders and semaphores, limits as methods.

mod support;

use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};

use loxley::sync::{
    CancellationToken, PollSemaphore, PollSender, ReusableBoxFuture, Semaphore, mpsc, oneshot,
};
use loxley::task::{JoinMap, JoinQueue};
use loxley::time::FutureExt;
use support::{each, panic_of, probe};

#[test]
fn a_queue_gives_outputs_in_the_order_of_the_spawns() {
    each(|| async {
        let mut queue = JoinQueue::new();
        let (release, released) = oneshot::channel::<()>();
        queue.spawn(async { released.await.map_or(0, |()| 1) });
        let second = queue.spawn(async { 2 });
        while !second.is_finished() {
            loxley::task::yield_now().await;
        }
        // The second has ended, and waits for the first.
        assert!(queue.try_join_next().is_none());
        release.send(()).unwrap();
        assert_eq!(queue.join_next().await.unwrap().unwrap(), 1);
        assert_eq!(queue.join_next().await.unwrap().unwrap(), 2);
        assert!(queue.join_next().await.is_none());
    });
}

#[test]
fn a_dropped_queue_aborts_and_a_detached_one_does_not() {
    each(|| async {
        let alive = Arc::new(());
        let hold = |alive: Arc<()>| async move {
            pending::<()>().await;
            drop(alive);
        };
        let mut queue = JoinQueue::from_iter([hold(alive.clone()), hold(alive.clone())]);
        assert_eq!(queue.len(), 2);
        queue.detach_all();
        assert!(queue.is_empty());
        let aborted = queue.spawn(hold(alive.clone()));
        drop(queue);
        while !aborted.is_finished() {
            loxley::task::yield_now().await;
        }
        assert_eq!(Arc::strong_count(&alive), 3);
    });
}

#[test]
fn joining_all_of_a_queue_passes_a_panic_on() {
    let runtime = support::current();
    let message = panic_of(|| {
        runtime.block_on(async {
            let mut queue = JoinQueue::new();
            queue.spawn(pending::<()>());
            queue.abort_all();
            assert!(queue.join_next().await.unwrap().unwrap_err().is_cancelled());
            queue.spawn(async { panic!("told by the task") });
            queue.join_all().await
        })
    });
    assert_eq!(message, "told by the task");
}

#[test]
fn a_second_task_of_a_key_takes_the_place_of_the_first() {
    each(|| async {
        let mut map = JoinMap::new();
        map.spawn("a", pending());
        map.spawn("a", async { 2 });
        map.spawn("b", async { 3 });
        assert_eq!(map.len(), 2);
        let mut outputs = Vec::new();
        while let Some((key, output)) = map.join_next().await {
            outputs.push((key, output.unwrap()));
        }
        outputs.sort();
        assert_eq!(outputs, [("a", 2), ("b", 3)]);
    });
}

#[test]
fn keys_of_a_map_are_found_by_a_borrowed_form() {
    each(|| async {
        let mut map = JoinMap::new();
        for key in ["one", "two", "three"] {
            map.spawn(key.to_owned(), pending::<()>());
        }
        assert!(map.contains_key("two") && !map.contains_key("four"));
        map.abort_matching(|key| key.starts_with('t'));
        let mut aborted = Vec::new();
        for _ in 0..2 {
            let (key, output) = map.join_next().await.unwrap();
            assert!(output.unwrap_err().is_cancelled());
            aborted.push(key);
        }
        aborted.sort();
        assert_eq!(aborted, ["three", "two"]);
        assert_eq!(map.keys().collect::<Vec<_>>(), ["one"]);
        assert!(map.try_join_next().is_none());
        map.shutdown().await;
        assert!(map.is_empty());
    });
}

#[test]
fn equal_hashes_are_told_apart_by_their_keys() {
    #[derive(Clone, Default)]
    struct Same;
    impl std::hash::BuildHasher for Same {
        type Hasher = Zero;
        fn build_hasher(&self) -> Zero {
            Zero
        }
    }
    struct Zero;
    impl std::hash::Hasher for Zero {
        fn finish(&self) -> u64 {
            0
        }
        fn write(&mut self, _: &[u8]) {}
    }
    each(|| async {
        let mut map = JoinMap::with_hasher(Same);
        for key in 0..50 {
            map.spawn(key, async move { key * 2 });
        }
        map.reserve(100);
        map.shrink_to_fit();
        let mut seen = Vec::new();
        while let Some((key, output)) = map.join_next().await {
            assert_eq!(output.unwrap(), key * 2);
            seen.push(key);
        }
        seen.sort();
        assert_eq!(seen, Vec::from_iter(0..50));
    });
}

#[test]
fn a_polled_semaphore_keeps_its_place_between_polls() {
    let semaphore = Arc::new(Semaphore::new(0));
    let mut polled = PollSemaphore::new(semaphore.clone());
    let mut cx = Context::from_waker(Waker::noop());
    assert!(polled.poll_acquire_many(&mut cx, 2).is_pending());
    let mut later = probe(semaphore.acquire());
    later.pending();
    semaphore.add_permits(2);
    // The permits went to the one that came first.
    later.pending();
    let permit = match polled.poll_acquire_many(&mut cx, 2) {
        Poll::Ready(Some(permit)) => permit,
        _ => panic!("it has its permits"),
    };
    drop(permit);
    drop(later.ready().unwrap());
    semaphore.close();
    assert!(matches!(polled.poll_acquire(&mut cx), Poll::Ready(None)));
}

#[test]
fn asking_a_polled_semaphore_for_another_number_forgets_the_first() {
    let mut polled = PollSemaphore::new(Arc::new(Semaphore::new(1)));
    let mut cx = Context::from_waker(Waker::noop());
    assert!(polled.poll_acquire_many(&mut cx, 2).is_pending());
    assert!(polled.poll_acquire(&mut cx).is_ready());
}

#[test]
fn a_polled_sender_sends_only_to_a_place_it_has() {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut sender = PollSender::new(sender);
    let message = panic_of(|| sender.send_item(0));
    assert!(message.contains("poll_reserve"), "{message}");
    let mut cx = Context::from_waker(Waker::noop());
    assert!(sender.poll_reserve(&mut cx).is_ready());
    let mut other = sender.clone();
    assert!(other.poll_reserve(&mut cx).is_pending());
    assert!(other.abort_send());
    assert!(!other.abort_send());
    sender.send_item(1).unwrap();
    assert!(other.poll_reserve(&mut cx).is_pending());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(matches!(other.poll_reserve(&mut cx), Poll::Ready(Ok(()))));
    other.send_item(2).unwrap();
    sender.close();
    let error = sender.send_item(3).unwrap_err();
    assert_eq!(error.into_inner(), Some(3));
    drop(other);
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(
        receiver.try_recv(),
        Err(mpsc::error::TryRecvError::Disconnected)
    );
}

/// They need not be `Send`, nor live as long as the program.
#[test]
fn what_a_polled_sender_does_without_waiting_asks_nothing_of_its_messages() {
    fn all_of_it<T>(mut sender: PollSender<T>) {
        assert!(!sender.clone().is_closed() && !sender.abort_send());
        assert!(
            sender
                .get_ref()
                .is_some_and(|sender| sender.capacity() == 1)
        );
        sender.close();
        assert!(sender.is_closed());
    }
    let (sender, _receiver) = mpsc::channel::<u8>(1);
    all_of_it(PollSender::new(sender));
}

#[test]
fn a_place_that_is_reserved_outlives_the_close_of_its_sender() {
    let (sender, mut receiver) = mpsc::channel(1);
    let mut sender = PollSender::new(sender);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(sender.poll_reserve(&mut cx).is_ready());
    sender.close();
    assert!(sender.is_closed() && sender.get_ref().is_none());
    sender.send_item(5).unwrap();
    assert_eq!(receiver.try_recv(), Ok(5));
    assert!(matches!(sender.poll_reserve(&mut cx), Poll::Ready(Err(_))));
}

#[test]
fn a_box_is_used_again_only_for_a_future_of_its_size() {
    async fn of<T>(value: T) -> usize {
        pending::<()>().await;
        size_of_val(&value)
    }
    let mut future = ReusableBoxFuture::new(of([0_u8; 16]));
    assert!(future.try_set(of([1_u8; 16])).is_ok());
    assert!(future.try_set(of([0_u8; 64])).is_err());
    future.set(of([0_u8; 64]));
    future.set(async { 7 });
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(future.poll(&mut cx), Poll::Ready(7));
}

#[test]
fn a_future_that_panics_in_its_drop_is_replaced_all_the_same() {
    static DROPPED: AtomicUsize = AtomicUsize::new(0);
    struct Bad(bool);
    impl Drop for Bad {
        fn drop(&mut self) {
            DROPPED.fetch_add(1, Ordering::SeqCst);
            assert!(!self.0, "a bad drop");
        }
    }
    async fn hold(bad: Bad) -> bool {
        bad.0
    }
    let mut future = ReusableBoxFuture::new(hold(Bad(true)));
    let set = AssertUnwindSafe(|| future.set(hold(Bad(false))));
    assert!(catch_unwind(set).is_err());
    assert_eq!(DROPPED.load(Ordering::SeqCst), 1);
    let mut cx = Context::from_waker(Waker::noop());
    assert_eq!(future.poll(&mut cx), Poll::Ready(false));
    drop(future);
    assert_eq!(DROPPED.load(Ordering::SeqCst), 2);
}

#[test]
fn a_cancelled_token_ends_the_future_it_was_given() {
    each(|| async {
        let token = CancellationToken::new();
        assert_eq!(async { 5 }.with_cancellation_token(&token).await, Some(5));
        let owned = pending::<()>().with_cancellation_token_owned(token.clone());
        let task = loxley::spawn(owned);
        token.cancel();
        assert_eq!(task.await.unwrap(), None);
        assert_eq!(async { 5 }.with_cancellation_token(&token).await, None);
    });
}

#[test]
fn a_future_that_is_ready_meets_its_limit_of_zero() {
    each(|| async {
        let now = std::time::Duration::ZERO;
        assert_eq!(async { 5 }.timeout(now).await.unwrap(), 5);
        assert!(pending::<()>().timeout(now).await.is_err());
        let deadline = loxley::time::Instant::now();
        assert!(pending::<()>().timeout_at(deadline).await.is_err());
    });
}

#[test]
fn a_polled_sender_is_woken_when_a_place_comes_back() {
    each(|| async {
        let (sender, mut receiver) = mpsc::channel(1);
        let mut sender = PollSender::new(sender);
        let sending = loxley::spawn(async move {
            for number in 0..100 {
                poll_fn(|cx| sender.poll_reserve(cx)).await.unwrap();
                sender.send_item(number).unwrap();
            }
        });
        for number in 0..100 {
            assert_eq!(receiver.recv().await, Some(number));
        }
        sending.await.unwrap();
        assert_eq!(receiver.recv().await, None);
    });
}
