//! [`dump_on`]: a signal that makes a runtime tell what its tasks do.
//!
//! The handler notifies and does no more, as for every listener. A thread hears of it, makes the dump and tells it: no
//! worker is needed for that, and the ones that are stuck are what the dump is for.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::Duration;

use super::{Action, SignalKind, os};
use crate::runtime::{Dump, Handle};
use crate::signal::notifier::{Closer, blocking_notifier};

/// How long workers that are stuck are waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Makes a dump of a runtime whenever a signal comes, and gives it to `tell`, until what is returned is dropped.
///
/// For services that hang in production: SIGQUIT (`kill -QUIT`, Ctrl-backslash) is the usual choice, and standard error the
/// usual place. It works while all workers are stuck, since dump and `tell` run on a thread of their own; see
/// [`Handle::dump`] for what a dump is and what it costs. Signals that come while one is made are answered once, after it.
/// A panic of `tell` is contained.
///
/// From then on the signal does not end the process, as with every listener; see [the rules](crate::signal).
///
/// # Errors
///
/// As [`signal`](fn@super::signal); if the system refuses the thread.
///
/// # Examples
///
/// ```
/// use loxley::runtime::Handle;
/// use loxley::signal::unix::{SignalKind, dump_on};
///
/// # #[loxley::main]
/// # async fn main() -> std::io::Result<()> {
/// let (told, mut dumps) = loxley::sync::mpsc::unbounded_channel();
/// let _dumps = dump_on(SignalKind::quit(), &Handle::current(), move |dump| {
///     eprintln!("{dump}"); // task 7 spawned at src/main.rs:12:5: idle, waits for a timer ...
///     # told.send(dump.tasks().len()).unwrap();
/// })?;
/// let task = loxley::spawn(std::future::pending::<()>());
/// # let us = rustix::process::getpid();
/// # rustix::process::kill_process(us, rustix::process::Signal::QUIT)?;
/// // … somebody says `kill -QUIT`
/// # assert_eq!(dumps.recv().await, Some(1));
/// # task.abort();
/// # Ok(())
/// # }
/// ```
pub fn dump_on(
    kind: SignalKind,
    handle: &Handle,
    mut tell: impl FnMut(Dump) + Send + 'static,
) -> io::Result<DumpOn> {
    kind.check()?;
    let (notifier, mut notifications) = blocking_notifier()?;
    let closer = notifications.closer()?;
    let handle = handle.clone();
    let listen = move || {
        while notifications.wait() {
            let dump = handle.blocking_dump(PATIENCE);
            // The panic's hook has told of it.
            let _ = catch_unwind(AssertUnwindSafe(|| tell(dump)));
        }
    };
    let thread = thread::Builder::new().name("loxley-dump".into());
    thread.spawn(listen).map_err(|error| {
        let message = format!(
            "cannot start the thread that dumps on signal {}: {error}",
            kind.0
        );
        io::Error::new(error.kind(), message)
    })?;
    Ok(DumpOn {
        _action: os::notify_on(kind.0, notifier)?,
        _closer: closer,
    })
}

/// Made by [`dump_on`]; dropping it ends that.
///
/// The drop waits for nobody: a dump that is being made is still told.
#[derive(Debug)]
#[must_use = "dropping it ends the dumps at once"]
pub struct DumpOn {
    _action: Action,
    _closer: Closer,
}
