//! `map_concurrent`: a future for each of many items, so many at once.
//!
//! Each future is a task. So it goes on while whoever takes the outputs is busy with one, which futures that are polled
//! by their consumer do not: they stand still, hold what they have locked, and may wait for each other for ever.
//! At most `limit` items are *under way*: taken from the source and not yet given out. A slow consumer thus stops the
//! source, and memory stays bounded.

use std::collections::BTreeMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::task::{Context, Poll, ready};

use super::JoinSet;

/// Runs `f` for each item, as a task of the current runtime, `limit` of them at once.
///
/// Outputs come in the order of the items, or, after [`MapConcurrent::unordered`], in the order in which they are ready.
/// The next item is taken when an output is given out, so at most `limit` items are under way, finished ones that nobody
/// has taken included. Nothing happens before the first [`MapConcurrent::next`].
///
/// Unit of `limit`: items, at least 1.
///
/// # Cancellation
///
/// Dropping what this returns aborts the tasks that are under way, as a [`JoinSet`] does.
///
/// # Panics
///
/// If `limit` is 0: nothing would ever run.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::map_concurrent;
///
/// let mut squares = map_concurrent(1..=5, 2, |number| async move { number * number });
/// let mut sum = 0;
/// while let Some(square) = squares.next().await {
///     sum += square;
/// }
/// assert_eq!(sum, 55);
/// # });
/// ```
#[track_caller]
pub fn map_concurrent<I, F, Fut>(items: I, limit: usize, f: F) -> MapConcurrent<I::IntoIter, F, Fut>
where
    I: IntoIterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    assert!(
        limit > 0,
        "the limit of `map_concurrent` must be at least 1: nothing would ever run"
    );
    MapConcurrent {
        items: Some(items.into_iter()),
        f,
        limit,
        ordered: true,
        taken: 0,
        given: 0,
        tasks: JoinSet::new(),
        early: BTreeMap::new(),
    }
}

/// What [`map_concurrent`] returns. With the feature `stream` it is a `Stream`.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let mut outputs = loxley::task::map_concurrent([5], 1, |number| async move { number + 1 });
/// assert_eq!(outputs.next().await, Some(6));
/// assert_eq!(outputs.next().await, None);
/// # });
/// ```
#[must_use = "nothing happens before `next`"]
pub struct MapConcurrent<I, F, Fut: Future> {
    /// `None` once it has given its last.
    items: Option<I>,
    f: F,
    limit: usize,
    ordered: bool,
    taken: usize,
    given: usize,
    tasks: JoinSet<(usize, Fut::Output)>,
    /// Outputs that came before their turn.
    early: BTreeMap<usize, Fut::Output>,
}

impl<I, F, Fut> MapConcurrent<I, F, Fut>
where
    I: Iterator,
    F: FnMut(I::Item) -> Fut,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    /// Gives outputs in the order in which they are ready: a slow item then keeps no other waiting.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::task::{map_concurrent, yield_now};
    ///
    /// let (open, gate) = loxley::sync::oneshot::channel::<()>();
    /// let mut gate = Some(gate);
    /// let mut outputs = map_concurrent([1, 2], 2, move |number| {
    ///     let gate = gate.take();
    ///     async move {
    ///         if let Some(gate) = gate {
    ///             gate.await.unwrap();
    ///         }
    ///         number
    ///     }
    /// })
    /// .unordered();
    /// assert_eq!(outputs.next().await, Some(2));
    /// open.send(()).unwrap();
    /// assert_eq!(outputs.next().await, Some(1));
    /// # });
    /// ```
    pub fn unordered(self) -> Self {
        Self {
            ordered: false,
            ..self
        }
    }

    /// Waits for the next output; `None` if there is none left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no output.
    ///
    /// # Panics
    ///
    /// If a task panicked, with its panic, or was cancelled because the runtime ends. Outside a runtime.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut outputs = loxley::task::map_concurrent([1, 2], 1, |number| async move { number });
    /// assert_eq!(outputs.next().await, Some(1));
    /// assert_eq!(outputs.next().await, Some(2));
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<Fut::Output> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What [`MapConcurrent::next`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// # Panics
    ///
    /// As [`MapConcurrent::next`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut outputs = loxley::task::map_concurrent([1], 1, |number| async move { number });
    /// let one = std::future::poll_fn(|cx| outputs.poll_next(cx));
    /// assert_eq!(one.await, Some(1));
    /// # });
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Fut::Output>> {
        loop {
            self.refill();
            if let Some(output) = self.early.remove(&self.given) {
                self.given += 1;
                return Poll::Ready(Some(output));
            }
            match ready!(self.tasks.poll_join_next(cx)) {
                None => return Poll::Ready(None),
                Some(Ok((_, output))) if !self.ordered => {
                    self.given += 1;
                    return Poll::Ready(Some(output));
                }
                Some(Ok((index, output))) => {
                    self.early.insert(index, output);
                }
                Some(Err(error)) => match error.try_into_panic() {
                    Ok(payload) => resume_unwind(payload),
                    Err(error) => panic!("{error}"),
                },
            }
        }
    }

    /// Takes items until so many are under way.
    fn refill(&mut self) {
        while self.taken - self.given < self.limit {
            let Some(items) = &mut self.items else { return };
            let Some(item) = items.next() else {
                self.items = None;
                return;
            };
            let (index, future) = (self.taken, (self.f)(item));
            self.taken += 1;
            self.tasks.spawn(async move { (index, future.await) });
        }
    }
}

#[cfg(feature = "stream")]
impl<I, F, Fut> futures_core::Stream for MapConcurrent<I, F, Fut>
where
    I: Iterator + Unpin,
    F: FnMut(I::Item) -> Fut + Unpin,
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    type Item = Fut::Output;

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Fut::Output>> {
        MapConcurrent::poll_next(self.get_mut(), cx)
    }
}

impl<I, F, Fut: Future> fmt::Debug for MapConcurrent<I, F, Fut> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapConcurrent")
            .field("limit", &self.limit)
            .field("under_way", &(self.taken - self.given))
            .finish_non_exhaustive()
    }
}
