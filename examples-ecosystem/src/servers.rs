//! Servers of the system's packages, started for one program on a free port of the loopback, and gone with it.
//!
//! A server ends when its [`Server`] is dropped. Is the program killed before that, the kernel kills the server too: each
//! is started by `setpriv --pdeathsig`. (The kernel looks at the thread that started it: start them on the main one.)

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tempfile::TempDir;

use crate::Outcome;

/// A server that runs until this is dropped.
#[derive(Debug)]
pub struct Server {
    /// Where it listens.
    pub port: u16,
    _child: Running,
    /// What it writes. Deleted after its end: fields are dropped in this order.
    _directory: TempDir,
}

#[derive(Debug)]
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // Once it has been waited for, its number may be somebody else's.
        if let Ok(None) = self.0.try_wait() {
            // Both servers take it as the word to end without waiting for their clients.
            let _ = kill_process(Pid::from_child(&self.0), Signal::INT);
            let _ = self.0.wait();
        }
    }
}

/// Debian's redis-server; `None`, after a word, where it is not installed.
///
/// # Errors
///
/// If it is installed and does not start.
pub async fn redis() -> Outcome<Option<Server>> {
    if !installed("redis-server") {
        println!("skipped: redis-server is not installed");
        return Ok(None);
    }
    let server = started(tempfile::tempdir()?, |port, directory| {
        let mut server = ending_with_us("redis-server", None);
        server.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
        server.arg("--port").arg(port.to_string());
        server.arg("--dir").arg(directory);
        server
    });
    server.await.map(Some)
}

/// Debian's PostgreSQL, whose superuser is `postgres` and needs no password; `None`, after a word, where it is not
/// installed.
///
/// # Errors
///
/// If it is installed and does not start.
pub async fn postgres() -> Outcome<Option<Server>> {
    let Some(programs) = postgres_programs() else {
        println!("skipped: postgresql is not installed");
        return Ok(None);
    };
    let directory = tempfile::tempdir()?;
    // It refuses to run as root; the package has made a user for it.
    let user = geteuid().is_root().then_some("postgres");
    if let Some(user) = user {
        done(Command::new("chown").arg(user).arg(directory.path()))?;
    }
    let data = directory.path().join("data");
    let mut init = ending_with_us(programs.join("initdb"), user);
    init.args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
    init.args(["--no-locale", "--no-sync", "-D"]).arg(&data);
    done(init.current_dir("/").stdout(Stdio::null()))?;
    let server = started(directory, |port, directory| {
        let mut server = ending_with_us(programs.join("postgres"), user);
        server.arg("-D").arg(&data).arg("-k").arg(directory);
        server.args(["-F", "-h", "127.0.0.1", "-p"]);
        server.arg(port.to_string());
        server
    });
    server.await.map(Some)
}

/// Starts a server, on another port if somebody has taken the one that was free, and waits until it answers.
async fn started(directory: TempDir, command: impl Fn(u16, &Path) -> Command) -> Outcome<Server> {
    let log = directory.path().join("log");
    for _ in 0..5 {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut command = command(port, directory.path());
        let output = File::create(&log)?;
        command.stdin(Stdio::null()).stdout(output.try_clone()?);
        let mut child = Running(command.stderr(output).current_dir("/").spawn()?);
        while child.0.try_wait()?.is_none() {
            let answer = tokio::net::TcpStream::connect(("127.0.0.1", port)).await;
            if answer.is_ok() {
                return Ok(Server {
                    port,
                    _child: child,
                    _directory: directory,
                });
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    Err(format!("it ends at once: {}", fs::read_to_string(&log)?).into())
}

/// A program that the kernel ends with us, and that runs as another user if that is named.
fn ending_with_us(program: impl AsRef<OsStr>, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL"]);
    if let Some(user) = user {
        command.args(["--reuid", user, "--regid", user, "--init-groups"]);
    }
    command.arg("--").arg(program);
    command
}

/// Runs a program to its end.
fn done(command: &mut Command) -> Outcome {
    let status = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(format!("{command:?} ended with {status}").into())
}

fn installed(program: &str) -> bool {
    let mut version = Command::new(program);
    match version.arg("--version").stdout(Stdio::null()).status() {
        Ok(_) => true,
        Err(error) => error.kind() != ErrorKind::NotFound,
    }
}

/// Debian keeps them by version, out of the path.
fn postgres_programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let programs = versions.filter_map(|version| Some(version.ok()?.path().join("bin")));
    programs
        .filter(|programs| programs.join("postgres").exists())
        .max()
}
