//! The monitor's condition variable.

use std::time::{Duration, Instant};

use super::Wake;
use crate::primitive::{Condvar, Mutex};
use crate::worker::Station;

/// The doors where there is neither timerfd nor nested epoll.
#[derive(Debug, Default)]
pub struct Doors {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    stop: bool,
    ring_at: Option<Instant>,
    /// Somebody is watched: each round counts as an event, so that a worker is woken to look.
    watching: bool,
    /// The monitor waits until then, so an alarm that is to ring earlier must wake it to be noticed; `None`: for ever.
    waits_until: Option<Instant>,
}

impl Doors {
    pub fn ring_in(&self, period: u64) {
        let mut state = self.state.lock();
        state.ring_at = (period > 0).then(|| Instant::now() + Duration::from_nanos(period));
        let earlier = state
            .ring_at
            .is_some_and(|at| state.waits_until.is_none_or(|until| at < until));
        if earlier {
            self.changed.notify_one();
        }
    }

    pub fn stop(&self) {
        self.state.lock().stop = true;
        self.changed.notify_one();
    }

    pub fn watch(&self, _: &Station) {
        self.state.lock().watching = true;
    }

    pub fn wait(&self, limit: Option<Duration>) -> Wake {
        let end = limit.map(|limit| Instant::now() + limit);
        let mut state = self.state.lock();
        loop {
            if state.stop {
                return Wake::Stop;
            }
            let now = Instant::now();
            if state.ring_at.is_some_and(|at| at <= now) {
                state.ring_at = None;
                return Wake::Ring;
            }
            if end.is_some_and(|end| end <= now) {
                return if std::mem::take(&mut state.watching) {
                    Wake::Event
                } else {
                    Wake::Time
                };
            }
            let next = [end, state.ring_at].into_iter().flatten().min();
            state.waits_until = next;
            match next {
                None => self.changed.wait(&mut state),
                Some(at) => drop(self.changed.wait_for(&mut state, at - now)),
            }
        }
    }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn an_alarm_that_is_set_to_an_earlier_time_rings_then() {
        const HOUR: u64 = 3_600_000_000_000;
        let doors = Doors::default();
        doors.ring_in(HOUR);
        std::thread::scope(|scope| {
            let monitor = scope.spawn(|| doors.wait(None));
            while doors.state.lock().waits_until.is_none() {
                std::thread::yield_now();
            }
            doors.ring_in(1);
            assert_eq!(monitor.join().unwrap(), Wake::Ring);
        });
    }
}
