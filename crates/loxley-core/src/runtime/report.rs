//! Telling of long polls: away from the monitor, which must not run foreign code.
//!
//! Events wait in a short queue; one thread, which comes for that and goes again, takes them out, so a hook that takes its
//! time delays other events, and nothing else; and it is told that no spare is left, too. With neither a hook nor the feature `tracing` no thread is ever asked for.

use std::collections::VecDeque;
use std::time::Duration;

use super::Builder;
use super::handle::Inner;
use crate::blocking::Job;
use crate::monitor::{LongPoll, Report};
use crate::primitive::{Arc, Mutex, Weak};
use crate::task::contain;

/// Polls that take longer are reported.
pub const LONG_POLL: Duration = match cfg!(debug_assertions) {
    true => Duration::from_millis(10),
    false => Duration::from_millis(100),
};

/// Events that wait; more are dropped, the oldest first.
const ROOM: usize = 32;

/// A hook of the user's.
pub type LongPollHook = Arc<dyn Fn(&LongPoll) + Send + Sync>;

impl Builder {
    /// Sets how long a poll takes before it is reported, `None` to report none.
    ///
    /// Default: 100 ms, and 10 ms in builds with debug assertions. A stuck worker is noticed after some
    /// milliseconds at the earliest, so a threshold below 5 ms is the same as 5 ms. Without [`Builder::rescue`] nobody
    /// looks, and nothing is reported.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    /// use loxley_core::runtime::Builder;
    ///
    /// let mut builder = Builder::new_multi_thread();
    /// builder.long_poll_threshold(Duration::from_millis(20)); // stricter
    /// builder.long_poll_threshold(None); // off
    /// ```
    pub fn long_poll_threshold(&mut self, threshold: impl Into<Option<Duration>>) -> &mut Self {
        self.long_poll_threshold = threshold.into();
        self
    }

    /// Runs `hook` after each poll that was longer than [`Builder::long_poll_threshold`]: a task that holds its thread
    /// delays what only that task could do next, and should not.
    ///
    /// It runs on a thread of its own, inside the runtime, and may block; one event at a time, at most ten per second
    /// ([`LongPoll::suppressed`] counts the others). A panic in it is contained. Events under way when the runtime shuts
    /// down may be lost. With the feature `tracing` the same event goes to the `tracing` crate, as a warning of the target
    /// `loxley::long_poll`.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// use loxley_core::runtime::Builder;
    ///
    /// let (send, receive) = mpsc::channel();
    /// let runtime = Builder::new_multi_thread()
    ///     .long_poll_threshold(Duration::from_millis(20))
    ///     .on_long_poll(move |poll| send.send(poll.clone()).unwrap())
    ///     .build()?;
    /// let offender = runtime.spawn(async { std::thread::sleep(Duration::from_millis(50)) });
    /// let id = offender.id();
    /// let poll = receive.recv().unwrap();
    /// assert_eq!(poll.task_id(), Some(id));
    /// assert!(poll.duration() >= Duration::from_millis(20));
    /// println!("{poll}"); // task 7 spawned at src/main.rs:11:24 held worker 0 for 49.6ms (slept)
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_long_poll<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&LongPoll) + Send + Sync + 'static,
    {
        self.on_long_poll = Some(Arc::new(hook));
        self
    }

    pub(super) fn report(&self, inner: &Arc<Inner>) -> Option<Report> {
        let threshold = self.long_poll_threshold?;
        let reporter = Reporter::new(Arc::downgrade(inner), self.on_long_poll.clone());
        Some(Report {
            threshold: u64::try_from(threshold.as_nanos()).unwrap_or(u64::MAX),
            runtime: self.name.as_deref().map(Into::into),
            tell: Box::new(move |event| reporter.tell(event)),
        })
    }
}

/// Where events wait for a thread.
pub struct Reporter {
    runtime: Weak<Inner>,
    hook: Option<LongPollHook>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<LongPoll>,
    /// A thread is on its way, or at it.
    served: bool,
}

impl Reporter {
    /// Tells `hook`, if there is one, and `tracing`, if that is on.
    pub fn new(runtime: Weak<Inner>, hook: Option<LongPollHook>) -> Arc<Self> {
        let waiting = Mutex::new(Waiting::default());
        Arc::new(Self {
            runtime,
            hook,
            waiting,
        })
    }

    /// Takes an event from the monitor.
    pub fn tell(self: &Arc<Self>, event: LongPoll) {
        if self.hook.is_none() && !cfg!(feature = "tracing") {
            return;
        }
        let served = {
            let mut waiting = self.waiting.lock();
            if waiting.events.len() == ROOM {
                waiting.events.pop_front();
            }
            waiting.events.push_back(event);
            std::mem::replace(&mut waiting.served, true)
        };
        let inner = self.runtime.upgrade().filter(|_| !served);
        if let Some(inner) = inner {
            if inner
                .tellers
                .submit(Box::new(Telling(self.clone())))
                .is_err()
            {
                // The runtime ends, or has no thread: the next event tries again.
                self.waiting.lock().served = false;
            }
        }
    }

    fn next(&self) -> Option<LongPoll> {
        let mut waiting = self.waiting.lock();
        let event = waiting.events.pop_front();
        waiting.served = event.is_some();
        event
    }
}

struct Telling(Arc<Reporter>);

impl Job for Telling {
    fn run(self: Box<Self>) {
        while let Some(event) = self.0.next() {
            trace(&event);
            if let Some(hook) = &self.0.hook {
                contain(|| hook(&event));
            }
        }
    }

    fn cancel(self: Box<Self>) {}
}

#[cfg(feature = "tracing")]
fn trace(event: &LongPoll) {
    contain(|| {
        let backtrace = event.backtrace().join("\n");
        tracing::warn!(
            target: "loxley::long_poll",
            runtime = event.runtime_name(),
            worker = event.worker(),
            task.id = event.task_id().map(tracing::field::display),
            task.name = event.task_name(),
            task.spawned_at = event.spawned_at().map(tracing::field::display),
            duration_ms = event.duration().as_millis() as u64,
            kind = %event.kind(),
            is_over = event.is_over(),
            is_unrelieved = event.is_unrelieved(),
            suppressed = event.suppressed(),
            backtrace,
            "a poll held its thread for long"
        );
    });
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &LongPoll) {}
