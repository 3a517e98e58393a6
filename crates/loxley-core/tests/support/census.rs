//! What a process holds: descriptors and threads.

use std::fs;

/// Descriptors that are open now.
pub fn descriptors() -> usize {
    fs::read_dir("/proc/self/fd")
        .expect("the list of descriptors")
        .count()
}

/// Threads with this name, at most 15 bytes of it.
pub fn threads_named(name: &str) -> usize {
    let tasks = fs::read_dir("/proc/self/task").expect("the list of threads");
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|found| found.trim_end() == name).count()
}
