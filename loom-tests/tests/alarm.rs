//! The alarm against workers that wake and sleep: L1 to L6 of `alarm.rs`.
//!
//! Worker, awake: L1 count as active, fence; L2 read `armed_for`; L3 exchange it and set the kernel's timer.
//! Last worker, going to sleep: L4 clear both, or set them for the next turn; L5 fence, re-read the number of the active: not 0, set the timer again.
//! Monitor: L6 clear the word, fence, read who is active.
//!
//! What must hold: when all is quiet and somebody is active, the kernel's timer is set, and soon enough, or the monitor has
//! seen him.

use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Twin, check, must_fail};
use loxley_core::doors::alarm::{Alarm, PERIOD};
use loxley_core::doors::atomic::{AtomicU64, AtomicUsize, Ordering};
use loxley_core::doors::fault::How;

/// The kernel's timer is set for at most this long.
const SOON: u64 = 5 * PERIOD;
/// A deadline later than that.
const LATER: u64 = 100 * PERIOD;

struct World {
    alarm: Alarm,
    active: AtomicUsize,
    /// The kernel's timer: read-modify-writes, because the kernel's calls have one order.
    timer: Arc<AtomicU64>,
}

/// One worker is active, the alarm is set, and active times come seldom.
fn world() -> Arc<World> {
    let timer = Arc::new(AtomicU64::new(0));
    let world = World {
        alarm: Alarm::new(),
        active: AtomicUsize::new(1),
        timer: timer.clone(),
    };
    world.alarm.connect(Box::new(move |period| {
        timer.swap(period, Ordering::AcqRel);
    }));
    world.alarm.active(10 * PERIOD);
    world.alarm.active(20 * PERIOD);
    Arc::new(world)
}

impl World {
    fn wake(&self, now: u64) {
        self.active.fetch_add(1, Ordering::Relaxed);
        self.alarm.active(now);
    }

    fn sleep(&self, now: u64, until: u64) {
        if self.active.fetch_sub(1, Ordering::Relaxed) == 1 {
            let nobody = || self.active.load(Ordering::Relaxed) == 0;
            self.alarm.all_asleep(now, until, nobody);
        }
    }

    fn is_set(&self) -> bool {
        (1..=SOON).contains(&self.timer.fetch_add(0, Ordering::AcqRel))
    }
}

/// One worker wakes while the last one goes to sleep.
fn a_wake_against_the_last_sleep(until: u64) {
    let world = world();
    let waking = {
        let world = world.clone();
        thread::spawn(move || world.wake(20 * PERIOD + 1))
    };
    world.sleep(20 * PERIOD + 1, until);
    waking.join().unwrap();
    assert!(world.is_set(), "somebody is active and no alarm is set");
}

#[test]
fn somebody_active_has_an_alarm_although_another_slept() {
    check(FULL, || a_wake_against_the_last_sleep(u64::MAX));
}

#[test]
fn somebody_active_has_an_alarm_although_another_slept_until_a_deadline() {
    check(FULL, || a_wake_against_the_last_sleep(LATER));
}

/// The alarm rings while a worker wakes; the last one before has long been asleep.
fn a_wake_against_the_ring() {
    let world = world();
    world.active.store(0, Ordering::Relaxed);
    let waking = {
        let world = world.clone();
        thread::spawn(move || world.wake(20 * PERIOD + 1))
    };
    world.timer.swap(0, Ordering::AcqRel); // it has rung
    world.alarm.rang();
    let seen = world.active.load(Ordering::Relaxed) > 0;
    waking.join().unwrap();
    assert!(
        seen || world.is_set(),
        "somebody is active, unseen, and no alarm is set"
    );
}

#[test]
fn somebody_active_is_seen_by_the_monitor_or_sets_the_alarm() {
    check(FULL, || a_wake_against_the_ring());
}

const fn twin(after: &'static str) -> Option<Twin> {
    Some(Twin {
        file: "alarm.rs",
        after,
        line: "fence(",
        how: How::Weaken,
    })
}

#[test]
fn twin_without_l1() {
    let twin = twin("pub fn active");
    must_fail(twin, "no alarm is set", FULL, || {
        a_wake_against_the_last_sleep(u64::MAX)
    });
}

#[test]
fn twin_without_l5() {
    let twin = twin("pub fn all_asleep");
    must_fail(twin, "no alarm is set", FULL, || {
        a_wake_against_the_last_sleep(u64::MAX)
    });
}

#[test]
fn twin_without_l6() {
    let twin = twin("pub fn rang");
    must_fail(twin, "no alarm is set", FULL, || a_wake_against_the_ring());
}
