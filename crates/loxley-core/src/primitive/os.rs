//! What the kernel calls this thread, what its clock reads, and how a process learns that it is a forked child.
//!
//! A fork copies memory, descriptors and one thread. A runtime in it has lost its workers, and its pollers are still its
//! parent's: a child that goes on with it would wait for ever, or take the parent's events away. So a runtime knows
//! the process that it was made in.
//!
//! Asking for the process number costs a system call. On Linux a page that the kernel empties in a child does as well,
//! for one load: it holds a number that is drawn when it is found empty.
//!
//! Checked by `crates/loxley/tests/faults_fork.rs`.

#[cfg(target_os = "linux")]
use super::global::{AtomicU64, Ordering};

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

/// How often the kernel has had this thread wait for its processor although it wanted to go on; `None` if it does not say.
#[cfg(target_os = "linux")]
pub fn times_put_off() -> Option<u64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the pointer is to a `rusage` of ours, which the call fills in.
    let failed = unsafe { libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr()) };
    // SAFETY: zeros are a `rusage`, whatever the call has written.
    let usage = unsafe { usage.assume_init() };
    u64::try_from(usage.ru_nivcsw).ok().filter(|_| failed == 0)
}

/// How often the kernel has had this thread wait for its processor although it wanted to go on; `None` if it does not say.
#[cfg(not(target_os = "linux"))]
pub fn times_put_off() -> Option<u64> {
    None
}

/// Nanoseconds since some beginning, by the clock of `Instant`: 20 instructions, where the difference of two instants
/// takes 100.
#[cfg(target_os = "linux")]
#[inline]
pub fn monotonic() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a `timespec` of ours, which the call fills in.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    debug_assert_eq!(failed, 0, "every Linux has this clock");
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

/// Nanoseconds since some beginning, by the clock of `Instant`.
#[cfg(not(target_os = "linux"))]
pub fn monotonic() -> u64 {
    static BEGINNING: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    let since = BEGINNING.get_or_init(std::time::Instant::now).elapsed();
    since.as_secs() * 1_000_000_000 + u64::from(since.subsec_nanos())
}

/// The process in which something was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(u64);

impl Process {
    /// This process.
    #[cfg(target_os = "linux")]
    #[inline]
    pub fn current() -> Self {
        let Some(page) = PAGE.get_or_init(page_emptied_by_forks) else {
            return Self::by_number();
        };
        match page.load(Ordering::Relaxed) {
            0 => Self::draw(page),
            number => Self(number),
        }
    }

    /// This process.
    #[cfg(not(target_os = "linux"))]
    pub fn current() -> Self {
        Self::by_number()
    }

    /// False in a forked child of the process that it names.
    #[inline]
    pub fn is_current(self) -> bool {
        self == Self::current()
    }

    fn by_number() -> Self {
        Self(std::process::id().into())
    }

    /// The first call in this process. A child goes on counting where its parent was, so the two differ.
    #[cfg(target_os = "linux")]
    #[cold]
    fn draw(page: &AtomicU64) -> Self {
        let drawn = 1 + DRAWN.fetch_add(1, Ordering::Relaxed);
        match page.compare_exchange(0, drawn, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => Self(drawn),
            Err(number) => Self(number),
        }
    }
}

#[cfg(target_os = "linux")]
static PAGE: std::sync::OnceLock<Option<&'static AtomicU64>> = std::sync::OnceLock::new();
#[cfg(target_os = "linux")]
static DRAWN: AtomicU64 = AtomicU64::new(0);

/// `None` if the kernel does not know how (before 4.14).
#[cfg(target_os = "linux")]
#[cold]
fn page_emptied_by_forks() -> Option<&'static AtomicU64> {
    use rustix::mm::{Advice, MapFlags, ProtFlags, madvise, mmap_anonymous};

    // The largest page that Linux has anywhere. Asking for the real size makes rustix read what valgrind hides, and crash.
    let length = 1 << 16;
    let protection = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new mapping, at an address of the kernel's choice: it overlaps nothing that exists.
    let mapped = unsafe {
        mmap_anonymous(std::ptr::null_mut(), length, protection, MapFlags::PRIVATE).ok()?
    };
    // SAFETY: the range is the mapping above, which nobody else knows; the advice changes what a child sees of it alone.
    unsafe { madvise(mapped, length, Advice::LinuxWipeOnFork).ok()? };
    // SAFETY: the mapping is never unmapped, aligned to a page, as large as one, and zeroed: a valid atomic zero. From here
    // on it is reached through this reference only.
    Some(unsafe { &*mapped.cast::<AtomicU64>() })
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_itself_on_every_thread() {
        let here = Process::current();
        let there = std::thread::spawn(Process::current).join().unwrap();
        assert_eq!(here, there);
        assert!(here.is_current());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn threads_that_share_a_processor_are_put_off() {
        let before = times_put_off().unwrap();
        let mut here = rustix::thread::CpuSet::new();
        here.set(rustix::thread::sched_getcpu());
        rustix::thread::sched_setaffinity(None, &here).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            // It inherits the affinity, and never sleeps either.
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            while times_put_off().unwrap() == before {
                std::hint::spin_loop();
            }
            done.store(true, std::sync::atomic::Ordering::Relaxed);
        });
    }
}
