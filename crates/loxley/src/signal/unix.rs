//! Any signal: [`signal`](fn@signal); and [`dump_on`], for a look at a program that does not go on.

mod dump;

use std::io;
use std::os::raw::c_int;
use std::task::{Context, Poll};

use rustix::process::Signal as Number;

use super::notifier::{Notifications, notifier};
use super::os::{self, Action};

pub use dump::{DumpOn, dump_on};

/// The number of a signal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SignalKind(c_int);

/// One documented function per signal with a name.
macro_rules! kinds {
    ($($(#[$meta:meta])* $name:ident => $number:ident, $what:literal;)*) => {$(
        #[doc = $what]
        $(#[$meta])*
        #[must_use]
        pub const fn $name() -> Self {
            SignalKind(Number::$number.as_raw())
        }
    )*};
}

impl SignalKind {
    /// A signal by its number, whether the system has it or not.
    #[must_use]
    pub const fn from_raw(signum: c_int) -> Self {
        SignalKind(signum)
    }

    /// The number.
    #[must_use]
    pub const fn as_raw_value(&self) -> c_int {
        self.0
    }

    fn check(self) -> io::Result<()> {
        if os::is_forbidden(self.0) {
            let message = format!("signal {} cannot be listened to", self.0);
            return Err(io::Error::other(message));
        }
        Ok(())
    }

    kinds! {
        alarm => ALARM, "SIGALRM: a timer of the process has run out. By default it ends the process.";
        child => CHILD, "SIGCHLD: a child has ended or stopped. By default it is ignored.";
        hangup => HUP, "SIGHUP: the terminal is gone; services often read their settings anew. By default it ends the process.";
        #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd", target_os = "dragonfly"))]
        info => INFO, "SIGINFO: somebody asks how it goes. By default it is ignored.";
        interrupt => INT, "SIGINT: Ctrl-C. By default it ends the process.";
        io => IO, "SIGIO: a descriptor is ready. By default it ends the process or is ignored.";
        pipe => PIPE, "SIGPIPE: nobody reads the pipe that was written to. Rust programs ignore it from the start.";
        quit => QUIT, "SIGQUIT: Ctrl-backslash. By default it ends the process and dumps its memory.";
        terminate => TERM, "SIGTERM: please end. By default it ends the process.";
        user_defined1 => USR1, "SIGUSR1: what the program says. By default it ends the process.";
        user_defined2 => USR2, "SIGUSR2: what the program says. By default it ends the process.";
        window_change => WINCH, "SIGWINCH: the terminal has another size. By default it is ignored.";
    }
}

impl From<c_int> for SignalKind {
    fn from(signum: c_int) -> Self {
        SignalKind::from_raw(signum)
    }
}

impl From<SignalKind> for c_int {
    fn from(kind: SignalKind) -> Self {
        kind.0
    }
}

/// Listens to a signal, from now on.
///
/// # Errors
///
/// If the signal cannot be caught (SIGKILL, SIGSTOP), or should not be (SIGILL, SIGFPE, SIGSEGV); if there is no such
/// signal; if too many files are open.
///
/// # Panics
///
/// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
///
/// # Examples
///
/// ```
/// use loxley::signal::unix::{SignalKind, signal};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut hangups = signal(SignalKind::hangup())?;
/// # let us = rustix::process::getpid();
/// # rustix::process::kill_process(us, rustix::process::Signal::HUP)?;
/// // … somebody says `kill -HUP`
/// assert_eq!(hangups.recv().await, Some(()));
/// assert!(signal(SignalKind::from_raw(9)).is_err()); // SIGKILL
/// # Ok(())
/// # }
/// ```
#[track_caller]
pub fn signal(kind: SignalKind) -> io::Result<Signal> {
    kind.check()?;
    let (notifier, notifications) = notifier()?;
    let action = os::notify_on(kind.0, notifier)?;
    Ok(Signal {
        _action: action,
        notifications,
    })
}

/// Listens to a signal; made by [`signal`](fn@signal).
#[derive(Debug)]
#[must_use = "it tells nothing until it is asked"]
pub struct Signal {
    /// Ends with the listener.
    _action: Action,
    notifications: Notifications,
}

impl Signal {
    /// Waits until the signal has come since the last time; `None` once the runtime has shut down.
    ///
    /// Signals that came meanwhile are told once.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<()> {
        self.notifications.recv().await
    }

    /// As [`recv`](Signal::recv), for those who poll by hand. Only the waker of the last call is kept.
    pub fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        self.notifications.poll_recv(cx)
    }
}
