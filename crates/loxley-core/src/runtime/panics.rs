//! What follows the panic of a task: it is told, and, if the builder says so, the runtime ends.
//!
//! # The end by a panic
//!
//! - G1 the thread on which the task panicked notes the panic and shuts the runtime down as `shutdown_background` does
//!   (`shutdown.rs`), which cancels all tasks.
//! - G2 it wakes every root. A `block_on` enters its root into the list, then looks at the note, and at each turn again:
//!   either G2 finds the root in the list, or the root finds the note. It then panics.
//!
//! Checked by `tests/runtime_panics.rs`.

use super::Builder;
use super::block_on::Root;
use super::handle::{Handle, Inner};
use crate::primitive::{Arc, Mutex, OnceLock, Weak};
use crate::task::{TaskPanic, contain};
use crate::worker::PanicHook;

use std::time::Duration;

/// What a runtime does when a task panics: for [`Builder::unhandled_panic`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum UnhandledPanic {
    /// It goes on; the task's `JoinHandle` says what happened.
    #[default]
    Ignore,
    /// It ends: every task is cancelled, new ones are cancelled at once, and `block_on` panics, those under way too.
    ShutdownRuntime,
}

impl Builder {
    /// Sets what the runtime does when a task panics. Default: [`UnhandledPanic::Ignore`].
    ///
    /// Every panic counts, whether somebody awaits the task or not; those in closures of `spawn_blocking` do not.
    /// Unlike tokio, which allows `ShutdownRuntime` for the current-thread flavour only, both flavours know it.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::panic::{AssertUnwindSafe, catch_unwind};
    /// use loxley_core::runtime::{Builder, UnhandledPanic};
    ///
    /// let runtime = Builder::new_current_thread()
    ///     .unhandled_panic(UnhandledPanic::ShutdownRuntime)
    ///     .build()?;
    /// runtime.spawn(async { panic!("boom") });
    /// let waits = AssertUnwindSafe(|| runtime.block_on(std::future::pending::<()>()));
    /// let panic = catch_unwind(waits).unwrap_err();
    /// assert!(panic.downcast_ref::<String>().unwrap().contains("boom"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn unhandled_panic(&mut self, behavior: UnhandledPanic) -> &mut Self {
        self.unhandled_panic = behavior;
        self
    }

    /// Runs `hook` when a panic has ended a task or a closure of `spawn_blocking`, on the thread where that happened,
    /// before the `JoinHandle` is told. A panic in it is contained.
    ///
    /// Default: a line on standard error, after the standard library's own message, which knows the thread only:
    /// `loxley: task 7 spawned at src/main.rs:12:5 panicked: boom`. With the feature `tracing` the panic is an error of the
    /// target `loxley::task_panic` besides.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::mpsc;
    /// use loxley_core::runtime::Builder;
    ///
    /// let (send, panics) = mpsc::channel();
    /// let runtime = Builder::new_multi_thread()
    ///     .on_task_panic(move |panic| send.send((panic.id(), panic.to_string())).unwrap())
    ///     .build()?;
    /// let task = runtime.spawn(async { panic!("boom") });
    /// let (id, text) = panics.recv().unwrap();
    /// assert_eq!(id, task.id());
    /// assert!(text.ends_with("panicked: boom"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn on_task_panic<F>(&mut self, hook: F) -> &mut Self
    where
        F: Fn(&TaskPanic<'_>) + Send + Sync + 'static,
    {
        self.on_task_panic = Some(Arc::new(hook));
        self
    }

    /// What tells of a panic.
    pub(super) fn panic_reporter(&self) -> PanicHook {
        let hook = self.on_task_panic.clone();
        Arc::new(move |panic| {
            trace(panic);
            match &hook {
                Some(hook) => hook(panic),
                None => eprintln!("loxley: {panic}"),
            }
        })
    }

    /// What follows a panic of a task: the report, and the end of the runtime if that is wanted.
    pub(super) fn panic_consequences(
        &self,
        reporter: PanicHook,
        runtime: Weak<Inner>,
    ) -> PanicHook {
        match self.unhandled_panic {
            UnhandledPanic::Ignore => reporter,
            UnhandledPanic::ShutdownRuntime => Arc::new(move |panic| {
                contain(|| reporter(panic));
                if let Some(inner) = runtime.upgrade() {
                    Handle { inner }.end_by(panic);
                }
            }),
        }
    }
}

/// The panic that ended a runtime, and who has to be told.
#[derive(Default)]
pub struct Failure {
    note: OnceLock<String>,
    roots: Mutex<Vec<Arc<Root>>>,
}

impl Handle {
    /// G1 and G2.
    fn end_by(&self, panic: &TaskPanic<'_>) {
        let Some(failure) = &self.inner.failure else {
            return;
        };
        if failure.note.set(panic.to_string()).is_err() {
            return;
        }
        self.shut_down(Some(Duration::ZERO));
        // Whoever drives a current-thread runtime does not come to retire.
        self.inner.scheduler.sweep();
        let roots = failure.roots.lock().clone();
        for root in roots {
            root.raise();
        }
    }
}

/// A root that is told of the runtime's end by a panic; leaves the list when dropped.
pub struct Listed<'a>(&'a Failure, &'a Arc<Root>);

impl Failure {
    /// Enters a root.
    pub fn list<'a>(&'a self, root: &'a Arc<Root>) -> Listed<'a> {
        self.roots.lock().push(root.clone());
        Listed(self, root)
    }
}

impl Listed<'_> {
    /// G2, at each turn.
    ///
    /// # Panics
    ///
    /// If a panic has ended the runtime.
    #[track_caller]
    pub fn look(&self) {
        if let Some(panic) = self.0.note.get() {
            panic!(
                "the runtime was shut down by the panic of a task, as `UnhandledPanic::ShutdownRuntime` demands: {panic}"
            );
        }
    }
}

impl Drop for Listed<'_> {
    fn drop(&mut self) {
        let gone = {
            let mut roots = self.0.roots.lock();
            let place = roots.iter().position(|root| Arc::ptr_eq(root, self.1));
            place.map(|place| roots.swap_remove(place))
        };
        drop(gone);
    }
}

#[cfg(feature = "tracing")]
fn trace(panic: &TaskPanic<'_>) {
    contain(|| {
        tracing::error!(
            target: "loxley::task_panic",
            // First: the macro cannot begin with a name that has a dot.
            panic = panic.message(),
            task.id = %panic.id(),
            task.name = panic.name().as_deref(),
            task.spawned_at = %panic.spawned_at(),
            "a task panicked"
        );
    });
}

#[cfg(not(feature = "tracing"))]
fn trace(_: &TaskPanic<'_>) {}
