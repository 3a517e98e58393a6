//! What the tasks of a program share, and its books.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::thread;

use loxley_core::runtime::is_rt_shutdown_err;
use loxley_core::task::AbortHandle;

use crate::gate::Gate;
use crate::random::Random;

/// One step of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Spawn,
    Join,
    WaitForTask,
    WaitForOutside,
    Wake,
    Publish,
    Abort,
    Sleep,
    CancelSleep,
    ResetSleep,
    Select,
    Yield,
    Connect,
    Pair,
    Blocking,
    InPlace,
    Panic,
    Linger,
}

/// Places for wakers and abort handles that lie about.
const PLACES: usize = 64;
/// Tasks that do nothing until they are aborted, or the runtime ends.
const LINGERING: u64 = 2_000;

#[derive(Default)]
struct Count(AtomicU64);

impl Count {
    fn up(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

pub struct World {
    pub workers: usize,
    pub current_thread: bool,
    pub address: SocketAddr,
    /// The runtime is being shut down.
    pub ending: AtomicBool,
    /// It is gone.
    pub over: AtomicBool,
    left: AtomicI64,
    done: Count,
    connects: Count,
    spawned: Count,
    completed: Count,
    aborted: Count,
    panicked: Count,
    dropped: Count,
    lingering: Count,
    jobs: Count,
    jobs_run: Count,
    jobs_cancelled: Count,
    wakers: Vec<Mutex<Option<Waker>>>,
    aborts: Vec<Mutex<Option<AbortHandle>>>,
    outside: Vec<Mutex<Sender<Gate>>>,
}

impl World {
    pub fn new(
        workers: usize,
        operations: u64,
        address: SocketAddr,
        outside: Vec<Sender<Gate>>,
    ) -> Arc<Self> {
        Arc::new(Self {
            workers: workers.max(1),
            current_thread: workers == 0,
            address,
            ending: AtomicBool::new(false),
            over: AtomicBool::new(false),
            left: AtomicI64::new(operations as i64),
            done: Count::default(),
            connects: Count::default(),
            spawned: Count::default(),
            completed: Count::default(),
            aborted: Count::default(),
            panicked: Count::default(),
            dropped: Count::default(),
            lingering: Count::default(),
            jobs: Count::default(),
            jobs_run: Count::default(),
            jobs_cancelled: Count::default(),
            wakers: (0..PLACES).map(|_| Mutex::default()).collect(),
            aborts: (0..PLACES).map(|_| Mutex::default()).collect(),
            outside: outside.into_iter().map(Mutex::new).collect(),
        })
    }

    /// False once the operations are used up.
    pub fn take(&self, operation: Operation) -> bool {
        if self.left.fetch_sub(1, Ordering::SeqCst) <= 0 {
            return false;
        }
        self.done.up();
        if operation == Operation::Connect {
            self.connects.up();
        }
        true
    }

    pub fn left(&self) -> u64 {
        self.left.load(Ordering::SeqCst).max(0) as u64
    }

    pub fn spawned(&self) -> u64 {
        self.spawned.get()
    }

    fn gone(&self) -> u64 {
        let ways = [
            &self.completed,
            &self.aborted,
            &self.panicked,
            &self.dropped,
        ];
        ways.map(Count::get).iter().sum()
    }

    /// Tasks that are alive and do something; never fewer than there are, for those who wait for 0.
    pub fn crowd(&self) -> u64 {
        // In this order.
        let gone = self.gone();
        let lingering = self.lingering.get();
        self.spawned().saturating_sub(gone + lingering)
    }

    pub fn may_linger(&self) -> bool {
        self.lingering.get() < LINGERING
    }

    /// Sends a gate to somebody outside, who opens it; false if nobody is there any more.
    pub fn ask_outside(&self, gate: Gate) -> bool {
        let turn = self.done.get() as usize % self.outside.len();
        self.outside[turn].lock().unwrap().send(gate).is_ok()
    }

    pub fn offer_waker(&self, random: &mut Random, waker: Waker) {
        let before = place(&self.wakers, random).lock().unwrap().replace(waker);
        drop(before);
    }

    pub fn take_waker(&self, random: &mut Random) -> Option<Waker> {
        place(&self.wakers, random).lock().unwrap().take()
    }

    pub fn offer_abort(&self, random: &mut Random, handle: AbortHandle) {
        let before = place(&self.aborts, random).lock().unwrap().replace(handle);
        drop(before);
    }

    pub fn abort(&self, random: &mut Random) {
        let handle = place(&self.aborts, random).lock().unwrap().clone();
        if let Some(handle) = handle {
            handle.abort();
            // Now and then it stays, to be aborted after its end.
            if random.below(4) > 0 {
                drop(place(&self.aborts, random).lock().unwrap().take());
            }
        }
    }

    /// An operation on a socket has ended: well, or with the runtime.
    pub fn expect_io(&self, result: io::Result<()>) {
        if let Err(error) = result {
            let ending = self.ending.load(Ordering::SeqCst);
            assert!(
                ending || is_rt_shutdown_err(&error),
                "a socket failed: {error:?}"
            );
        }
    }

    /// Takes away what lies about.
    pub fn clear(&self) -> Vec<Waker> {
        for place in &self.aborts {
            drop(place.lock().unwrap().take());
        }
        let wakers = self.wakers.iter();
        wakers
            .filter_map(|place| place.lock().unwrap().take())
            .collect()
    }

    pub fn assert_adds_up(&self) {
        assert_eq!(self.spawned(), self.gone(), "{self}");
        let jobs = self.jobs_run.get() + self.jobs_cancelled.get();
        assert_eq!(self.jobs.get(), jobs, "{self}");
        let (connects, done) = (self.connects.get(), self.done.get());
        // A small program may draw none.
        assert!(
            done < 10_000 || connects * 100 >= done,
            "{connects} connects in {done} operations"
        );
    }
}

fn place<'a, T>(places: &'a [Mutex<Option<T>>], random: &mut Random) -> &'a Mutex<Option<T>> {
    &places[random.below(places.len() as u64) as usize]
}

impl fmt::Display for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {} connects; {} tasks = {} completed + {} aborted + {} panicked + {} dropped; {} jobs",
            self.done.get(),
            self.connects.get(),
            self.spawned(),
            self.completed.get(),
            self.aborted.get(),
            self.panicked.get(),
            self.dropped.get(),
            self.jobs.get(),
        )
    }
}

/// A task of the program, from its spawn to its end.
pub struct Life {
    world: Arc<World>,
    completed: bool,
    lingers: bool,
}

impl Life {
    pub fn new(world: &Arc<World>) -> Self {
        world.spawned.up();
        Self {
            world: world.clone(),
            completed: false,
            lingers: false,
        }
    }

    /// A task that does not end by itself.
    pub fn that_lingers(world: &Arc<World>) -> Self {
        // After it counts as spawned, for the same reason as in its drop.
        let mut life = Self::new(world);
        world.lingering.up();
        life.lingers = true;
        life
    }

    pub fn completed(&mut self) {
        self.completed = true;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        let world = &self.world;
        // Before it counts as gone: the crowd is never taken for smaller than it is.
        if self.lingers {
            world.lingering.0.fetch_sub(1, Ordering::SeqCst);
        }
        let way = if self.completed {
            &world.completed
        } else if thread::panicking() {
            &world.panicked
        } else if world.ending.load(Ordering::SeqCst) {
            &world.dropped
        } else {
            &world.aborted
        };
        way.up();
    }
}

/// A job of the blocking pool.
pub struct Job {
    world: Arc<World>,
    ran: bool,
}

impl Job {
    pub fn new(world: &Arc<World>) -> Self {
        world.jobs.up();
        Self {
            world: world.clone(),
            ran: false,
        }
    }

    pub fn ran(&mut self) {
        self.ran = true;
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        let way = if self.ran {
            &self.world.jobs_run
        } else {
            &self.world.jobs_cancelled
        };
        way.up();
    }
}
