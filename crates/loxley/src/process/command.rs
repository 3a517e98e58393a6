//! [`Command`].

use std::ffi::OsStr;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};

use super::Child;

/// Starts processes, with choices: those of [`std::process::Command`].
///
/// # Examples
///
/// ```
/// use loxley::process::Command;
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let output = Command::new("echo").arg("hello").output().await?;
/// assert!(output.status.success());
/// assert_eq!(output.stdout, b"hello\n");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Command {
    std: process::Command,
    kill_on_drop: bool,
}

impl Command {
    /// The program `program`, looked for in `PATH` if it is a bare name; no arguments, our environment, directory and
    /// standard streams.
    pub fn new<S: AsRef<OsStr>>(program: S) -> Command {
        process::Command::new(program).into()
    }

    /// The command of the standard library.
    #[must_use]
    pub fn as_std(&self) -> &process::Command {
        &self.std
    }

    /// The command of the standard library.
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.std
    }

    /// The command of the standard library.
    #[must_use]
    pub fn into_std(self) -> process::Command {
        self.std
    }

    /// Adds an argument.
    pub fn arg<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg(arg);
        self
    }

    /// Adds arguments.
    pub fn args<I, S>(&mut self, args: I) -> &mut Command
    where
        I: IntoIterator<Item = S>,
        S: AsRef<OsStr>,
    {
        self.std.args(args);
        self
    }

    /// Sets a variable of the environment.
    pub fn env<K, V>(&mut self, key: K, val: V) -> &mut Command
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.env(key, val);
        self
    }

    /// Sets variables of the environment.
    pub fn envs<I, K, V>(&mut self, vars: I) -> &mut Command
    where
        I: IntoIterator<Item = (K, V)>,
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Takes a variable out of the environment.
    pub fn env_remove<K: AsRef<OsStr>>(&mut self, key: K) -> &mut Command {
        self.std.env_remove(key);
        self
    }

    /// Takes all variables out of the environment.
    pub fn env_clear(&mut self) -> &mut Command {
        self.std.env_clear();
        self
    }

    /// Sets the directory that the process starts in.
    pub fn current_dir<P: AsRef<Path>>(&mut self, dir: P) -> &mut Command {
        self.std.current_dir(dir);
        self
    }

    /// Sets what the process reads. Default: what we read; also with [`output`](Command::output).
    pub fn stdin<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdin(cfg);
        self
    }

    /// Sets where the process prints to. Default: where we do; with [`output`](Command::output): a pipe.
    pub fn stdout<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stdout(cfg);
        self
    }

    /// Sets where the process complains to. Default: where we do; with [`output`](Command::output): a pipe.
    pub fn stderr<T: Into<Stdio>>(&mut self, cfg: T) -> &mut Command {
        self.std.stderr(cfg);
        self
    }

    /// Sets whether the process is killed when its [`Child`] is dropped. Default: `false`.
    pub fn kill_on_drop(&mut self, kill_on_drop: bool) -> &mut Command {
        self.kill_on_drop = kill_on_drop;
        self
    }

    /// Whether the process is killed when its [`Child`] is dropped.
    #[must_use]
    pub fn get_kill_on_drop(&self) -> bool {
        self.kill_on_drop
    }

    /// Sets the user of the process.
    pub fn uid(&mut self, id: u32) -> &mut Command {
        self.std.uid(id);
        self
    }

    /// Sets the group of the process.
    pub fn gid(&mut self, id: u32) -> &mut Command {
        self.std.gid(id);
        self
    }

    /// Sets the name that the process finds as its first argument.
    pub fn arg0<S: AsRef<OsStr>>(&mut self, arg: S) -> &mut Command {
        self.std.arg0(arg);
        self
    }

    /// Sets the group of processes that it belongs to; 0 makes a new one. Ctrl-C in a terminal goes to a group.
    pub fn process_group(&mut self, pgroup: i32) -> &mut Command {
        self.std.process_group(pgroup);
        self
    }

    /// Runs `f` in the new process, before the program.
    ///
    /// # Safety
    ///
    /// As for [`CommandExt::pre_exec`]: the process is the copy of one with many threads, of which only this one goes on.
    /// `f` may call what is async-signal-safe, and must not allocate or lock.
    #[expect(unsafe_code, reason = "tokio's signature, which is that of std")]
    pub unsafe fn pre_exec<F>(&mut self, f: F) -> &mut Command
    where
        F: FnMut() -> io::Result<()> + Send + Sync + 'static,
    {
        // SAFETY: the caller promises what is asked for.
        unsafe { self.std.pre_exec(f) };
        self
    }

    /// Starts the process.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such program, `PermissionDenied` if it is not one; otherwise those of the system, such as
    /// too many open files or processes.
    ///
    /// # Panics
    ///
    /// Outside a runtime, and in one without [`enable_io`](crate::runtime::Builder::enable_io).
    #[track_caller]
    pub fn spawn(&mut self) -> io::Result<Child> {
        self.spawn_with(process::Command::spawn)
    }

    /// As [`spawn`](Command::spawn), with a function of your own that starts the process.
    ///
    /// # Errors
    ///
    /// Those of `with`; otherwise those of [`spawn`](Command::spawn).
    ///
    /// # Panics
    ///
    /// Those of [`spawn`](Command::spawn).
    #[track_caller]
    pub fn spawn_with(
        &mut self,
        with: impl FnOnce(&mut process::Command) -> io::Result<process::Child>,
    ) -> io::Result<Child> {
        // Before there is a process that nobody could wait for.
        drop(crate::runtime::Handle::current());
        Child::new(with(&mut self.std)?, self.kill_on_drop)
    }

    /// Starts the process, and waits for its end. Its streams are ours, unless set otherwise; pipes are closed.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Command::spawn), from the future.
    ///
    /// # Panics
    ///
    /// Those of [`spawn`](Command::spawn).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the [`Child`].
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> + use<> {
        let child = self.spawn();
        async {
            let mut child = child?;
            // Nobody could read or write them.
            drop((child.stdin.take(), child.stdout.take(), child.stderr.take()));
            child.wait().await
        }
    }

    /// Starts the process, waits for its end, and gives all that it printed.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Command::spawn), from the future.
    ///
    /// # Panics
    ///
    /// Those of [`spawn`](Command::spawn).
    ///
    /// # Cancellation
    ///
    /// Dropping the future drops the [`Child`] and what it has printed.
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> + use<> {
        self.std.stdout(Stdio::piped());
        self.std.stderr(Stdio::piped());
        let child = self.spawn();
        async { child?.wait_with_output().await }
    }
}

impl From<process::Command> for Command {
    fn from(std: process::Command) -> Command {
        Command {
            std,
            kill_on_drop: false,
        }
    }
}
