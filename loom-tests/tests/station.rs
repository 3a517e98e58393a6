//! Whose station it is: N1 to N4 of `worker/station.rs`, with the list of sleepers and the park word under them.
//!
//! - N1 only the tenant sleeps here: marked *asleep* before it publishes its sleep, *awake* when it has left the list of
//!   sleepers again, which knows stations and not threads.
//! - N2 a station whose tenant is awake can be taken away by one exchange.
//! - N3 a tenant that is asleep is asked: unparked, it goes through *awake*.
//!
//! A worker that waits for its station looks again after a while in any case: here that is no time at all.

use std::sync::Arc;
use std::time::Duration;

use loom::thread;
use loom_tests::{Tracked, Twin, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::fault::How;
use loxley_core::doors::idle::{Announce, Bed, Idle, Unparked, Wish};
use loxley_core::doors::park::{self, NEVER, Prepared};
use loxley_core::doors::timer::Timers;
use loxley_core::doors::worker::Station;

/// The worker whose own the station is, and its stand-in.
const OWNER: usize = 0;
const STAND_IN: usize = 1;

struct Place {
    station: Station,
    idle: Idle,
    /// Two threads here at once, or one that is not ordered after the other, are what loom looks for.
    bed: Tracked,
    /// N1: the list is left before the mark is.
    list_first: bool,
}

/// The stand-in is the tenant, awake.
fn place(list_first: bool) -> Arc<Place> {
    let station = Station::new(None, Arc::new(Timers::new(Clock::manual(1))));
    assert!(station.settle(STAND_IN));
    Arc::new(Place {
        station,
        idle: Idle::new(1),
        bed: Tracked::new(),
        list_first,
    })
}

impl Place {
    /// N1, the begin; false if the thread does not sleep.
    fn lie_down(&self, seat: usize) -> bool {
        if !self.station.begin_sleep(seat) {
            return false;
        }
        self.bed.touch();
        let _ = self.idle.park(0, Wish::default(), false);
        if self.station.park.prepare(park::How::Futex, NEVER) == Prepared::Notified {
            self.get_up(seat);
            return false;
        }
        true
    }

    /// N1, the end.
    fn get_up(&self, seat: usize) {
        self.bed.touch();
        if !self.list_first {
            self.station.end_sleep(seat);
        }
        if self.idle.unpark_self(0, Bed::FUTEX, false) == Unparked::Searching {
            self.idle.give_up_searching();
        }
        if self.list_first {
            self.station.end_sleep(seat);
        }
    }

    /// Sleeps twice, unless the station is taken away before, and leaves. If it stayed, loom would let the other side
    /// see what was so a moment ago, again and again.
    fn stand_in(&self) {
        for _ in 0..2 {
            if !self.station.is_tenant(STAND_IN) {
                return;
            }
            if self.lie_down(STAND_IN) {
                self.station.park.sleep(None);
                self.station.park.finish();
                self.get_up(STAND_IN);
            }
            thread::yield_now();
        }
        self.station.vacate(STAND_IN);
    }
}

/// The worker comes back, announces what its task has spawned, and goes to sleep in its turn.
fn a_return_against_a_stand_in(list_first: bool) {
    let place = place(list_first);
    let stand_in = {
        let place = place.clone();
        thread::spawn(move || place.stand_in())
    };
    if place.idle.announce() == Announce::Wake(0) {
        place.station.park.unpark();
    }
    while !place.station.reclaim(OWNER, Duration::ZERO) {
        thread::yield_now();
    }
    // The first sleep may find the wake that was meant for the stand-in.
    while !place.lie_down(OWNER) {}
    stand_in.join().unwrap();
    assert_eq!(place.station.tenant(), Some(OWNER));
    let called = place.idle.announce();
    assert_eq!(called, Announce::Wake(0), "the sleeper is not on the list");
}

#[test]
fn a_worker_gets_its_station_back_from_a_stand_in_that_sleeps() {
    check(2, || a_return_against_a_stand_in(true));
}

/// The monitor takes the station from a worker that it holds for stuck, and a spare settles, while the worker comes
/// back and goes to sleep: one of them has it.
fn a_spare_against_the_return() {
    let station = Arc::new(Station::new(None, Arc::new(Timers::new(Clock::manual(1)))));
    assert!(station.settle(OWNER));
    let bed = Tracked::new();
    let spare = {
        let (station, bed) = (station.clone(), bed.clone());
        thread::spawn(move || {
            let settled = station.take_from(OWNER) && station.settle(STAND_IN);
            if settled && station.begin_sleep(STAND_IN) {
                bed.touch();
                station.end_sleep(STAND_IN);
            }
        })
    };
    for _ in 0..2 {
        if station.begin_sleep(OWNER) {
            bed.touch();
            station.end_sleep(OWNER);
        } else {
            let _ = station.reclaim(OWNER, Duration::ZERO);
        }
    }
    spare.join().unwrap();
    assert!(station.reclaim(OWNER, Duration::ZERO), "nobody is asleep");
}

#[test]
fn a_station_that_is_given_to_a_spare_has_one_sleeper() {
    check(3, || a_spare_against_the_return());
}

const fn twin(
    file: &'static str,
    after: &'static str,
    line: &'static str,
    how: How,
) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line,
        how,
    })
}

#[test]
fn twin_n1_with_the_list_left_last() {
    must_fail(None, "the sleeper is not on the list", 2, || {
        a_return_against_a_stand_in(false)
    });
}

#[test]
fn twin_n1_awake_that_publishes_nothing() {
    let twin = twin(
        "worker/station.rs",
        "pub fn end_sleep",
        "self.tenant.store",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 3, || {
        a_spare_against_the_return()
    });
}

#[test]
fn twin_n2_without_order() {
    let twin = twin(
        "worker/station.rs",
        "fn change",
        ".compare_exchange",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 3, || {
        a_spare_against_the_return()
    });
}

#[test]
fn twin_n2_in_two_steps() {
    let twin = twin(
        "worker/station.rs",
        "fn change",
        ".compare_exchange",
        How::Split,
    );
    must_fail(twin, "Causality violation", 3, || {
        a_spare_against_the_return()
    });
}

#[test]
fn twin_n3_that_asks_nobody() {
    let twin = twin("park.rs", "pub fn unpark", "self.word.swap", How::Omit);
    must_fail(twin, "maximum number of branches", 2, || {
        a_return_against_a_stand_in(true)
    });
}
