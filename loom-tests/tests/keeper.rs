//! The pollers of those who sleep: J1 to J3 of `idle.rs`, with the real account, park words, pollers and stations, in a
//! worker's loop cut down to sleeping and looking.
//!
//! - J1 who goes to sleep while others are awake leaves its poller to them.
//! - J2 the last to sleep keeps all that are left.
//! - J3 who will not look calls somebody, who then keeps.
//!
//! Each model ends when the event was taken in. One that nobody takes in leaves everybody asleep, which loom reports.

use std::sync::Arc;

use loom::thread;
use loom_tests::{Twin, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::fault::How as Fault;
use loxley_core::doors::idle::{Bed, Wish};
use loxley_core::doors::park::{How, NEVER, Prepared};
use loxley_core::doors::poller::{Poller, Ready, Registration, Timeout};
use loxley_core::doors::task::WakeList;
use loxley_core::doors::timer::Timers;
use loxley_core::doors::worker::{Config, Scheduler, Station};

const WORKERS: usize = 2;

struct Machine {
    scheduler: Arc<Scheduler>,
    /// In the poller of worker 1.
    source: Registration,
    /// J2; a twin sleeps in its own poller alone.
    keeps: bool,
}

impl Machine {
    fn new(keeps: bool) -> Arc<Self> {
        let clock = Clock::manual(1);
        let poller = || Arc::new(Poller::new(false).expect("a model's poller"));
        let station = |_| Station::new(Some(poller()), Arc::new(Timers::new(clock.clone())));
        let stations = (0..WORKERS).map(station).collect();
        let config = Config {
            workers: WORKERS,
            patient: true,
            ..Config::default()
        };
        let scheduler = Scheduler::new(config, clock, stations);
        let poller = scheduler.stations[1].poller.clone();
        let source = Registration::new_connecting(poller.expect("it has one"), 0);
        Arc::new(Self {
            source: source.expect("a model's kernel refuses nothing"),
            scheduler,
            keeps,
        })
    }

    fn poller(&self, station: usize) -> &Poller {
        let poller = self.scheduler.stations[station].poller.as_deref();
        poller.expect("every station has one")
    }

    /// What the kernel does.
    fn arrive(&self) {
        self.poller(1).inject(self.source.token(), Ready::READABLE);
    }

    fn is_served(&self) -> bool {
        self.poller(1).events() > 0
    }

    /// A worker that has nothing to do but this.
    fn serve(&self, index: usize) {
        while !self.is_served() {
            let left = self.scheduler.idle.left();
            for station in left.chain([index]) {
                self.harvest(station);
            }
            if !self.is_served() {
                self.park(index);
            }
        }
        self.scheduler.unpark_all();
    }

    fn harvest(&self, station: usize) {
        let _ = self
            .poller(station)
            .try_poll(Timeout::Zero, &mut WakeList::new());
    }

    fn park(&self, index: usize) {
        let idle = &self.scheduler.idle;
        let wish = Wish {
            sources: self.poller(index).registrations() > 0,
            relies: self.scheduler.may_rely_on_the_awake(),
        };
        let bed = idle.park(index, wish, false);
        self.sleep(index, bed);
        let _ = idle.unpark_self(index, bed, false);
    }

    fn sleep(&self, index: usize, bed: Bed) {
        let park = &self.scheduler.stations[index].park;
        let mut guard = (bed.how == How::Poll).then(|| self.poller(index).lock());
        if park.prepare(bed.how, NEVER) == Prepared::Notified {
            return;
        }
        let in_vain = bed.relies && !self.scheduler.may_rely_on_the_awake();
        if !self.is_served() && !in_vain {
            match &mut guard {
                None => park.sleep(None),
                Some(guard) => {
                    let kept = bed.keeps.filter(|_| self.keeps);
                    let others = kept.map(|station| self.poller(station));
                    let _ = guard.sleep_beside(Timeout::Never, others);
                }
            }
        }
        park.finish();
    }
}

/// Both go to sleep while an event comes.
fn an_event_for_one_who_leaves(keeps: bool) {
    let machine = Machine::new(keeps);
    let workers = [0, 1].map(|index| {
        let machine = machine.clone();
        thread::spawn(move || machine.serve(index))
    });
    machine.arrive();
    for worker in workers {
        worker.join().unwrap();
    }
}

/// One goes to sleep while the other, who is awake for ever, says that its polls are slow.
fn an_event_for_one_who_relied() {
    let machine = Machine::new(true);
    machine.arrive();
    let worker = {
        let machine = machine.clone();
        thread::spawn(move || {
            machine.park(1);
            machine.serve(1);
        })
    };
    machine.scheduler.say_slow();
    worker.join().unwrap();
}

#[test]
fn a_poller_that_is_left_is_looked_into() {
    check(2, || an_event_for_one_who_leaves(true));
}

#[test]
fn who_relied_on_somebody_slow_is_called() {
    check(2, || an_event_for_one_who_relied());
}

#[test]
fn twin_without_j2() {
    must_fail(None, "deadlock", 2, || an_event_for_one_who_leaves(false));
}

const fn without_fence(file: &'static str, after: &'static str) -> Option<Twin> {
    Some(Twin {
        file,
        after,
        line: "fence(",
        how: Fault::Weaken,
    })
}

#[test]
fn twin_without_the_fence_of_j3() {
    let twin = without_fence("worker/keeper.rs", "fn call_a_keeper");
    must_fail(twin, "deadlock", 2, || an_event_for_one_who_relied());
}

#[test]
fn twin_without_i2() {
    let twin = without_fence("park.rs", "pub fn prepare");
    must_fail(twin, "deadlock", 2, || an_event_for_one_who_relied());
}
