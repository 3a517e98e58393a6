//! What a delay queue promises.

#![cfg(feature = "test-util")]

mod kit;

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use kit::{Wakes, on_every_runtime};
use loxley::time::{DelayQueue, Duration, Instant, advance};

const SECOND: Duration = Duration::from_secs(1);

async fn next<T>(queue: &mut DelayQueue<T>) -> Option<T> {
    let expired = poll_fn(|cx| queue.poll_expired(cx)).await?;
    Some(expired.into_inner())
}

#[loxley::test(start_paused = true)]
async fn values_come_in_order_of_deadline_and_then_of_insertion() {
    let start = Instant::now();
    let mut queue = DelayQueue::new();
    for (value, seconds) in [("c", 3), ("a", 1), ("d", 3), ("b", 2)] {
        queue.insert(value, seconds * SECOND);
    }
    let mut seen = Vec::new();
    while let Some(expired) = poll_fn(|cx| queue.poll_expired(cx)).await {
        assert_eq!(expired.deadline(), Instant::now());
        seen.push((*expired.get_ref(), start.elapsed().as_secs()));
    }
    assert_eq!(seen, [("a", 1), ("b", 2), ("c", 3), ("d", 3)]);
}

#[loxley::test(start_paused = true)]
async fn a_removed_value_never_comes_and_its_key_is_dead() {
    let mut queue = DelayQueue::new();
    let first = queue.insert(1, SECOND);
    let second = queue.insert(2, 2 * SECOND);
    assert_eq!(queue.remove(&first).into_inner(), 1);
    assert!(queue.try_remove(&first).is_none());
    // The place is used again, the key is another.
    let third = queue.insert(3, 3 * SECOND);
    assert_ne!(first, third);
    assert!(queue.try_remove(&first).is_none());
    assert_eq!(queue.peek(), Some(second));
    assert_eq!(next(&mut queue).await, Some(2));
    assert_eq!(next(&mut queue).await, Some(3));
    assert_eq!(next(&mut queue).await, None);
}

#[loxley::test(start_paused = true)]
#[should_panic(expected = "invalid key")]
async fn removing_twice_panics() {
    let mut queue = DelayQueue::new();
    let key = queue.insert((), SECOND);
    queue.remove(&key);
    queue.remove(&key);
}

#[loxley::test(start_paused = true)]
async fn a_reset_moves_a_value_to_and_fro() {
    let start = Instant::now();
    let mut queue = DelayQueue::new();
    let moved = queue.insert("moved", SECOND);
    queue.insert("still", 2 * SECOND);
    queue.reset(&moved, 3 * SECOND);
    assert_eq!(queue.deadline(&moved), start + 3 * SECOND);
    assert_eq!(next(&mut queue).await, Some("still"));
    queue.reset_at(&moved, start);
    assert_eq!(next(&mut queue).await, Some("moved"));
    assert_eq!(start.elapsed(), 2 * SECOND);
}

#[loxley::test(start_paused = true)]
async fn an_earlier_value_wakes_whoever_waits() {
    let wakes = Wakes::new();
    let waker = Waker::from(Arc::clone(&wakes));
    let mut cx = Context::from_waker(&waker);
    let mut queue = DelayQueue::new();
    assert!(matches!(queue.poll_expired(&mut cx), Poll::Ready(None)));
    queue.insert("late", 10 * SECOND);
    assert_eq!(wakes.count(), 1, "an empty queue got a value");
    assert!(queue.poll_expired(&mut cx).is_pending());
    queue.insert("later", 20 * SECOND);
    assert_eq!(wakes.count(), 1, "nothing changes for the one who waits");
    queue.insert("early", SECOND);
    assert_eq!(wakes.count(), 2);
    assert!(queue.poll_expired(&mut cx).is_pending());
    advance(SECOND).await;
    assert_eq!(wakes.count(), 3);
    assert!(queue.poll_expired(&mut cx).is_ready());
}

#[loxley::test(start_paused = true)]
async fn it_is_a_stream() {
    let mut queue = DelayQueue::with_capacity(4);
    queue.insert(1, SECOND);
    queue.insert_at(0, Instant::now());
    assert_eq!(Pin::new(&mut queue).size_hint(), (2, None));
    let mut seen = Vec::new();
    while let Some(expired) = poll_fn(|cx| Pin::new(&mut queue).poll_next(cx)).await {
        seen.push(expired.into_inner());
    }
    assert_eq!(seen, [0, 1]);
}

#[loxley::test(start_paused = true)]
async fn a_cleared_queue_is_empty_and_its_keys_are_dead() {
    let mut queue = DelayQueue::new();
    let keys: Vec<_> = (0..10).map(|n| queue.insert(n, SECOND)).collect();
    queue.clear();
    assert!(queue.is_empty() && queue.peek().is_none());
    queue.compact();
    queue.shrink_to_fit();
    queue.reserve(5);
    assert!(queue.capacity() >= 5);
    let new = queue.insert(10, SECOND);
    assert!(keys.iter().all(|key| queue.try_remove(key).is_none()));
    assert_eq!((queue.len(), queue.remove(&new).into_inner()), (1, 10));
}

#[test]
fn absurd_timeouts_saturate() {
    on_every_runtime(|| async {
        let mut queue = DelayQueue::new();
        queue.insert("never", Duration::MAX);
        let key = queue.insert("now", Duration::ZERO);
        let expired = poll_fn(|cx| queue.poll_expired(cx)).await.unwrap();
        assert_eq!((*expired.get_ref(), expired.key()), ("now", key));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(queue.poll_expired(&mut cx).is_pending());
    });
}
