//! The laws of timers, and a sorted map as the oracle of them all.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Wake, Waker};

use super::*;
use crate::clock::Clock;
use crate::clock::duration_ns;
use crate::park::{How, Prepared};
use crate::primitive::atomic::AtomicUsize;
use crate::primitive::{Arc, Condvar, Mutex};
use std::time::Duration;

const BUCKET: u64 = 1 << 16;
const SHARE: u64 = 1_000_000;
const DAY: u64 = 86_400_000_000_000;

/// Where the clocks of the random tests start: zero, just before each level's digit rolls, after an uptime at
/// which others broke, at the end of time.
fn starts() -> Vec<u64> {
    let mut starts = vec![0, 12 * DAY, 25 * DAY, 50 * DAY, 730 * DAY];
    starts.extend((1..8).map(|level| (BUCKET << (6 * level)) - 3 * BUCKET));
    starts.extend([u64::MAX / 2, u64::MAX - DAY, u64::MAX - BUCKET]);
    starts
}

/// The turns of a long test; with `LOXLEY_TEST_SHORT`, for who runs it hundreds of times, a fiftieth.
fn turns(all: usize) -> usize {
    match std::env::var_os("LOXLEY_TEST_SHORT") {
        Some(_) => all / 50,
        None => all,
    }
}

thread_local!(static LOG: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });

struct Named(usize);

impl Wake for Named {
    fn wake(self: std::sync::Arc<Self>) {
        LOG.with_borrow_mut(|log| log.push(self.0));
    }
}

fn named(name: usize) -> Waker {
    Waker::from(std::sync::Arc::new(Named(name)))
}

fn woken(wakes: &mut WakeList) -> Vec<usize> {
    wakes.wake_all(|_| true, || {});
    LOG.take()
}

/// Polls with a waker of the given name, as the station's tenant.
fn poll(
    entry: &mut Pin<Box<Entry>>,
    name: usize,
    timers: &Arc<Timers>,
    at: impl Into<Deadline>,
) -> Poll<Result<(), Closed>> {
    let waker = named(name);
    entry.as_mut().poll(
        &mut Context::from_waker(&waker),
        Some(Here { timers, own: true }),
        at,
    )
}

fn waiting(name: usize, timers: &Arc<Timers>, at: impl Into<Deadline>) -> Pin<Box<Entry>> {
    let mut entry = Box::pin(Entry::new(timers.clone()));
    assert!(poll(&mut entry, name, timers, at).is_pending());
    entry
}

/// A deadline that shares.
fn sharing(at: u64) -> Deadline {
    Deadline { at, shares: true }
}

/// What `expire` wakes, in order.
fn expire(timers: &Timers, now: u64) -> Vec<usize> {
    let mut wakes = WakeList::new();
    let fired = timers.expire(now, &mut wakes);
    let woken = woken(&mut wakes);
    assert_eq!(fired, woken.len());
    woken
}

fn idle(timers: &Arc<Timers>) -> bool {
    timers.next_deadline() == NEVER && Arc::strong_count(timers) == 1
}

#[test]
fn a_timer_never_fires_early() {
    for start in starts() {
        let timers = Arc::new(Timers::new(Clock::manual(start)));
        let ahead = [1, BUCKET - 1, BUCKET, 7 * BUCKET + 5, 1 << 30, 1 << 50];
        let mut fired = 0;
        for at in ahead.map(|ahead| start.saturating_add(ahead)) {
            if at >= END_OF_TIME {
                continue;
            }
            fired += 1;
            let mut entry = waiting(1, &timers, at);
            assert_eq!(expire(&timers, at - 1), []);
            assert!(poll(&mut entry, 1, &timers, 0).is_pending());
            assert_eq!(expire(&timers, at), [1]);
            assert_eq!(poll(&mut entry, 1, &timers, 0), Poll::Ready(Ok(())));
            assert!(entry.has_fired());
        }
        assert_eq!(timers.fired(), fired, "from {start}");
        assert!(idle(&timers));
    }
}

#[test]
fn a_jump_of_the_clock_fires_what_is_due_in_order() {
    const HOUR: u64 = DAY / 24;
    for start in starts() {
        let timers = Arc::new(Timers::new(Clock::manual(start)));
        // Inserted in no order, over two hours; one of them is slept through at one go.
        let at = |name: usize| {
            let share = name as u64 * 7_919 % 1_000;
            start.saturating_add(share * (2 * HOUR / 1_000))
        };
        let mut entries: Vec<_> = (0..1_000)
            .map(|name| waiting(name, &timers, at(name)))
            .collect();
        let now = start.saturating_add(HOUR).min(END_OF_TIME - 1);
        let mut due: Vec<_> = (0..1_000).filter(|name| at(*name) <= now).collect();
        due.sort_by_key(|name| (at(*name), *name));
        assert_eq!(expire(&timers, now), due, "from {start}");
        assert_eq!(expire(&timers, now), [], "once");
        entries.clear();
        assert!(idle(&timers));
    }
}

#[test]
fn equal_deadlines_fire_in_insertion_order() {
    for start in starts() {
        let timers = Arc::new(Timers::new(Clock::manual(start)));
        for ahead in [0, 10, 100 * BUCKET, 5_000 * BUCKET, DAY / 3] {
            let at = start.saturating_add(ahead).min(END_OF_TIME - 1);
            // Half of them come when time has moved on, so that they are hung elsewhere than the others were.
            let mut entries: Vec<_> = (0..50).map(|name| waiting(name, &timers, at)).collect();
            expire(&timers, start + (at - start) / 2);
            if at > start + (at - start) / 2 {
                entries.extend((50..100).map(|name| waiting(name, &timers, at)));
            } else {
                entries = (0..100).map(|name| waiting(name, &timers, at)).collect();
            }
            assert_eq!(expire(&timers, at), (0..100).collect::<Vec<_>>());
            drop(entries);
        }
    }
}

#[test]
fn a_lone_timer_that_shares_is_exact() {
    for start in starts() {
        for ahead in [5, SHARE, SHARE + 1, 300 * SHARE] {
            let timers = Arc::new(Timers::new(Clock::manual(start)));
            let at = start.saturating_add(ahead).min(END_OF_TIME - 1);
            let _sparse = waiting(1, &timers, sharing(END_OF_TIME));
            let _entry = waiting(0, &timers, sharing(at));
            assert_eq!(timers.next_deadline(), at);
            assert_eq!(expire(&timers, at), [0]);
        }
    }
}

#[test]
fn who_shares_waits_for_others_just_after_a_firing_and_no_exact_one_does() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _entries: Vec<_> = [sharing(100), sharing(200), sharing(900), sharing(SHARE * 2)]
        .into_iter()
        .enumerate()
        .map(|(name, at)| waiting(name, &timers, at))
        .collect();
    assert_eq!(timers.next_deadline(), 100);
    assert_eq!(expire(&timers, 100), [0]);
    assert_eq!(timers.next_deadline(), 200 + SHARE);
    let exact = waiting(4, &timers, 600_000);
    assert_eq!(
        timers.next_deadline(),
        600_000,
        "it lies behind slots of those that share"
    );
    drop(exact);
    assert_eq!(timers.next_deadline(), 200 + SHARE);
    assert_eq!(expire(&timers, 950), [], "nobody has to come yet");
    assert_eq!(expire(&timers, 200 + SHARE), [1, 2]);
    assert_eq!(timers.next_deadline(), 3 * SHARE);
}

#[test]
fn sharing_ends_exactly_a_share_after_a_firing() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _first = waiting(0, &timers, 100);
    assert_eq!(expire(&timers, 100), [0]);
    let last = waiting(1, &timers, sharing(99 + SHARE));
    assert_eq!(timers.next_deadline(), 99 + 2 * SHARE);
    drop(last);
    let _exact = waiting(2, &timers, sharing(100 + SHARE));
    assert_eq!(timers.next_deadline(), 100 + SHARE);
}

#[test]
fn an_expiry_that_fires_nothing_makes_nobody_wait_for_others() {
    let mut wheel = Wheel::new(0);
    let mut link = Box::pin(Link::new());
    assert_eq!(wheel.expire(10, &mut WakeList::new()), 0);
    assert_eq!(wheel.insert(link.as_mut(), sharing(20)), Ok(true));
    assert_eq!(wheel.next(), 20);
    assert!(wheel.remove(link.as_mut()));
}

#[test]
fn who_shares_a_wake_that_is_due_already_moves_nothing() {
    let mut wheel = Wheel::new(0);
    let [mut fired, mut exact, mut shares] = [(); 3].map(|()| Box::pin(Link::new()));
    assert_eq!(wheel.insert(fired.as_mut(), Deadline::exact(0)), Ok(true));
    assert_eq!(wheel.expire(0, &mut WakeList::new()), 1);
    let next = Deadline::exact(200 + SHARE);
    assert_eq!(wheel.insert(exact.as_mut(), next), Ok(true));
    assert_eq!(wheel.insert(shares.as_mut(), sharing(200)), Ok(false));
    assert_eq!(wheel.next(), 200 + SHARE);
    assert!(wheel.remove(exact.as_mut()) && wheel.remove(shares.as_mut()));
}

#[test]
fn who_waits_for_others_is_met_by_an_exact_one_in_the_tick_of_its_wake() {
    // The second wake comes when the low digits have just begun anew.
    for start in [0, (1 << 48) - SHARE - 60] {
        let timers = Arc::new(Timers::new(Clock::manual(start)));
        let _first = waiting(0, &timers, start);
        assert_eq!(expire(&timers, start), [0]);
        let wake = start + 100 + SHARE;
        let exact = wake / BUCKET * BUCKET + 10;
        assert!(exact < wake);
        let _entries = [
            waiting(1, &timers, sharing(start + 100)),
            waiting(2, &timers, exact),
        ];
        drop(waiting(3, &timers, start + 5_000));
        assert_eq!(timers.next_deadline(), exact, "from {start}");
        assert_eq!(expire(&timers, exact), [1, 2]);
    }
}

#[test]
fn equal_deadlines_keep_their_order_whether_they_share_or_not() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _first = waiting(0, &timers, 1);
    assert_eq!(expire(&timers, 1), [0]);
    let at = SHARE / 2;
    let _entries: Vec<_> = (1..9)
        .map(|name| match name % 2 {
            0 => waiting(name, &timers, at),
            _ => waiting(name, &timers, sharing(at)),
        })
        .collect();
    assert_eq!(timers.next_deadline(), at);
    assert_eq!(expire(&timers, at), (1..9).collect::<Vec<_>>());
}

#[test]
fn many_that_share_make_no_more_wakes_than_ticks_would_and_none_is_late_by_more() {
    let mut random = Random(11);
    for count in [10, 300, 1_000, 3_000, 30_000] {
        let timers = Arc::new(Timers::new(Clock::manual(0)));
        let times: Vec<u64> = (0..count).map(|_| random.below(1_000 * SHARE)).collect();
        let entries: Vec<_> = times
            .iter()
            .enumerate()
            .map(|(name, &at)| waiting(name, &timers, sharing(at)))
            .collect();
        let mut ticks: Vec<u64> = times.iter().map(|at| at.div_ceil(SHARE)).collect();
        ticks.sort_unstable();
        ticks.dedup();
        let (mut wakes, mut fired) = (0, 0);
        while timers.next_deadline() != NEVER {
            let now = timers.next_deadline();
            for name in expire(&timers, now) {
                let late = now.checked_sub(times[name]).expect("never early");
                assert!(late <= SHARE, "{late} late");
                fired += 1;
            }
            wakes += 1;
        }
        assert_eq!(fired, entries.len());
        // Where hardly any two fall into one tick, sharing is little better or worse than that.
        assert!(
            wakes <= ticks.len() + ticks.len() / 10,
            "{wakes} wakes instead of {}",
            ticks.len()
        );
    }
}

#[test]
fn within_one_bucket_the_exact_deadline_decides() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _entries: Vec<_> = [40, 10, 30, 10, 20, 50]
        .into_iter()
        .enumerate()
        .map(|(name, at)| waiting(name, &timers, at))
        .collect();
    assert_eq!(timers.next_deadline(), 10);
    assert_eq!(expire(&timers, 30), [1, 3, 4, 2]);
    assert_eq!(timers.next_deadline(), 40);
    assert_eq!(expire(&timers, 1 << 40), [0, 5]);
}

#[test]
fn a_past_deadline_fires_at_the_next_expiry_and_first() {
    let timers = Arc::new(Timers::new(Clock::manual(9 * BUCKET)));
    let _late = waiting(0, &timers, 9 * BUCKET + 1);
    let _past = waiting(1, &timers, BUCKET);
    let _zero = waiting(2, &timers, 0);
    assert_eq!(expire(&timers, 9 * BUCKET + 1), [2, 1, 0]);
}

#[test]
fn a_peer_with_an_older_clock_fires_what_is_due_and_nothing_else() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _first = waiting(0, &timers, 10 * BUCKET);
    assert_eq!(expire(&timers, 10 * BUCKET), [0]);
    let _due = waiting(1, &timers, 8 * BUCKET);
    let _early = waiting(2, &timers, 9 * BUCKET);
    assert_eq!(expire(&timers, 8 * BUCKET), [1]);
    assert_eq!(timers.next_deadline(), 9 * BUCKET);
    assert_eq!(expire(&timers, 9 * BUCKET), [2]);
}

#[test]
fn absurd_deadlines_never_come_and_wake_nobody() {
    let timers = Arc::new(Timers::new(Clock::manual(730 * DAY)));
    let mut entries: Vec<_> = [u64::MAX, END_OF_TIME]
        .map(|at| waiting(0, &timers, at))
        .into();
    assert_eq!(timers.next_deadline(), NEVER);
    entries.push(waiting(1, &timers, END_OF_TIME - 1));
    assert_eq!(timers.next_deadline(), END_OF_TIME - 1);
    assert_eq!(expire(&timers, u64::MAX), [1]);
    assert_eq!(timers.next_deadline(), NEVER);
    assert_eq!(expire(&timers, u64::MAX), []);
    drop(entries);
    assert!(idle(&timers));
}

#[test]
fn a_timer_that_rearms_itself_at_zero_is_not_served_twice_in_a_batch() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entry = waiting(0, &timers, 5);
    let _other = waiting(1, &timers, 7);
    let mut wakes = WakeList::new();
    assert_eq!(timers.expire(7, &mut wakes), 2);
    // As its task does, when the batch's wakers run.
    entry.as_mut().reset(
        Some(Here {
            timers: &timers,
            own: true,
        }),
        7,
    );
    assert!(poll(&mut entry, 0, &timers, 7).is_pending());
    assert_eq!(woken(&mut wakes), [0, 1]);
    assert_eq!(expire(&timers, 7), [0]);
    assert_eq!(expire(&timers, 7), []);
}

#[test]
fn a_timer_cancelled_before_its_harvest_never_fires() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entries: Vec<_> = (0..6).map(|name| waiting(name, &timers, 5)).collect();
    drop(entries.remove(5));
    drop(entries.remove(2));
    drop(entries.remove(0));
    assert_eq!(expire(&timers, 5), [1, 3, 4]);
}

#[test]
fn a_timer_cancelled_by_another_of_its_batch_is_forgotten() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _first = waiting(0, &timers, 5);
    let second = waiting(1, &timers, 5);
    let mut wakes = WakeList::new();
    assert_eq!(timers.expire(5, &mut wakes), 2);
    drop(second);
    assert_eq!(
        woken(&mut wakes),
        [0, 1],
        "a wake too many, and no entry behind it"
    );
    assert_eq!(expire(&timers, 1 << 40), []);
    assert_eq!(timers.next_deadline(), NEVER);
}

#[test]
fn a_reset_moves_a_waiting_timer_with_its_waker_to_the_callers_wheel() {
    let (home, away) = (
        Arc::new(Timers::new(Clock::manual(0))),
        Arc::new(Timers::new(Clock::manual(0))),
    );
    let mut entry = waiting(0, &home, 100);
    entry.as_mut().reset(
        Some(Here {
            timers: &home,
            own: true,
        }),
        200,
    );
    assert_eq!(expire(&home, 199), []);
    entry.as_mut().reset(
        Some(Here {
            timers: &away,
            own: true,
        }),
        300,
    );
    assert!(idle(&home));
    assert_eq!(expire(&away, 300), [0]);
    // One that has fired, or was never polled, is registered by its next poll alone.
    entry.as_mut().reset(
        Some(Here {
            timers: &home,
            own: true,
        }),
        400,
    );
    assert!(!entry.has_fired());
    assert_eq!(home.next_deadline(), NEVER);
    assert!(poll(&mut entry, 0, &home, 400).is_pending());
    assert_eq!(expire(&home, 400), [0]);
}

#[test]
fn an_entry_that_ends_leaves_its_wheel_and_wakes_who_waits() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entry = waiting(4, &timers, 100);
    entry.as_mut().end();
    assert_eq!(LOG.take(), [4]);
    assert_eq!(timers.next_deadline(), NEVER);
    assert!(!entry.has_fired());
    entry.as_mut().end();
    assert_eq!(LOG.take(), [], "nobody waits any more");
    drop(entry);
    assert!(idle(&timers));
}

#[cfg(feature = "test-util")]
#[test]
fn an_entry_is_idle_until_it_is_polled_and_after_a_reset() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let here = Some(Here {
        timers: &timers,
        own: true,
    });
    let mut entry = Box::pin(Entry::new(timers.clone()));
    assert!(entry.is_idle());
    assert!(poll(&mut entry, 0, &timers, 5).is_pending());
    assert!(!entry.is_idle(), "it is in a wheel");
    assert_eq!(expire(&timers, 5), [0]);
    assert!(!entry.is_idle(), "it has fired");
    entry.as_mut().reset(here, 9);
    assert!(entry.is_idle());
}

#[test]
fn an_entry_that_was_never_polled_touches_no_wheel() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let _locked = timers.wheel.lock();
    let mut entry = Box::pin(Entry::new(timers.clone()));
    entry.as_mut().reset(
        Some(Here {
            timers: &timers,
            own: true,
        }),
        1,
    );
    drop(entry);
    assert!(idle(&timers));
}

#[test]
fn a_fired_entry_is_polled_and_dropped_without_the_lock() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entry = waiting(0, &timers, 1);
    let other = waiting(1, &timers, 2);
    assert_eq!(expire(&timers, 1), [0]);
    let locked = timers.wheel.lock();
    assert_eq!(poll(&mut entry, 0, &timers, 1), Poll::Ready(Ok(())));
    drop(entry);
    drop(locked);
    drop(other);
}

#[test]
fn the_latest_waker_is_the_one_that_is_woken() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entry = waiting(0, &timers, 5);
    assert!(poll(&mut entry, 1, &timers, 5).is_pending());
    assert_eq!(expire(&timers, 5), [1]);
}

#[test]
fn after_the_close_every_timer_answers_closed() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entries: Vec<_> = [5, 1 << 30, u64::MAX]
        .map(|at| waiting(0, &timers, at))
        .into();
    let mut fired = waiting(1, &timers, 0);
    assert_eq!(expire(&timers, 0), [1]);
    let mut wakes = WakeList::new();
    timers.close(&mut wakes);
    assert_eq!(woken(&mut wakes), [0, 0, 0]);
    entries.push(Box::pin(Entry::new(timers.clone())));
    for entry in &mut entries {
        assert_eq!(poll(entry, 0, &timers, 7), Poll::Ready(Err(Closed)));
    }
    assert_eq!(poll(&mut fired, 1, &timers, 0), Poll::Ready(Ok(())));
    drop((entries, fired));
    assert!(idle(&timers));
}

#[test]
fn a_reset_into_a_closed_wheel_wakes_the_task() {
    let (home, gone) = (
        Arc::new(Timers::new(Clock::manual(0))),
        Arc::new(Timers::new(Clock::manual(0))),
    );
    gone.close(&mut WakeList::new());
    let mut entry = waiting(3, &home, 100);
    entry.as_mut().reset(
        Some(Here {
            timers: &gone,
            own: true,
        }),
        200,
    );
    assert_eq!(LOG.take(), [3]);
    assert_eq!(poll(&mut entry, 3, &home, 5), Poll::Ready(Err(Closed)));
}

#[test]
fn only_an_earlier_deadline_from_outside_tells_the_sleeper() {
    let kicks = Arc::new(AtomicUsize::new(0));
    let seen = kicks.clone();
    let park = Arc::new(Park::new(Box::new(move || {
        seen.fetch_add(1, Ordering::Relaxed);
    })));
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    timers.set_park(park.clone());
    let _first = waiting(0, &timers, 1_000);
    let sleep = |until| assert_eq!(park.prepare(How::Poll, until), Prepared::Ready);
    let insert = |own, at| {
        let mut entry = Box::pin(Entry::new(timers.clone()));
        let waker = named(0);
        let mut cx = Context::from_waker(&waker);
        assert!(
            entry
                .as_mut()
                .poll(
                    &mut cx,
                    Some(Here {
                        timers: &timers,
                        own
                    }),
                    at
                )
                .is_pending()
        );
        (entry, kicks.swap(0, Ordering::Relaxed))
    };
    sleep(1_000);
    let later = insert(false, 1_000);
    let own = insert(true, 900);
    let first = insert(false, 800);
    assert!(park.finish());
    let running = insert(false, 700);
    assert_eq!([later.1, own.1, first.1, running.1], [0, 0, 1, 0]);
}

#[test]
fn a_sleeper_that_trusts_next_always_makes_progress() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    // In one far slot, so that a cancelled earliest one leaves a lower bound behind.
    let base = 1 << 34;
    let mut entries: Vec<_> = (0..100)
        .map(|name| waiting(name, &timers, base + name as u64 * 1_000_003))
        .collect();
    entries.drain(..90);
    let (mut turns, mut fired) = (0, 0);
    while timers.next_deadline() != NEVER {
        let now = timers.next_deadline();
        let woken = expire(&timers, now).len();
        assert!(
            timers.next_deadline() > now,
            "a turn without progress at {now}"
        );
        fired += woken;
        turns += 1;
    }
    assert_eq!(fired, 10);
    assert!(turns <= 12, "{turns} wakes for ten timers");
}

#[test]
fn the_only_timer_left_is_known_exactly() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    // In one slot.
    let entries = [5_020, 5_000, 5_010].map(|ms| ms * 1_000_000);
    let mut entries = entries.map(|at| Some(waiting(0, &timers, at)));
    entries[1] = None;
    entries[2] = None;
    assert_eq!(timers.next_deadline(), 5_020_000_000);
    entries[0] = None;
    assert!(idle(&timers));
}

#[test]
fn one_million_timers_created_and_cancelled_leave_nothing_behind() {
    let timers = Arc::new(Timers::new(Clock::manual(12 * DAY)));
    let mut random = Random(7);
    let mut kept: Vec<Option<Pin<Box<Entry>>>> = (0..1_000).map(|_| None).collect();
    for _ in 0..turns(1_000_000) {
        let at = 12 * DAY + random.delay();
        let place = random.below(1_000) as usize;
        kept[place] = Some(waiting(0, &timers, at));
    }
    drop(kept);
    assert!(idle(&timers));
    assert!(timers.wheel.lock().is_empty());
}

#[test]
fn dropping_a_wheel_with_everything_in_it_is_the_last_entrys_work() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let entries: Vec<_> = (0..10).map(|at| waiting(0, &timers, at << 20)).collect();
    let weak = Arc::downgrade(&timers);
    drop(timers);
    assert!(weak.upgrade().is_some());
    drop(entries);
    assert!(weak.upgrade().is_none());
}

#[test]
fn a_wheel_that_goes_closes_what_is_left_in_it() {
    let mut wheel = Wheel::new(0);
    let mut link = Box::pin(Link::new());
    assert_eq!(wheel.insert(link.as_mut(), Deadline::exact(5)), Ok(true));
    drop(wheel);
    assert_eq!(link.state(), wheel::State::Closed);
}

#[test]
fn a_link_that_is_dropped_in_a_list_ends_the_process() {
    const CHILD: &str = "LOXLEY_TEST_DROPPED_IN_A_LIST";
    if std::env::var_os(CHILD).is_some() {
        let mut wheel = Wheel::new(0);
        let mut link = Box::pin(Link::new());
        assert_eq!(wheel.insert(link.as_mut(), Deadline::exact(5)), Ok(true));
        drop(link);
        mem::forget(wheel); // what it points at is gone
        return;
    }
    let name = "timer::tests::a_link_that_is_dropped_in_a_list_ends_the_process";
    let child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env(CHILD, "1")
        .output()
        .unwrap();
    assert!(!child.status.success(), "{child:?}");
}

#[test]
fn what_became_of_timers_can_be_read() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let mut entry = waiting(0, &timers, 7);
    assert_eq!(format!("{timers:?}"), "Timers { next: 7, fired: 0, .. }");
    assert_eq!(format!("{entry:?}"), "Entry(Linked)");
    assert_eq!(expire(&timers, 7), [0]);
    assert_eq!(format!("{entry:?}"), "Entry(Fired)");
    entry.as_mut().end();
    assert_eq!(format!("{entry:?}"), "Entry(Idle)");
    assert!(Closed.to_string().contains("shut down"));
}

/// xorshift: small, seeded, good enough.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    /// A delay of any magnitude, the small ones as likely as the large.
    fn delay(&mut self) -> u64 {
        let bits = self.below(62);
        self.next() & ((1 << bits) - 1)
    }
}

/// Deadline, then insertion; the last says whether it shares.
type Key = (u64, usize, bool);

/// The timers under test beside a sorted map of the same.
struct Oracle {
    timers: Arc<Timers>,
    now: u64,
    random: Random,
    expected: BTreeMap<Key, usize>,
    live: BTreeMap<usize, (Pin<Box<Entry>>, Key)>,
    inserted: usize,
}

impl Oracle {
    fn new(start: u64, seed: u64) -> Self {
        Self {
            timers: Arc::new(Timers::new(Clock::manual(start))),
            now: start,
            random: Random(seed),
            expected: BTreeMap::new(),
            live: BTreeMap::new(),
            inserted: 0,
        }
    }

    fn deadline(&mut self) -> Deadline {
        let shares = self.random.below(2) == 0;
        let at = match self.random.below(8) {
            0 => self.now.saturating_sub(self.random.delay()),
            1 => self.now,
            2 => END_OF_TIME,
            // An old deadline again, for equal ones.
            3 => self
                .expected
                .keys()
                .next_back()
                .map_or(self.now, |key| key.0),
            _ => self.now.saturating_add(self.random.delay()),
        };
        Deadline { at, shares }
    }

    /// Enters the deadline in the map, as the latest of its equals.
    fn enter(&mut self, name: usize, deadline: Deadline) -> Key {
        let key = (deadline.at.min(END_OF_TIME), self.inserted, deadline.shares);
        self.inserted += 1;
        self.expected.insert(key, name);
        key
    }

    fn insert(&mut self) {
        let (name, at) = (self.inserted, self.deadline());
        let entry = waiting(name, &self.timers, at);
        let key = self.enter(name, at);
        self.live.insert(name, (entry, key));
    }

    fn pick(&mut self) -> Option<usize> {
        let from = self.random.below(self.inserted as u64 + 1) as usize;
        self.live.range(from..).next().map(|(name, _)| *name)
    }

    fn cancel(&mut self) {
        if let Some(name) = self.pick() {
            let (_, key) = self.live.remove(&name).unwrap();
            self.expected.remove(&key);
        }
    }

    fn reset(&mut self) {
        if let Some(name) = self.pick() {
            let at = self.deadline();
            let (mut entry, key) = self.live.remove(&name).unwrap();
            self.expected.remove(&key);
            entry.as_mut().reset(
                Some(Here {
                    timers: &self.timers,
                    own: true,
                }),
                at,
            );
            let key = self.enter(name, at);
            self.live.insert(name, (entry, key));
        }
    }

    fn advance(&mut self) {
        let next = self.timers.next_deadline();
        self.now = match self.random.below(4) {
            0 if next != NEVER => self.now.max(next),
            1 if next != NEVER => self.now.max(next - u64::from(next > 0)),
            // Far jumps are rare: they would leave nothing for the others.
            2 => self.now.saturating_add(self.random.delay() >> 20),
            _ => self.now.saturating_add(self.random.below(200_000)),
        }
        .min(END_OF_TIME);
        let due = self
            .expected
            .range(..=(self.now.min(END_OF_TIME - 1), usize::MAX, true));
        let mut due: Vec<_> = due.map(|(key, name)| (*key, *name)).collect();
        if self.now < next {
            let may_wait =
                |(key, _): &(Key, usize)| key.2 && self.now < key.0.saturating_add(SHARE);
            assert!(due.iter().all(may_wait), "{next} is too late");
            due.clear();
        }
        let names: Vec<_> = due.iter().map(|(_, name)| *name).collect();
        assert_eq!(expire(&self.timers, self.now), names, "at {}", self.now);
        for (key, name) in due {
            self.expected.remove(&key);
            let (mut entry, _) = self.live.remove(&name).unwrap();
            assert_eq!(poll(&mut entry, 0, &self.timers, 0), Poll::Ready(Ok(())));
        }
    }

    fn check(&self) {
        let next = self.timers.next_deadline();
        let first = |shares: bool| {
            let mut keys = self.expected.keys();
            keys.find(|key| key.2 == shares).map_or(NEVER, |key| key.0)
        };
        let earliest = first(false).min(first(true).saturating_add(SHARE));
        let known = if earliest >= END_OF_TIME {
            NEVER
        } else {
            earliest
        };
        assert!(next <= known, "next is {next}, the earliest {known}");
        assert_eq!(
            self.timers.wheel.lock().is_empty(),
            self.expected.is_empty()
        );
    }
}

fn agrees_with_the_map(start: u64, seed: u64, turns: usize) {
    println!("start {start}, seed {seed}");
    let mut oracle = Oracle::new(start, seed);
    for _ in 0..turns {
        match oracle.random.below(16) {
            0..7 => oracle.insert(),
            7..11 => oracle.cancel(),
            11..13 => oracle.reset(),
            _ => {
                oracle.advance();
                let next = oracle.timers.next_deadline();
                assert!(next > oracle.now, "no progress: {next} at {}", oracle.now);
            }
        }
        oracle.check();
    }
    let (fired, turns) = (oracle.timers.fired(), turns as u64);
    assert!(
        fired > turns / 100,
        "{fired} fired in {turns} turns: too few to mean much"
    );
}

#[test]
fn timers_agree_with_a_sorted_map_whenever_the_clock_starts() {
    for (round, start) in starts().into_iter().enumerate() {
        let turns = turns(if round == 0 { 200_000 } else { 30_000 });
        agrees_with_the_map(start, 0x9e37_79b9_7f4a_7c15 ^ round as u64, turns);
    }
}

#[test]
fn a_cancel_on_one_thread_and_a_firing_on_another_agree() {
    // Every timer is polled to its end or dropped while a peer fires; whoever waits is woken, or this hangs.
    struct Signal(Mutex<bool>, Condvar);
    impl Wake for Signal {
        fn wake(self: std::sync::Arc<Self>) {
            *self.0.lock() = true;
            self.1.notify_one();
        }
    }
    let rounds = turns(30_000) as u64;
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let now = Arc::new(AtomicU64::new(0));
    let peer = {
        let (timers, now) = (timers.clone(), now.clone());
        std::thread::spawn(move || {
            let mut wakes = WakeList::new();
            loop {
                let time = now.load(Ordering::Relaxed);
                timers.expire(time, &mut wakes);
                wakes.wake_all(|_| true, || {});
                if time == NEVER {
                    break;
                }
            }
        })
    };
    let signal = std::sync::Arc::new(Signal(Mutex::new(false), Condvar::new()));
    let waker = Waker::from(signal.clone());
    let waited = Cell::new(0);
    for round in 1..=rounds {
        let mut entry = Box::pin(Entry::new(timers.clone()));
        let mut cx = Context::from_waker(&waker);
        let _ = entry.as_mut().poll(
            &mut cx,
            Some(Here {
                timers: &timers,
                own: false,
            }),
            round,
        );
        now.store(round, Ordering::Relaxed);
        match round % 4 {
            0 => entry.as_mut().reset(
                Some(Here {
                    timers: &timers,
                    own: false,
                }),
                round,
            ),
            1 => continue,
            _ => {}
        }
        while entry
            .as_mut()
            .poll(
                &mut cx,
                Some(Here {
                    timers: &timers,
                    own: false,
                }),
                round,
            )
            .is_pending()
        {
            let mut woken = signal.0.lock();
            while !*woken {
                signal.1.wait(&mut woken);
            }
            *woken = false;
            waited.set(waited.get() + 1);
        }
    }
    now.store(NEVER, Ordering::Relaxed);
    peer.join().unwrap();
    println!("waited {} times", waited.get());
    assert!(idle(&timers));
}

#[test]
fn a_thousand_years_saturate() {
    let years = duration_ns(Duration::from_secs(1_000 * 365 * 86_400));
    let timers = Arc::new(Timers::new(Clock::manual(DAY)));
    let _entry = waiting(0, &timers, DAY.saturating_add(years));
    assert_eq!(timers.next_deadline(), NEVER);
}
