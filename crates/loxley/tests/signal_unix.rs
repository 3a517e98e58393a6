//! What signals promise. The signals are sent to this very process, so each test has one of its own.

mod kit;

use std::sync::{Mutex, MutexGuard, OnceLock, mpsc};

use kit::{current_thread, on_every_runtime, poll_once, workers};
use loxley::runtime::dump::TaskState;
use loxley::signal::unix::{SignalKind, dump_on, signal};
use loxley::signal::{Notifier, ctrl_c, notifier};
use rustix::process::{Signal, getpid, kill_process};

/// Signals are one for the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn send(signal: Signal) {
    kill_process(getpid(), signal).unwrap();
}

#[test]
fn every_listener_hears_of_a_signal() {
    let _alone = alone();
    on_every_runtime(|| async {
        let mut first = signal(SignalKind::user_defined1()).unwrap();
        let mut second = signal(SignalKind::user_defined1()).unwrap();
        let mut other = signal(SignalKind::user_defined2()).unwrap();
        assert!(poll_once(first.recv()).is_pending());
        let task = loxley::spawn(async move { second.recv().await });
        send(Signal::USR1);
        assert_eq!(first.recv().await, Some(()));
        assert_eq!(task.await.unwrap(), Some(()));
        assert!(poll_once(other.recv()).is_pending());
    });
}

#[test]
fn signals_that_nobody_waits_for_are_told_once_and_not_lost() {
    let _alone = alone();
    on_every_runtime(|| async {
        let mut signals = signal(SignalKind::user_defined1()).unwrap();
        for _ in 0..5 {
            send(Signal::USR1);
        }
        assert_eq!(signals.recv().await, Some(()));
        assert!(poll_once(signals.recv()).is_pending());
        // And again, also after a future that was dropped.
        send(Signal::USR1);
        assert_eq!(signals.recv().await, Some(()));
    });
}

#[test]
fn one_signal_after_another_is_heard() {
    let _alone = alone();
    on_every_runtime(|| async {
        let mut signals = signal(SignalKind::user_defined2()).unwrap();
        for _ in 0..1000 {
            send(Signal::USR2);
            assert_eq!(signals.recv().await, Some(()));
        }
    });
}

#[test]
fn a_listener_that_is_gone_leaves_the_others() {
    let _alone = alone();
    on_every_runtime(|| async {
        let gone = signal(SignalKind::user_defined1()).unwrap();
        let mut stays = signal(SignalKind::user_defined1()).unwrap();
        drop(gone);
        send(Signal::USR1);
        assert_eq!(stays.recv().await, Some(()));
    });
    // Nobody listens: the signal is ignored, and does not end the process.
    send(Signal::USR1);
}

#[test]
fn a_listener_outlives_its_runtime_and_hears_nothing() {
    let _alone = alone();
    let runtime = workers(1);
    let mut signals = runtime.block_on(async { signal(SignalKind::user_defined1()).unwrap() });
    drop(runtime);
    send(Signal::USR1);
    // What came can still be told; then there is nobody who would wake.
    current_thread().block_on(async { while signals.recv().await.is_some() {} });
}

#[test]
fn ctrl_c_is_the_interrupt() {
    let _alone = alone();
    on_every_runtime(|| async {
        let mut waiting = Box::pin(ctrl_c());
        assert!(poll_once(waiting.as_mut()).is_pending());
        send(Signal::INT);
        waiting.await.unwrap();
    });
}

#[test]
fn a_signal_that_cannot_be_caught_is_an_error() {
    on_every_runtime(|| async {
        for signal_number in [
            Signal::KILL,
            Signal::STOP,
            Signal::SEGV,
            Signal::ILL,
            Signal::FPE,
        ] {
            let kind = SignalKind::from_raw(signal_number.as_raw());
            assert!(signal(kind).is_err(), "{kind:?}");
        }
        for number in [-1, 0, 1000, i32::MAX] {
            assert!(signal(SignalKind::from_raw(number)).is_err(), "{number}");
        }
    });
}

#[test]
fn kinds_have_the_numbers_of_the_system() {
    assert_eq!(SignalKind::terminate().as_raw_value(), 15);
    assert_eq!(i32::from(SignalKind::hangup()), 1);
    assert_eq!(SignalKind::from(2), SignalKind::interrupt());
    assert_ne!(SignalKind::alarm(), SignalKind::quit());
}

#[test]
#[should_panic(expected = "there is no runtime here")]
fn listening_outside_a_runtime_panics() {
    let _ = signal(SignalKind::user_defined1());
}

#[test]
fn a_notification_from_any_thread_is_heard() {
    on_every_runtime(|| async {
        let (notifier, mut notifications) = notifier().unwrap();
        assert!(poll_once(notifications.recv()).is_pending());
        let threads: Vec<_> = (0..4)
            .map(|_| {
                let notifier = notifier.clone();
                std::thread::spawn(move || (0..1000).for_each(|_| notifier.notify()))
            })
            .collect();
        assert_eq!(notifications.recv().await, Some(()));
        for thread in threads {
            thread.join().unwrap();
        }
        notifier.notify();
        assert_eq!(notifications.recv().await, Some(()));
        assert!(poll_once(notifications.recv()).is_pending());
    });
}

#[test]
fn a_notification_from_a_signal_handler_is_heard() {
    static NOTIFIER: OnceLock<Notifier> = OnceLock::new();
    extern "C" fn handler(_: libc::c_int) {
        if let Some(notifier) = NOTIFIER.get() {
            notifier.notify();
        }
    }
    let _alone = alone();
    let runtime = workers(1);
    let (notifier, mut notifications) = runtime.block_on(async { notifier().unwrap() });
    NOTIFIER.set(notifier).unwrap();
    let handler = handler as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler loads a pointer and notifies, which signal handlers may.
    unsafe { libc::signal(libc::SIGURG, handler) };
    for _ in 0..100 {
        send(Signal::URG);
        assert_eq!(runtime.block_on(notifications.recv()), Some(()));
    }
}

#[test]
fn a_signal_makes_a_runtime_tell_what_its_tasks_do() {
    let _alone = alone();
    for runtime in [current_thread(), workers(1), workers(4)] {
        let (tell, dumps) = mpsc::channel();
        let waits = runtime.spawn(std::future::pending::<()>());
        let tell = move |dump| tell.send(dump).unwrap();
        let listens = dump_on(SignalKind::quit(), runtime.handle(), tell).unwrap();
        for _ in 0..3 {
            send(Signal::QUIT);
            let dump = dumps.recv().unwrap();
            assert!(dump.tasks().iter().any(|task| task.id() == waits.id()));
        }
        drop(listens);
        assert!(dumps.recv().is_err(), "the thread ends");
        send(Signal::QUIT); // ignored
    }
}

#[test]
fn the_dump_comes_though_every_worker_is_stuck() {
    let _alone = alone();
    let runtime = workers(1);
    let (tell, dumps) = mpsc::channel();
    let _listens = dump_on(SignalKind::quit(), runtime.handle(), move |dump| {
        tell.send(dump).unwrap();
    })
    .unwrap();
    let (release, blocked) = mpsc::channel::<()>();
    let (begin, begun) = mpsc::channel();
    let stuck = runtime.spawn(async move {
        begin.send(()).unwrap();
        blocked.recv().unwrap();
    });
    begun.recv().unwrap();
    send(Signal::QUIT);
    let dump = dumps.recv().unwrap();
    let mut tasks = dump.tasks().iter();
    let found = tasks.find(|task| task.id() == stuck.id()).unwrap();
    assert!(
        matches!(found.state(), TaskState::Running { .. }),
        "{found}"
    );
    release.send(()).unwrap();
    runtime.block_on(stuck).unwrap();
}

#[test]
fn a_panic_in_what_takes_the_dump_leaves_the_next_one() {
    let _alone = alone();
    let runtime = current_thread();
    let (tell, told) = mpsc::channel();
    let mut first = true;
    let _listens = dump_on(SignalKind::quit(), runtime.handle(), move |_| {
        tell.send(()).unwrap();
        assert!(!std::mem::take(&mut first), "on purpose");
    })
    .unwrap();
    for _ in 0..2 {
        send(Signal::QUIT);
        told.recv().unwrap();
    }
}

#[test]
fn a_dump_for_a_signal_that_cannot_be_caught_is_an_error() {
    let runtime = current_thread();
    let error = dump_on(SignalKind::from_raw(9), runtime.handle(), |_| {}).unwrap_err();
    assert!(error.to_string().contains("signal 9"), "{error}");
}
