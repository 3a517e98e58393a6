//! Where another thread is: its stack, taken by a signal that it handles itself.
//!
//! # Protocol
//!
//! One capture at a time in the process, under [`ASKING`]; the handler has no lock and no allocation.
//!
//! - Y1 the asker writes the thread's number into [`WANTED`] and sends it [`SIGNAL`].
//! - Y2 the handler, on that thread, exchanges the number for [`WRITING`], walks its own stack, stores the addresses into
//!   [`FRAMES`] and their number into [`COUNT`], and sets `WANTED` to [`DONE`]. Any other thread that gets the signal
//!   finds another number and does nothing.
//! - Y3 the asker waits for `DONE`, at most [`PATIENCE`]; then it takes its wish back by an exchange. If that fails the
//!   handler is in Y2, and ends soon: it waits on.
//!
//! The signal is SIGURG, which does nothing by default and which Go uses for the same reason; a handler that the program
//! has for it keeps being called. System calls are restarted, but for those that never are: a sleep or a poll ends with
//! `EINTR`, which the standard library knows.
//!
//! Walking the stack uses the unwinder of the standard library's panics. With glibc from 2.35 on that takes no lock;
//! before, it takes the loader's, which is a thread's own to take again.

use std::time::{Duration, Instant};

use crate::primitive::global::{AtomicU64, Ordering};
use crate::primitive::{Mutex, OnceLock};

const SIGNAL: i32 = libc::SIGURG;
/// How many frames are kept.
const DEPTH: usize = 64;
/// How long a thread may take to answer. It does so when it next runs.
const PATIENCE: Duration = Duration::from_millis(20);

const NOBODY: u64 = 0;
const WRITING: u64 = u64::MAX;
const DONE: u64 = u64::MAX - 1;

static ASKING: Mutex<()> = Mutex::new(());
static WANTED: AtomicU64 = AtomicU64::new(NOBODY);
static COUNT: AtomicU64 = AtomicU64::new(0);
static FRAMES: [AtomicU64; DEPTH] = [const { AtomicU64::new(0) }; DEPTH];

/// Addresses of code, innermost first.
#[derive(Clone, Debug)]
pub struct Stack(Vec<u64>);

impl Stack {
    /// The functions at these addresses.
    pub fn names(&self) -> Vec<String> {
        let mut names = Vec::new();
        for &address in &self.0 {
            backtrace::resolve(address as *mut std::ffi::c_void, |symbol| {
                names.extend(symbol.name().map(|name| format!("{name:#}")));
            });
        }
        // What lies inside is the handler, and what called it.
        let own = |name: &String| name.contains(HANDLER);
        let begin = names.iter().rposition(own).map_or(0, |index| index + 1);
        names.split_off(begin)
    }
}

/// Part of the handler's own name, as it stands in a backtrace.
const HANDLER: &str = "stack::answer";

/// Asks the thread with this number in this process; `None` if it does not answer in time.
pub fn capture(thread: u32) -> Option<Stack> {
    if !is_installed() {
        return None;
    }
    let _one_at_a_time = ASKING.lock();
    WANTED.store(u64::from(thread), Ordering::Release); // Y1, pairs with the exchange in Y2
    if !send(thread) {
        WANTED.store(NOBODY, Ordering::Relaxed);
        return None;
    }
    let asked = Instant::now();
    // Acquire: pairs with the Release of `DONE`.
    while WANTED.load(Ordering::Acquire) != DONE {
        if asked.elapsed() > PATIENCE && take_back(thread) {
            return None; // Y3
        }
        std::thread::sleep(Duration::from_micros(50));
    }
    WANTED.store(NOBODY, Ordering::Relaxed);
    let count = COUNT.load(Ordering::Relaxed) as usize;
    let frames = FRAMES.iter().take(count);
    Some(Stack(
        frames.map(|frame| frame.load(Ordering::Relaxed)).collect(),
    ))
}

fn take_back(thread: u32) -> bool {
    let wish = u64::from(thread);
    WANTED
        .compare_exchange(wish, NOBODY, Ordering::Relaxed, Ordering::Relaxed)
        .is_ok()
}

fn send(thread: u32) -> bool {
    let process = std::process::id();
    // SAFETY: a system call without pointers; a thread that has ended gives an error, and numbers are of this process.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process, thread, SIGNAL) };
    sent == 0
}

/// Installs the handler once; false if the system refuses.
fn is_installed() -> bool {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    *INSTALLED.get_or_init(|| {
        // SAFETY: `answer` touches static atomics, asks the system for a number, and walks its own stack: no lock of
        // this program, no allocation (see the head).
        unsafe { signal_hook_registry::register(SIGNAL, answer) }.is_ok()
    })
}

/// Y2, in the signal handler.
#[inline(never)]
fn answer() {
    let own = u64::from(crate::primitive::thread_number());
    // AcqRel: pairs with the Release in Y1.
    let wanted = WANTED.compare_exchange(own, WRITING, Ordering::AcqRel, Ordering::Relaxed);
    if wanted.is_err() {
        return;
    }
    let mut count = 0;
    // SAFETY: "unsynchronized" is about resolving names, which is not done here; walking needs no lock of the crate's.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            FRAMES[count].store(frame.ip() as u64, Ordering::Relaxed);
            count += 1;
            count < DEPTH
        });
    }
    COUNT.store(count as u64, Ordering::Relaxed);
    WANTED.store(DONE, Ordering::Release);
}
