//! Learning of a child's end: pidfd or SIGCHLD.

use std::future::poll_fn;
use std::io;
use std::process::{Child, ExitStatus};
use std::task::{Context, Poll, ready};

#[cfg(target_os = "linux")]
use loxley_core::io::Source;
use loxley_core::shared::shut_down;

use crate::signal::unix::{Signal, SignalKind, signal};

/// What becomes ready at a child's end.
#[derive(Debug)]
pub(super) enum Exit {
    #[cfg(target_os = "linux")]
    Pidfd(Source<std::os::fd::OwnedFd>),
    Signal(Signal),
}

impl Exit {
    /// For a child that nobody has waited for yet.
    #[track_caller]
    pub(super) fn of(child: &Child) -> io::Result<Exit> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = pidfd(child) {
            return Ok(Exit::Pidfd(pidfd));
        }
        let _ = child;
        Ok(Exit::Signal(signal(SignalKind::child())?))
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        poll_fn(|cx| self.poll_wait(cx, child)).await
    }

    pub(super) fn poll_wait(
        &mut self,
        cx: &mut Context<'_>,
        child: &mut Child,
    ) -> Poll<io::Result<ExitStatus>> {
        loop {
            // Asked before waiting: the end may have come before there was anything to become ready.
            if let Some(status) = child.try_wait()? {
                return Poll::Ready(Ok(status));
            }
            match self {
                #[cfg(target_os = "linux")]
                Exit::Pidfd(pidfd) => {
                    let event = ready!(pidfd.poll_read_ready(cx))?;
                    if let Some(status) = child.try_wait()? {
                        return Poll::Ready(Ok(status));
                    }
                    // The event was not meant for this end.
                    pidfd.clear(event);
                }
                Exit::Signal(signal) => {
                    if ready!(signal.poll_recv(cx)).is_none() {
                        return Poll::Ready(Err(shut_down()));
                    }
                }
            }
        }
    }
}

/// `None`: an old system, or one that refuses. `LOXLEY_PORTABLE=1` leaves it out, so that the other way is tested.
#[cfg(target_os = "linux")]
#[track_caller]
fn pidfd(child: &Child) -> Option<Source<std::os::fd::OwnedFd>> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open};

    if std::env::var_os("LOXLEY_PORTABLE").is_some_and(|value| value == "1") {
        return None;
    }
    // The number is the child's as long as nobody has waited for it.
    let pid = Pid::from_raw(i32::try_from(child.id()).ok()?)?;
    let pidfd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    Source::connecting(pidfd).ok()
}
