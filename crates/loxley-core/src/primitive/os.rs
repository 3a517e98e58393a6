//! What the kernel calls this thread.

/// The number of the calling thread in the kernel; never 0.
#[cfg(target_os = "linux")]
pub fn thread_number() -> u32 {
    rustix::thread::gettid()
        .as_raw_nonzero()
        .get()
        .unsigned_abs()
}

/// Elsewhere threads are told apart by nothing that a watcher could use.
#[cfg(not(target_os = "linux"))]
pub fn thread_number() -> u32 {
    1
}
