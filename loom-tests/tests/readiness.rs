//! One word per source, events against tasks: R1 to R3 of `poller/readiness.rs`, P2 to P4 and E1 of `poller.rs`, L2 of
//! `poller/slab.rs`, all through the real registration, slab, waker slots and waiter list.
//!
//! - R1 event: one exchange sets the bits and moves the tick, if the generation is the token's; then the wakers.
//! - R2 waiting: put the waker in its place first, then look at the word again.
//! - R3 clear: one exchange, if the tick is still the one that was seen.
//! - L2 giving a slot back first moves the generation: an event in flight is stale before the next owner exists.
//! - E1 `close` marks every slot and collects every waker.

use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use loom::thread;
use loom_tests::{Twin, Woken, check, must_fail};
use loxley_core::doors::Mutex;
use loxley_core::doors::fault::How;
use loxley_core::doors::poller::{Direction, Interest, Poller, Ready, Registration, Timeout};
use loxley_core::doors::task::WakeList;

/// A source, and what lies in its buffer in the kernel.
struct Source {
    poller: Arc<Poller>,
    registration: Registration,
    /// A lock, because the kernel always knows.
    buffer: Mutex<usize>,
}

impl Source {
    /// A source with an empty buffer that the kernel knows.
    fn new() -> Arc<Self> {
        let poller = Arc::new(Poller::new(false).expect("a model's poller"));
        let registration = Registration::new_connecting(poller.clone(), 0);
        Arc::new(Self {
            registration: registration.expect("a model's kernel refuses nothing"),
            poller,
            buffer: Mutex::new(0),
        })
    }

    /// The system call.
    fn read(&self) -> io::Result<()> {
        let mut buffer = self.buffer.lock();
        *buffer = buffer.checked_sub(1).ok_or(io::ErrorKind::WouldBlock)?;
        Ok(())
    }

    /// The kernel gets data, and whoever looks into the poller delivers the event.
    fn arrive(&self) {
        *self.buffer.lock() += 1;
        self.poller
            .inject(self.registration.token(), Ready::READABLE);
        harvest(&self.poller);
    }
}

fn harvest(poller: &Poller) {
    let mut wakes = WakeList::new();
    let _ = poller.try_poll(Timeout::Zero, &mut wakes);
    wakes.wake_all(|_| false, || {});
}

fn arrivals(source: &Arc<Source>, count: usize) -> thread::JoinHandle<()> {
    let source = source.clone();
    thread::spawn(move || {
        for _ in 0..count {
            source.arrive();
        }
    })
}

/// Polls until ready, with a sleep after each `Pending`.
fn until_ready<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let (woken, waker) = Woken::new();
    let mut cx = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(value) = poll(&mut cx) {
            return value;
        }
        woken.wait();
        thread::yield_now();
    }
}

/// One reader, an event for each read.
fn reads(count: usize) {
    let source = Source::new();
    let kernel = arrivals(&source, count);
    for _ in 0..count {
        let read = |cx: &mut Context<'_>| {
            let registration = &source.registration;
            registration.poll_io(cx, Direction::Read, || source.read())
        };
        until_ready(read).unwrap();
    }
    kernel.join().unwrap();
}

#[test]
fn an_event_against_the_first_wait_is_not_lost() {
    check(2, || reads(1));
}

#[test]
fn an_event_against_a_clear_is_not_lost() {
    check(2, || reads(2));
}

/// A source that claims readiness: the reader tries in vain and clears, by hand. What is cleared is the event seen
/// before the try, or, in the twin, the one seen after it.
fn clears_a_claim(seen_before: bool) {
    let source = Source::new();
    source
        .poller
        .inject(source.registration.token(), Ready::READABLE);
    harvest(&source.poller);
    let kernel = arrivals(&source, 1);
    let registration = &source.registration;
    loop {
        let event = until_ready(|cx| registration.poll_read_ready(cx)).unwrap();
        if source.read().is_ok() {
            break;
        }
        let after = until_ready(|cx| registration.poll_read_ready(cx)).unwrap();
        registration.clear(if seen_before { event } else { after });
    }
    kernel.join().unwrap();
}

#[test]
fn only_what_was_seen_before_the_try_is_cleared() {
    check(2, || clears_a_claim(true));
}

/// Two tasks wait through `&self`; one event is for both.
fn two_waiters() {
    let source = Source::new();
    let kernel = arrivals(&source, 1);
    let registration = &source.registration;
    let mut first = pin!(registration.ready(Interest::READABLE));
    let mut second = pin!(registration.ready(Interest::READABLE));
    let (one, two) = (Woken::new(), Woken::new());
    let early = first
        .as_mut()
        .poll(&mut Context::from_waker(&one.1))
        .is_ready();
    finish(second.as_mut(), &two.0, &two.1);
    if !early {
        finish(first.as_mut(), &one.0, &one.1);
    }
    kernel.join().unwrap();
}

fn finish<F: Future>(mut future: Pin<&mut F>, woken: &Woken, waker: &std::task::Waker) {
    while future
        .as_mut()
        .poll(&mut Context::from_waker(waker))
        .is_pending()
    {
        woken.wait();
    }
}

#[test]
fn an_event_wakes_all_who_wait_for_it() {
    check(2, || two_waiters());
}

/// An event is in flight while its source goes and the slot gets a new owner, for whom nothing has happened.
fn a_stale_token() {
    let poller = Arc::new(Poller::new(false).expect("a model's poller"));
    let old = Registration::new_connecting(poller.clone(), 0).unwrap();
    poller.inject(old.token(), Ready::READABLE);
    let harvester = {
        let poller = poller.clone();
        thread::spawn(move || harvest(&poller))
    };
    drop(old);
    let new = Registration::new_connecting(poller, 1).unwrap();
    let waker = Woken::new().1;
    let mut cx = Context::from_waker(&waker);
    assert!(
        new.poll_read_ready(&mut cx).is_pending(),
        "an event of the slot's last owner"
    );
    harvester.join().unwrap();
    assert!(
        new.poll_read_ready(&mut cx).is_pending(),
        "an event of the slot's last owner"
    );
}

#[test]
fn the_next_owner_of_a_slot_sees_no_event_of_the_last() {
    check(2, || a_stale_token());
}

/// The poller ends while a task goes to wait.
fn a_close() {
    let source = Source::new();
    let closer = {
        let source = source.clone();
        thread::spawn(move || {
            let mut wakes = WakeList::new();
            source.poller.close(&mut wakes);
            wakes.wake_all(|_| false, || {});
        })
    };
    assert!(until_ready(|cx| source.registration.poll_read_ready(cx)).is_err());
    closer.join().unwrap();
}

#[test]
fn whoever_waits_hears_of_the_end() {
    check(2, || a_close());
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
fn twin_r1_and_r3_in_two_steps() {
    let twin = twin(
        "poller/readiness.rs",
        "fn change",
        ".fetch_update",
        How::Split,
    );
    must_fail(twin, "deadlock", 2, || clears_a_claim(true));
}

#[test]
fn twin_r3_without_the_tick_that_was_seen() {
    must_fail(None, "deadlock", 2, || clears_a_claim(false));
}

#[test]
fn twin_r2_for_the_list_without_its_mark() {
    let twin = twin(
        "poller/readiness.rs",
        "pub fn set_awaited",
        "fetch_or",
        How::Omit,
    );
    must_fail(twin, "deadlock", 2, || two_waiters());
}

#[test]
fn twin_r2_for_the_list_in_two_steps() {
    let twin = twin(
        "poller/readiness.rs",
        "pub fn set_awaited",
        "fetch_or",
        How::Split,
    );
    must_fail(twin, "deadlock", 2, || two_waiters());
}

#[test]
fn twin_l2_with_an_exchange_in_two_steps() {
    let twin = twin(
        "poller/readiness.rs",
        "fn change",
        ".fetch_update",
        How::Split,
    );
    must_fail(twin, "last owner", 2, || a_stale_token());
}

#[test]
fn twin_a_waker_slot_that_does_not_order_the_second_look() {
    let twin = twin(
        "task/waker_slot.rs",
        "fn exchange",
        ".compare_exchange",
        How::Weaken,
    );
    must_fail(twin, "", 2, || reads(1));
}

#[test]
fn twin_e1_without_its_mark() {
    let twin = twin(
        "poller/readiness.rs",
        "pub fn set_shut_down",
        "fetch_or",
        How::Omit,
    );
    must_fail(twin, "deadlock", 2, || a_close());
}
