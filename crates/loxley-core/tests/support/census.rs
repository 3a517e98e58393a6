//! What a process holds: descriptors and threads.

use std::fs;

/// Descriptors that are open now.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("the list of descriptors")
        .count()
}

/// Threads with this name, at most 15 bytes of it, that have not begun to exit: who was joined may be listed for a moment yet.
pub fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the list of threads");
    let stats = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("stat")).ok());
    stats
        .filter(|stat| lives_as(stat, name) == Some(true))
        .count()
}

/// What a line like `7 (name) S 1 7 7 0 -1 4194304 ..` says; `None` if it is none.
fn lives_as(stat: &str, name: &str) -> Option<bool> {
    /// The kernel's `PF_EXITING`, set before a join returns.
    const EXITING: u32 = 4;
    let (head, fields) = stat.rsplit_once(')')?;
    let (_, found) = head.split_once('(')?;
    let flags: u32 = fields.split_whitespace().nth(6)?.parse().ok()?;
    Some(found == name && flags & EXITING == 0)
}
