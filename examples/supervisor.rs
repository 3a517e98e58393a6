//! A process supervisor: starts commands, and again when they end, until it is told to end itself.
//!
//! Each command has a task, which waits for its child or for the signal, whichever comes first. A command that ends soon
//! is started again later and later. On SIGTERM, or ctrl-c, every child gets a SIGTERM, and who has not ended within the
//! grace time is killed. Each child leads a process group, so that the signals reach its own children too.
//! `kill_on_drop` stands behind all of it: whatever goes wrong here, no child is left behind.
//!
//! `cargo run -p examples --example supervisor` supervises two children of its own, and ends.
//! `cargo run -p examples --example supervisor -- 2000 'sleep 5' 'nc -l 7010'` runs the commands by `sh`, with a grace
//! time of two seconds.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use loxley::process::{Child, Command};
use loxley::select;
use loxley::signal::unix::{SignalKind, signal};
use loxley::sync::CancellationToken;
use loxley::task::JoinSet;
use loxley::time::{Instant, sleep, timeout};
use rustix::process::{Pid, Signal, getpid, kill_process_group};

/// Between two starts of a command: at first, and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
/// Who ran for so long has not failed to start.
const WELL: Duration = Duration::from_secs(10);

#[loxley::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let Some(grace) = arguments.next() else {
        return check().await;
    };
    let grace = Duration::from_millis(grace.parse().map_err(io::Error::other)?);
    for end in supervise(arguments.collect(), grace).await? {
        println!("{end}");
    }
    Ok(())
}

/// Runs `commands` until a signal comes; says how each ended.
async fn supervise(commands: Vec<String>, grace: Duration) -> io::Result<Vec<String>> {
    // Before the first child: a signal that comes while it starts must not be missed.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let ending = CancellationToken::new();
    let mut keepers = JoinSet::new();
    for command in commands {
        keepers.spawn(keep(command, ending.clone(), grace));
    }
    select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    println!("ending");
    ending.cancel();
    Ok(keepers.join_all().await)
}

/// Keeps one command running, and ends it when told to.
async fn keep(command: String, ending: CancellationToken, grace: Duration) -> String {
    let (mut pause, longest) = PAUSES;
    loop {
        let begun = Instant::now();
        match start(&command) {
            Ok(mut child) => {
                println!("started: {command}");
                select! {
                    ended = child.wait() => println!("{}: {command}", describe(ended)),
                    () = ending.cancelled() => return format!("{}: {command}", end(child, grace).await),
                }
            }
            Err(error) => eprintln!("cannot start: {command}: {error}"),
        }
        if begun.elapsed() > WELL {
            pause = PAUSES.0;
        }
        if ending.run_until_cancelled(sleep(pause)).await.is_none() {
            return format!("not running: {command}");
        }
        pause = longest.min(pause * 2);
    }
}

fn start(command: &str) -> io::Result<Child> {
    // `exec`: the child is the command itself, not a shell that waits for it.
    Command::new("sh")
        .args(["-c", &format!("exec {command}")])
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

/// Asks a child to end, and kills it after the grace time.
async fn end(mut child: Child, grace: Duration) -> String {
    let Some(group) = child.id().and_then(|id| Pid::from_raw(id as i32)) else {
        return describe(child.wait().await);
    };
    // An error says that it has ended by itself just now.
    let _ = kill_process_group(group, Signal::TERM);
    if let Ok(ended) = timeout(grace, child.wait()).await {
        return describe(ended);
    }
    let _ = kill_process_group(group, Signal::KILL);
    format!("killed, {}", describe(child.wait().await))
}

fn describe(ended: io::Result<ExitStatus>) -> String {
    match ended {
        Ok(status) => format!("ended with {status}"),
        Err(error) => format!("cannot be waited for: {error}"),
    }
}

/// One child ends at once until it was started three times, and then tells us to end; another does not listen.
async fn check() -> io::Result<()> {
    let folder = std::env::temp_dir().join(format!("loxley-supervisor-{}", std::process::id()));
    std::fs::create_dir(&folder)?;
    let count = folder.join("count");
    let deaf = folder.join("deaf");
    let script = format!(
        "sh -c 'echo x >> {count}; test $(wc -l < {count}) -lt 3 && exit 1; \
         until test -e {deaf}; do sleep 0.01; done; kill -TERM {pid}; exec sleep 1000'",
        count = count.display(),
        deaf = deaf.display(),
        pid = getpid().as_raw_nonzero(),
    );
    let stubborn = format!(
        "sh -c 'trap \"\" TERM; touch {}; exec sleep 1000'",
        deaf.display()
    );

    let mut ends = supervise(vec![script, stubborn], Duration::from_millis(200)).await?;
    ends.sort();
    let starts = std::fs::read_to_string(&count)?.lines().count();
    std::fs::remove_dir_all(&folder)?;
    println!("after {starts} starts:\n{}", ends.join("\n"));
    assert_eq!(starts, 3);
    assert!(ends[0].starts_with("ended with signal: 15"), "{}", ends[0]);
    assert!(ends[1].starts_with("killed"), "{}", ends[1]);
    Ok(())
}
