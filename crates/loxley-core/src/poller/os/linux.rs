//! Waiting in mio's epoll with deadlines finer than its milliseconds.
//!
//! # Words
//!
//! *Timer*: a timerfd registered in the poll, armed for the deadline of the wait. *Armed for*: that deadline, on
//! the monotonic clock in nanoseconds; set and cleared under the poller's lock only, by whoever waits.
//!
//! # Protocol
//!
//! - T1 A wait with a deadline arms the timer and then waits without a timeout. If the timer is already armed
//!   for a time at most [`EARLIER`] before or [`LATER`] after, it stays: a worker that is woken by sockets
//!   comes back with the same far deadline again and again, and saves the call.
//! - T2 Whoever harvests the timer's event clears `armed_for`: it fires once.
//! - T3 A timer left armed by an earlier wait may end a later one once, for nothing.
//! - T4 If the timer cannot be set, the wait has a timeout in milliseconds, rounded up.
//!
//! # Rejected
//!
//! Measured for 2,000 sleeps of 500 µs on two cores (Linux 6.18; CPU per sleep, lateness p50 / p99; three
//! runs, the first two columns vary by a quarter from run to run):
//!
//! | way to wait | CPU | late |
//! |---|---|---|
//! | timerfd_settime, then epoll_pwait without a timeout | 18–28 µs | 24–42 / 35–87 µs |
//! | epoll_pwait2 | 22–31 µs | 78–98 / 122–136 µs |
//! | epoll_pwait2, timer slack 1 ns | 20–30 µs | 25–48 / 54–87 µs |
//! | ppoll on the epoll, then epoll_pwait with zero | 23–32 µs | 81–100 / 107–121 µs |
//! | epoll_pwait, rounded up to a millisecond | 21–24 µs | 578 / 615–634 µs |
//!
//! Setting a timer alone costs 0.5 µs, an empty epoll_pwait with zero 0.16 µs. epoll_pwait2 saves the call and
//! is late by the thread's timer slack (50 µs; 0.1 % of long waits), which a library should not change, because
//! the threads that a program starts inherit it. In rustix it also needs the feature `linux_5_11`: without it a
//! wait is rounded up to milliseconds, with it every crate of the program needs that kernel.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use mio::unix::SourceFd;
use rustix::event::Timespec;
use rustix::event::epoll::{self, Event, EventFlags};
use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, clock_gettime,
    timerfd_create, timerfd_settime,
};

use crate::clock::duration_ns;
use crate::poller::interest::Ready;
use crate::poller::os::BATCH;
use crate::poller::slab::Token;

/// A timer may fire this much before the deadline: one wake too many, never a late one.
const EARLIER: u64 = 20_000;
/// And this much after it: deadlines are computed from two readings of the clock, which differ a little.
const LATER: u64 = 1_000;

const ZERO: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// The timer of one poll.
pub struct Wait {
    timer: OwnedFd,
    armed_for: Option<u64>,
}

impl Wait {
    pub fn open(poll: &mio::Poll) -> io::Result<Self> {
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Never read: setting it again takes back what it had counted, and each expiry is a new edge.
        poll.registry().register(
            &mut SourceFd(&timer.as_raw_fd()),
            mio::Token(Token::TIMER),
            mio::Interest::READABLE,
        )?;
        Ok(Self {
            timer,
            armed_for: None,
        })
    }

    pub fn wait(
        &mut self,
        poll: &mio::Poll,
        timeout: Option<Duration>,
        batch: usize,
        mut sink: impl FnMut(usize, Ready),
    ) -> io::Result<()> {
        let timeout = match timeout {
            None => None,
            Some(Duration::ZERO) => Some(ZERO),
            Some(limit) => self.arm(limit),
        };
        // SAFETY: the poll owns this open descriptor and outlives the borrow, which ends with this call.
        let poll = unsafe { BorrowedFd::borrow_raw(poll.as_raw_fd()) };
        // On the stack: rustix's events may hold pointers and are therefore not `Send`.
        let mut room = [const { MaybeUninit::<Event>::uninit() }; BATCH];
        let (events, _) = epoll::wait(poll, &mut room[..batch], timeout.as_ref())?;
        for event in events {
            // Epoll's events are packed on some machines: copy, never borrow.
            let (token, flags) = (event.data.u64() as usize, event.flags);
            match token {
                Token::KICK => {}
                Token::TIMER => self.armed_for = None, // T2
                _ => sink(token, ready(flags)),
            }
        }
        Ok(())
    }

    /// T1; what is left as a timeout for the wait itself.
    pub fn arm(&mut self, limit: Duration) -> Option<Timespec> {
        let wanted = monotonic_ns().saturating_add(duration_ns(limit));
        let window = wanted.saturating_sub(EARLIER)..=wanted.saturating_add(LATER);
        if self.armed_for.is_some_and(|armed| window.contains(&armed)) {
            return None;
        }
        let at = Itimerspec {
            it_interval: ZERO,
            it_value: timespec(wanted),
        };
        match timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &at) {
            Ok(_) => {
                self.armed_for = Some(wanted);
                None
            }
            Err(_) => Some(whole_millis(limit)), // T4
        }
    }
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    // The monotonic clock starts near zero at boot: neither part is negative.
    (now.tv_sec as u64).saturating_mul(1_000_000_000) + now.tv_nsec as u64
}

fn timespec(ns: u64) -> Timespec {
    Timespec {
        tv_sec: (ns / 1_000_000_000) as _,
        tv_nsec: (ns % 1_000_000_000) as _,
    }
}

fn whole_millis(limit: Duration) -> Timespec {
    timespec(
        duration_ns(limit)
            .div_ceil(1_000_000)
            .saturating_mul(1_000_000),
    )
}

/// Every bit reaches whoever may wait for it; HUP, ERR and RDHUP count when they come alone, too.
fn ready(flags: EventFlags) -> Ready {
    let mut ready = Ready::EMPTY;
    if flags.contains(EventFlags::IN) {
        ready |= Ready::READABLE;
    }
    if flags.contains(EventFlags::OUT) {
        ready |= Ready::WRITABLE;
    }
    if flags.contains(EventFlags::PRI) {
        ready |= Ready::PRIORITY;
    }
    if flags.contains(EventFlags::RDHUP) {
        ready |= Ready::READ_CLOSED;
    }
    if flags.contains(EventFlags::HUP) {
        ready |= Ready::READ_CLOSED | Ready::WRITE_CLOSED;
    }
    // An error is not a closed half: a datagram socket goes on after one. The operation tells what it is.
    if flags.contains(EventFlags::ERR) {
        ready |= Ready::ERROR | Ready::READABLE | Ready::WRITABLE;
    }
    ready
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hang_up_error_and_closed_reading_count_alone() {
        for flag in [EventFlags::HUP, EventFlags::ERR, EventFlags::RDHUP] {
            assert!(ready(flag).is_readable(), "{flag:?}");
        }
        assert!(ready(EventFlags::HUP).is_writable());
        assert!(ready(EventFlags::ERR).is_writable());
        assert!(!ready(EventFlags::RDHUP).is_writable());
        assert!(ready(EventFlags::ERR).is_error());
        assert!(!ready(EventFlags::ERR).is_write_closed());
        assert_eq!(ready(EventFlags::PRI), Ready::PRIORITY);
    }

    #[test]
    fn a_timer_armed_for_nearly_the_same_time_stays() {
        let poll = mio::Poll::new().unwrap();
        let mut wait = Wait::open(&poll).unwrap();
        let hour = Duration::from_secs(3600);
        assert!(wait.arm(hour).is_none());
        let armed = wait.armed_for.unwrap();
        assert!(wait.arm(hour - Duration::from_millis(1)).is_none());
        let earlier = wait.armed_for.unwrap();
        assert!(earlier < armed);
        wait.armed_for = Some(monotonic_ns() + duration_ns(hour));
        let kept = wait.armed_for;
        // At most 20 µs later by our own clock, or the machine has stopped us here: both are fine.
        assert!(wait.arm(hour).is_none());
        let now = wait.armed_for;
        assert!(now >= kept);
    }

    #[test]
    fn milliseconds_are_rounded_up() {
        for (ns, ms) in [(1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2)] {
            let spec = whole_millis(Duration::from_nanos(ns));
            assert_eq!(spec, timespec(ms * 1_000_000));
        }
    }
}
