//! The alarm against workers that wake and sleep: L1 to L6 of `alarm.rs`.
//!
//! Worker, awake: L1 count as active, fence; L2 read `armed_for`; L3 claim it and set the kernel's timer.
//! Last worker, going to sleep: L4 move the timer beyond the end of the sleep, or clear it; L5 fence, re-read the number
//! of the active: not 0, set the timer again. Monitor: L6 clear the word, fence, read who is active.
//!
//! What must hold: when all is quiet and somebody is active, the kernel's timer rings soon, or the monitor has seen him.

use std::sync::Arc;

use loom::thread;
use loom_tests::{FULL, Twin, check, must_fail};
use loxley_core::doors::alarm::{Alarm, PERIOD};
use loxley_core::doors::atomic::{AtomicU64, AtomicUsize, Ordering};
use loxley_core::doors::fault::How;

/// A timer that is set to more than this does not ring soon.
const SOON: u64 = 6 * PERIOD;
/// The deadline of a sleep that lasts for long.
const LONG: u64 = 1000 * PERIOD;
/// The deadline of a sleep without one.
const NEVER: u64 = u64::MAX;

struct World {
    alarm: Alarm,
    active: AtomicUsize,
    /// The kernel's timer: read-modify-writes, because the kernel's calls have one order.
    timer: Arc<AtomicU64>,
}

/// One worker is active since 20 periods, the alarm is set, and active times come seldom.
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

    fn rings_soon(&self) -> bool {
        (1..=SOON).contains(&self.timer.fetch_add(0, Ordering::AcqRel))
    }
}

/// One worker wakes while the last one goes to sleep.
fn a_wake_against_the_last_sleep(until: u64) {
    let world = world();
    let waking = {
        let world = world.clone();
        thread::spawn(move || world.wake(21 * PERIOD + 1))
    };
    world.sleep(21 * PERIOD, until);
    waking.join().unwrap();
    assert!(world.rings_soon(), "somebody is active and no alarm is set");
}

#[test]
fn somebody_active_has_an_alarm_although_another_slept() {
    check(FULL, || a_wake_against_the_last_sleep(NEVER));
}

#[test]
fn somebody_active_has_an_alarm_although_another_slept_until_later() {
    check(FULL, || a_wake_against_the_last_sleep(LONG));
}

/// It has rung; the monitor wants to look again while the last worker goes to sleep, having read the clock before. Then
/// another one wakes.
fn a_sleep_against_the_monitor() {
    let world = world();
    world.timer.swap(0, Ordering::AcqRel);
    world.alarm.rang();
    let monitor = {
        let world = world.clone();
        thread::spawn(move || world.alarm.again(22 * PERIOD, PERIOD))
    };
    world.sleep(21 * PERIOD, LONG);
    monitor.join().unwrap();
    world.wake(100 * PERIOD);
    assert!(world.rings_soon(), "somebody is active and no alarm is set");
}

#[test]
fn a_sleep_with_an_old_reading_of_the_clock_hides_no_quiet() {
    check(FULL, || a_sleep_against_the_monitor());
}

/// The alarm rings while a worker wakes; the last one before has long been asleep.
fn a_wake_against_the_ring() {
    let world = world();
    world.active.store(0, Ordering::Relaxed);
    let waking = {
        let world = world.clone();
        thread::spawn(move || world.wake(30 * PERIOD))
    };
    world.timer.swap(0, Ordering::AcqRel); // it has rung
    world.alarm.rang();
    let seen = world.active.load(Ordering::Relaxed) > 0;
    waking.join().unwrap();
    assert!(
        seen || world.rings_soon(),
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
        a_wake_against_the_last_sleep(NEVER)
    });
}

#[test]
fn twin_without_l5() {
    let twin = twin("pub fn all_asleep");
    must_fail(twin, "no alarm is set", FULL, || {
        a_wake_against_the_last_sleep(NEVER)
    });
}

#[test]
fn twin_without_l6() {
    let twin = twin("pub fn rang");
    must_fail(twin, "no alarm is set", FULL, || a_wake_against_the_ring());
}
