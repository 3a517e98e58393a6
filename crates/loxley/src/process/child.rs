//! [`Child`].

use std::io;
use std::process::{self, ExitStatus, Output};

use loxley_core::coop;

use super::exit::Exit;
use super::orphans;
use super::{ChildStderr, ChildStdin, ChildStdout};
use crate::io::{AsyncRead, AsyncReadExt};

/// A process that was started with [`Command::spawn`](super::Command::spawn).
///
/// Dropped before its end it runs on, unless [`kill_on_drop`](super::Command::kill_on_drop) says otherwise; the runtime
/// then waits for it in the background.
#[derive(Debug)]
pub struct Child {
    state: State,
    kill_on_drop: bool,

    /// What it reads, if that is a pipe.
    pub stdin: Option<ChildStdin>,

    /// What it prints, if that is a pipe.
    pub stdout: Option<ChildStdout>,

    /// What it complains about, if that is a pipe.
    pub stderr: Option<ChildStderr>,
}

#[derive(Debug)]
enum State {
    Running {
        /// Taken when it is dropped.
        std: Option<process::Child>,
        exit: Option<Exit>,
    },
    Ended(ExitStatus),
}

impl Child {
    #[track_caller]
    pub(super) fn new(mut std: process::Child, kill_on_drop: bool) -> io::Result<Child> {
        orphans::sweep();
        let pipes = (std.stdin.take(), std.stdout.take(), std.stderr.take());
        let mut child = Child {
            state: State::Running {
                std: Some(std),
                exit: None,
            },
            // An error below must not leave a process behind that nobody knows of.
            kill_on_drop: true,
            stdin: None,
            stdout: None,
            stderr: None,
        };
        if let State::Running {
            std: Some(std),
            exit,
        } = &mut child.state
        {
            *exit = Some(Exit::of(std)?);
        }
        child.stdin = pipes.0.map(ChildStdin::from_std).transpose()?;
        child.stdout = pipes.1.map(ChildStdout::from_std).transpose()?;
        child.stderr = pipes.2.map(ChildStderr::from_std).transpose()?;
        child.kill_on_drop = kill_on_drop;
        Ok(child)
    }

    fn running(&mut self) -> Result<(&mut process::Child, &mut Exit), ExitStatus> {
        match &mut self.state {
            State::Running {
                std: Some(std),
                exit: Some(exit),
            } => Ok((std, exit)),
            State::Ended(status) => Err(*status),
            State::Running { .. } => unreachable!("a child is complete until it is dropped"),
        }
    }

    /// Its number in the system; `None` once somebody has learnt of its end here, since the number may then be another's.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match &self.state {
            State::Running { std, .. } => std.as_ref().map(process::Child::id),
            State::Ended(_) => None,
        }
    }

    /// Sends SIGKILL, and does not wait for the end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if its end is known already; otherwise those of the system.
    pub fn start_kill(&mut self) -> io::Result<()> {
        match self.running() {
            Ok((std, _)) => std.kill(),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "invalid argument: can't kill an exited process",
            )),
        }
    }

    /// Sends SIGKILL and waits for the end.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// The signal is sent by the first poll; the end can be waited for again.
    pub async fn kill(&mut self) -> io::Result<()> {
        self.start_kill()?;
        self.wait().await.map(drop)
    }

    /// Closes its input, waits for its end, and says how it was. Later calls say the same at once.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing; the input stays closed.
    pub async fn wait(&mut self) -> io::Result<ExitStatus> {
        // Otherwise a child that reads to the end would wait for us.
        drop(self.stdin.take());
        coop::cooperative(async {
            let status = match self.running() {
                Ok((std, exit)) => exit.wait(std).await?,
                Err(status) => status,
            };
            self.state = State::Ended(status);
            Ok(status)
        })
        .await
    }

    /// Says how it ended; `None` if it has not.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        let status = match self.running() {
            Ok((std, _)) => std.try_wait()?,
            Err(status) => Some(status),
        };
        if let Some(status) = status {
            self.state = State::Ended(status);
        }
        Ok(status)
    }

    /// Closes its input, waits for its end, and gives all that it printed into pipes.
    ///
    /// # Errors
    ///
    /// Those of the system.
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the child and what it has printed.
    pub async fn wait_with_output(mut self) -> io::Result<Output> {
        let (mut stdout, mut stderr) = (self.stdout.take(), self.stderr.take());
        let (status, stdout, stderr) = all_three(
            self.wait(),
            read_to_end(&mut stdout),
            read_to_end(&mut stderr),
        )
        .await?;
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }
}

async fn read_to_end(pipe: &mut Option<impl AsyncRead + Unpin>) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(pipe) = pipe {
        pipe.read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// Waits for all, or for the first error: a child that waits for somebody to read must not be waited for alone.
async fn all_three<A, B, C>(
    a: impl Future<Output = io::Result<A>>,
    b: impl Future<Output = io::Result<B>>,
    c: impl Future<Output = io::Result<C>>,
) -> io::Result<(A, B, C)> {
    use std::pin::pin;
    use std::task::Poll;

    let (mut a, mut b, mut c) = (pin!(a), pin!(b), pin!(c));
    let (mut first, mut second, mut third) = (None, None, None);
    std::future::poll_fn(|cx| {
        if first.is_none() {
            if let Poll::Ready(value) = a.as_mut().poll(cx)? {
                first = Some(value);
            }
        }
        if second.is_none() {
            if let Poll::Ready(value) = b.as_mut().poll(cx)? {
                second = Some(value);
            }
        }
        if third.is_none() {
            if let Poll::Ready(value) = c.as_mut().poll(cx)? {
                third = Some(value);
            }
        }
        if first.is_none() || second.is_none() || third.is_none() {
            return Poll::Pending;
        }
        match (first.take(), second.take(), third.take()) {
            (Some(a), Some(b), Some(c)) => Poll::Ready(Ok((a, b, c))),
            _ => unreachable!("all three are there"),
        }
    })
    .await
}

impl Drop for Child {
    fn drop(&mut self) {
        let State::Running { std, exit } = &mut self.state else {
            return;
        };
        let Some(mut std) = std.take() else { return };
        if self.kill_on_drop {
            // It may have ended by itself.
            let _ = std.kill();
        }
        orphans::adopt(std, exit.take());
    }
}
