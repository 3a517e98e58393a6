//! The monitor's epoll.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::event::{EventfdFlags, Timespec, eventfd};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, timerfd_create, timerfd_settime,
};

use super::Wake;
use crate::primitive::atomic::{AtomicBool, Ordering};
use crate::worker::Station;

const RING: u64 = 0;
const ROUND: u64 = 1;
const STOP: u64 = 2;
const POLLER: u64 = 3;

/// The doors on Linux.
#[derive(Debug)]
pub struct Doors {
    epoll: OwnedFd,
    /// The alarm; set from any thread.
    ring: OwnedFd,
    /// The end of a round; set by the monitor alone.
    round: OwnedFd,
    /// It has not rung since it was set.
    is_round_set: AtomicBool,
    stop: OwnedFd,
}

impl Doors {
    pub fn open() -> io::Result<Self> {
        let timer = || {
            let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
            timerfd_create(TimerfdClockId::Monotonic, flags)
        };
        let doors = Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            ring: timer()?,
            round: timer()?,
            is_round_set: AtomicBool::new(false),
            stop: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
        };
        // Edge-triggered: a timer that is set again begins anew, and nothing has to be read.
        let flags = EventFlags::IN | EventFlags::ET;
        for (fd, data) in [(&doors.ring, RING), (&doors.round, ROUND)] {
            epoll::add(&doors.epoll, fd, EventData::new_u64(data), flags)?;
        }
        epoll::add(
            &doors.epoll,
            &doors.stop,
            EventData::new_u64(STOP),
            EventFlags::IN,
        )?;
        Ok(doors)
    }

    pub fn ring_in(&self, period: u64) {
        set(&self.ring, period);
    }

    pub fn stop(&self) {
        // Fails only if it has been written 2^64 - 2 times.
        let _ = rustix::io::write(&self.stop, &1_u64.to_ne_bytes());
    }

    pub fn wait(&self, limit: Option<Duration>) -> Wake {
        let limit = limit.map_or(0, |limit| limit.as_nanos().max(1) as u64);
        // Relaxed: the monitor's own.
        if self.is_round_set.swap(limit != 0, Ordering::Relaxed) || limit != 0 {
            set(&self.round, limit);
        }
        let mut room = [MaybeUninit::<Event>::uninit(); 4];
        loop {
            let events = match epoll::wait(&self.epoll, &mut room, None::<&Timespec>) {
                Ok((events, _)) => events,
                Err(rustix::io::Errno::INTR) => continue,
                // The epoll is gone or broken: nothing can be watched any more.
                Err(_) => return Wake::Stop,
            };
            let seen = |data: u64| events.iter().any(|event| event.data.u64() == data);
            if seen(STOP) {
                return Wake::Stop;
            }
            if seen(ROUND) {
                self.is_round_set.store(false, Ordering::Relaxed);
            }
            if seen(RING) {
                return Wake::Ring;
            }
            if events.iter().any(|event| event.data.u64() >= POLLER) {
                return Wake::Event;
            }
            if seen(ROUND) && limit != 0 {
                return Wake::Time;
            }
        }
    }

    pub fn watch(&self, station: &Station, again: bool) {
        with_poller(station, |fd| {
            let (data, flags) = (
                EventData::new_u64(POLLER),
                EventFlags::IN | EventFlags::ONESHOT,
            );
            if !again || epoll::modify(&self.epoll, fd, data, flags).is_err() {
                // Refused: the rounds alone then find what is there.
                let _ = epoll::add(&self.epoll, fd, data, flags);
            }
        });
    }

    pub fn unwatch(&self, station: &Station) {
        // Gone already: nothing to take out.
        with_poller(station, |fd| {
            let _ = epoll::delete(&self.epoll, fd);
        });
    }
}

fn with_poller(station: &Station, f: impl FnOnce(BorrowedFd<'_>)) {
    let fd: Option<RawFd> = station.poller.as_ref().and_then(|poller| poller.poll_fd());
    if let Some(fd) = fd {
        // SAFETY: a station's poller closes its epoll at shutdown only, after the monitor has ended
        // (runtime/shutdown.rs, E1); the descriptor is open for the time of this borrow.
        f(unsafe { BorrowedFd::borrow_raw(fd) });
    }
}

fn set(timer: &OwnedFd, nanoseconds: u64) {
    let value = Timespec {
        tv_sec: (nanoseconds / 1_000_000_000) as i64,
        tv_nsec: (nanoseconds % 1_000_000_000) as i64,
    };
    let zero = Timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let setting = Itimerspec {
        it_interval: zero,
        it_value: value,
    };
    // The arguments are in range, and the descriptor is ours: it cannot fail.
    let _ = timerfd_settime(timer, TimerfdTimerFlags::empty(), &setting);
}

/// State S or D in the thread's `stat`.
pub fn is_asleep(thread: u32) -> bool {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/self/task/{thread}/stat")) else {
        return false;
    };
    // The name is in parentheses and may contain anything; the state follows the last one.
    let state = stat
        .rsplit_once(") ")
        .and_then(|(_, rest)| rest.chars().next());
    matches!(state, Some('S' | 'D'))
}

/// The processor time that a thread has used, in nanoseconds, up to this moment; `None` if it has ended.
pub fn processor_time(thread: u32) -> Option<u64> {
    // By libc, because rustix names no clock of another thread.
    // The kernel's name for the scheduler's clock of one thread (CPUCLOCK_PERTHREAD_MASK | CPUCLOCK_SCHED).
    let clock = (!(thread as libc::clockid_t) << 3) | 6;
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the only memory that the call touches is `time`, which is ours; a clock that does not exist is an error.
    let answer = unsafe { libc::clock_gettime(clock, &mut time) };
    (answer == 0).then(|| time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}
