//! The poller with real sockets, both twins. Every wait here is ended by an event that must come.

use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use super::*;
use crate::park::{How, NEVER, Prepared};

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

fn counting() -> (Arc<Count>, Waker) {
    let count = Arc::new(Count(AtomicUsize::new(0)));
    (count.clone(), Waker::from(count))
}

/// Runs a law on both twins.
fn both(law: impl Fn(Arc<Poller>)) {
    for portable in [false, true] {
        law(Arc::new(Poller::new(portable).unwrap()));
    }
}

fn harvest(poller: &Poller, timeout: Timeout) -> usize {
    let mut wakes = WakeList::new();
    let delivered = poller.lock().poll(timeout, &mut wakes).unwrap();
    wakes.wake_all(|_| false, || {});
    delivered
}

/// Drives a future as a worker would: poll it, then sleep in the poller.
fn drive<F: Future>(poller: &Poller, future: F) -> F::Output {
    let mut future = pin!(future);
    let (count, waker) = counting();
    let mut cx = Context::from_waker(&waker);
    loop {
        let before = count.get();
        if let Poll::Ready(output) = future.as_mut().poll(&mut cx) {
            return output;
        }
        while count.get() == before {
            harvest(poller, Timeout::Never);
        }
    }
}

fn pair() -> (UnixStream, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    (ours, theirs)
}

fn register(poller: &Arc<Poller>, fd: &impl AsRawFd) -> Registration {
    Registration::new(poller.clone(), fd.as_raw_fd())
}

fn read_byte(mut stream: &UnixStream) -> io::Result<u8> {
    let mut byte = [0];
    stream.read_exact(&mut byte).map(|()| byte[0])
}

#[test]
fn registrations_may_go_to_any_thread() {
    fn check<T: Send + Sync>() {}
    check::<Registration>();
    check::<Poller>();
}

#[test]
fn an_operation_that_need_not_wait_is_never_registered() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        let source = register(&poller, &ours);
        theirs.write_all(b"ab").unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let byte = source.poll_io(&mut cx, Direction::Read, || read_byte(&ours));
        assert!(matches!(byte, Poll::Ready(Ok(b'a'))));
        let byte = source.try_io(Interest::READABLE, || read_byte(&ours));
        assert_eq!(byte.unwrap(), b'b');
        for _ in 0..2 {
            let error = source.try_io(Interest::READABLE, || read_byte(&ours));
            assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        }
        theirs.write_all(b"c").unwrap();
        let byte = source.try_io(Interest::READABLE, || read_byte(&ours));
        assert_eq!(byte.unwrap(), b'c');
        assert_eq!(poller.registrations(), 0);
    });
}

#[test]
fn data_wakes_the_waiting_reader() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        let source = register(&poller, &ours);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        for byte in 0..5 {
            let read = source.poll_io(&mut cx, Direction::Read, || read_byte(&ours));
            assert!(read.is_pending());
            assert_eq!(poller.registrations(), 1);
            theirs.write_all(&[byte]).unwrap();
            let before = count.get();
            while count.get() == before {
                harvest(&poller, Timeout::Never);
            }
            let read = source.poll_io(&mut cx, Direction::Read, || read_byte(&ours));
            assert!(matches!(read, Poll::Ready(Ok(b)) if b == byte));
        }
        assert!(poller.polls() >= 5 && poller.events() >= 5);
    });
}

#[test]
fn a_full_socket_wakes_its_writer_when_there_is_room() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        theirs.set_nonblocking(true).unwrap();
        let source = register(&poller, &ours);
        let chunk = [7; 4096];
        let mut cx = Context::from_waker(Waker::noop());
        let mut write = || source.poll_io(&mut cx, Direction::Write, || (&ours).write(&chunk));
        let mut sent = 0;
        while let Poll::Ready(len) = write() {
            sent += len.unwrap();
        }
        let mut room = vec![0; sent];
        theirs.read_exact(&mut room).unwrap();
        let sent = drive(
            &poller,
            source.async_io(Interest::WRITABLE, || (&ours).write(&chunk)),
        );
        assert!(sent.unwrap() > 0);
    });
}

#[test]
fn readable_waits_for_a_real_event() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        let source = register(&poller, &ours);
        let mut ready = pin!(source.ready(Interest::READABLE));
        let mut cx = Context::from_waker(Waker::noop());
        assert!(ready.as_mut().poll(&mut cx).is_pending());
        while harvest(&poller, Timeout::Zero) > 0 {}
        assert!(ready.as_mut().poll(&mut cx).is_pending());
        theirs.write_all(b"x").unwrap();
        let event = drive(&poller, ready).unwrap();
        assert_eq!(event.ready(), Ready::READABLE);
        // The event stays until somebody has found nothing.
        let again = drive(&poller, source.ready(Interest::READABLE)).unwrap();
        source.clear(again);
        let error = source.try_io(Interest::READABLE, || Ok(()));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
    });
}

#[test]
fn poll_ready_wakes_each_half() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        let source = register(&poller, &ours);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        assert!(source.poll_read_ready(&mut cx).is_pending());
        let writable = drive(&poller, poll_with(|cx| source.poll_write_ready(cx)));
        assert!(writable.unwrap().ready().is_writable());
        assert_eq!(count.get(), 0);
        theirs.write_all(b"x").unwrap();
        while count.get() == 0 {
            harvest(&poller, Timeout::Never);
        }
        assert!(source.poll_read_ready(&mut cx).is_ready());
    });
}

fn poll_with<T>(poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> impl Future<Output = T> {
    std::future::poll_fn(poll)
}

#[test]
fn a_hang_up_is_readiness_and_stays() {
    both(|poller| {
        let (ours, theirs) = pair();
        let source = register(&poller, &ours);
        drop(theirs);
        let event = loop {
            let event = drive(&poller, source.ready(Interest::READABLE)).unwrap();
            if event.ready().is_read_closed() {
                break event;
            }
            harvest(&poller, Timeout::Never);
        };
        source.clear(event);
        let event = drive(&poller, source.ready(Interest::READABLE)).unwrap();
        assert!(event.ready().is_read_closed());
        let end = drive(
            &poller,
            source.async_io(Interest::READABLE, || (&ours).read(&mut [0])),
        );
        assert_eq!(end.unwrap(), 0);
    });
}

fn accept(listener: &TcpListener) -> io::Result<TcpStream> {
    listener.accept().map(|(stream, _)| stream)
}

#[test]
fn eight_tasks_may_wait_for_one_listener_and_none_is_stranded() {
    both(|poller| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let source = register(&poller, &listener);
        let mut tasks: Vec<_> = (0..8)
            .map(|_| {
                let task = source.async_io(Interest::READABLE, || accept(&listener));
                (Box::pin(task), counting())
            })
            .collect();
        for (task, (_, waker)) in &mut tasks {
            assert!(
                task.as_mut()
                    .poll(&mut Context::from_waker(waker))
                    .is_pending()
            );
        }
        // An accept that was woken and goes away takes nothing with it.
        let mut clients = Vec::new();
        while let Some((task, (count, _))) = tasks.pop() {
            clients.push(TcpStream::connect(address).unwrap());
            while count.get() == 0 {
                harvest(&poller, Timeout::Never);
            }
            drop(task);
            let Some((next, (count, waker))) = tasks.last_mut() else {
                break;
            };
            assert!(count.get() > 0);
            let accepted = next.as_mut().poll(&mut Context::from_waker(waker));
            assert!(matches!(accepted, Poll::Ready(Ok(_))));
            tasks.pop();
            for (task, (count, waker)) in &mut tasks {
                let mut cx = Context::from_waker(waker);
                assert!(task.as_mut().poll(&mut cx).is_pending());
                count.0.store(0, Ordering::Relaxed);
            }
        }
    });
}

#[test]
fn a_connection_under_way_is_ready_for_nothing_until_it_is_made() {
    both(|poller| {
        let (ours, _theirs) = pair();
        let source = Registration::new_connecting(poller.clone(), ours.as_raw_fd()).unwrap();
        assert_eq!(poller.registrations(), 1);
        let error = source.try_io(Interest::WRITABLE, || Ok(()));
        assert_eq!(error.unwrap_err().kind(), io::ErrorKind::WouldBlock);
        let event = drive(&poller, source.ready(Interest::WRITABLE)).unwrap();
        assert!(event.ready().is_writable());
    });
}

#[test]
fn the_next_owner_of_a_slot_gets_no_event_of_the_last() {
    both(|poller| {
        let ((first, mut to_first), (second, _to_second)) = (pair(), pair());
        let source = register(&poller, &first);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(source.poll_read_ready(&mut cx).is_pending());
        to_first.write_all(b"x").unwrap();
        let token = source.token();
        drop(source);
        assert_eq!(poller.registrations(), 0);
        let source = register(&poller, &second);
        assert!(source.poll_read_ready(&mut cx).is_pending());
        assert_ne!(source.token(), token);
        // An event fetched before the first owner went, delivered after the second came.
        let stale = Token::from_raw(token);
        let slot = poller.slab.get(stale.index).unwrap();
        assert!(!slot.deliver(stale.generation, Ready::READABLE, &mut WakeList::new()));
        while harvest(&poller, Timeout::Zero) > 0 {}
        assert!(source.poll_read_ready(&mut cx).is_pending());
    });
}

#[test]
fn a_failed_registration_says_what_failed_and_may_be_tried_again() {
    both(|poller| {
        let (ours, _theirs) = pair();
        let first = register(&poller, &ours);
        let second = register(&poller, &ours);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(first.poll_read_ready(&mut cx).is_pending());
        let Poll::Ready(Err(error)) = second.poll_read_ready(&mut cx) else {
            panic!("one descriptor in one epoll twice");
        };
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        let text = error.to_string();
        assert!(
            text.contains(&format!("register descriptor {}", ours.as_raw_fd())),
            "{text}"
        );
        assert_eq!(poller.registrations(), 1);
        drop(first);
        assert!(second.poll_read_ready(&mut cx).is_pending());
        assert_eq!(poller.registrations(), 1);
        drop(second);
        assert_eq!(poller.registrations(), 0);
    });
}

#[test]
fn whoever_waits_survives_a_deregistration() {
    both(|poller| {
        let (ours, mut theirs) = pair();
        let source = register(&poller, &ours);
        let (count, waker) = counting();
        let mut read = pin!(source.async_io(Interest::READABLE, || read_byte(&ours)));
        assert!(
            read.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        source.deregister().unwrap();
        source.deregister().unwrap();
        assert_eq!((count.get(), poller.registrations()), (1, 0));
        assert!(
            read.as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_pending()
        );
        assert_eq!(poller.registrations(), 1);
        theirs.write_all(b"x").unwrap();
        assert_eq!(drive(&poller, read).unwrap(), b'x');
    });
}

#[test]
fn an_interrupted_operation_is_tried_again() {
    both(|poller| {
        let (ours, _theirs) = pair();
        let source = register(&poller, &ours);
        let mut signals = 2;
        let mut operation = || {
            signals -= 1;
            match signals {
                0 => Ok(()),
                _ => Err(io::ErrorKind::Interrupted.into()),
            }
        };
        let mut cx = Context::from_waker(Waker::noop());
        let done = source.poll_io(&mut cx, Direction::Read, &mut operation);
        assert!(matches!(done, Poll::Ready(Ok(()))));
        signals = 2;
        let done = drive(
            &poller,
            source.async_io(Interest::READABLE, || {
                signals -= 1;
                if signals == 0 {
                    Ok(())
                } else {
                    Err(io::ErrorKind::Interrupted.into())
                }
            }),
        );
        done.unwrap();
    });
}

#[test]
fn an_operation_takes_part_in_the_budget() {
    both(|poller| {
        let (ours, _theirs) = pair();
        let source = register(&poller, &ours);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut done = 0;
        crate::budget::with_units(crate::budget::DEFAULT, || {
            while source
                .poll_io(&mut cx, Direction::Read, || Ok(()))
                .is_ready()
            {
                done += 1;
            }
        });
        assert_eq!((done, count.get()), (crate::budget::DEFAULT as usize, 1));
    });
}

#[test]
fn a_kick_ends_one_wait_even_if_it_came_before() {
    both(|poller| {
        poller.kick();
        poller.kick();
        assert_eq!(harvest(&poller, Timeout::Never), 0);
        let other = poller.clone();
        let kicker = std::thread::spawn(move || other.kick());
        assert_eq!(harvest(&poller, Timeout::Never), 0);
        kicker.join().unwrap();
        assert_eq!(poller.polls(), 2);
    });
}

#[test]
fn one_thread_harvests_at_a_time() {
    both(|poller| {
        let guard = poller.lock();
        let mut wakes = WakeList::new();
        assert!(poller.try_poll(Timeout::Zero, &mut wakes).is_none());
        drop(guard);
        let harvested = poller.try_poll(Timeout::Zero, &mut wakes);
        assert_eq!(harvested.unwrap().unwrap(), 0);
    });
}

#[test]
fn no_timeout_is_too_short_or_too_long() {
    let day = Duration::from_secs(86_400);
    let table = [
        Duration::ZERO,
        Duration::from_nanos(1),
        Duration::from_micros(999),
        Duration::from_millis(i32::MAX as u64 - 1),
        Duration::from_millis(i32::MAX as u64),
        Duration::from_millis(i32::MAX as u64 + 1),
        day * 50,
        Duration::from_millis(u64::MAX),
        Duration::MAX,
    ];
    both(|poller| {
        for timeout in table {
            poller.kick();
            assert_eq!(harvest(&poller, Timeout::Until(timeout)), 0);
        }
        let long = Duration::from_millis(2);
        for timeout in [Duration::from_micros(300), long, Duration::from_nanos(1)] {
            let start = Instant::now();
            // A timer that an earlier wait has left armed may end this one for nothing.
            while start.elapsed() < timeout {
                harvest(
                    &poller,
                    Timeout::Until(timeout.saturating_sub(start.elapsed())),
                );
            }
        }
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_deadline_below_a_millisecond_is_kept() {
    let poller = Poller::new(false).unwrap();
    let limit = Duration::from_micros(100);
    // Now and then a processor is free in time, however busy the machine; a wait of whole milliseconds is never so short.
    let mut tries = (0..10_000).map(|_| {
        let start = Instant::now();
        harvest(&poller, Timeout::Until(limit));
        let waited = start.elapsed();
        assert!(waited >= limit, "woke early, after {waited:?}");
        waited
    });
    assert!(tries.any(|waited| waited < Duration::from_millis(1)));
}

#[test]
fn a_registration_calls_the_tenant_from_the_futex_into_the_poller() {
    both(|poller| {
        let park = Arc::new(Park::new(Box::new(|| {})));
        poller.set_park(park.clone());
        assert_eq!(park.prepare(How::Futex, NEVER), Prepared::Ready);
        let (ours, _theirs) = pair();
        let source = register(&poller, &ours);
        assert!(park.is_parked());
        let mut cx = Context::from_waker(Waker::noop());
        assert!(source.poll_read_ready(&mut cx).is_pending());
        assert!(park.finish(), "the first wait publishes the registration");
    });
}

#[test]
fn after_the_end_everybody_is_woken_and_finds_an_error() {
    both(|poller| {
        let (ours, _theirs) = pair();
        let source = register(&poller, &ours);
        let idle = register(&poller, &ours);
        let (count, waker) = counting();
        let mut cx = Context::from_waker(&waker);
        let mut ready = pin!(source.ready(Interest::READABLE));
        assert!(ready.as_mut().poll(&mut cx).is_pending());
        assert!(source.poll_read_ready(&mut cx).is_pending());
        let mut wakes = WakeList::new();
        poller.close(&mut wakes);
        poller.close(&mut wakes);
        assert_eq!(wakes.len(), 2);
        wakes.wake_all(|_| false, || {});
        assert_eq!(count.get(), 2);
        poller.kick();
        assert!(poller.poll_fd().is_none());
        let Poll::Ready(Err(error)) = ready.as_mut().poll(&mut cx) else {
            panic!("nobody will ever wake this one");
        };
        let late = register(&poller, &ours);
        for source in [&source, &idle, &late] {
            expect_end(source, &mut cx);
        }
        assert!(is_rt_shutdown_err(&error) && error.kind() == io::ErrorKind::Other);
        assert!(error.to_string().contains("has been shut down"));
        let polled = poller.try_poll(Timeout::Never, &mut wakes);
        assert!(is_rt_shutdown_err(&polled.unwrap().unwrap_err()));
        source.deregister().unwrap();
        assert_eq!(poller.registrations(), 0);
    });
}

fn expect_end(source: &Registration, cx: &mut Context<'_>) {
    let error = source.try_io(Interest::READABLE, || Ok(())).unwrap_err();
    assert!(is_rt_shutdown_err(&error));
    let polled = source.poll_io(cx, Direction::Write, || Ok(()));
    assert!(matches!(polled, Poll::Ready(Err(error)) if is_rt_shutdown_err(&error)));
    let polled = source.poll_write_ready(cx);
    assert!(matches!(polled, Poll::Ready(Err(error)) if is_rt_shutdown_err(&error)));
    let mut io = pin!(source.async_io(Interest::WRITABLE, || Ok(())));
    let polled = Pin::as_mut(&mut io).poll(cx);
    assert!(matches!(polled, Poll::Ready(Err(error)) if is_rt_shutdown_err(&error)));
}

#[test]
fn the_end_calls_a_sleeper_out_of_the_poller() {
    both(|poller| {
        let other = poller.clone();
        let sleeper = std::thread::spawn(move || {
            let mut wakes = WakeList::new();
            while other.lock().poll(Timeout::Never, &mut wakes).is_ok() {}
        });
        poller.close(&mut WakeList::new());
        sleeper.join().unwrap();
    });
}

#[test]
fn no_wake_is_lost_between_two_threads() {
    const BYTES: usize = 5_000;
    both(|poller| {
        let (ours, mut theirs) = pair();
        let writer = std::thread::spawn(move || {
            for n in 0..BYTES {
                theirs.write_all(&[n as u8]).unwrap();
                if n % 7 == 0 {
                    std::thread::yield_now();
                }
            }
        });
        // One thread harvests, this one waits for its waker: a lost wake hangs here.
        let harvester = std::thread::spawn({
            let poller = poller.clone();
            move || {
                let mut wakes = WakeList::new();
                while poller.lock().poll(Timeout::Never, &mut wakes).is_ok() {
                    wakes.wake_all(|_| false, || {});
                }
            }
        });
        let source = register(&poller, &ours);
        for n in 0..BYTES {
            let byte = if n % 2 == 0 {
                block_on(source.async_io(Interest::READABLE, || read_byte(&ours)))
            } else {
                block_on(poll_with(|cx| {
                    source.poll_io(cx, Direction::Read, || read_byte(&ours))
                }))
            };
            assert_eq!(byte.unwrap(), n as u8);
        }
        writer.join().unwrap();
        poller.close(&mut WakeList::new());
        harvester.join().unwrap();
    });
}

fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Runs in a process of its own, because other tests open descriptors meanwhile.
#[test]
#[cfg(target_os = "linux")]
fn a_closed_poller_leaves_no_descriptor_open() {
    const NAME: &str = "poller::tests::a_closed_poller_leaves_no_descriptor_open";
    const CHILD: &str = "LOXLEY_TEST_CHILD";
    if std::env::var_os(CHILD).is_none() {
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args([NAME, "--exact", "--test-threads=1"])
            .env(CHILD, "1")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(
            child.status.success() && text.contains("1 passed"),
            "{text}"
        );
        return;
    }
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = open();
    both(|poller| {
        let (ours, _theirs) = pair();
        let source = register(&poller, &ours);
        let mut cx = Context::from_waker(Waker::noop());
        assert!(source.poll_read_ready(&mut cx).is_pending());
        poller.close(&mut WakeList::new());
        // The program still holds its socket, and with it the poller's memory.
        assert_eq!(open(), before + 2);
    });
    assert_eq!(open(), before);
}
