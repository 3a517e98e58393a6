//! `map_concurrent`: a future for each of many items, so many at once.
//!
//! Each future is a task. So it goes on while whoever takes the outputs is busy with one, which futures that are polled
//! by their consumer do not: they stand still, hold what they have locked, and may wait for each other for ever.
//! At most `limit` items are *under way*: taken from the source and not yet given out. A slow consumer thus stops the
//! source, and memory stays bounded.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::resume_unwind;
use std::task::{Context, Poll, ready};

use super::{Id, JoinSet};

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
        order: Some(VecDeque::new()),
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
    /// The items under way, next one first; `None` if outputs are given as they come.
    order: Option<VecDeque<Id>>,
    tasks: JoinSet<Fut::Output>,
    /// Outputs that came before their turn.
    early: BTreeMap<Id, Fut::Output>,
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
            order: None,
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
    /// If a task panicked, with its panic, or was cancelled because the runtime ends; the next call goes on with the other
    /// items. Outside a runtime.
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
            if let Some(output) = self.take_early() {
                return Poll::Ready(Some(output));
            }
            match ready!(self.tasks.poll_join_next_with_id(cx)) {
                None => return Poll::Ready(None),
                Some(Ok((id, output))) => {
                    self.early.insert(id, output);
                }
                Some(Err(error)) => {
                    if let Some(order) = &mut self.order {
                        // Those behind it do not wait for it.
                        order.retain(|id| *id != error.id());
                    }
                    match error.try_into_panic() {
                        Ok(payload) => resume_unwind(payload),
                        Err(error) => panic!("{error}"),
                    }
                }
            }
        }
    }

    /// The output whose turn it is, if it is there.
    fn take_early(&mut self) -> Option<Fut::Output> {
        let Some(order) = &mut self.order else {
            return Some(self.early.pop_first()?.1);
        };
        let output = self.early.remove(order.front()?)?;
        order.pop_front();
        Some(output)
    }

    /// Takes items until so many are under way.
    fn refill(&mut self) {
        while self.tasks.len() + self.early.len() < self.limit {
            let Some(items) = &mut self.items else { return };
            let Some(item) = items.next() else {
                self.items = None;
                return;
            };
            let task = self.tasks.spawn((self.f)(item));
            if let Some(order) = &mut self.order {
                order.push_back(task.id());
            }
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
            .field("under_way", &(self.tasks.len() + self.early.len()))
            .finish_non_exhaustive()
    }
}
