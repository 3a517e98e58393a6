//! Who has started and not ended; the steps are those of `blocking.rs`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io;
use std::mem;
use std::time::{Duration, Instant};

use super::{BlockingPool, thread};
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::primitive::thread::JoinHandle;
use crate::primitive::{Arc, Condvar, Mutex, thread as system, thread_local};

thread_local! {
    /// The roster that this thread is on, by address; 0: none.
    static HERE: Cell<usize> = const { Cell::new(0) };
}

/// How a thread is started; tests have another.
pub(super) type Spawn =
    fn(String, Option<usize>, Box<dyn FnOnce() + Send>) -> io::Result<JoinHandle<()>>;

/// The threads of a pool.
pub(super) struct Roster {
    max: usize,
    /// Those that look for jobs, or will again. Written under the lock.
    threads: AtomicUsize,
    members: Mutex<Members>,
    /// Somebody has retired.
    retired: Condvar,
    spawn: Spawn,
}

struct Members {
    next_id: u64,
    handles: BTreeMap<u64, JoinHandle<()>>,
    /// The one that retired last; it has joined the one before.
    last: Option<JoinHandle<()>>,
}

impl Roster {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            threads: AtomicUsize::new(0),
            members: Mutex::new(Members {
                next_id: 0,
                handles: BTreeMap::new(),
                last: None,
            }),
            retired: Condvar::new(),
            spawn: |name, stack_size, body| system::spawn(name, stack_size, body),
        }
    }

    #[cfg(test)]
    pub(super) fn spawn_with(&mut self, spawn: Spawn) {
        self.spawn = spawn;
    }

    pub(super) fn threads(&self) -> usize {
        self.threads.load(Ordering::Relaxed)
    }

    /// B4: starts a thread, unless the cap is reached or the pool closed. An error only if there is no thread
    /// at all.
    pub(super) fn start(&self, pool: &Arc<BlockingPool>, name: String) -> io::Result<()> {
        // The lock is held until the handle is entered: a thread that retires finds its own.
        let mut members = self.members.lock();
        let threads = self.threads();
        // Closed: B1 came before C2, or the submitter would have seen it at B2; so C3 sees the job.
        if threads >= self.max || pool.is_closed() {
            return Ok(());
        }
        let id = members.next_id;
        members.next_id += 1;
        let body = {
            let pool = pool.clone();
            Box::new(move || {
                let roster: *const Roster = &pool.roster;
                HERE.with(|here| here.set(roster.addr()));
                thread::live(&pool, id);
            })
        };
        match (self.spawn)(name, pool.config.stack_size, body) {
            Ok(handle) => {
                // Before the thread can leave, which takes the lock.
                self.threads.store(threads + 1, Ordering::Relaxed);
                members.handles.insert(id, handle);
                Ok(())
            }
            Err(_) if threads > 0 => Ok(()), // one of them will come by
            Err(error) => Err(error),
        }
    }

    /// X1.
    pub(super) fn leave(&self) {
        let _members = self.members.lock();
        self.threads.store(self.threads() - 1, Ordering::Relaxed);
    }

    /// X3: false if the others are as many as may be.
    pub(super) fn come_back(&self) -> bool {
        let _members = self.members.lock();
        let threads = self.threads();
        if threads >= self.max {
            return false;
        }
        self.threads.store(threads + 1, Ordering::Relaxed);
        true
    }

    /// X4: the thread's last act.
    pub(super) fn retire(&self, id: u64) {
        let before = {
            let mut members = self.members.lock();
            let own = members.handles.remove(&id);
            self.retired.notify_all();
            mem::replace(&mut members.last, own)
        };
        if let Some(before) = before {
            join(before);
        }
    }

    /// Joins everybody but this very thread; false if somebody had not retired at `deadline`.
    pub(super) fn wait(&self, deadline: Option<Instant>) -> bool {
        let this: *const Roster = self;
        // During thread teardown there is nothing to ask, and no job running either.
        let own = usize::from(HERE.try_with(Cell::get) == Ok(this.addr()));
        let mut members = self.members.lock();
        while members.handles.len() > own {
            match deadline {
                None => self.retired.wait(&mut members),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left == Duration::ZERO {
                        return false;
                    }
                    self.retired.wait_for(&mut members, left);
                }
            }
        }
        let last = members.last.take();
        drop(members);
        if let Some(last) = last {
            join(last);
        }
        true
    }
}

/// Waits for a thread that has retired.
fn join(handle: JoinHandle<()>) {
    // Its panics were caught; what is left is a panic of a thread-local's drop, which std has reported.
    let _ = handle.join();
}
