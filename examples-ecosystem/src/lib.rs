//! What the programs share: the proof that they ran on loxley, and a few ways to get hold of things.
//!
//! Every program here is written as one writes for tokio, knows only tokio's name, and checks its own results. It ends
//! with [`proof`].

pub mod servers;
pub mod tls;

use std::error::Error;
use std::fs;
use std::future::Future;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;

/// What can go wrong in a program.
pub type Outcome<T = ()> = Result<T, Box<dyn Error + Send + Sync>>;

/// How long something may take that should take no time. A machine may be slow; only a lost wake takes so long.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits for something that must come.
///
/// # Panics
///
/// If it does not.
#[track_caller]
pub fn soon<F: Future>(what: &str, future: F) -> impl Future<Output = F::Output> {
    let place = std::panic::Location::caller();
    let what = what.to_owned();
    async move {
        match timeout(PATIENCE, future).await {
            Ok(output) => output,
            Err(_) => panic!("{what} did not come ({place})"),
        }
    }
}

/// Prints what the workers did, and checks that it was ours who did it.
///
/// `worker_event_count` is a method that tokio has not got, so that this does not even compile there.
///
/// # Panics
///
/// If no task was polled or no event came on our workers, or a thread of tokio's is there.
pub fn proof() {
    let metrics = Handle::current().metrics();
    let workers = 0..metrics.num_workers();
    let polls: u64 = workers
        .clone()
        .map(|worker| metrics.worker_poll_count(worker))
        .sum();
    let events: u64 = workers
        .map(|worker| metrics.worker_event_count(worker))
        .sum();
    let threads = threads();
    println!(
        "proof: {} workers, {polls} polls, {events} events, threads {}",
        metrics.num_workers(),
        threads.join(" ")
    );
    assert!(polls > 0, "no task was polled on our workers");
    assert!(events > 0, "no event came to our pollers");
    assert!(
        threads.iter().any(|name| name.starts_with("loxley-")),
        "no thread is ours"
    );
    let foreign = threads.iter().find(|name| name.starts_with("tokio-"));
    assert!(foreign.is_none(), "{foreign:?} is a thread of tokio's");
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("this is Linux");
    // A thread may end between the two looks.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.sort();
    names
}

/// Says that a law of the shared list of behaviours holds, and who keeps it.
pub fn law(number: &str, keeper: &str, what: &str) {
    println!("{number} ({keeper}): {what}");
}

/// Raises the limit of open files to what the system allows: both ends of all connections are in one process.
///
/// # Errors
///
/// If the system refuses what it said that it allows.
pub fn raise_open_files() -> Outcome {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    Ok(setrlimit(Resource::Nofile, limit)?)
}
