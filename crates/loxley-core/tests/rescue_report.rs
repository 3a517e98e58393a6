//! Every long poll is reported once, with whose it was and what it did; V6 of `monitor.rs`.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use loxley_core::runtime::{Builder, LongPoll, LongPollKind, Runtime};

const HANG: Duration = Duration::from_secs(60);
/// Longer than a worker waits for a processor on a busy machine: what is reported then is a task's poll.
const THRESHOLD: Duration = Duration::from_millis(200);
/// The length of the polls that are to be reported: to sleep is the offence, and nothing waits for it to be over.
const LONG: Duration = Duration::from_millis(300);

fn reporting(workers: usize) -> (Runtime, mpsc::Receiver<LongPoll>) {
    let (send, receive) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(workers)
        .enable_all()
        .name("reporting")
        .long_poll_threshold(THRESHOLD)
        .on_long_poll(move |poll| send.send(poll.clone()).unwrap())
        .build()
        .unwrap();
    (runtime, receive)
}

/// Returns when the monitor has found this worker stuck: until then nobody takes a task out of its slot.
fn get_stuck(wait: fn(&mpsc::Receiver<()>)) {
    let (send, receive) = mpsc::channel();
    loxley_core::spawn(async move { send.send(()).unwrap() });
    wait(&receive);
}

fn block(receiver: &mpsc::Receiver<()>) {
    let relief = receiver.recv_timeout(HANG);
    relief.expect("nobody came to the rescue");
}

fn spin(receiver: &mpsc::Receiver<()>) {
    let start = Instant::now();
    while receiver.try_recv().is_err() {
        assert!(start.elapsed() < HANG, "nobody came to the rescue");
        std::hint::spin_loop();
    }
}

#[inline(never)]
fn sleep_as_an_offender() {
    get_stuck(block);
    thread::sleep(LONG);
    std::hint::black_box(());
}

#[inline(never)]
fn spin_as_an_offender() {
    get_stuck(spin);
    let start = Instant::now();
    while start.elapsed() < LONG {
        std::hint::spin_loop();
    }
}

const WAYS: [(fn(), LongPollKind, &str); 2] = [
    (
        sleep_as_an_offender,
        LongPollKind::Slept,
        "sleep_as_an_offender",
    ),
    (
        spin_as_an_offender,
        LongPollKind::Computed,
        "spin_as_an_offender",
    ),
];

#[test]
fn a_long_poll_is_reported_with_its_task_its_place_and_what_it_did() {
    let (runtime, reports) = reporting(2);
    for (offend, kind, _) in WAYS {
        let line = line!() + 1;
        let offender = runtime.spawn(async move { offend() });
        let id = offender.id();
        let report = reports.recv_timeout(HANG).expect("no report came");
        assert_eq!(report.task_id(), Some(id));
        let place = report.spawned_at().expect("a task has a place");
        assert_eq!((place.file(), place.line()), (file!(), line));
        assert_eq!(report.kind(), kind);
        assert!(report.duration() >= THRESHOLD && report.duration() < HANG);
        assert!(report.is_over());
        assert_eq!(report.runtime_name(), Some("reporting"));
        assert_eq!(report.suppressed(), 0);
        let text = report.to_string();
        assert!(
            text.contains("rescue_report.rs") && text.contains(&id.to_string()),
            "{text}"
        );
    }
    assert_eq!(runtime.metrics().long_poll_count(), 2);
}

#[test]
fn each_stall_is_reported_once_and_counted_once() {
    let (runtime, reports) = reporting(2);
    for _ in 0..3 {
        runtime
            .block_on(runtime.spawn(async { sleep_as_an_offender() }))
            .unwrap();
    }
    for _ in 0..3 {
        reports.recv_timeout(HANG).expect("no report came");
    }
    assert!(reports.try_recv().is_err(), "one too many");
    let metrics = runtime.metrics();
    assert_eq!(metrics.long_poll_count(), 3);
    let buckets = 0..metrics.rescue_histogram_num_buckets();
    let long = buckets.filter(|&bucket| metrics.rescue_histogram_bucket_range(bucket).end > LONG);
    let counted: u64 = long
        .map(|bucket| metrics.stuck_time_bucket_count(bucket))
        .sum();
    assert_eq!(counted, 3);
}

#[test]
fn more_than_ten_in_a_second_are_left_out_and_counted() {
    const WORKERS: usize = 16;
    let (send, receive) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .long_poll_threshold(Duration::from_millis(5))
        .on_long_poll(move |poll| send.send(poll.clone()).unwrap())
        .build()
        .unwrap();
    let metrics = runtime.metrics();
    let started = Instant::now();
    let mut reports: Vec<LongPoll> = Vec::new();
    // The second's first report after a second with too many says how many were left out.
    while reports.iter().all(|report| report.suppressed() == 0) {
        assert!(started.elapsed() < HANG, "nobody said what was left out");
        let seen = metrics.stuck_count() + WORKERS as u64;
        let offenders: Vec<_> = (0..WORKERS)
            .map(|_| {
                let (release, released) = mpsc::channel();
                let offender = runtime.spawn(async move { block(&released) });
                (release, offender)
            })
            .collect();
        while metrics.stuck_count() < seen {
            thread::yield_now();
        }
        // All at once, so that they end in one second.
        for (release, _) in &offenders {
            release.send(()).unwrap();
        }
        for (_, offender) in offenders {
            runtime.block_on(offender).unwrap();
        }
        reports.extend(receive.try_iter());
    }
    assert!((reports.len() as u64) < metrics.long_poll_count());
}

/// A runtime of one worker and so many spares, which tells only that none is left.
fn capped(spares: usize) -> (Runtime, mpsc::Receiver<LongPoll>) {
    let (send, receive) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .max_rescue_threads(spares)
        .long_poll_threshold(HANG)
        .on_long_poll(move |poll| send.send(poll.clone()).unwrap())
        .build()
        .unwrap();
    (runtime, receive)
}

#[test]
fn when_no_spare_is_left_that_is_reported() {
    for spares in [0, 1, 2] {
        let (runtime, reports) = capped(spares);
        let offend = || {
            let (release, released) = mpsc::channel::<()>();
            let (begin, begun) = mpsc::channel();
            let offender = runtime.spawn(async move {
                begin.send(()).unwrap();
                let () = released.recv_timeout(HANG).expect("nobody was told");
            });
            begun.recv_timeout(HANG).expect("nobody came to the rescue");
            (release, offender)
        };
        // One for the worker and one for each spare; the report lets them go.
        let offenders: Vec<_> = (0..=spares).map(|_| offend()).collect();
        let waiting = runtime.spawn(async {});
        let report = reports.recv_timeout(HANG).expect("nobody was told");
        let metrics = runtime.metrics();
        assert!(report.is_unrelieved() && !report.is_over(), "{report}");
        assert!(
            report
                .to_string()
                .ends_with("no thread is left to stand in")
        );
        assert!(metrics.rescue_spares_refused_count() > 0);
        assert!(metrics.num_rescue_threads() <= spares);
        for (release, offender) in offenders {
            release.send(()).unwrap();
            runtime.block_on(offender).unwrap();
        }
        runtime.block_on(waiting).unwrap();
    }
}

#[test]
fn that_no_spare_is_left_is_reported_once_per_second() {
    let (runtime, reports) = capped(0);
    let (release, released) = mpsc::channel::<()>();
    let began = Instant::now();
    let offender = runtime.spawn(async move { released.recv_timeout(HANG).unwrap() });
    let waiting = runtime.spawn(async {});
    while runtime.metrics().rescue_spares_refused_count() < 20 {
        assert!(began.elapsed() < HANG, "nobody tries again");
        thread::yield_now();
    }
    reports.recv_timeout(HANG).expect("nobody was told");
    let more = reports.try_iter().count() as u64;
    assert!(more <= began.elapsed().as_secs(), "{more} more");
    release.send(()).unwrap();
    runtime.block_on(offender).unwrap();
    runtime.block_on(waiting).unwrap();
}

#[test]
fn a_hook_that_blocks_or_panics_stops_neither_rescue_nor_reports() {
    let (send, receive) = mpsc::channel();
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .long_poll_threshold(THRESHOLD)
        .on_long_poll(move |poll| {
            send.send(poll.clone()).unwrap();
            thread::sleep(LONG);
            panic!("on purpose");
        })
        .build()
        .unwrap();
    for _ in 0..3 {
        let offender = runtime.spawn(async { sleep_as_an_offender() });
        runtime.block_on(offender).unwrap();
        receive.recv_timeout(HANG).expect("no report came");
    }
}

#[test]
fn nothing_is_reported_below_the_threshold_or_when_it_is_off() {
    for (threshold, rescue) in [(Some(HANG), true), (None, true), (Some(THRESHOLD), false)] {
        let (send, receive) = mpsc::channel::<()>();
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .rescue(rescue)
            .long_poll_threshold(threshold)
            .on_long_poll(move |_| send.send(()).unwrap())
            .build()
            .unwrap();
        runtime
            .block_on(runtime.spawn(async { thread::sleep(LONG) }))
            .unwrap();
        // The monitor is joined by the drop: what it had to say has been said.
        drop(runtime);
        assert!(receive.try_recv().is_err(), "{threshold:?} {rescue}");
    }
}

#[test]
fn the_delay_of_what_was_rescued_is_counted() {
    let runtime = Builder::new_multi_thread()
        .worker_threads(2)
        .build()
        .unwrap();
    let metrics = runtime.metrics();
    let counted = || -> u64 {
        let buckets = 0..metrics.rescue_histogram_num_buckets();
        buckets
            .map(|bucket| metrics.rescue_delay_bucket_count(bucket))
            .sum()
    };
    let started = Instant::now();
    // A peer that comes before the monitor has seen that something waits has no delay to count.
    while counted() == 0 {
        assert!(started.elapsed() < HANG, "no delay was counted");
        let (send, receive) = mpsc::channel();
        let offender = runtime.spawn(async move {
            loxley_core::spawn(async move { send.send(()).unwrap() });
            receive
                .recv_timeout(HANG)
                .expect("nobody came to the rescue");
        });
        runtime.block_on(offender).unwrap();
    }
    assert!(metrics.rescued_slot_count() >= 1);
}

#[cfg(all(target_os = "linux", feature = "stall-backtrace"))]
#[test]
fn the_offender_stands_in_the_backtrace() {
    let (runtime, reports) = reporting(2);
    for (offend, _, name) in WAYS {
        runtime
            .block_on(runtime.spawn(async move { offend() }))
            .unwrap();
        let report = reports.recv_timeout(HANG).expect("no report came");
        let trace = report.backtrace();
        assert!(trace.iter().any(|frame| frame.contains(name)), "{trace:#?}");
    }
}
