//! The monitor's part: V1 to V6 of `monitor.rs`.

use super::machine::{At as Thread, Due, Machine, State, THREADS, Without};

/// Where the monitor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// V1: the next ring samples, if anybody is active.
    Waits,
    /// V2: the second sample convicts.
    Sampled,
    /// V4 and V5.
    Round,
}

/// One step, if there is anything to watch.
pub fn step(machine: &Machine, s: &mut State) -> Option<&'static str> {
    if !machine.monitor || s.closed {
        return None;
    }
    match s.monitor {
        At::Waits => {
            if !s.threads.iter().any(|thread| thread.is_active()) {
                return None;
            }
            for thread in &mut s.threads {
                thread.sampled = thread.is_active();
            }
            s.monitor = At::Sampled;
            Some("samples")
        }
        At::Sampled => {
            for thread in &mut s.threads {
                let same = thread.sampled && thread.is_active() && !thread.stuck;
                // Whoever only was not scheduled is convicted seldom, or two who take each other's tasks for ever
                // would count as an order of events.
                let mistake = thread.at != Thread::Blocked;
                if same && (!mistake || s.mistakes > 0) {
                    thread.stuck = true;
                    s.mistakes -= usize::from(mistake);
                }
            }
            let any = s.threads.iter().any(|thread| thread.stuck);
            s.monitor = if any { At::Round } else { At::Waits };
            Some("convicts")
        }
        At::Round => {
            s.monitor = At::Waits;
            act(machine, s);
            Some("makes a round")
        }
    }
}

fn is_stuck(s: &State, thread: usize) -> bool {
    s.threads[thread].stuck && s.threads[thread].is_active()
}

fn has_work(machine: &Machine, s: &State) -> bool {
    let stuck = (0..THREADS).filter(|&i| is_stuck(s, i));
    let queues = stuck
        .map(|i| s.threads[i])
        .any(|thread| thread.slot.is_some() || !thread.deque.is_empty());
    let watched = s.stations[..machine.workers]
        .iter()
        .filter(|station| station.tenant.is_some_and(|tenant| is_stuck(s, tenant)));
    let arrived = watched
        .clone()
        .any(|station| station.source == Some(Due::Now) && machine.without != Without::Events);
    let due = watched
        .clone()
        .any(|station| station.timer == Due::Now && machine.without != Without::Deadlines);
    queues || arrived || due || !s.injector.is_empty()
}

fn act(machine: &Machine, s: &mut State) {
    if machine.without != Without::LateNudge {
        for station in 0..machine.workers {
            if s.stations[station].timer != Due::No {
                s.nudge(station);
            }
        }
    }
    if !has_work(machine, s) {
        return;
    }
    if machine.without != Without::Call {
        if let Some(station) = s.pop_sleeper() {
            return s.unpark(station);
        }
    }
    let active = s.threads.iter().filter(|thread| thread.is_active()).count();
    let stuck = (0..THREADS).filter(|&i| is_stuck(s, i)).count();
    let starting = s.threads.iter().any(|thread| thread.at == Thread::Starting);
    if active > stuck || starting || stuck == 0 {
        return; // merely busy: they look at the mask
    }
    // Whoever is in a task that blocks sleeps in the kernel.
    let asleep = (0..THREADS).any(|i| is_stuck(s, i) && s.threads[i].at == Thread::Blocked);
    let stand_in_stuck = (machine.workers..THREADS).any(|i| is_stuck(s, i));
    let refused = match machine.without {
        Without::Spares => true,
        Without::SecondSpare => stand_in_stuck,
        _ => false,
    };
    if !asleep || refused {
        return;
    }
    let spares = machine.workers..machine.workers + machine.spares;
    let spare = spares.into_iter().find(|&i| s.threads[i].at == Thread::Off);
    let station = (0..machine.workers).find(|&index| match s.stations[index].tenant {
        None => true,
        Some(tenant) => is_stuck(s, tenant) && !s.threads[tenant].is_asleep(),
    });
    if let (Some(spare), Some(station)) = (spare, station) {
        s.stations[station].tenant = None;
        s.threads[spare].station = station;
        s.threads[spare].at = Thread::Starting;
    }
}
