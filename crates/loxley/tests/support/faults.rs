//! What the tests of faults share: a process of their own, faults that strace injects, and what must be left afterwards.

#![allow(
    dead_code,
    reason = "each test is a program of its own and uses a part of this"
)]

#[path = "../../../loxley-core/tests/support/census.rs"]
mod census;
#[path = "../../../loxley-core/tests/support/until.rs"]
mod until;
#[path = "../../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::fs;
use std::io::{self, Write};
use std::process::{Command, Output};

use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::{TcpListener, TcpStream};
use loxley::runtime::{Builder, Handle, Runtime};
use loxley::time::{Duration, sleep};

pub use census::descriptors;
pub use until::until;
pub use watch::watched;

/// Set in the processes that a test starts of itself: faults, limits and signals hold for a whole process.
const CHILD: &str = "LOXLEY_TEST_CHILD";

pub fn is_child() -> bool {
    std::env::var_os(CHILD).is_some()
}

/// Runs `body` in a process of its own, which is this very test again, started by `wrapper` if that is not empty.
pub fn in_a_child_under(wrapper: &[&str], test: &str, body: impl FnOnce() + Send + 'static) {
    if is_child() {
        return watched(body);
    }
    let program = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        [] => Command::new(program),
        [first, rest @ ..] => {
            let mut command = Command::new(first);
            command.args(rest).arg(program);
            command
        }
    };
    command
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(CHILD, "1");
    let output = command.output().unwrap();
    let (told, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{wrapper:?}: {}\n{told}\n{errors}",
        output.status
    );
}

/// Runs `body` in a process of its own, which is this very test again.
pub fn in_a_child(test: &str, body: impl FnOnce() + Send + 'static) {
    in_a_child_under(&[], test, body);
}

/// The same, and afterwards the process holds what it held before.
pub fn with_base_line(test: &str, body: impl FnOnce() + Send + 'static) {
    in_a_child(test, || {
        let base = BaseLine::take();
        body();
        base.returns();
    });
}

/// Runs `body` once for each fault, in a process whose system calls fail as the fault says: `call:error=NAME:when=N..M`,
/// counted for each thread by itself.
pub fn under_strace(test: &str, faults: &[&str], body: impl Fn() + Send + Clone + 'static) {
    if is_child() {
        return watched(body);
    }
    let trial = ["-f", "-qq", "-o", "/dev/null", "true"];
    if let Err(why) = works("strace", &trial) {
        return skipped(test, &why);
    }
    for fault in faults {
        let calls = fault.split(':').next().unwrap();
        let (trace, inject) = (format!("trace={calls}"), format!("inject={fault}"));
        let strace = [
            "strace",
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &trace,
            "-e",
            &inject,
        ];
        in_a_child_under(&strace, test, body.clone());
    }
}

/// Whether a command ends well, or why not.
pub fn works(program: &str, args: &[&str]) -> Result<(), String> {
    match Command::new(program).args(args).output() {
        Err(error) => Err(format!("{program} does not start: {error}")),
        Ok(Output { status, .. }) if status.success() => Ok(()),
        Ok(output) => Err(format!(
            "{program} may not: {}",
            text(&output.stderr).lines().next().unwrap_or("no reason")
        )),
    }
}

/// A test that lacks a right or a tool says so, past the capture of output: a gate counts these lines.
pub fn skipped(test: &str, why: &str) {
    let _ = write!(io::stdout(), "\nskipped: {test}: {why}\n");
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What the process held before.
#[derive(Clone, Copy, Debug)]
pub struct BaseLine {
    descriptors: usize,
    threads: usize,
}

impl BaseLine {
    pub fn take() -> Self {
        Self {
            descriptors: descriptors(),
            threads: threads(),
        }
    }

    /// Returns once the process holds no more than then; a watchdog ends the wait.
    pub fn returns(self) {
        // The kernel takes a thread off its list a little after it was joined.
        until(|| threads() <= self.threads);
        assert_eq!(descriptors(), self.descriptors, "descriptors are left");
    }
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// Fails if workers go round and round: a runtime at rest makes some turns in a tenth of a second, one that spins makes
/// many thousands. What was begun before may take its time, so it is enough to find them at rest once.
pub async fn assert_at_rest() {
    const MOST: u64 = 100;
    let metrics = Handle::current().metrics();
    let turns = || {
        let of = |worker| {
            metrics.worker_poll_count(worker)
                + metrics.worker_park_count(worker)
                + metrics.worker_poller_poll_count(worker)
        };
        (0..metrics.num_workers()).map(of).sum::<u64>()
    };
    let mut made = 0;
    for _ in 0..20 {
        let before = turns();
        sleep(Duration::from_millis(100)).await;
        made = turns() - before;
        if made < MOST {
            return;
        }
    }
    panic!("{made} turns: it spins");
}

pub fn pool(workers: usize) -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(workers).enable_all();
    builder
}

pub fn both_flavors() -> [Runtime; 2] {
    let current = Builder::new_current_thread().enable_all().build();
    [pool(2).build().unwrap(), current.unwrap()]
}

/// Two ends of one connection, and the listener in between.
pub async fn connection() -> (TcpStream, TcpStream, TcpListener) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let near = TcpStream::connect(address).await.unwrap();
    let (far, _) = listener.accept().await.unwrap();
    (near, far, listener)
}

/// Sends a message there and back, so often.
pub async fn echo(near: &mut TcpStream, far: &mut TcpStream, times: usize) {
    let mut bytes = [0; 4];
    for number in 0..times {
        let sent = (number as u32).to_ne_bytes();
        near.write_all(&sent).await.unwrap();
        far.read_exact(&mut bytes).await.unwrap();
        far.write_all(&bytes).await.unwrap();
        near.read_exact(&mut bytes).await.unwrap();
        assert_eq!(bytes, sent);
    }
}
