//! `LocalPoolHandle`: a few threads for futures that are not `Send`, each with a runtime of its own.
//!
//! A worker is a thread in the `block_on` of a [`LocalRuntime`]. What is spawned is a task of that runtime, which is `Send`:
//! it makes the future there, spawns it as a local task, and waits for it. So the handle is an ordinary one, and its abort
//! reaches the local task by the drop of what waits. A worker ends when the pool is dropped, or cannot be built.
//!
//! Checked by `tests/task_local_pool.rs`.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;

use super::{AbortOnDropHandle, JoinHandle, spawn_local};
use crate::runtime::{Handle, LocalRuntime};
use crate::sync::{CancellationToken, DropGuard};

/// A pool of threads that run futures which are not [`Send`]. Clones are handles of the same pool.
///
/// Each thread has a [`LocalRuntime`], so [`spawn_local`] works inside. Tasks stay on the thread on which they began:
/// nobody takes them over when it is busy or stuck. Where futures can be `Send`, a
/// [`Runtime`](crate::runtime::Runtime) does more with the same threads.
///
/// # Shutdown
///
/// When the last handle is dropped, tasks that have not ended are cancelled, each on its thread, and the threads end. The
/// drop does not wait for that.
///
/// # Examples
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use std::rc::Rc;
/// use loxley::task::LocalPoolHandle;
///
/// let pool = LocalPoolHandle::new(2);
/// let task = pool.spawn_pinned(|| {
///     let five = Rc::new(5);
///     async move { *five }
/// });
/// assert_eq!(task.await.unwrap(), 5);
/// # });
/// ```
#[derive(Clone)]
pub struct LocalPoolHandle {
    workers: Arc<[Worker]>,
}

struct Worker {
    runtime: Handle,
    /// Tasks that have been spawned there and have not ended.
    load: Arc<AtomicUsize>,
    /// Ends the thread.
    _end: DropGuard,
}

/// One task of a worker's load.
struct Load(Arc<AtomicUsize>);

impl Drop for Load {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl LocalPoolHandle {
    /// A pool of so many threads, which start now.
    ///
    /// # Panics
    ///
    /// If `pool_size` is 0: nobody would run the tasks. If the system refuses a thread or what its runtime needs.
    ///
    /// ```
    /// assert_eq!(loxley::task::LocalPoolHandle::new(3).num_threads(), 3);
    /// ```
    #[must_use]
    #[track_caller]
    pub fn new(pool_size: usize) -> Self {
        assert!(
            pool_size > 0,
            "a local pool must have at least 1 thread: nobody would run the tasks"
        );
        let start = |number| {
            Worker::start(number).unwrap_or_else(|error| {
                panic!("cannot start worker {number} of a local pool: {error}")
            })
        };
        Self {
            workers: (0..pool_size).map(start).collect(),
        }
    }

    /// How many threads there are.
    ///
    /// ```
    /// assert_eq!(loxley::task::LocalPoolHandle::new(2).num_threads(), 2);
    /// ```
    #[must_use]
    pub fn num_threads(&self) -> usize {
        self.workers.len()
    }

    /// For each thread the number of tasks that were spawned there and have not ended.
    ///
    /// ```
    /// let pool = loxley::task::LocalPoolHandle::new(2);
    /// pool.spawn_pinned_by_idx(std::future::pending::<()>, 1);
    /// assert_eq!(pool.get_task_loads_for_each_worker(), [0, 1]);
    /// ```
    #[must_use]
    pub fn get_task_loads_for_each_worker(&self) -> Vec<usize> {
        let loads = self.workers.iter().map(Worker::load);
        loads.collect()
    }

    /// Makes a future on the thread that has the fewest tasks, and runs it there.
    ///
    /// An abort drops the future on its thread. A panic of `create_task` or of the future is told by the handle.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let pool = loxley::task::LocalPoolHandle::new(1);
    /// let thread = pool.spawn_pinned(|| async { std::thread::current().id() });
    /// assert_ne!(thread.await.unwrap(), std::thread::current().id());
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_pinned<F, Fut>(&self, create_task: F) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let (worker, load) = self.least_loaded();
        worker.spawn(load, create_task)
    }

    /// As [`LocalPoolHandle::spawn_pinned`], on the thread with that number.
    ///
    /// # Panics
    ///
    /// If there is no such thread: they are numbered from 0.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let pool = loxley::task::LocalPoolHandle::new(2);
    /// let thread = |number| pool.spawn_pinned_by_idx(|| async { std::thread::current().id() }, number);
    /// assert_eq!(thread(0).await.unwrap(), thread(0).await.unwrap());
    /// assert_ne!(thread(0).await.unwrap(), thread(1).await.unwrap());
    /// # });
    /// ```
    #[track_caller]
    pub fn spawn_pinned_by_idx<F, Fut>(&self, create_task: F, idx: usize) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        let Some(worker) = self.workers.get(idx) else {
            panic!(
                "there is no worker {idx} in a local pool of {} threads",
                self.num_threads()
            );
        };
        worker.load.fetch_add(1, Ordering::Relaxed);
        worker.spawn(Load(worker.load.clone()), create_task)
    }

    /// The worker with the fewest tasks, which has one more now. Of two callers that see the same, one looks again.
    fn least_loaded(&self) -> (&Worker, Load) {
        loop {
            let loads = self.workers.iter().map(|worker| (worker, worker.load()));
            let least = loads.min_by_key(|(_, load)| *load);
            let (worker, load) = least.expect("a pool has at least one thread");
            let added =
                worker
                    .load
                    .compare_exchange(load, load + 1, Ordering::Relaxed, Ordering::Relaxed);
            if added.is_ok() {
                return (worker, Load(worker.load.clone()));
            }
        }
    }
}

impl Worker {
    fn start(number: usize) -> io::Result<Self> {
        let (tell, told) = mpsc::sync_channel(1);
        let token = CancellationToken::new();
        let ended = token.clone().cancelled_owned();
        let run = move || match LocalRuntime::new() {
            Ok(runtime) => {
                let _ = tell.send(Ok(runtime.handle().clone()));
                runtime.block_on(ended);
            }
            Err(error) => {
                let _ = tell.send(Err(error));
            }
        };
        thread::Builder::new()
            .name(format!("loxley-local-{number}"))
            .spawn(run)?;
        let runtime = told.recv().expect("the thread tells how it went")?;
        Ok(Self {
            runtime,
            load: Arc::default(),
            _end: token.drop_guard(),
        })
    }

    fn load(&self) -> usize {
        self.load.load(Ordering::Relaxed)
    }

    #[track_caller]
    fn spawn<F, Fut>(&self, load: Load, create_task: F) -> JoinHandle<Fut::Output>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future + 'static,
        Fut::Output: Send + 'static,
    {
        self.runtime.spawn(async move {
            let _load = load;
            let task = AbortOnDropHandle::new(spawn_local(create_task()));
            match task.await {
                Ok(output) => output,
                Err(error) if error.is_panic() => resume_unwind(error.into_panic()),
                // Nobody else has its handle, so the worker ends, and this task with it.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

impl fmt::Debug for LocalPoolHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalPoolHandle")
            .field("loads", &self.get_task_loads_for_each_worker())
            .finish()
    }
}
