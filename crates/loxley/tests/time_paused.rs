//! What a paused clock promises.

#![cfg(feature = "test-util")]

mod kit;

use std::future::Future;
use std::sync::mpsc;
use std::task::{Context, Waker};

use kit::{Wakes, current_thread, poll_once, workers};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::UnixStream;
use loxley::runtime::Builder;
use loxley::time::{
    self, Duration, Instant, MissedTickBehavior, advance, interval, sleep, sleep_until, timeout,
};

const SECOND: Duration = Duration::from_secs(1);

#[loxley::test(start_paused = true)]
async fn a_sleep_ends_exactly_at_its_deadline_and_takes_no_time() {
    let outside = std::time::Instant::now();
    let start = Instant::now();
    for duration in [
        Duration::from_nanos(1),
        Duration::from_micros(1500),
        3600 * SECOND,
    ] {
        let before = Instant::now();
        sleep(duration).await;
        assert_eq!(before.elapsed(), duration);
    }
    assert!(start.elapsed() > 3600 * SECOND && outside.elapsed() < 60 * SECOND);
}

#[loxley::test(start_paused = true)]
async fn time_stands_still_while_there_is_something_to_do() {
    let start = Instant::now();
    for _ in 0..1000 {
        loxley::task::yield_now().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
    let task = loxley::spawn(async {
        for _ in 0..1000 {
            loxley::task::yield_now().await;
        }
        Instant::now()
    });
    let (nap, done) = futures_util::future::join(sleep(SECOND), task).await;
    assert_eq!((nap, done.unwrap()), ((), start));
}

#[loxley::test(start_paused = true)]
async fn deadlines_come_in_order_whoever_waits() {
    let (sender, receiver) = mpsc::channel();
    let start = Instant::now();
    let tasks: Vec<_> = [5, 1, 3, 2, 4]
        .into_iter()
        .map(|seconds| {
            let sender = sender.clone();
            loxley::spawn(async move {
                sleep(seconds * SECOND).await;
                sender.send((seconds, start.elapsed())).unwrap();
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(sender);
    let seen: Vec<_> = receiver.iter().collect();
    assert_eq!(
        seen,
        [1, 2, 3, 4, 5].map(|seconds| (seconds, seconds * SECOND))
    );
}

#[loxley::test(start_paused = true)]
async fn advancing_wakes_those_whose_time_has_come_and_no_others() {
    let early = loxley::spawn(sleep(SECOND));
    let late = loxley::spawn(sleep(3 * SECOND));
    let mut here = Box::pin(sleep(SECOND));
    assert!(poll_once(here.as_mut()).is_pending());
    loxley::task::yield_now().await;
    advance(2 * SECOND).await;
    assert!(early.is_finished() && !late.is_finished());
    assert!(here.is_elapsed() && poll_once(here).is_ready());
    advance(Duration::ZERO).await;
    assert!(!late.is_finished());
}

/// Nobody has polled them before, so that no wheel knows them.
#[loxley::test(start_paused = true)]
async fn a_sleep_whose_time_has_passed_is_ready_at_its_first_poll() {
    let start = Instant::now();
    let mut later = std::pin::pin!(sleep(SECOND));
    let mut until = std::pin::pin!(sleep_until(start + SECOND));
    let mut reset = std::pin::pin!(sleep(SECOND / 2));
    reset.as_mut().reset(start + SECOND);
    let mut not_yet = std::pin::pin!(sleep(SECOND + Duration::from_nanos(1)));
    // The clock moves by itself, and stands at the deadline exactly.
    sleep(SECOND).await;
    for sleep in [&mut later, &mut until, &mut reset] {
        assert!(poll_once(sleep.as_mut()).is_ready());
        assert!(sleep.is_elapsed());
        assert_eq!(sleep.deadline(), start + SECOND);
        assert!(poll_once(sleep.as_mut()).is_ready());
    }
    assert!(poll_once(not_yet.as_mut()).is_pending());
    advance(Duration::from_nanos(1)).await;
    assert!(poll_once(not_yet.as_mut()).is_ready());
    // And again after a reset.
    later.as_mut().reset(start + 2 * SECOND);
    advance(3 * SECOND).await;
    assert!(poll_once(later.as_mut()).is_ready());
}

#[loxley::test]
async fn a_sleep_that_is_reset_into_the_past_wakes_who_waits_at_once() {
    let wakes = Wakes::new();
    let waker = Waker::from(wakes.clone());
    let mut cx = Context::from_waker(&waker);
    let mut nap = std::pin::pin!(sleep(3600 * SECOND));
    assert!(nap.as_mut().poll(&mut cx).is_pending());
    let past = Instant::now();
    nap.as_mut().reset(past);
    assert_eq!(wakes.count(), 1);
    assert!(nap.is_elapsed());
    assert_eq!(nap.deadline(), past);
    assert!(nap.as_mut().poll(&mut cx).is_ready());
    // And it can be used again.
    nap.as_mut()
        .reset(Instant::now() + Duration::from_millis(1));
    nap.await;
    assert_eq!(wakes.count(), 1);
}

#[loxley::test(start_paused = true)]
async fn a_timeout_and_an_interval_follow_the_paused_clock() {
    let start = Instant::now();
    let never = timeout(60 * SECOND, std::future::pending::<()>()).await;
    assert!(never.is_err() && start.elapsed() == 60 * SECOND);
    let mut ticks = interval(10 * SECOND);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    assert_eq!(ticks.tick().await - start, 60 * SECOND);
    advance(25 * SECOND).await;
    assert_eq!(ticks.tick().await - start, 70 * SECOND);
    assert_eq!(ticks.tick().await - start, 90 * SECOND);
}

#[loxley::test(start_paused = true)]
async fn events_of_sockets_come_before_the_clock_moves() {
    let (mut near, mut far) = UnixStream::pair().unwrap();
    let start = Instant::now();
    let reader = loxley::spawn(async move {
        let mut word = [0; 4];
        timeout(SECOND, far.read_exact(&mut word)).await.is_ok()
    });
    loxley::task::yield_now().await;
    near.write_all(b"word").await.unwrap();
    assert!(reader.await.unwrap());
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[loxley::test(start_paused = true)]
async fn the_clock_does_not_move_while_a_closure_blocks() {
    let start = Instant::now();
    let (sender, receiver) = mpsc::channel::<()>();
    let blocking = loxley::task::spawn_blocking(move || receiver.recv());
    let nap = loxley::spawn(async move {
        sleep(SECOND).await;
        start.elapsed()
    });
    // From another thread, when the worker sleeps for real: nothing else can make it go on.
    let helper = std::thread::spawn(move || sender.send(()));
    blocking.await.unwrap().unwrap();
    assert_eq!(start.elapsed(), Duration::ZERO);
    helper.join().unwrap().unwrap();
    assert_eq!(nap.await.unwrap(), SECOND);
}

#[loxley::test(start_paused = true)]
async fn a_closure_that_nobody_awaits_lets_the_clock_go_when_it_ends() {
    let start = Instant::now();
    drop(loxley::task::spawn_blocking(|| {}));
    sleep(SECOND).await;
    assert_eq!(start.elapsed(), SECOND);
}

#[loxley::test]
async fn a_resumed_clock_goes_on_from_where_it_is() {
    time::pause();
    let start = Instant::now();
    advance(3600 * SECOND).await;
    time::resume();
    sleep(Duration::from_millis(1)).await;
    let passed = start.elapsed();
    assert!(
        passed >= 3600 * SECOND + Duration::from_millis(1),
        "{passed:?}"
    );
    assert!(passed < 3660 * SECOND, "{passed:?}");
    time::pause();
    let again = Instant::now();
    sleep(SECOND).await;
    assert_eq!(again.elapsed(), SECOND);
}

#[loxley::test(start_paused = true)]
async fn a_deadline_that_never_comes_is_waited_for_in_vain() {
    let (sender, receiver) = mpsc::channel();
    let far = Instant::now() + Duration::from_secs(86_400 * 365 * 10);
    let task = loxley::spawn(sleep_until(far));
    std::thread::spawn(move || sender.send(()).unwrap());
    loxley::task::spawn_blocking(move || receiver.recv())
        .await
        .unwrap()
        .unwrap();
    task.abort();
    let absurd = Box::pin(sleep(Duration::MAX));
    assert!(poll_once(absurd).is_pending());
}

#[test]
fn two_runtimes_have_two_clocks() {
    let (one, two) = (current_thread(), current_thread());
    one.block_on(async {
        time::pause();
        advance(3600 * SECOND).await;
    });
    let ahead = one.block_on(async { Instant::now() });
    let real = two.block_on(async { Instant::now() });
    assert!(ahead - real > 3000 * SECOND);
    assert!(ahead - Instant::now() > 3000 * SECOND);
}

#[test]
#[should_panic(expected = "need a current-thread runtime")]
fn several_workers_have_no_clock_to_pause() {
    workers(2).block_on(async { time::pause() });
}

#[test]
#[should_panic(expected = "`start_paused` needs a current-thread runtime")]
fn a_pool_cannot_start_paused() {
    let _ = Builder::new_multi_thread().start_paused(true).build();
}

#[test]
#[should_panic(expected = "there is no runtime here")]
fn pausing_outside_a_runtime_panics() {
    time::pause();
}

#[loxley::test(start_paused = true)]
#[should_panic(expected = "already frozen")]
async fn pausing_twice_panics() {
    time::pause();
}

#[loxley::test]
#[should_panic(expected = "not frozen")]
async fn advancing_a_clock_that_goes_panics() {
    advance(SECOND).await;
}

#[loxley::test]
#[should_panic(expected = "not frozen")]
async fn resuming_a_clock_that_goes_panics() {
    time::resume();
}
