//! What the monitor waits for: the alarm, the end of a round, an event in a poller that nobody serves, the end.
//!
//! On Linux one epoll with two timerfds, an eventfd, and the pollers of stuck stations nested in it. The portable twin is
//! a condition variable with a timeout and nests nothing: events are then taken in by the worker that each round wakes.

#[cfg(target_os = "linux")]
mod linux;
mod portable;
#[cfg(all(target_os = "linux", feature = "stall-backtrace"))]
mod stack;

use crate::worker::Station;

/// Why a wait ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The monitor should end.
    Stop,
    /// The alarm rang.
    Ring,
    /// A watched poller has an event.
    Event,
    /// The time is up.
    Time,
}

/// The doors, in one of two forms.
#[derive(Debug)]
pub enum Doors {
    #[cfg(target_os = "linux")]
    Linux(linux::Doors),
    Portable(portable::Doors),
}

impl Doors {
    /// Opens them.
    pub fn open(portable: bool) -> std::io::Result<Self> {
        #[cfg(target_os = "linux")]
        if !portable {
            return linux::Doors::open().map(Self::Linux);
        }
        let _ = portable;
        Ok(Self::Portable(portable::Doors::default()))
    }

    /// Rings after this many nanoseconds; 0 takes it back.
    pub fn ring_in(&self, period: u64) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(doors) => doors.ring_in(period),
            Self::Portable(doors) => doors.ring_in(period),
        }
    }

    /// Ends the wait for good.
    pub fn stop(&self) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(doors) => doors.stop(),
            Self::Portable(doors) => doors.stop(),
        }
    }

    /// Waits, at most for `limit`.
    pub fn wait(&self, limit: Option<std::time::Duration>) -> Wake {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(doors) => doors.wait(limit),
            Self::Portable(doors) => doors.wait(limit),
        }
    }

    /// One event of this station's poller ends a wait; `again`: it is watched already.
    pub fn watch(&self, station: &Station, again: bool) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(doors) => doors.watch(station, again),
            Self::Portable(doors) => doors.watch(station),
        }
    }

    /// No event of this station's poller ends a wait any more.
    pub fn unwatch(&self, station: &Station) {
        match self {
            #[cfg(target_os = "linux")]
            Self::Linux(doors) => doors.unwatch(station),
            Self::Portable(_) => {}
        }
    }
}

#[cfg(all(target_os = "linux", feature = "stall-backtrace"))]
pub use stack::{Stack, capture as capture_stack};

/// Nobody's: stacks are not looked at.
#[cfg(not(all(target_os = "linux", feature = "stall-backtrace")))]
#[derive(Clone, Debug)]
pub enum Stack {}

#[cfg(not(all(target_os = "linux", feature = "stall-backtrace")))]
impl Stack {
    pub fn names(&self) -> Vec<String> {
        match *self {}
    }
}

#[cfg(not(all(target_os = "linux", feature = "stall-backtrace")))]
pub fn capture_stack(_thread: u32) -> Option<Stack> {
    None
}

/// True if the kernel says that the thread sleeps.
#[cfg(target_os = "linux")]
pub fn is_asleep(thread: u32) -> bool {
    linux::is_asleep(thread)
}

/// Elsewhere nobody can tell: a thread that is stuck counts as asleep, and the cap on spares is the guard.
#[cfg(not(target_os = "linux"))]
pub fn is_asleep(_thread: u32) -> bool {
    true
}

/// The processor time that a thread has used, in nanoseconds.
#[cfg(target_os = "linux")]
pub fn processor_time(thread: u32) -> Option<u64> {
    linux::processor_time(thread)
}

/// Elsewhere nobody can tell.
#[cfg(not(target_os = "linux"))]
pub fn processor_time(_thread: u32) -> Option<u64> {
    None
}
