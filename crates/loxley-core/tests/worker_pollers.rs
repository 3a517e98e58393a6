//! One poller per worker: whose events are counted where, who is nudged, and what survives a close.

#[path = "support/watch.rs"]
mod watch;

use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::task::Poll;
use std::time::Duration;

use loxley_core::io::{Direction, Interest, Source};
use loxley_core::runtime::{Builder, Runtime, is_rt_shutdown_err};
use loxley_core::spawn;
use loxley_core::task::{JoinHandle, yield_now};
use loxley_core::time::Sleep;
use watch::watched;

fn workers(count: usize) -> Runtime {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(count).enable_all().build().unwrap()
}

/// A blocking end and one for a source.
fn pair() -> (UnixStream, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    (near, far)
}

async fn read_byte(source: &Source<UnixStream>) -> u8 {
    let mut byte = [0];
    let read = source.async_io(Interest::READABLE, |mut io| io.read(&mut byte));
    assert_eq!(read.await.unwrap(), 1, "the peer has closed");
    byte[0]
}

/// A task that tells of every byte that comes, until the first 0.
fn listen(runtime: &Runtime, source: Source<UnixStream>) -> (Receiver<u8>, JoinHandle<()>) {
    let (tell, told) = channel();
    let task = runtime.spawn(async move {
        loop {
            let byte = read_byte(&source).await;
            tell.send(byte).unwrap();
            if byte == 0 {
                return;
            }
        }
    });
    (told, task)
}

fn events(runtime: &Runtime) -> Vec<u64> {
    let metrics = runtime.metrics();
    (0..metrics.num_workers())
        .map(|worker| metrics.worker_event_count(worker))
        .collect()
}

#[test]
fn the_events_of_a_connection_show_in_its_own_workers_counter() {
    const WORKERS: usize = 3;
    const BYTES: u64 = 20;
    for target in 0..WORKERS {
        watched(move || {
            let runtime = workers(WORKERS);
            let _guard = runtime.enter();
            let (waits, it_waits) = channel();
            let connections: Vec<_> = (0..WORKERS)
                .map(|worker| {
                    let (near, far) = pair();
                    let source = Source::on_worker(far, worker).unwrap();
                    assert_eq!(source.worker(), worker);
                    let task = tell_waits(&runtime, source, worker, waits.clone());
                    (near, task)
                })
                .collect();
            // All are registered and wait; nothing but an event can go on.
            let mut waiting: Vec<_> = (0..WORKERS).map(|_| it_waits.recv().unwrap()).collect();
            waiting.sort_unstable();
            assert_eq!(waiting, [0, 1, 2]);
            for _ in 0..BYTES {
                (&connections[target].0).write_all(&[1]).unwrap();
                assert_eq!(it_waits.recv().unwrap(), target);
            }
            for (worker, events) in events(&runtime).into_iter().enumerate() {
                // A socket is writable when it is registered, which may be an event of its own.
                let expected = if worker == target {
                    BYTES..=BYTES + 1
                } else {
                    0..=1
                };
                assert!(
                    expected.contains(&events),
                    "{events} events on worker {worker}, {BYTES} bytes to {target}"
                );
                assert_eq!(runtime.metrics().worker_registration_count(worker), 1);
            }
            for (near, task) in connections {
                drop(near);
                runtime.block_on(task).unwrap();
            }
            assert_eq!(runtime.metrics().recheck_found_count(), 0);
        });
    }
}

/// A task that reads until the end, and tells each time that it has to wait.
fn tell_waits(
    runtime: &Runtime,
    source: Source<UnixStream>,
    worker: usize,
    waits: Sender<usize>,
) -> JoinHandle<()> {
    runtime.spawn(async move {
        let mut byte = [1];
        let mut read = 1;
        while read > 0 {
            read = poll_fn(|cx| {
                let polled = source.poll_io(cx, Direction::Read, |mut io| io.read(&mut byte));
                if polled.is_pending() {
                    waits.send(worker).unwrap();
                }
                polled
            })
            .await
            .unwrap();
        }
    })
}

/// Returns once worker 0 has gone to sleep on its futex, for good unless somebody calls it.
fn until_parked_on_the_futex(runtime: &Runtime) {
    while runtime.metrics().worker_futex_park_count(0) == 0 {
        std::thread::yield_now();
    }
}

#[test]
fn a_registration_by_another_thread_wakes_a_worker_on_its_futex() {
    watched(|| {
        let runtime = workers(1);
        until_parked_on_the_futex(&runtime);
        let (mut near, far) = pair();
        let (waits, it_waits) = channel();
        let writer = std::thread::spawn(move || {
            it_waits.recv().unwrap();
            near.write_all(&[7]).unwrap();
            near
        });
        let byte = runtime.block_on(async {
            let source = Source::on_worker(far, 0).unwrap();
            let mut waits = Some(waits);
            poll_fn(|cx| {
                let mut byte = [0];
                let read = source.poll_io(cx, Direction::Read, |mut io| io.read(&mut byte));
                if read.is_pending() {
                    if let Some(waits) = waits.take() {
                        // Registered, and nobody but the sleeping worker could notice.
                        waits.send(()).unwrap();
                    }
                }
                read.map(|read| read.map(|_| byte[0]))
            })
            .await
            .unwrap()
        });
        assert_eq!(byte, 7);
        drop(writer.join().unwrap());
        assert_eq!(runtime.metrics().recheck_found_count(), 0);
    });
}

#[test]
fn a_timer_of_another_thread_wakes_a_worker_that_sleeps_until_later() {
    watched(|| {
        let runtime = workers(1);
        until_parked_on_the_futex(&runtime);
        runtime.block_on(async {
            let late = Sleep::after(Duration::from_secs(3600));
            let mut late = std::pin::pin!(late);
            let late = poll_fn(|cx| Poll::Ready(late.as_mut().poll(cx)));
            assert!(late.await.is_pending());
            Sleep::after(Duration::from_millis(1)).await;
        });
        assert!(runtime.metrics().worker_timer_count(0) >= 1);
    });
}

#[test]
fn spread_sources_are_as_many_on_each_worker_that_has_a_processor() {
    watched(|| {
        const EACH: usize = 16;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let used = processors.min(4);
        let last = used - 1;
        let runtime = workers(4);
        let _guard = runtime.enter();
        let mut kept = Vec::new();
        for _ in 0..used * EACH {
            let (near, far) = pair();
            let source = Source::spread(far).unwrap();
            let mut byte = [0];
            // Waits, so that the kernel knows it.
            runtime.block_on(poll_fn(|cx| {
                let read = source.poll_io(cx, Direction::Read, |mut io| io.read(&mut byte));
                assert!(read.is_pending());
                Poll::Ready(())
            }));
            kept.push((near, source));
        }
        let metrics = runtime.metrics();
        for worker in 0..used {
            assert_eq!(metrics.worker_registration_count(worker), EACH);
        }
        // Those that leave make room for those that come.
        kept.retain(|(_, source)| source.worker() != last);
        assert_eq!(metrics.worker_registration_count(last), 0);
        for _ in 0..EACH {
            let (near, far) = pair();
            let source = Source::spread(far).unwrap();
            assert_eq!(source.worker(), last);
            kept.push((near, source));
        }
    });
}

#[test]
fn sources_of_a_busy_worker_are_served() {
    for count in [1, 2] {
        watched(move || {
            let runtime = workers(count);
            let _guard = runtime.enter();
            let stop = Arc::new(AtomicBool::new(false));
            let busy: Vec<_> = (0..2 * count)
                .map(|_| {
                    let stop = stop.clone();
                    spawn(async move {
                        while !stop.load(Ordering::Relaxed) {
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for worker in 0..count {
                let (mut near, far) = pair();
                let (told, task) = listen(&runtime, Source::on_worker(far, worker).unwrap());
                for byte in [3, 2, 1, 0] {
                    near.write_all(&[byte]).unwrap();
                    assert_eq!(told.recv().unwrap(), byte);
                }
                runtime.block_on(task).unwrap();
            }
            stop.store(true, Ordering::Relaxed);
            for task in busy {
                runtime.block_on(task).unwrap();
            }
        });
    }
}

#[test]
fn an_event_of_a_closed_descriptor_is_not_delivered_to_its_next_owner() {
    watched(|| {
        let runtime = workers(1);
        let _guard = runtime.enter();
        // Tests that run beside this one may take the number; then once more.
        while !number_is_used_again(&runtime) {}
    });
}

/// One try; false if somebody else got the number.
fn number_is_used_again(runtime: &Runtime) -> bool {
    let (mut near, far) = pair();
    let old = Source::new(far).unwrap();
    let old = runtime.block_on(async {
        near.write_all(&[1]).unwrap();
        assert_eq!(read_byte(&old).await, 1);
        // Registered now, with nothing to read.
        poll_fn(|cx| Poll::Ready(old.poll_read_ready(cx).is_pending())).await;
        old
    });
    // The only worker is away while the event comes, the source goes, and its number is used again.
    let (resume, resumed) = channel::<()>();
    let (away, is_away) = channel();
    let blocker = runtime.spawn(async move {
        away.send(()).unwrap();
        resumed.recv().unwrap();
    });
    is_away.recv().unwrap();
    near.write_all(&[2]).unwrap();
    let number = old.get_ref().as_raw_fd();
    drop(old);
    let (near, far) = UnixStream::pair().unwrap();
    let swap = near.as_raw_fd() == number;
    let (mut near, far) = if swap { (far, near) } else { (near, far) };
    let used_again = far.as_raw_fd() == number;
    far.set_nonblocking(true).unwrap();
    let next = Arc::new(Source::new(far).unwrap());
    let reader = {
        let next = next.clone();
        runtime.spawn(async move { read_byte(&next).await })
    };
    resume.send(()).unwrap();
    runtime.block_on(blocker).unwrap();
    // The reader was queued before this one.
    runtime.block_on(runtime.spawn(async {})).unwrap();
    assert!(!reader.is_finished());
    near.write_all(&[3]).unwrap();
    assert_eq!(runtime.block_on(reader).unwrap(), 3);
    used_again
}

#[test]
fn a_source_serves_tasks_on_other_workers_than_its_own() {
    watched(|| {
        let runtime = workers(2);
        let _guard = runtime.enter();
        let (mut near, far) = pair();
        let mut source = Source::on_worker(far, 0).unwrap();
        for byte in 0..200 {
            let reader = runtime.spawn(async move { (read_byte(&source).await, source) });
            near.write_all(&[byte]).unwrap();
            let (read, back) = runtime.block_on(reader).unwrap();
            assert_eq!(read, byte);
            source = back;
        }
        assert_eq!(runtime.metrics().worker_registration_count(1), 0);
    });
}

#[test]
fn a_descriptor_taken_out_can_go_to_another_worker() {
    watched(|| {
        let runtime = workers(2);
        let _guard = runtime.enter();
        let (mut near, mut far) = pair();
        for round in 0..20 {
            let worker = usize::from(round) % 2;
            let source = Source::on_worker(far, worker).unwrap();
            let reader = runtime.spawn(async move { (read_byte(&source).await, source) });
            near.write_all(&[round]).unwrap();
            let (read, source) = runtime.block_on(reader).unwrap();
            assert_eq!(read, round);
            far = source.into_inner().unwrap();
            assert_eq!(runtime.metrics().worker_registration_count(worker), 0);
        }
    });
}

#[test]
fn a_second_registration_with_one_poller_fails_and_the_first_goes_on() {
    watched(|| {
        let runtime = workers(1);
        runtime.block_on(async {
            let (mut near, far) = pair();
            let first = Source::on_worker(&far, 0).unwrap();
            poll_fn(|cx| {
                let read = first.poll_io(cx, Direction::Read, |io| (&**io).read(&mut [0]));
                assert!(read.is_pending());
                Poll::Ready(())
            })
            .await;
            let second = Source::on_worker(&far, 0).unwrap();
            let refused = second.ready(Interest::READABLE).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::AlreadyExists, "{refused}");
            drop(second);
            near.write_all(&[9]).unwrap();
            let mut byte = [0];
            let read = first.async_io(Interest::READABLE, |io| (&**io).read(&mut byte));
            assert_eq!((read.await.unwrap(), byte), (1, [9]));
        });
    });
}

#[test]
fn one_event_wakes_all_who_wait_for_it() {
    watched(|| {
        let runtime = workers(2);
        let _guard = runtime.enter();
        let (mut near, far) = pair();
        let source = Arc::new(Source::new(far).unwrap());
        let waiters: Vec<_> = (0..8)
            .map(|_| {
                let source = source.clone();
                runtime.spawn(async move {
                    let ready = source.ready(Interest::READABLE).await.unwrap();
                    assert!(ready.ready().is_readable());
                })
            })
            .collect();
        near.write_all(&[1]).unwrap();
        for waiter in waiters {
            runtime.block_on(waiter).unwrap();
        }
    });
}

#[test]
fn a_source_that_outlives_its_runtime_answers_with_an_error() {
    watched(|| {
        let runtime = workers(1);
        let (near, far) = pair();
        let source = {
            let _guard = runtime.enter();
            Arc::new(Source::new(far).unwrap())
        };
        let waiting = {
            let source = source.clone();
            let other = workers(1);
            let task = other.spawn(async move { source.ready(Interest::READABLE).await });
            while runtime.metrics().worker_registration_count(0) == 0 {
                std::thread::yield_now();
            }
            drop(runtime);
            other.block_on(task).unwrap()
        };
        assert!(is_rt_shutdown_err(&waiting.unwrap_err()));
        let other = workers(1);
        let late = other.block_on(source.ready(Interest::READABLE));
        assert!(is_rt_shutdown_err(&late.unwrap_err()));
        let tried = source.try_io(Interest::WRITABLE, |mut io| io.write(&[1]));
        assert!(is_rt_shutdown_err(&tried.unwrap_err()));
        drop((near, source));
    });
}

#[test]
fn sockets_without_io_panic_and_name_the_call() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_time()
        .build()
        .unwrap();
    let error = runtime
        .block_on(runtime.spawn(async { drop(Source::new(pair().1)) }))
        .unwrap_err();
    let payload = error.into_panic();
    let text = payload.downcast_ref::<&str>().copied();
    let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
    assert!(text.unwrap().contains("enable_io"), "{text:?}");
}

#[test]
fn a_worker_that_does_not_exist_is_an_error() {
    let runtime = workers(2);
    let _guard = runtime.enter();
    let error = Source::on_worker(pair().1, 2).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    assert!(error.to_string().contains("worker 2"), "{error}");
}
