//! The idle protocol, the stations and the rescue as steps of a few threads: `idle.rs`, `worker.rs`, `worker/rescue.rs`,
//! `worker/station.rs`, `monitor.rs` of the core, in sequential order (what stale values do is loom's part).
//!
//! Left out: that a deque has a hint (loom: `queue.rs`), the alarm (loom: `alarm.rs`; here the monitor always looks), the
//! searching limit's arithmetic beyond S1, and time: whatever is due in the end becomes due some time.

use loom_tests::explore::Protocol;

use super::monitor;

/// Threads at most: workers first, then spares.
pub const THREADS: usize = 5;
/// Stations at most.
pub const STATIONS: usize = 4;

/// Processes beyond the threads.
pub const OUTSIDE: usize = THREADS;
pub const MONITOR: usize = THREADS + 1;
pub const WORLD: usize = THREADS + 2;
pub const CLOSER: usize = THREADS + 3;
pub const RETURN: usize = THREADS + 4;

/// What a task does when it is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Task {
    /// It is counted, and ends. All of these must have run in the end.
    Innocent = 1,
    /// Blocks its thread for ever, or as long as it likes.
    Block,
    /// Wakes itself, always.
    Yield,
    /// Wakes an innocent one, into the slot, and blocks.
    WakeAndBlock,
    /// Spawns two innocent ones, of which one goes to the deque; it is announced only if nobody is patient. Blocks.
    SpawnAndBlock,
    /// An innocent one waits for a timer that this one inserts at its own station; then it blocks.
    TimerAndBlock,
    /// Inserts a timer at station 0 as somebody who is no tenant there, and ends.
    TimerAtFirst,
    /// Registers a source at station 0, and ends; its event is for an innocent one.
    RegisterAtFirst,
    /// Registers a source at its own station and blocks.
    RegisterAndBlock,
}

const TASKS: [Task; 9] = [
    Task::Innocent,
    Task::Block,
    Task::Yield,
    Task::WakeAndBlock,
    Task::SpawnAndBlock,
    Task::TimerAndBlock,
    Task::TimerAtFirst,
    Task::RegisterAtFirst,
    Task::RegisterAndBlock,
];

/// First in, first out; four bits a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Queue(u32);

impl Queue {
    pub fn of(tasks: &[Task]) -> Self {
        let mut queue = Self::default();
        tasks.iter().for_each(|&task| queue.push(task));
        queue
    }

    pub fn push(&mut self, task: Task) {
        let used = (u32::BITS - self.0.leading_zeros()).div_ceil(4);
        assert!(used < 8, "a queue of this model holds eight tasks");
        self.0 |= (task as u32) << (4 * used);
    }

    pub fn pop(&mut self) -> Option<Task> {
        let first = (self.0 & 15).checked_sub(1)?;
        self.0 >>= 4;
        Some(TASKS[first as usize])
    }

    pub fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// Where a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum At {
    /// Not started, or retired: a spare.
    Off,
    /// A spare that is going to settle at its station.
    Starting,
    /// W1 to W3.
    Top,
    /// W5: visits the others' seats, all in one step, and the injector.
    Search,
    /// S2, with a task in hand.
    Found,
    /// The task is polled.
    Run,
    /// It has registered a source at this station, and tells the park word.
    TellOfSource(usize),
    /// It has inserted a timer at this station, and tells the park word.
    TellOfTimer(usize),
    /// It inserts a timer at its own station, having looked whether it is the tenant: then nobody is told.
    Insert(bool),
    /// In a task that blocks.
    Blocked,
    /// I1.
    Park,
    /// I2.
    Publish,
    /// I3.
    Recheck,
    /// K4.
    Sleep,
    /// I4, from the sleep or before it.
    Wake,
    /// Left for good.
    Gone,
}

/// A2 to A4, before the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Announce {
    Nothing,
    Look,
    Choose,
    Unpark(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Thread {
    pub at: At,
    pub hold: Option<Task>,
    pub announce: Announce,
    pub searching: bool,
    /// Found something in I3.
    pub found: bool,
    pub station: usize,
    pub slot: Option<Task>,
    pub deque: Queue,
    pub look_due: bool,
    /// The task in its poll is going to block.
    pub blocks: bool,
    /// The sleep ends with this station's timer.
    pub knows_timer: bool,
    /// No progress since it was sampled.
    pub sampled: bool,
    /// Nor between two samples.
    pub stuck: bool,
}

impl Thread {
    /// What the monitor samples.
    pub fn is_active(&self) -> bool {
        use At::{Gone, Off, Park, Publish, Recheck, Sleep, Starting, Wake};
        !matches!(
            self.at,
            Off | Starting | Park | Publish | Recheck | Sleep | Wake | Gone
        )
    }

    pub fn is_asleep(&self) -> bool {
        matches!(self.at, At::Publish | At::Recheck | At::Sleep | At::Wake)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Word {
    Running,
    Futex,
    Poll,
    Notified,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Due {
    No,
    Later,
    Now,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Station {
    pub tenant: Option<usize>,
    pub word: Word,
    /// The poller's lock.
    pub polled: bool,
    /// The source that the kernel knows: its event comes some time.
    pub source: Option<Due>,
    pub timer: Due,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub threads: [Thread; THREADS],
    pub stations: [Station; STATIONS],
    pub injector: Queue,
    /// Stations whose tenants sleep, the last one last.
    pub list: [Option<usize>; STATIONS],
    pub searching: usize,
    pub done: usize,
    pub closed: bool,
    /// What is spawned from outside.
    pub outside: Queue,
    pub outside_announces: Announce,
    pub monitor: monitor::At,
    /// How often the monitor may still hold somebody for stuck who is not.
    pub mistakes: usize,
    /// How often somebody who blocks may still come back.
    pub returns: usize,
    /// Shutdown has ended so many sleeps.
    pub ended: usize,
}

impl State {
    pub fn unpark(&mut self, station: usize) {
        self.stations[station].word = Word::Notified;
    }

    /// `deadline_added`: whoever sleeps beyond this station's timer wakes.
    pub fn nudge(&mut self, station: usize) {
        let place = self.stations[station];
        let mut here = self
            .threads
            .iter()
            .filter(|thread| thread.station == station);
        let knows = here.any(|thread| thread.is_asleep() && thread.knows_timer);
        if matches!(place.word, Word::Futex | Word::Poll) && !knows {
            self.unpark(station);
        }
    }

    /// A4's choice.
    pub fn pop_sleeper(&mut self) -> Option<usize> {
        let last = self.list.iter().rposition(Option::is_some)?;
        self.searching += 1;
        self.list[last].take()
    }

    pub fn parked(&self) -> usize {
        self.list.iter().flatten().count()
    }

    pub fn enlist(&mut self, station: usize) {
        let free = self.list.iter().position(Option::is_none);
        self.list[free.expect("each station is listed once")] = Some(station);
    }

    /// False if A4 has taken it out.
    pub fn strike(&mut self, station: usize) -> bool {
        let Some(place) = self.list.iter().position(|&it| it == Some(station)) else {
            return false;
        };
        self.list[place] = None;
        self.list[place..].rotate_left(1);
        true
    }
}

/// A step that is left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    Nothing,
    /// I3.
    Recheck,
    /// I3 for registrations.
    RecheckOfSources,
    /// S2.
    LastSearcher,
    /// The nudges after a registration and a deadline.
    Nudge,
    /// R2, for a busy worker.
    BusyRelief,
    /// R3 for the slot.
    SlotRelief,
    /// R4.
    StationRelief,
    /// V4's call.
    Call,
    /// V4's look at deadlines.
    Deadlines,
    /// V4's look at pollers.
    Events,
    /// V4: a word to the sleepers whose stations have changed hands.
    LateNudge,
    /// V5.
    Spares,
    /// V5 once more, when a spare is stuck, too.
    SecondSpare,
    /// N3: whoever comes back takes its station from a tenant that sleeps, too.
    Asking,
    /// A stand-in that has lost its station hands over what it holds.
    HandOver,
    /// E3.
    EndOfSleeps,
    /// Who pushes when the last worker has left drops what is there.
    PushersDrop,
}

/// A scenario.
#[derive(Clone, Debug)]
pub struct Machine {
    pub workers: usize,
    pub spares: usize,
    /// Of each worker: tasks that are in its deque at first.
    pub queues: Vec<Vec<Task>>,
    /// Workers that sleep at first.
    pub asleep: Vec<usize>,
    pub injected: Vec<Task>,
    /// What somebody spawns from outside, one after the other.
    pub outside: Vec<Task>,
    /// There is a monitor.
    pub monitor: bool,
    /// A worker keeps what a short task spawns to itself for a while.
    pub patient: bool,
    /// How often somebody who blocks may come back.
    pub returns: usize,
    pub shutdown: bool,
    /// How often the monitor may hold somebody for stuck who is not.
    pub mistakes: usize,
    /// Innocent tasks in all.
    pub innocent: usize,
    pub without: Without,
}

impl Machine {
    pub fn without(mut self, without: Without) -> Self {
        self.without = without;
        self
    }
}

impl Protocol for Machine {
    type State = State;

    fn begin(&self) -> State {
        let thread = |i: usize| Thread {
            at: if i < self.workers { At::Top } else { At::Off },
            hold: None,
            announce: Announce::Nothing,
            searching: false,
            found: false,
            station: if i < self.workers { i } else { 0 },
            slot: None,
            deque: Queue::of(self.queues.get(i).map_or(&[], |tasks| tasks)),
            look_due: false,
            blocks: false,
            knows_timer: false,
            sampled: false,
            stuck: false,
        };
        let station = |i: usize| Station {
            tenant: Some(i).filter(|&i| i < self.workers),
            word: Word::Running,
            polled: false,
            source: None,
            timer: Due::No,
        };
        let mut state = State {
            threads: std::array::from_fn(thread),
            stations: std::array::from_fn(station),
            injector: Queue::of(&self.injected),
            list: [None; STATIONS],
            searching: 0,
            done: 0,
            closed: false,
            outside: Queue::of(&self.outside),
            outside_announces: Announce::Nothing,
            monitor: monitor::At::Waits,
            mistakes: self.mistakes,
            returns: self.returns,
            ended: 0,
        };
        for &i in &self.asleep {
            state.threads[i].at = At::Sleep;
            state.stations[i].word = Word::Futex;
            state.enlist(i);
        }
        state
    }

    fn processes(&self) -> usize {
        RETURN + 1
    }

    fn is_fair(&self, process: usize) -> bool {
        process != RETURN
    }

    fn steps(&self, state: &State, process: usize) -> Vec<(&'static str, State)> {
        let mut next = state.clone();
        let one = match process {
            OUTSIDE => self.outside(&mut next),
            MONITOR => monitor::step(self, &mut next),
            CLOSER => self.closer(&mut next),
            WORLD => return world(state),
            RETURN => return self.returns(state),
            thread => self.thread(&mut next, thread),
        };
        one.map(|name| (name, next)).into_iter().collect()
    }

    fn is_reached(&self, state: &State) -> bool {
        let threads = &state.threads[..self.workers];
        let left = |thread: &Thread| matches!(thread.at, At::Gone | At::Blocked);
        state.done == self.innocent && (!self.shutdown || threads.iter().all(left))
    }

    fn wrong(&self, state: &State) -> Option<String> {
        let searching = state.threads.iter().filter(|thread| thread.searching);
        let asleep = |station: usize| {
            let here = |thread: &&Thread| thread.station == station && thread.is_asleep();
            state.threads.iter().filter(here).count()
        };
        if state.done > self.innocent {
            return Some("a task ran twice".into());
        }
        if (0..self.workers).any(|station| asleep(station) > 1) {
            return Some("two threads sleep at one station".into());
        }
        // Whoever was chosen and has not woken yet is counted, too.
        (searching.count() > state.searching).then(|| "a searcher is not counted".into())
    }
}

/// What is to come comes.
fn world(state: &State) -> Vec<(&'static str, State)> {
    let mut steps = Vec::new();
    for station in 0..STATIONS {
        if state.stations[station].source == Some(Due::Later) {
            let mut next = state.clone();
            next.stations[station].source = Some(Due::Now);
            steps.push(("has an event", next));
        }
        if state.stations[station].timer == Due::Later {
            let mut next = state.clone();
            next.stations[station].timer = Due::Now;
            steps.push(("a timer is due", next));
        }
    }
    steps
}

impl Machine {
    /// Somebody who blocks comes back.
    fn returns(&self, state: &State) -> Vec<(&'static str, State)> {
        let blocked =
            (0..THREADS).filter(|&i| state.returns > 0 && state.threads[i].at == At::Blocked);
        blocked
            .map(|i| {
                let mut next = state.clone();
                next.threads[i].at = At::Top;
                next.returns -= 1;
                ("a thread comes back", next)
            })
            .collect()
    }
}
