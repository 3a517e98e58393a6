//! What a thread does, step by step: W1 to W6 of `worker.rs`, I1 to I4, A1 to A4, S1, S2 of `idle.rs`, R2 to R4 of
//! `worker/rescue.rs`, N1 to N4 of `worker/station.rs`.

use super::machine::{Announce, At, Due, Machine, State, THREADS, Task, Without, Word};

impl Machine {
    fn drop_task(s: &mut State, task: Option<Task>) {
        s.done += innocents(task);
    }

    fn drain_injector(s: &mut State) {
        while let Some(task) = s.injector.pop() {
            Self::drop_task(s, Some(task));
        }
    }

    /// A2 to A4, one step.
    fn announcing(&self, s: &mut State, announce: Announce) -> Announce {
        match announce {
            Announce::Look if s.closed => {
                // Before, the last one's sweep is still to come.
                let workers = &s.threads[..self.workers];
                let ended = workers.iter().all(|worker| matches!(worker.at, At::Gone));
                if ended && self.without != Without::PushersDrop {
                    Self::drain_injector(s);
                }
                Announce::Nothing
            }
            Announce::Look if s.searching == 0 && s.parked() > 0 => Announce::Choose,
            Announce::Choose if s.searching == 0 => {
                s.pop_sleeper().map_or(Announce::Nothing, Announce::Unpark)
            }
            Announce::Unpark(station) => {
                s.unpark(station);
                Announce::Nothing
            }
            _ => Announce::Nothing,
        }
    }

    /// A task was woken by thread `i`: slot first, what is more is announced.
    fn schedule(s: &mut State, i: usize, task: Task) {
        let thread = &mut s.threads[i];
        if thread.slot.is_none() {
            thread.slot = Some(task);
        } else {
            thread.deque.push(task);
            thread.announce = Announce::Look;
        }
    }

    /// Takes in what has come at a station; true if there was anything.
    fn harvest(s: &mut State, i: usize, station: usize, has_lock: bool) -> bool {
        let mut any = false;
        let place = &mut s.stations[station];
        if (has_lock || !place.polled) && place.source == Some(Due::Now) {
            place.source = Some(Due::No);
            any = true;
            Self::schedule(s, i, Task::Innocent);
        }
        if s.stations[station].timer == Due::Now {
            s.stations[station].timer = Due::No;
            any = true;
            Self::schedule(s, i, Task::Innocent);
        }
        any
    }

    fn stop_searching(&self, s: &mut State, i: usize) {
        if std::mem::take(&mut s.threads[i].searching) {
            s.searching -= 1;
            if s.searching == 0 && self.without != Without::LastSearcher {
                s.threads[i].announce = Announce::Look;
            }
        }
    }

    /// R2 to R4.
    fn relieve(&self, s: &mut State, i: usize) -> bool {
        let mut any = false;
        for j in (0..THREADS).filter(|&j| j != i) {
            if !(s.threads[j].stuck && s.threads[j].is_active()) {
                continue;
            }
            if self.without != Without::SlotRelief {
                if let Some(task) = s.threads[j].slot.take() {
                    s.threads[i].deque.push(task);
                    any = true;
                }
            }
            if let Some(task) = s.threads[j].deque.pop() {
                s.threads[i].deque.push(task);
                any = true;
            }
            for station in 0..self.workers {
                if s.stations[station].tenant == Some(j) && self.without != Without::StationRelief {
                    any |= Self::harvest(s, i, station, false);
                }
            }
        }
        if any {
            s.threads[i].announce = Announce::Look;
        }
        any
    }

    /// N2: the station is this thread's, or becomes it at once.
    fn has_station(&self, s: &mut State, i: usize) -> bool {
        let station = s.threads[i].station;
        let tenant = s.stations[station].tenant;
        if tenant == Some(i) {
            return true;
        }
        let free = self.without == Without::Asking
            || tenant.is_none_or(|tenant| !s.threads[tenant].is_asleep());
        if i < self.workers && free {
            s.stations[station].tenant = Some(i);
            return true;
        }
        false
    }

    /// The step of thread `i`, if it has one.
    pub fn thread(&self, s: &mut State, i: usize) -> Option<&'static str> {
        let mut t = s.threads[i];
        if t.announce != Announce::Nothing {
            let next = self.announcing(s, t.announce);
            s.threads[i].announce = next;
            return Some("announces");
        }
        match t.at {
            At::Off | At::Gone | At::Blocked => return None,
            At::Starting => {
                let vacant = s.stations[t.station].tenant.is_none();
                if vacant {
                    s.stations[t.station].tenant = Some(i);
                }
                s.threads[i].at = if vacant { At::Top } else { At::Off };
            }
            At::Top => return Some(self.top(s, i)),
            At::Search => return Some(self.search(s, i)),
            At::Found => {
                self.stop_searching(s, i);
                s.threads[i].at = At::Run;
            }
            At::Run => self.run(s, i),
            At::TellOfSource(station) => {
                if s.stations[station].word == Word::Futex && self.without != Without::Nudge {
                    s.unpark(station);
                }
                s.threads[i].at = if t.blocks { At::Blocked } else { At::Top };
            }
            At::TellOfTimer(station) => {
                if self.without != Without::Nudge {
                    s.nudge(station);
                }
                s.threads[i].at = if t.blocks { At::Blocked } else { At::Top };
            }
            At::Insert(is_tenant) => {
                s.stations[t.station].timer = Due::Later;
                let next = At::TellOfTimer(t.station);
                s.threads[i].at = if is_tenant { At::Blocked } else { next };
            }
            At::Park => {
                if !self.has_station(s, i) {
                    s.unpark(t.station); // N3: the stand-in is asked, and the worker looks for work meanwhile
                    s.threads[i].at = At::Top;
                    return Some("asks for its station");
                }
                s.enlist(t.station);
                if std::mem::take(&mut t.searching) {
                    s.searching -= 1;
                }
                let station = &mut s.stations[t.station];
                station.polled = station.source.is_some();
                t.knows_timer = station.timer != Due::No;
                (t.sampled, t.stuck) = (false, false);
                t.at = At::Publish;
                s.threads[i] = t;
                return Some("enters the list of sleepers");
            }
            At::Publish => {
                let station = &mut s.stations[t.station];
                let word = if station.polled {
                    Word::Poll
                } else {
                    Word::Futex
                };
                let notified = std::mem::replace(&mut station.word, word) == Word::Notified;
                s.threads[i].at = if notified { At::Wake } else { At::Recheck };
                return Some("publishes its sleep");
            }
            At::Recheck => {
                let found = self.must_not_sleep(s, i);
                s.threads[i].found = found;
                s.threads[i].at = if found { At::Wake } else { At::Sleep };
                return Some("looks a last time");
            }
            At::Sleep => {
                let station = s.stations[t.station];
                let event = station.word == Word::Poll && station.source == Some(Due::Now);
                let timer = t.knows_timer && station.timer == Due::Now;
                if station.word != Word::Notified && !event && !timer {
                    return None;
                }
                s.threads[i].at = At::Wake;
            }
            At::Wake => {
                s.stations[t.station].word = Word::Running;
                let has_lock = std::mem::take(&mut s.stations[t.station].polled);
                let chosen = !s.strike(t.station);
                t.searching = chosen || t.found;
                if t.searching && !chosen {
                    s.searching += 1;
                }
                (t.found, t.at) = (false, At::Top);
                s.threads[i] = t;
                let _ = has_lock && Self::harvest(s, i, t.station, true);
                let _ = Self::harvest(s, i, t.station, false);
                return Some("wakes");
            }
        }
        Some("goes on")
    }

    fn must_not_sleep(&self, s: &State, i: usize) -> bool {
        let t = &s.threads[i];
        let station = &s.stations[t.station];
        let source = station.source.is_some() && !station.polled;
        let timer = station.timer != Due::No && !t.knows_timer;
        let queues = s.threads.iter().any(|seat| !seat.deque.is_empty());
        s.closed
            || (timer && self.without != Without::RecheckOfSources)
            || (source && self.without != Without::RecheckOfSources)
            || (self.without != Without::Recheck && (!s.injector.is_empty() || queues))
    }

    /// W1 to W4.
    fn top(&self, s: &mut State, i: usize) -> &'static str {
        let t = s.threads[i];
        if s.closed {
            let tasks = [s.threads[i].slot.take(), s.threads[i].hold.take()];
            tasks.into_iter().for_each(|task| Self::drop_task(s, task));
            while let Some(task) = s.threads[i].deque.pop() {
                Self::drop_task(s, Some(task));
            }
            Self::drain_injector(s);
            s.threads[i].at = At::Gone;
            return "leaves for good";
        }
        if i >= self.workers && s.stations[t.station].tenant != Some(i) {
            self.stop_searching(s, i);
            if self.without == Without::HandOver {
                s.threads[i].at = At::Off;
                return "has lost its station";
            }
            while let Some(task) = s.threads[i]
                .slot
                .take()
                .or_else(|| s.threads[i].deque.pop())
            {
                s.injector.push(task);
            }
            s.threads[i].announce = Announce::Look;
            s.threads[i].at = At::Off;
            return "has lost its station";
        }
        if t.look_due {
            s.threads[i].look_due = false;
            if let Some(task) = s.injector.pop() {
                s.threads[i].deque.push(task);
            }
            if self.has_station(s, i) {
                Self::harvest(s, i, t.station, false);
            }
            if self.without != Without::BusyRelief {
                self.relieve(s, i);
            }
            return "looks";
        }
        let own = s.threads[i]
            .slot
            .take()
            .or_else(|| s.threads[i].deque.pop());
        if let Some(task) = own.or_else(|| s.injector.pop()) {
            s.threads[i].hold = Some(task);
            s.threads[i].at = if t.searching { At::Found } else { At::Run };
            return "takes a task";
        }
        let awake = (self.workers - s.parked()).max(1);
        if !t.searching && 2 * s.searching >= awake {
            s.threads[i].at = At::Park;
            return "may not search";
        }
        s.searching += usize::from(!t.searching);
        s.threads[i].searching = true;
        s.threads[i].at = At::Search;
        "searches"
    }

    /// W5.
    fn search(&self, s: &mut State, i: usize) -> &'static str {
        let mut others = s.threads.iter_mut().enumerate().filter(|(j, _)| *j != i);
        let stolen = others.find_map(|(_, victim)| victim.deque.pop());
        if let Some(task) = stolen.or_else(|| s.injector.pop()) {
            s.threads[i].hold = Some(task);
            s.threads[i].at = At::Found;
            return "finds a task";
        }
        let relieved = self.relieve(s, i);
        if relieved {
            self.stop_searching(s, i);
        }
        s.threads[i].at = if relieved { At::Top } else { At::Park };
        "visits all seats"
    }

    /// Polls the task in hand.
    fn run(&self, s: &mut State, i: usize) {
        let t = &mut s.threads[i];
        (t.sampled, t.stuck, t.look_due) = (false, false, true);
        let task = t.hold.take().expect("a thread runs what it has");
        let station = &mut s.stations[t.station];
        t.at = At::Blocked;
        t.blocks = !matches!(task, Task::TimerAtFirst | Task::RegisterAtFirst);
        match task {
            Task::Innocent => {
                s.done += 1;
                t.at = At::Top;
            }
            Task::Block => {}
            Task::Yield => {
                t.deque.push(Task::Yield);
                t.at = At::Top;
            }
            Task::WakeAndBlock => t.slot = Some(Task::Innocent),
            Task::SpawnAndBlock => {
                t.slot = Some(Task::Innocent);
                t.deque.push(Task::Innocent);
                if !self.patient {
                    t.announce = Announce::Look;
                }
            }
            Task::TimerAndBlock => t.at = At::Insert(station.tenant == Some(i)),
            Task::RegisterAndBlock => {
                station.source = Some(Due::Later);
                t.at = At::TellOfSource(t.station);
            }
            Task::TimerAtFirst => {
                s.stations[0].timer = Due::Later;
                t.at = At::TellOfTimer(0);
            }
            Task::RegisterAtFirst => {
                s.stations[0].source = Some(Due::Later);
                t.at = At::TellOfSource(0);
            }
        }
    }

    pub fn outside(&self, s: &mut State) -> Option<&'static str> {
        if s.outside_announces != Announce::Nothing {
            s.outside_announces = self.announcing(s, s.outside_announces);
            return Some("announces");
        }
        let task = s.outside.pop()?;
        s.injector.push(task);
        s.outside_announces = Announce::Look;
        Some("spawns")
    }

    pub fn closer(&self, s: &mut State) -> Option<&'static str> {
        if !self.shutdown {
            return None;
        }
        if !s.closed {
            s.closed = true;
            return Some("closes");
        }
        if s.ended == self.workers || self.without == Without::EndOfSleeps {
            return None;
        }
        s.unpark(s.ended);
        s.ended += 1;
        Some("ends a sleep")
    }
}

fn innocents(task: Option<Task>) -> usize {
    match task {
        Some(Task::Innocent) => 1,
        Some(task) => unreachable!("{task:?} is not dropped in these scenarios"),
        None => 0,
    }
}
