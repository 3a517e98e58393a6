//! The loop: run tasks, look outside now and then, steal, sleep.
//!
//! A [`Worker`] is a state machine: [`Worker::step`] says what it did, and a thread loops over it. All it knows of
//! the outside comes through four doors: clock, random numbers, poller, and the place to sleep.
//!
//! # Words
//!
//! *Seat*: one deque with its LIFO slot and counters, in a fixed table that thieves scan. *Station*: one poller,
//! one timer wheel, one place to sleep. Worker *i* sits in seat *i* and is the tenant of station *i*. A *stand-in*
//! sits in a seat of its own and is the tenant of a station whose worker blocks. A *look* is the visit to injector,
//! poller and timers that every k-th poll is followed by.
//!
//! # A step
//!
//! - W1 the runtime is closing, or the station is recalled from this stand-in: done.
//! - W2 a look is due: poll with zero timeout, fire due timers (`pace.rs` says when); a peer that does not get to do so is
//!   visited (`visit.rs`).
//! - W3 run tasks: the LIFO slot first, at most [`LIFO_TURNS`] times while others wait, then the deque, until the
//!   next look or until there are none. A task that is ready again after its poll goes to the deque's tail; if no other
//!   one waits it would be the next, and is polled again at once. After each *round*, as many polls as tasks waited at its
//!   beginning, or a few more where polls are short, the worker takes from the injector: who comes from outside waits about
//!   as long as who comes from within.
//! - W4 nothing was there: a batch from the injector.
//! - W5 search: the others' deques, from a random one on, those whose hint says so; somebody was faster: once more. Not if
//!   there are more threads than processors (`crowd.rs`).
//! - W6 ask to park. [`Worker::park`] then goes through I1 to I4 of `idle.rs`, in the poller if sockets need
//!   somebody there, on the futex otherwise, until the next deadline of the own wheel.
//!
//! Tasks woken by a look go to this worker's own slot and deque, and are announced once, when all are there.
//!
//! # Fairness
//!
//! If no poll takes longer than `MAX_SCHEDULE` and there are never more than `MAX_TASKS` tasks, a woken task runs
//! within a time that depends on these two alone. Deques are first in, first out; a task that wakes itself goes behind
//! those that wait; the slot is passed over every [`LIFO_TURNS`] polls; the injector is looked at after every round, sockets and
//! timers every k-th poll, whatever was stolen in between.
//!
//! # `block_in_place`
//!
//! - B1 the slot's task moves to the deque, where peers find it, and the station is offered to a stand-in.
//! - B2 the closure runs; what it wakes or spawns goes to the injector, as from outside.
//! - B3 the station is recalled; the worker goes on with its task at once, and waits for its station only when it
//!   wants to look or to park.
//!
//! # Rejected
//!
//! A clock read per poll: 29 ns, as much as the rest of a short poll. An inbox per worker: what thieves cannot
//! reach becomes a tail (tokio 0.1 #750). Looking at every slot when stealing: see Q5 in `queue.rs`.
//!
//! Checked by `tests/worker_*.rs`, `tests/runtime_*.rs`, and the models of queue, idle and park.

mod attend;
mod block;
mod calls;
mod company;
mod counters;
mod crowd;
mod histogram;
mod host;
mod keeper;
mod look;
mod pace;
mod rescue;
mod scheduler;
mod share;
mod shuffle;
mod sleep;
mod station;
mod steal;
mod visit;
mod watch;

use std::cell::{Cell, RefCell};
use std::fmt;

pub use attend::{Measures, TaskHooks, call};
pub use block::block_in_place;
pub use counters::Counters;
pub use histogram::{Histogram, LogScale, Scale};
pub use scheduler::{Config, Hook, PanicHook, Scheduler, Seat, Task};
pub use sleep::run_hook;
pub use station::Station;

use crate::budget;
use crate::primitive::{Arc, thread_local, thread_number};
use crate::queue::Local;
use crate::random::{self, Random};
use crate::task::{Lent, WakeList, outside_tasks};
use crate::timer::Timers;
use pace::Pace;
use visit::Visit;

/// Polls of the LIFO slot in a row while the deque has tasks, unless the builder says otherwise.
///
/// Tasks that hand a lock to each other do so in the slot, and each takes a turn in the deque now and then. The queue at
/// the lock dissolves if more of them come to the deque than it sends back; with 16 it does not (`rivals sync_mutex_64`).
const LIFO_TURNS: u32 = 32;

/// What is woken now goes to the deque's tail, not to the slot.
const TO_TAIL: u8 = 1;
/// In `block_in_place`: what comes now must not wait for this thread.
const BLOCKED: u8 = 2;
/// Tasks bear the time at which they were scheduled.
const STAMPS: u8 = 4;
/// Order is drawn by lot wherever nothing is promised.
const SHUFFLES: u8 = 8;
/// It looks for work, and is counted for that; its next task ends it.
const SEARCHING: u8 = 16;
/// Somebody wants to hear of polls, or the injector has a pace of its own.
const ATTENDED: u8 = 32;
/// Its timers meet those of others: G2 in `host.rs`.
const MEETS: u8 = 64;

/// What a step did.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Something ran, or arrived.
    Ran,
    /// There is nothing to do: park.
    Idle,
    /// Leave.
    Done,
}

/// Something outside the queues that a worker's sleep must not miss: the root future of `block_on`.
pub trait Interrupt {
    /// True if it wants to be served now.
    fn is_raised(&self) -> bool;
}

/// One thread that runs tasks.
pub struct Worker {
    scheduler: Arc<Scheduler>,
    seat: Arc<Seat>,
    seat_index: usize,
    /// Where it looks for events and sleeps.
    station: Arc<Station>,
    station_index: usize,
    /// The station is not its own: it leaves when it loses it.
    stand_in: bool,
    local: Local<Task>,
    pace: Pace,
    /// Units that each poll has.
    budget: u32,
    /// The builder's `global_queue_interval`.
    injector_pace: Option<Pace>,
    lifo_turns: Cell<u32>,
    /// What is not as usual: [`TO_TAIL`] and what follows it, in one word for one question.
    mode: Cell<u8>,
    /// Its polls are slow, and the scheduler counts it.
    slow: Cell<bool>,
    /// Polls until the work that waits here is announced; 0: nothing is owed.
    owed: Cell<u32>,
    /// Tasks that a full deque has sent to the injector since the last call for them.
    spilled: Cell<u32>,
    /// Announcements are held back while a look's wakes are delivered.
    holding: Cell<bool>,
    held: Cell<bool>,
    wakes: RefCell<WakeList>,
    visit: Visit,
    /// Which of several pollers is looked into first.
    turn: Cell<usize>,
    /// The last events came several at once, or right after those before.
    brisk: Cell<bool>,
    /// It was put off, and until then it sleeps as soon as it has no tasks, or 0: K2 in `crowd.rs`.
    makes_room_until: Cell<u64>,
    /// Its last look was in a respite.
    crowded: Cell<bool>,
    /// How often it had been put off when it asked last.
    put_off: Cell<u64>,
    random: Random,
    /// The seed of the code that runs here.
    stream: u64,
    /// Most polls of the slot in a row.
    lifo_cap: u32,
    interrupt: Option<Arc<dyn Interrupt>>,
}

thread_local! {
    static CURRENT: Lent<Worker> = const { Lent::new() };
}

/// Shows the worker that this thread is, if any.
#[inline]
pub fn with_any_current<R>(look: impl FnOnce(Option<&Worker>) -> R) -> R {
    CURRENT.with(|current| current.with(look))
}

/// Shows the worker of `scheduler` that this thread is, unless it is blocked in `block_in_place`.
#[inline]
pub fn with_current<R>(scheduler: &Scheduler, look: impl FnOnce(Option<&Worker>) -> R) -> R {
    with_any_current(|worker| {
        let own = worker.filter(|worker| worker.works_for(scheduler));
        look(own.and_then(Worker::unless_blocked))
    })
}

impl Worker {
    /// Sits down in `seat`, with the deque that belongs to it.
    pub fn new(
        scheduler: Arc<Scheduler>,
        seat: usize,
        station: usize,
        local: Local<Task>,
        interrupt: Option<Arc<dyn Interrupt>>,
    ) -> Self {
        let config = &scheduler.config;
        let seed = scheduler.seed_for_seat(seat);
        let injector_pace = config
            .injector_interval
            .map(|polls| Pace::new(Some(polls), false));
        let attended = injector_pace.is_some() || scheduler.is_attended();
        let meets = if scheduler.hosts.meet() { MEETS } else { 0 };
        let mode = config.mode() | meets | if attended { ATTENDED } else { 0 };
        Self {
            pace: config.pace(),
            injector_pace,
            budget: config.budget.unwrap_or(budget::DEFAULT),
            seat: scheduler.seat(seat).clone(),
            seat_index: seat,
            station: scheduler.stations[station].clone(),
            station_index: station,
            stand_in: seat >= config.workers,
            local,
            lifo_turns: Cell::new(0),
            mode: Cell::new(mode),
            slow: Cell::new(false),
            owed: Cell::new(0),
            spilled: Cell::new(0),
            holding: Cell::new(false),
            held: Cell::new(false),
            wakes: RefCell::new(WakeList::new()),
            visit: Visit::default(),
            turn: Cell::new(0),
            brisk: Cell::new(false),
            makes_room_until: Cell::new(0),
            crowded: Cell::new(false),
            put_off: Cell::new(0),
            random: Random::new(random::derive(seed, 0)),
            stream: random::derive(seed, 1),
            lifo_cap: config.lifo_cap.unwrap_or(LIFO_TURNS),
            interrupt,
            scheduler,
        }
    }

    /// Makes this thread the worker for the time of `body`.
    pub fn enter<R>(&self, body: impl FnOnce(&Self) -> R) -> R {
        self.seat.watch.sit_down(thread_number());
        let body = || outside_tasks(|| body(self));
        random::with_stream(self.stream, || {
            CURRENT.with(|current| current.lend(self, body))
        })
    }

    /// The loop of a thread that does nothing else.
    pub fn run(&self) {
        /// Everybody else's code is contained: what unwinds here is a fault of ours, and a runtime that has lost a
        /// worker hangs in silence.
        struct Fault;
        impl Drop for Fault {
            fn drop(&mut self) {
                eprintln!(
                    "loxley: a worker has panicked outside any task, which is a defect of loxley"
                );
                std::process::abort();
            }
        }
        let fault = Fault;
        self.scheduler.alarm.active(self.begin_work());
        loop {
            match self.step() {
                Step::Ran => {}
                Step::Idle => self.park(),
                Step::Done => return std::mem::forget(fault),
            }
        }
    }

    /// From now on this thread is busy until it sleeps; returns the present.
    pub fn begin_work(&self) -> u64 {
        let now = self.scheduler.clock.now();
        self.pace.resume(now);
        now
    }

    /// So long this thread has been busy since it said so last.
    fn count_work(&self, passed: u64) {
        let counters = self.counters();
        counters.busy.add(passed);
        counters.mean_poll.set(self.pace.mean_poll());
        counters.forced_yields.add(budget::take_forced_yields());
    }

    /// One step, W1 to W6.
    pub fn step(&self) -> Step {
        if self.should_leave() {
            return Step::Done;
        }
        if self.pace.is_due() {
            self.look();
        }
        if self.run_tasks() || self.take_batch() {
            return Step::Ran;
        }
        if !self.makes_room() && (self.search() || self.look_once_more()) {
            return Step::Ran;
        }
        Step::Idle
    }

    /// True if this is a worker of that runtime.
    #[inline]
    pub fn works_for(&self, scheduler: &Scheduler) -> bool {
        std::ptr::eq(&*self.scheduler, scheduler)
    }

    /// The runtime that this worker belongs to.
    pub fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// The index of the station, which is the worker's number.
    pub fn station_index(&self) -> usize {
        self.station_index
    }

    /// True if this thread alone sleeps at its station, so that what it adds there needs no nudge.
    pub fn is_tenant(&self) -> bool {
        !self.is_blocked() && self.station.is_tenant(self.seat_index)
    }

    #[inline]
    fn is_blocked(&self) -> bool {
        self.mode.get() & BLOCKED != 0
    }

    /// Itself, unless it is in `block_in_place`: what comes then must not wait for this thread.
    #[inline]
    pub fn unless_blocked(&self) -> Option<&Self> {
        (!self.is_blocked()).then_some(self)
    }

    fn is_searching(&self) -> bool {
        self.mode.get() & SEARCHING != 0
    }

    /// It begins or ends to search; true if it did so before.
    fn set_searching(&self, searching: bool) -> bool {
        let mode = self.mode.get();
        let now = if searching { SEARCHING } else { 0 };
        self.mode.set(mode & !SEARCHING | now);
        mode & SEARCHING != 0
    }

    /// The counters of this worker's seat.
    #[inline]
    pub fn counters(&self) -> &Counters {
        &self.seat.counters
    }

    fn should_leave(&self) -> bool {
        self.scheduler.idle.is_closed()
            || (self.stand_in && !self.station.is_tenant(self.seat_index))
    }

    /// W3: true if anything ran.
    #[inline]
    fn run_tasks(&self) -> bool {
        let mut any = false;
        while !self.pace.is_due() {
            let waiting = u32::try_from(self.local.length()).unwrap_or(u32::MAX);
            let round = waiting.max(self.pace.shortest_round());
            let round = round.min(self.pace.left());
            let polls = self.run_round(round);
            self.pace.tick(polls);
            any |= polls > 0;
            if polls < round {
                break;
            }
            self.take_injected();
        }
        any
    }

    /// At most so many polls; says how many there were.
    #[inline]
    fn run_round(&self, round: u32) -> u32 {
        let mut left = round;
        while left > 0 {
            let Some(task) = self.next_task() else {
                break;
            };
            left -= self.run_task_inline(task, left);
            self.pay_what_is_owed();
        }
        round - left
    }

    #[inline]
    fn next_task(&self) -> Option<Task> {
        let queue = &self.seat.queue;
        if !queue.slot.is_empty() && self.lifo_turns.get() < self.lifo_cap {
            if let Some(task) = queue.slot.take_seen() {
                self.lifo_turns.set(self.lifo_turns.get() + 1);
                self.counters().slot_takes.add(1);
                return Some(task);
            }
        }
        self.lifo_turns.set(0);
        self.local.pop(queue).or_else(|| {
            let task = queue.slot.take()?;
            self.counters().slot_takes.add(1);
            Some(task)
        })
    }

    /// Polls a task, and polls it again, at most so often, while it is ready and no other one waits here; says how often
    /// that was. First of all the worker stops searching (S2).
    fn run_task(&self, task: Task, most: u32) -> u32 {
        self.run_task_inline(task, most)
    }

    /// [`Worker::run_task`] for the loop: a call is a tenth of a short poll.
    #[inline(always)]
    fn run_task_inline(&self, task: Task, most: u32) -> u32 {
        if self.mode.get() & (SEARCHING | ATTENDED) != 0 {
            return self.run_task_slow(task, most);
        }
        self.run_plainly(task, most)
    }

    #[cold]
    fn run_task_slow(&self, task: Task, most: u32) -> u32 {
        if self.is_searching() {
            self.stop_searching();
        }
        if self.mode.get() & ATTENDED != 0 {
            self.run_attended(task);
            return 1;
        }
        self.run_plainly(task, most)
    }

    #[inline(always)]
    fn run_plainly(&self, mut task: Task, most: u32) -> u32 {
        let seat = &*self.seat;
        seat.watch.running.set(&task);
        let mut polls = 1;
        while let Some(again) = self.poll(seat, task) {
            if self.has_own_work() || polls == most {
                self.push_inline(again);
                break;
            }
            task = again;
            polls += 1;
        }
        polls
    }

    /// One poll, in this worker's seat; the task comes back if it is ready again.
    #[inline]
    fn poll(&self, seat: &Seat, task: Task) -> Option<Task> {
        seat.counters.polls.add(1);
        let again = task.run(self);
        if again.is_some() {
            seat.counters.wakes.add(1);
        }
        again
    }

    #[inline]
    fn has_own_work(&self) -> bool {
        self.local.length() > 0 || !self.seat.queue.slot.is_empty()
    }

    /// How many tasks wait in this seat's queue and slot and in the injector, or a few more: thieves take without telling.
    pub fn waiting(&self) -> u64 {
        let queued = self.local.length() + self.scheduler.injector.len();
        queued as u64 + u64::from(!self.seat.queue.slot.is_empty())
    }

    /// Brings the next look (W2) nearer by one poll, which was no task's.
    #[inline]
    pub fn count_poll(&self) {
        self.counters().worked();
        if !self.pace.is_due() {
            self.pace.tick(1);
        }
    }

    /// The next step begins with a look.
    pub fn look_next(&self) {
        self.pace.shorten(0);
    }

    fn stop_searching(&self) {
        self.set_searching(false);
        if self.is_no_use_to_call() {
            return self.scheduler.idle.give_up_searching(); // K3
        }
        let announce = self.scheduler.idle.stop_searching();
        self.scheduler.carry_out(announce);
    }

    /// The timers of this worker's station.
    #[inline]
    pub fn timers(&self) -> &Arc<Timers> {
        &self.station.timers
    }

    /// Gives the seat up for now, tasks and all: on a current-thread runtime the next driver finds them.
    pub fn stand_up(self) {
        self.set_slow(false);
        if self.is_searching() {
            self.stop_searching();
        }
        self.count_work(self.pace.pause(self.scheduler.clock.now()));
        self.seat.watch.stand_up();
        self.seat.queue.stand_up(self.local);
    }

    /// Leaves the seat for good: what is still queued goes to the others, or is dropped if there are none.
    pub fn leave(self) {
        let queue = &self.seat.queue;
        let tasks = queue.slot.take().into_iter();
        for task in tasks.chain(std::iter::from_fn(|| self.local.pop(queue))) {
            self.scheduler.injector.push(task);
        }
        // One announcement for all of them; a closed runtime drops them instead.
        self.scheduler.announce();
        self.station.vacate(self.seat_index);
        self.stand_up();
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("station", &self.station_index)
            .field("stand_in", &self.stand_in)
            .field("searching", &self.is_searching())
            .field("blocked", &self.is_blocked())
            .field("local", &self.local)
            .finish_non_exhaustive()
    }
}
