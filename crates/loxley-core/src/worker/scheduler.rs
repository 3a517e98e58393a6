//! What all workers of a runtime share: seats, stations, injector, homes.

use std::collections::HashMap;
use std::fmt;
use std::task::Waker;
use std::time::Instant;

use super::attend::{self, Measures, TaskHooks, Times};
use super::calls::Calls;
use super::company::Company;
use super::counters::Counters;
use super::crowd::Crowd;
use super::host::Hosts;
use super::pace::{self, Pace};
use super::station::Station;
use super::watch::{StuckMask, Watch};
use super::{SHUFFLES, STAMPS, TO_TAIL, Worker, with_current};
use crate::alarm::Alarm;
use crate::clock::Clock;
use crate::idle::{Announce, Idle};
use crate::primitive::atomic::{AtomicBool, AtomicUsize, Ordering, fence};
use crate::primitive::global::Mutex;
use crate::primitive::{Arc, CachePadded, OnceLock, Process, Weak, thread};
use crate::queue::{Injector, Public};
use crate::random;
use crate::task::{
    Home, Id, Notified, Runner, Schedule, TaskMeta, TaskPanic, contain, wake_caught,
};
use crate::trace::Leaf;

/// What the queues of a runtime hold.
pub type Task = Notified<Scheduler>;

/// Homes for tasks that are spawned from outside: a thread goes from one to the next of a group, so that it seldom meets
/// a worker in which a task of its ends, and two threads are mostly in two groups.
///
/// With loom there is one: ids go on from execution to execution, and each must be like the one before.
const OUTSIDE_GROUPS: usize = if cfg!(loxley_loom) { 1 } else { 2 };
const GROUP: usize = if cfg!(loxley_loom) { 1 } else { 4 };
const OUTSIDE_HOMES: usize = OUTSIDE_GROUPS * GROUP;

/// A hook of the user's; its panics are caught.
pub type Hook = Arc<dyn Fn() + Send + Sync>;

/// Is told of a panic that ended a task; its own panics are caught.
pub type PanicHook = Arc<dyn Fn(&TaskPanic<'_>) + Send + Sync>;

/// Starts a stand-in for the station with this index, soon.
pub type StandIns = Box<dyn Fn(usize) + Send + Sync>;

/// What the builder decided.
#[derive(Clone, Default)]
pub struct Config {
    /// Worker threads, and stations.
    pub workers: usize,
    /// Threads that can run at once; 0: nobody is to care.
    pub processors: usize,
    /// Seats for stand-ins, beyond the workers'.
    pub stand_ins: usize,
    /// Polls between two looks at the poller; measured if `None`.
    pub event_interval: Option<u32>,
    /// Polls between two looks at the injector; with the poller's if `None`.
    pub injector_interval: Option<u32>,
    /// Units of budget that each poll has; the usual number if `None`.
    pub budget: Option<u32>,
    /// Polls of the LIFO slot in a row; the usual number if `None`.
    pub lifo_cap: Option<u32>,
    /// Nothing goes into the LIFO slot.
    pub no_lifo_slot: bool,
    /// What all random numbers are drawn from.
    pub seed: u64,
    /// Order is drawn by lot wherever nothing is promised.
    pub shuffle: bool,
    /// A worker may keep a few short tasks to itself, because a monitor notices if they are not short.
    pub patient: bool,
    /// Timers may be used.
    pub time_enabled: bool,
    /// Who wants to hear of tasks.
    pub hooks: TaskHooks,
    /// What is measured of polls.
    pub measures: Measures,
    /// Before a worker sleeps.
    pub on_park: Option<Hook>,
    /// After it slept.
    pub on_unpark: Option<Hook>,
}

/// One deque, one LIFO slot and their counters. Workers sit in the first ones, stand-ins in the others.
pub struct Seat {
    /// What peers may take from.
    pub queue: Public<Task>,
    /// What happened here.
    pub counters: Counters,
    /// How long things took here, if somebody wants to know.
    pub times: Times,
    /// What a watcher may see of the thread that sits here.
    pub watch: Watch,
    /// How often somebody sat down here.
    taken: AtomicUsize,
}

/// Everything that workers share.
pub struct Scheduler {
    pub config: Config,
    /// Where it was made: a forked child has its memory, and none of its threads.
    process: Process,
    pub clock: Clock,
    /// For times that a paused clock does not stop.
    pub(super) began: Instant,
    pub idle: Idle,
    pub injector: Injector<Task>,
    /// Tells the monitor that somebody is active.
    pub alarm: Alarm,
    /// The seats whose threads are stuck.
    pub stuck: StuckMask,
    pub stations: Box<[Arc<Station>]>,
    /// Which of them have sockets and timers.
    pub hosts: Hosts,
    /// Made when first used; thieves look at the first `seats_used` of them.
    seats: Box<[OnceLock<Arc<Seat>>]>,
    seats_used: AtomicUsize,
    homes: Box<[CachePadded<Home<Scheduler>>]>,
    /// How to get a thread for a station whose worker blocks; the runtime's floor fills it.
    stand_ins: OnceLock<StandIns>,
    /// What follows a panic of a task; the runtime's floor fills it.
    on_panic: OnceLock<PanicHook>,
    /// What traced polls have found, while somebody makes a dump.
    pub traces: Mutex<Option<HashMap<Id, Vec<Leaf>>>>,
    next_host: AtomicUsize,
    /// Threads in `block_in_place`.
    pub(super) in_place: AtomicUsize,
    /// Whether calls for work pay.
    pub(super) calls: Calls,
    /// Whether there are more threads than processors.
    pub(super) crowd: Crowd,
    /// Whether events find somebody awake.
    pub(super) company: Company,
    /// Workers that are awake and whose polls are slow.
    pub(super) slow: AtomicUsize,
    /// Tasks that ended with no worker.
    completed_outside: AtomicUsize,
    /// Wakes by threads without a seat.
    woken_outside: AtomicUsize,
    /// Roots of `block_on` so far.
    roots: AtomicUsize,
    /// Nobody looks into the injector any more.
    ended: AtomicBool,
    /// How many have asked for a drain of the injector since whoever does it began; 0 if nobody does.
    drains: AtomicUsize,
    this: Weak<Scheduler>,
}

/// Streams of random numbers: those of roots are numbered from here on, those of seats from 0.
const ROOT_STREAMS: u64 = 1 << 32;

impl Config {
    /// What is not as usual for all workers.
    pub(super) fn mode(&self) -> u8 {
        let stamps = if self.measures.stamps() { STAMPS } else { 0 };
        let tail = if self.no_lifo_slot { TO_TAIL } else { 0 };
        let shuffles = if self.shuffle { SHUFFLES } else { 0 };
        stamps | tail | shuffles
    }

    /// The distance between two looks. An order that is drawn by lot is to be drawn again: no clock decides then.
    pub(super) fn pace(&self) -> Pace {
        match self.shuffle {
            false => Pace::new(self.event_interval, self.patient),
            true => Pace::new(self.event_interval.or(Some(pace::FIRST)), false),
        }
    }
}

impl Scheduler {
    /// Makes the shared part; nobody works yet.
    pub fn new(config: Config, clock: Clock, stations: Vec<Station>) -> Arc<Self> {
        let workers = config.workers;
        let seats = (0..workers + config.stand_ins).map(|_| OnceLock::new());
        let scheduler = Arc::new_cyclic(|weak| Self {
            idle: Idle::new(workers),
            injector: Injector::new(),
            alarm: Alarm::new(),
            stuck: StuckMask::default(),
            hosts: Hosts::new(&config, stations.len()),
            stations: stations.into_iter().map(Arc::new).collect(),
            seats: seats.collect(),
            seats_used: AtomicUsize::new(0),
            homes: (0..workers + OUTSIDE_HOMES)
                .map(|_| CachePadded::new(Home::new(weak).stamping(config.measures.stamps())))
                .collect(),
            stand_ins: OnceLock::new(),
            on_panic: OnceLock::new(),
            traces: Mutex::new(None),
            next_host: AtomicUsize::new(0),
            in_place: AtomicUsize::new(0),
            calls: Calls::default(),
            crowd: Crowd::new(&config),
            company: Company::default(),
            slow: AtomicUsize::new(0),
            completed_outside: AtomicUsize::new(0),
            woken_outside: AtomicUsize::new(0),
            roots: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
            drains: AtomicUsize::new(0),
            this: weak.clone(),
            process: Process::current(),
            config,
            clock,
            began: Instant::now(),
        });
        for index in 0..workers {
            scheduler.seat(index);
        }
        for home in &scheduler.homes {
            home.open(&scheduler);
        }
        scheduler
    }

    /// False in a forked child.
    #[inline]
    pub fn is_here(&self) -> bool {
        self.process.is_current()
    }

    /// The seat `index`, made if it is its first use.
    pub fn seat(&self, index: usize) -> &Arc<Seat> {
        self.seats[index].get_or_init(|| {
            // Relaxed: whoever sits down here announces its work, and thieves may come a moment late.
            self.seats_used.fetch_max(index + 1, Ordering::Relaxed);
            Arc::new(Seat {
                queue: Public::new(),
                counters: Counters::default(),
                times: Times::new(&self.config.measures),
                watch: Watch::default(),
                taken: AtomicUsize::new(0),
            })
        })
    }

    /// Seats that have ever been used.
    pub fn seats(&self) -> impl ExactSizeIterator<Item = &Arc<Seat>> {
        let used = self.seats_used.load(Ordering::Relaxed);
        (0..used).map(|index| self.seat(index))
    }

    /// The seats that stand-ins use.
    pub fn stand_in_seats(&self) -> std::ops::Range<usize> {
        self.config.workers..self.seats.len()
    }

    /// How many seats a thief looks at.
    #[inline]
    pub fn seats_used(&self) -> usize {
        self.seats_used.load(Ordering::Relaxed)
    }

    /// Every list of tasks.
    pub fn homes(&self) -> impl Iterator<Item = &Home<Self>> {
        self.homes.iter().map(|home| &**home)
    }

    /// The list for a task that this worker spawns, or one for outsiders. A thread draws ids in blocks, so it stays with a
    /// group for a while.
    #[inline]
    pub fn home_for(&self, worker: Option<&Worker>, id: Id) -> &Home<Self> {
        let home = match worker {
            Some(worker) => worker.station_index(),
            None => {
                let (group, turn) = (id.block() as usize, id.number() as usize);
                self.config.workers + group % OUTSIDE_GROUPS * GROUP + turn % GROUP
            }
        };
        &self.homes[home]
    }

    /// Tasks spawned.
    pub fn spawned(&self) -> u64 {
        self.homes().map(Home::entered).sum()
    }

    /// Tasks that ended with no worker.
    pub fn completed_outside(&self) -> u64 {
        self.completed_outside.load(Ordering::Relaxed) as u64
    }

    /// Tasks spawned or woken by threads without a seat.
    pub fn came_from_outside(&self) -> u64 {
        let spawned = self.homes().skip(self.config.workers).map(Home::entered);
        spawned.sum::<u64>() + self.woken_outside.load(Ordering::Relaxed) as u64
    }

    /// Says how stand-ins are started; the first call counts.
    pub fn set_stand_ins(&self, start: StandIns) {
        let _ = self.stand_ins.set(start);
    }

    /// The seed for whoever sits down there.
    pub(super) fn seed_for_seat(&self, seat: usize) -> u64 {
        let time = self.seat(seat).taken.fetch_add(1, Ordering::Relaxed);
        random::derive(random::derive(self.config.seed, seat as u64), time as u64)
    }

    /// The seed for another root of `block_on`.
    pub fn seed_for_root(&self) -> u64 {
        let root = self.roots.fetch_add(1, Ordering::Relaxed) as u64;
        random::derive(self.config.seed, ROOT_STREAMS + root)
    }

    /// Says what follows a panic of a task; the first call counts.
    pub fn set_on_panic(&self, tell: PanicHook) {
        let _ = self.on_panic.set(tell);
    }

    /// Gets somebody for a station whose worker is about to block.
    pub fn call_stand_in(&self, station: usize) {
        if let Some(start) = self.stand_ins.get() {
            start(station);
        }
    }

    /// A station for a socket or timer of somebody who has none, in turn.
    pub fn any_host(&self) -> usize {
        self.next_host.fetch_add(1, Ordering::Relaxed) % self.hosts.count()
    }

    /// The host with the fewest sources: where a new connection goes. Another station if the pollers of all hosts have failed.
    ///
    /// Stealing does not spread connections: a woken task runs where its socket is registered before any thief
    /// sees it (tokio #683, zio #581). So they are spread when they come.
    pub fn least_registered(&self) -> usize {
        let (count, hosts) = (self.stations.len(), self.hosts.count());
        let start = self.any_host();
        let sources = |&index: &usize| {
            let poller = self.stations[index].poller.as_ref();
            // Less than F2 in `poller.rs` says of one that has failed.
            let more = if index < hosts { 0 } else { usize::MAX / 4 };
            poller.map_or(0, |poller| poller.sources()) + more
        };
        let in_turn = (0..count).map(|offset| (start + offset) % count);
        in_turn.min_by_key(sources).unwrap_or(0)
    }

    /// A task was spawned, or is to be run, by this worker or by somebody outside.
    #[inline]
    pub fn schedule_by(&self, worker: Option<&Worker>, task: Task) {
        match worker {
            Some(worker) => worker.schedule(task),
            None => self.inject_from_outside(task),
        }
    }

    fn inject_from_outside(&self, task: Task) {
        if self.config.measures.stamps() {
            self.stamp(&task);
        }
        self.inject(task);
    }

    /// A task from somebody without a seat.
    pub fn inject(&self, task: Task) {
        self.injector.push(task);
        self.announce();
    }

    /// How many stations' tenants do not sleep.
    pub(super) fn awake(&self) -> usize {
        let (parked, _) = self.idle.counts();
        self.stations.len().saturating_sub(parked)
    }

    /// Makes sure that somebody looks for the work just published.
    #[inline]
    pub fn announce(&self) {
        let announce = self.idle.announce();
        self.carry_out(announce);
    }

    /// Does what an announcement asks for.
    #[inline]
    pub fn carry_out(&self, announce: Announce) {
        match announce {
            Announce::Nobody => {}
            Announce::Wake(station) => {
                self.stations[station].park.unpark();
            }
            Announce::Closed => self.pushed_late(),
        }
    }

    /// Drops every future that nobody polls just now: the runtime is closed. Several threads may do so.
    #[cold]
    pub fn sweep(&self) {
        // First: what these drops wake is left to us, and not to whoever wakes it.
        let first = self.claims_drain();
        for home in self.homes() {
            home.cancel_all();
        }
        // Others may be blocked with tasks of theirs in their queues.
        for seat in self.seats() {
            while let Some(task) = seat.queue.take() {
                drop(task);
            }
        }
        if first || self.claims_drain() {
            self.drain();
        }
    }

    /// A task came into the injector of a closed runtime.
    ///
    /// It is not for us to drop: who wakes a task may hold a lock that the drop of its future takes. Each worker that
    /// leaves sweeps, and the last one ends. Only if that has happened, or if somebody who blocks in place may wait for
    /// the task, it cannot be left to them: then it is for whoever drains just now, or for a thread of its own.
    #[cold]
    fn pushed_late(&self) {
        // Pairs with the fence in `end`: it finds the task, or we see that it was there. The fence of A2 (idle.rs) stands
        // between the push and this look as well, so that loom finds nothing amiss without this one; it is for who comes
        // here without an announcement.
        fence(Ordering::SeqCst);
        let left_alone = self.ended.load(Ordering::Relaxed) || self.is_blocked_in_place();
        if !left_alone || !self.claims_drain() {
            return;
        }
        let refused = self.this.upgrade().is_none_or(|scheduler| {
            let drain = move || scheduler.drain();
            thread::spawn("loxley-late".into(), None, drain).is_err()
        });
        if refused {
            self.drain();
        }
    }

    /// The last sweep: from now on nobody but who pushes sees to what waits.
    #[cold]
    pub fn end(&self) {
        self.ended.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst); // pairs with the fence in `pushed_late`
        if self.claims_drain() {
            self.drain();
        }
    }

    /// Asks for a drain; true if the caller has to do it.
    fn claims_drain(&self) -> bool {
        // Release: pairs with the exchange in `drain`, which then sees what was pushed before. loom cannot see it: its injector
        // is a lock, which shows what was pushed without that.
        self.drains.fetch_add(1, Ordering::Release) == 0
    }

    /// Drops every task that waits for a worker: there will be none. Also for those who ask meanwhile.
    fn drain(&self) {
        let mut asked = 1;
        loop {
            while let Some(task) = self.injector.pop() {
                drop(task);
            }
            // Acquire: pairs with the addition in `claims_drain` by who asked meanwhile. Whoever asks after it drains what it has
            // pushed itself.
            let done = self
                .drains
                .compare_exchange(asked, 0, Ordering::Acquire, Ordering::Acquire);
            match done {
                Ok(_) => return,
                Err(now) => asked = now,
            }
        }
    }

    /// True if there is a task that a parking worker should not sleep over (I3 in `idle.rs`).
    pub fn has_work(&self) -> bool {
        !self.injector.is_empty() || self.seats().any(|seat| seat.queue.has_work_before_park())
    }

    /// True if there is a task that no thread is awake for: the injector's, or a parked seat's own.
    pub fn has_stranded_work(&self) -> bool {
        // A searcher would find it; but where all sleep, nobody searches, whatever the count says.
        let mut stations = self.stations.iter();
        let nobody = self.idle.counts().1 == 0 || stations.all(|station| station.park.is_parked());
        let parked = |(station, seat): (&Arc<Station>, &Arc<Seat>)| {
            station.park.is_parked() && seat.queue.has_work_before_park()
        };
        let left = || self.stations.iter().zip(self.seats()).any(parked);
        nobody && (!self.injector.is_empty() || left())
    }

    /// Ends every sleep.
    pub fn unpark_all(&self) {
        for station in &self.stations {
            station.park.unpark();
        }
    }
}

impl Schedule for Scheduler {
    type Runner = Worker;

    #[inline]
    fn schedule(&self, task: Task) {
        with_current(self, |worker| {
            if worker.is_none() {
                self.woken_outside.fetch_add(1, Ordering::Relaxed);
            }
            self.schedule_by(worker, task);
        });
    }

    fn cancelled(&self, task: &TaskMeta<'_>) {
        self.completed_outside.fetch_add(1, Ordering::Relaxed);
        attend::call(self.config.hooks.terminate.as_ref(), task);
    }

    fn traced(&self, id: Id, leaves: Vec<Leaf>) {
        if let Some(traces) = &mut *self.traces.lock() {
            traces.insert(id, leaves);
        }
    }

    fn panicked(&self, panic: &TaskPanic<'_>) {
        if let Some(tell) = self.on_panic.get() {
            contain(|| tell(panic));
        }
    }
}

impl Runner<Scheduler> for Worker {
    #[inline]
    fn budget(&self) -> u32 {
        self.budget
    }

    #[inline]
    fn completed(&self) {
        self.counters().completed.add(1);
    }

    /// Who joins one task often joins several: behind those that wait it finds more than one of them ended.
    fn wake_joiner(&self, joiner: Waker) {
        let mode = self.mode.get();
        // `TO_TAIL` is 1.
        self.mode.set(mode | u8::from(self.local.length() > 0));
        wake_caught(joiner);
        self.mode.set(mode);
    }
}

impl fmt::Debug for Scheduler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scheduler")
            .field("workers", &self.config.workers)
            .field("idle", &self.idle)
            .field("injector", &self.injector)
            .finish_non_exhaustive()
    }
}
