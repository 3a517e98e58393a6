//! A stuck worker that comes back just when it is relieved: the verdict of `worker/watch.rs`, R1 to R5 of
//! `worker/rescue.rs`, H1 to H3 of `poller.rs`, T3 to T6 of `timer.rs`.
//!
//! - The verdict is the progress that was seen twice; it holds as long as the progress is that, and nobody takes it back.
//! - R1 the monitor convicts, then wakes a sleeper, who sees the verdict and what is to be taken.
//! - R3 the slot is taken by swap, the deque by stealing: each task comes out once.
//! - R4 events and due timers are taken in under their locks, by whoever comes: each of them once.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Waker};

use loom::thread;
use loom_tests::{FULL, Item, Items, Tracked, Twin, Woken, check, must_fail};
use loxley_core::doors::Clock;
use loxley_core::doors::fault::How;
use loxley_core::doors::idle::{Idle, Wish};
use loxley_core::doors::park::{self, NEVER, Park, Prepared};
use loxley_core::doors::poller::{Interest, Poller, Ready, Registration, Timeout};
use loxley_core::doors::queue::{Local, Public, Stolen};
use loxley_core::doors::task::WakeList;
use loxley_core::doors::timer::{Entry, Here, Timers};
use loxley_core::doors::worker::{Config, Scheduler, Seat, Station};

/// A seat in which somebody polls a task.
fn seat() -> Arc<Seat> {
    let clock = Clock::manual(1);
    let station = Station::new(None, Arc::new(Timers::new(clock.clone())));
    let config = Config {
        workers: 1,
        stand_ins: 0,
        event_interval: Some(4),
        time_enabled: true,
        ..Config::default()
    };
    let scheduler = Scheduler::new(config, clock, vec![station]);
    let seat = scheduler.seat(0).clone();
    seat.watch.sit_down(1);
    for home in scheduler.homes() {
        home.close();
    }
    seat
}

/// The worker polls its next task while the monitor samples and convicts. In the twin the verdict is whatever the
/// progress is by then.
fn a_verdict_against_the_return(of_the_sample: bool) {
    let seat = seat();
    let owner = {
        let seat = seat.clone();
        thread::spawn(move || seat.counters.polls.add(1))
    };
    let samples = [seat.progress(), seat.progress()];
    let convicted = samples[0] == samples[1];
    if convicted {
        seat.convict(if of_the_sample {
            samples[1]
        } else {
            seat.progress()
        });
    }
    owner.join().unwrap();
    let moved_since = samples[0] == 0;
    assert!(
        !(seat.is_stuck() && moved_since),
        "somebody who moves is held for stuck"
    );
    assert_eq!(seat.is_stuck(), convicted && !moved_since);
}

#[test]
fn a_verdict_ends_with_the_next_poll() {
    check(FULL, || a_verdict_against_the_return(true));
}

/// The owner wakes a task into its slot and blocks; the monitor sees that, convicts and calls a sleeper.
fn a_call() {
    let (seat, items, slot) = (seat(), Items::new(1), Arc::new(Public::<Item>::new()));
    let (idle, place) = (Arc::new(Idle::new(2)), Arc::new(Park::futex_only()));
    let _ = idle.park(1, Wish::default(), false);
    assert_eq!(place.prepare(park::How::Futex, NEVER), Prepared::Ready);
    let owner = {
        let (seat, items, slot) = (seat.clone(), items.clone(), slot.clone());
        thread::spawn(move || {
            seat.counters.polls.add(1);
            slot.slot.put(items.make(0));
        })
    };
    let peer = {
        let (seat, items, slot) = (seat.clone(), items.clone(), slot.clone());
        let place = place.clone();
        thread::spawn(move || {
            place.sleep(None);
            place.finish();
            let task = seat.is_stuck().then(|| slot.slot.take()).flatten();
            task.map(|task| items.take(task))
        })
    };
    let sample = seat.progress();
    let must_relieve = slot.len() > 0 && seat.progress() == sample;
    if must_relieve {
        seat.convict(sample);
    }
    assert_eq!(idle.call_anybody(), Some(1));
    place.unpark();
    owner.join().unwrap();
    let relieved = peer.join().unwrap();
    let moved_since = sample == 0; // the verdict is for what came before
    assert!(
        relieved.is_some() || moved_since || !must_relieve,
        "whoever was called has found nothing"
    );
}

#[test]
fn whoever_is_called_finds_the_verdict_and_the_task() {
    check(3, || a_call());
}

fn stolen(local: &Local<Item>, public: &Public<Item>, items: &Items) -> Vec<usize> {
    let mut numbers = Vec::new();
    numbers.extend(public.slot.take().map(|task| items.take(task)));
    if let Stolen::Batch(task, _) = public.steal_into(local) {
        numbers.push(items.take(task));
    }
    numbers
}

/// A task in the slot, one in the deque; the owner comes back for them while a peer takes them over.
fn a_take_over_against_the_owner() {
    let (items, owners, peers) = (
        Items::new(2),
        Arc::new(Public::<Item>::new()),
        Public::<Item>::new(),
    );
    let own = owners.sit_down().expect("the seat is vacant");
    owners.slot.put(items.make(0));
    let _ = own.push(&owners, items.make(1));
    let peer = {
        let (owners, items) = (owners.clone(), items.clone());
        thread::spawn(move || {
            let local = peers.sit_down().expect("the seat is vacant");
            let numbers = stolen(&local, &owners, &items);
            assert!(local.pop(&peers).is_none(), "a lone task is a batch of one");
            numbers
        })
    };
    let mut numbers = Vec::new();
    numbers.extend(owners.slot.take().map(|task| items.take(task)));
    numbers.extend(own.pop(&owners).map(|task| items.take(task)));
    numbers.extend(peer.join().unwrap());
    // The owner's pop gives up only if the thief has it; the thief may give up for nothing.
    numbers.extend(own.pop(&owners).map(|task| items.take(task)));
    items.assert_all(numbers);
}

#[test]
fn slot_and_deque_are_taken_over_without_loss() {
    check(FULL, || a_take_over_against_the_owner());
}

/// The owner goes to sleep in its poller while a peer harvests it; one event, one task that waits for it.
fn a_harvest_against_the_owner(peer_wakes: bool) {
    let poller = Arc::new(Poller::new(false).expect("a model's poller"));
    let kicked = poller.clone();
    let place = Arc::new(Park::new(Box::new(move || kicked.kick())));
    let source = Registration::new_connecting(poller.clone(), 0).unwrap();
    let mut ready = pin!(source.ready(Interest::READABLE));
    let (woken, waker) = Woken::new();
    let mut cx = Context::from_waker(&waker);
    assert!(ready.as_mut().poll(&mut cx).is_pending());
    poller.inject(source.token(), Ready::READABLE);
    let owner = {
        let (poller, place) = (poller.clone(), place.clone());
        thread::spawn(move || {
            let mut wakes = WakeList::new();
            let mut guard = poller.lock();
            if place.prepare(park::How::Poll, NEVER) == Prepared::Ready {
                let _ = guard.poll(Timeout::Never, &mut wakes);
                place.finish();
            }
            drop(guard);
            wakes.wake_all(|_| false, || {});
        })
    };
    let peer = thread::spawn(move || {
        let mut wakes = WakeList::new();
        let _ = poller.try_poll(Timeout::Zero, &mut wakes);
        if peer_wakes {
            wakes.wake_all(|_| false, || {});
        }
    });
    while ready.as_mut().poll(&mut cx).is_pending() {
        woken.wait();
    }
    // The owner sleeps on if the peer had the event.
    place.unpark();
    owner.join().unwrap();
    peer.join().unwrap();
}

#[test]
fn an_event_is_delivered_whoever_harvests() {
    check(2, || a_harvest_against_the_owner(true));
}

fn waiting(timers: &Arc<Timers>, at: u64, waker: &Waker) -> Pin<Box<Entry>> {
    let mut entry = Box::pin(Entry::new(timers.clone()));
    let mut cx = Context::from_waker(waker);
    assert!(
        entry
            .as_mut()
            .poll(&mut cx, Some(Here { timers, own: true }), at)
            .is_pending()
    );
    entry
}

/// A peer fires what is due at a stuck worker's station; the worker comes back, cancels one of two timers and fires
/// what is due itself.
fn timers_against_the_owner() {
    let timers = Arc::new(Timers::new(Clock::manual(0)));
    let held = Tracked::new();
    let (cancelled, kept) = (
        waiting(&timers, 9, &Woken::new().1),
        waiting(&timers, 10, &Woken::new().1),
    );
    let expire = |timers: &Timers| {
        let mut wakes = WakeList::new();
        let fired = timers.expire(10, &mut wakes);
        wakes.wake_all(|_| false, || {});
        fired
    };
    let peer = {
        let (timers, held) = (timers.clone(), held.clone());
        thread::spawn(move || {
            held.look();
            expire(&timers)
        })
    };
    drop(cancelled);
    let own = expire(&timers);
    let fired = own + peer.join().unwrap();
    assert!((1..=2).contains(&fired), "{fired} of two timers fired");
    assert_eq!(timers.next_deadline(), u64::MAX);
    drop(kept);
    held.touch();
}

#[test]
fn a_timer_fires_once_whoever_comes() {
    check(2, || timers_against_the_owner());
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
fn twin_a_verdict_on_what_was_not_sampled() {
    must_fail(None, "held for stuck", FULL, || {
        a_verdict_against_the_return(false)
    });
}

#[test]
fn twin_r1_a_call_that_publishes_nothing() {
    let twin = twin("park.rs", "pub fn unpark", "self.word.swap", How::Weaken);
    must_fail(twin, "has found nothing", 3, || a_call());
}

#[test]
fn twin_r3_in_two_steps() {
    let twin = twin("queue/slot.rs", "pub fn take", "self.item.swap", How::Split);
    must_fail(twin, "Causality violation", FULL, || {
        a_take_over_against_the_owner()
    });
}

#[test]
fn twin_r4_a_harvest_that_wakes_nobody() {
    must_fail(None, "deadlock", 2, || a_harvest_against_the_owner(false));
}

#[test]
fn twin_r4_a_glance_instead_of_t5() {
    let twin = twin(
        "timer/wheel.rs",
        "pub fn is_held",
        "self.word.load",
        How::Weaken,
    );
    must_fail(twin, "Causality violation", 2, || {
        timers_against_the_owner()
    });
}
