//! What a process holds: descriptors and threads.

use std::fs;
use std::path::Path;

/// Descriptors that are open now. ThreadSanitizer talks to its symbolizer through pipes, from its first report on; ours are
/// no pipes, so there they are left out.
pub fn descriptors() -> usize {
    let all = fs::read_dir("/proc/self/fd").expect("the list of descriptors");
    let is_pipe = |path: &Path| {
        let target = fs::read_link(path).unwrap_or_default();
        target.to_string_lossy().starts_with("pipe:")
    };
    all.filter(|entry| {
        let path = entry.as_ref().expect("a descriptor").path();
        !cfg!(loxley_tsan) || !is_pipe(&path)
    })
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
