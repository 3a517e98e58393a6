//! `Barrier`: nobody goes on before all have come.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Poll, ready};

use loxley_core::coop;

use super::waiters::{Home, Waiter, Waiters};
use super::wakes::Wakes;

/// A place where so many tasks wait for each other; usable again and again.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::Barrier;
/// use std::sync::Arc;
///
/// let barrier = Arc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = barrier.clone();
///         loxley::spawn(async move { barrier.wait().await.is_leader() })
///     })
///     .collect();
/// let mut leaders = 0;
/// for task in tasks {
///     leaders += usize::from(task.await.unwrap());
/// }
/// assert_eq!(leaders, 1);
/// # });
/// ```
#[derive(Debug)]
pub struct Barrier {
    all: usize,
    /// How many have come, with those who wait.
    waiters: Waiters<usize, ()>,
}

impl Home for Barrier {
    type State = usize;
    type Note = ();

    fn waiters(&self) -> &Waiters<usize, ()> {
        &self.waiters
    }
}

impl Barrier {
    /// For `n` tasks; 0 counts as 1.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// assert!(loxley::sync::Barrier::new(1).wait().await.is_leader());
    /// # });
    /// ```
    #[track_caller]
    pub fn new(n: usize) -> Self {
        Self {
            all: n.max(1),
            waiters: Waiters::new(0),
        }
    }

    /// Waits until as many have come as the barrier is for. The last of them is told that it is the leader.
    ///
    /// # Cancellation
    ///
    /// Not safe: whoever has come and goes again is counted all the same.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let barrier = loxley::sync::Barrier::new(2);
    /// let (one, two) = futures_util::future::join(barrier.wait(), barrier.wait()).await;
    /// assert_ne!(one.is_leader(), two.is_leader());
    /// # });
    /// ```
    pub async fn wait(&self) -> BarrierWaitResult {
        let mut waiter = pin!(Waiter::new(self));
        poll_fn(|cx| {
            let unit = ready!(coop::poll_proceed(cx));
            let leads = match waiter.has_entered() {
                true => {
                    ready!(waiter.as_mut().poll_served(Some(cx.waker())));
                    false
                }
                false => {
                    let mut wakes = Wakes::new();
                    let waits = waiter
                        .as_mut()
                        .enter(Some(cx.waker().clone()), |home, come| {
                            **come += 1;
                            if **come < home.all {
                                return Some(());
                            }
                            **come = 0;
                            come.serve_all(&mut wakes, |_| {});
                            None
                        });
                    if waits {
                        return Poll::Pending;
                    }
                    wakes.wake();
                    true
                }
            };
            unit.made_progress();
            Poll::Ready(BarrierWaitResult(leads))
        })
        .await
    }
}

/// What [`Barrier::wait`] gives.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let result: loxley::sync::BarrierWaitResult = loxley::sync::Barrier::new(1).wait().await;
/// assert!(result.is_leader());
/// # });
/// ```
#[derive(Debug, Clone)]
pub struct BarrierWaitResult(bool);

impl BarrierWaitResult {
    /// True for one of those who waited together.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// assert!(loxley::sync::Barrier::new(0).wait().await.is_leader());
    /// # });
    /// ```
    pub fn is_leader(&self) -> bool {
        self.0
    }
}
