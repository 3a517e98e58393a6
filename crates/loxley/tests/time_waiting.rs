//! Sleeps, timeouts, intervals. Nothing here waits to be right: it waits to be not wrong too early.

mod kit;

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use kit::on_every_runtime;
use loxley::io::{AsyncReadExt, repeat};
use loxley::time::{
    Duration, Instant, MissedTickBehavior, interval, interval_at, sleep, sleep_until, timeout,
    timeout_at,
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn a_sleep_is_never_early() {
    on_every_runtime(|| async {
        for duration in [
            Duration::ZERO,
            Duration::from_nanos(1),
            MS / 3,
            MS,
            3 * MS,
            9 * MS,
            21 * MS,
        ] {
            let start = Instant::now();
            sleep(duration).await;
            assert!(
                start.elapsed() >= duration,
                "{duration:?} took {:?}",
                start.elapsed()
            );
        }
    });
}

#[test]
fn a_deadline_in_the_past_completes() {
    on_every_runtime(|| async {
        let mut past = pin!(sleep_until(Instant::now()));
        past.as_mut().await;
        assert!(past.is_elapsed());
        past.as_mut().reset(Instant::now() - MS);
        past.as_mut().await;
        assert!(past.is_elapsed());
    });
}

#[test]
fn an_endless_duration_saturates() {
    on_every_runtime(|| async {
        let mut endless = pin!(sleep(Duration::MAX));
        assert!(
            poll_fn(|cx| Poll::Ready(endless.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        assert!(endless.deadline() > Instant::now() + Duration::from_secs(86_400 * 365));
        assert_eq!(timeout(Duration::MAX, async { 1 }).await, Ok(1));
    });
}

#[test]
fn a_reset_moves_a_deadline_both_ways() {
    on_every_runtime(|| async {
        let mut nap = pin!(sleep(Duration::from_secs(3600)));
        assert!(
            poll_fn(|cx| Poll::Ready(nap.as_mut().poll(cx)))
                .await
                .is_pending()
        );
        let soon = Instant::now() + MS;
        nap.as_mut().reset(soon);
        assert_eq!(nap.deadline(), soon);
        nap.as_mut().await;
        assert!(nap.is_elapsed());

        let later = Instant::now() + 5 * MS;
        nap.as_mut().reset(later);
        assert!(!nap.is_elapsed() || Instant::now() >= later);
        nap.as_mut().await;
        assert!(Instant::now() >= later);
    });
}

#[test]
fn a_sleep_may_move_to_another_task() {
    on_every_runtime(|| async {
        let mut nap = Box::pin(sleep(20 * MS));
        let _ = poll_fn(|cx| Poll::Ready(nap.as_mut().poll(cx))).await;
        loxley::spawn(nap).await.unwrap();
    });
}

/// Tasks that are woken together may run in another order; what is in order is the firing.
/// In one wheel: whoever sleeps outside of the workers is given one of theirs in turn.
#[loxley::test]
async fn equal_deadlines_fire_in_the_order_of_insertion() {
    struct Note(usize, Arc<Mutex<Vec<usize>>>);
    impl Wake for Note {
        fn wake(self: Arc<Self>) {
            self.1.lock().unwrap().push(self.0);
        }
    }
    let mut lead = 50 * MS;
    let (deadline, order, _sleeps) = loop {
        let order = Arc::new(Mutex::new(Vec::new()));
        let deadline = Instant::now() + lead;
        let mut sleeps: Vec<_> = (0..20).map(|_| Box::pin(sleep_until(deadline))).collect();
        let all_wait = sleeps.iter_mut().enumerate().all(|(i, sleep)| {
            let waker = Waker::from(Arc::new(Note(i, Arc::clone(&order))));
            let polled = sleep.as_mut().poll(&mut Context::from_waker(&waker));
            polled.is_pending()
        });
        if all_wait {
            break (deadline, order, sleeps);
        }
        // This thread came too late.
        lead *= 2;
    };
    sleep_until(deadline + MS).await;
    assert!(order.lock().unwrap().iter().copied().eq(0..20), "{order:?}");
}

#[test]
fn an_answer_that_is_there_wins_over_a_deadline_that_has_passed() {
    on_every_runtime(|| async {
        assert_eq!(timeout(Duration::ZERO, async { 7 }).await, Ok(7));
        assert_eq!(timeout_at(Instant::now(), async { 7 }).await, Ok(7));
        assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
    });
}

#[test]
fn a_timeout_that_ran_out_becomes_an_io_error_of_its_kind() {
    on_every_runtime(|| async {
        let elapsed = timeout(MS, pending::<()>()).await.unwrap_err();
        assert_eq!(elapsed.to_string(), "deadline has elapsed");
        assert_eq!(
            std::io::Error::from(elapsed).kind(),
            std::io::ErrorKind::TimedOut
        );
    });
}

#[test]
fn a_future_can_be_taken_out_of_its_timeout() {
    on_every_runtime(|| async {
        let mut both = timeout(Duration::from_secs(3600), std::future::ready(5));
        *both.get_mut() = std::future::ready(6);
        assert_eq!(both.into_inner().await, 6);
    });
}

/// tokio issue 4314: the inner future spends the budget in every poll, and the timer would never get any.
#[test]
fn a_timeout_fires_although_the_inner_future_spends_every_budget() {
    on_every_runtime(|| async {
        let greedy = loxley::spawn(timeout(2 * MS, async {
            let mut buf = [0; 1];
            loop {
                repeat(1).read(&mut buf).await.unwrap();
            }
        }));
        assert!(greedy.await.unwrap().is_err());
    });
}

#[test]
fn a_timer_that_re_arms_itself_at_zero_starves_nobody() {
    on_every_runtime(|| async {
        let restless = loxley::spawn(async {
            loop {
                sleep(Duration::ZERO).await;
            }
        });
        sleep(MS).await;
        restless.abort();
    });
}

#[test]
fn an_interval_ticks_at_once_and_then_on_its_phase() {
    on_every_runtime(|| async {
        let mut ticks = interval(2 * MS);
        let first = ticks.tick().await;
        for n in 1..5 {
            let planned = ticks.tick().await;
            assert_eq!(planned, first + n * 2 * MS);
            assert!(Instant::now() >= planned);
        }
    });
}

#[test]
fn an_interval_that_skips_keeps_its_phase() {
    on_every_runtime(|| async {
        let start = Instant::now();
        let mut ticks = interval_at(start, 2 * MS);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        let mut last = ticks.tick().await;
        assert_eq!(last, start);
        // Whatever is planned now is late by a few periods then, and so is asked for once more.
        sleep_until(start + 9 * MS).await;
        let late = ticks.tick().await;
        assert!(late > last);
        for _ in 0..3 {
            let planned = ticks.tick().await;
            assert!(
                planned > last.max(start + 9 * MS),
                "a missed tick was delivered"
            );
            last = planned;
            let off = (planned - start).as_nanos() % (2 * MS).as_nanos();
            assert_eq!(off, 0, "off the phase");
        }
    });
}

#[test]
fn an_interval_that_bursts_delivers_every_missed_tick() {
    on_every_runtime(|| async {
        let start = Instant::now();
        let mut ticks = interval_at(start, MS);
        sleep_until(start + 6 * MS).await;
        for n in 0..=6 {
            assert_eq!(ticks.tick().await, start + n * MS);
        }
    });
}

#[test]
fn a_reset_interval_forgets_what_it_missed() {
    on_every_runtime(|| async {
        let mut ticks = interval(Duration::from_secs(3600));
        ticks.tick().await;
        assert_eq!(ticks.period(), Duration::from_secs(3600));
        ticks.reset_immediately();
        ticks.tick().await;
        let before = Instant::now();
        ticks.reset_after(MS);
        assert!(ticks.tick().await >= before + MS);
        let at = Instant::now() + MS;
        ticks.reset_at(at);
        assert_eq!(ticks.tick().await, at);
        ticks.reset();
        let mut tick = pin!(ticks.tick());
        assert!(
            poll_fn(|cx| Poll::Ready(tick.as_mut().poll(cx)))
                .await
                .is_pending()
        );
    });
}

#[loxley::test]
#[should_panic(expected = "`period` must be non-zero")]
async fn an_interval_of_zero_panics() {
    let _ = interval(Duration::ZERO);
}

/// What the budget promises of timers: a task over ready timers gives way too.
#[test]
fn a_task_over_ready_timers_lets_other_tasks_run() {
    on_every_runtime(|| async {
        struct Ready;
        impl Future for Ready {
            type Output = ();
            fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
                while pin!(sleep(Duration::ZERO)).poll(cx).is_ready() {}
                Poll::Pending
            }
        }
        let restless = loxley::spawn(Ready);
        loxley::spawn(async {}).await.unwrap();
        restless.abort();
    });
}
