//! Seeds, and the orders that are drawn from them.

use std::fmt;

use super::Builder;

/// What the random choices of a runtime are drawn from: see [`Builder::rng_seed`].
///
/// # Examples
///
/// ```
/// use loxley_core::runtime::{Builder, RngSeed};
///
/// let seed = RngSeed::from_bytes(b"the order that failed");
/// let runtime = Builder::new_current_thread().rng_seed(seed).build()?;
/// # drop(runtime);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct RngSeed(pub(super) u64);

impl RngSeed {
    /// A seed made of a text or a number; the same bytes give the same seed, in every version and on every machine.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        // FNV-1a: the standard library's hashes may change.
        let start = 0xcbf2_9ce4_8422_2325_u64;
        let fold = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        Self(bytes.iter().fold(start, fold))
    }
}

impl fmt::Debug for RngSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RngSeed({:#018x})", self.0)
    }
}

/// Random choices.
impl Builder {
    /// Sets what all random choices of the runtime are drawn from: where `select!` begins, and whom a worker steals from.
    ///
    /// Default: another seed for each runtime. With the same one, the code of a current-thread runtime draws the same
    /// numbers again, as does each worker of a pool; which task runs on which of several workers is the system's choice
    /// all the same.
    pub fn rng_seed(&mut self, seed: RngSeed) -> &mut Self {
        self.seed = Some(seed.0);
        self
    }

    /// Draws the order of tasks from `seed`, wherever none is promised: for tests that look for an order in which a program
    /// fails, and meet it again.
    ///
    /// Default: off. It is [`Builder::rng_seed`], and besides each task that is woken may run sooner or later than others
    /// that are ready, and sockets, timers and outsiders are looked at after any number of polls up to
    /// [`Builder::event_interval`] (here 61 by default). On a current-thread runtime with a paused clock, and without
    /// sockets, threads and other sources of chance, the same seed gives the same order. It is slower.
    ///
    /// # Examples
    ///
    /// ```
    /// use loxley_core::runtime::{Builder, RngSeed};
    /// use std::sync::{Arc, Mutex};
    ///
    /// let order = |seed: u64| {
    ///     let seed = RngSeed::from_bytes(&seed.to_le_bytes());
    ///     let runtime = Builder::new_current_thread().shuffle_schedule(seed).build().unwrap();
    ///     let log = Arc::new(Mutex::new(Vec::new()));
    ///     let tasks: Vec<_> = (0..10)
    ///         .map(|n| {
    ///             let log = log.clone();
    ///             runtime.spawn(async move { log.lock().unwrap().push(n) })
    ///         })
    ///         .collect();
    ///     runtime.block_on(async {
    ///         for task in tasks {
    ///             task.await.unwrap();
    ///         }
    ///     });
    ///     Arc::into_inner(log).unwrap().into_inner().unwrap()
    /// };
    /// assert_eq!(order(1), order(1));
    /// assert!((2..100).any(|seed| order(seed) != order(1)));
    /// ```
    pub fn shuffle_schedule(&mut self, seed: RngSeed) -> &mut Self {
        self.shuffle = true;
        self.rng_seed(seed)
    }
}
