//! `as_completed`: the outputs of several futures, in the order in which they are ready.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::bells::Bells;

/// Polls several futures together, and gives their outputs in the order in which they are ready.
///
/// They run inside the task that waits, so they may borrow and need not be [`Send`]; they make progress only while
/// [`AsCompleted::next`] is awaited. Each has a waker of its own: a wake of one polls that one alone. What should run on
/// other workers, or while the task does something else, belongs into a [`JoinSet`](super::JoinSet) or into
/// [`map_concurrent`](super::map_concurrent()).
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::{as_completed, yield_now};
///
/// let text = String::from("abc");
/// let mut outputs = as_completed([3, 1, 2].map(|turns| {
///     let text = &text;
///     async move {
///         for _ in 0..turns {
///             yield_now().await;
///         }
///         &text[..turns]
///     }
/// }));
/// let mut order = Vec::new();
/// while let Some(output) = outputs.next().await {
///     order.push(output);
/// }
/// assert_eq!(order, ["a", "ab", "abc"]);
/// # });
/// ```
pub fn as_completed<I>(futures: I) -> AsCompleted<I::Item>
where
    I: IntoIterator,
    I::Item: Future,
{
    let mut all = AsCompleted {
        futures: Bells::default(),
    };
    futures.into_iter().for_each(|future| all.push(future));
    all
}

/// What [`as_completed`] returns. With the feature `stream` it is a `Stream`.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let mut outputs = loxley::task::as_completed([std::future::ready(5)]);
/// assert_eq!(outputs.next().await, Some(5));
/// assert_eq!(outputs.next().await, None);
/// # });
/// ```
#[must_use = "futures do nothing unless you `.await` or poll them"]
pub struct AsCompleted<F> {
    futures: Bells<Pin<Box<F>>>,
}

impl<F: Future> AsCompleted<F> {
    /// Adds one more future.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut outputs = loxley::task::as_completed([]);
    /// outputs.push(std::future::ready(5));
    /// assert_eq!(outputs.next().await, Some(5));
    /// # });
    /// ```
    pub fn push(&mut self, future: F) {
        self.futures.insert(Box::pin(future));
    }

    /// Waits for the next output; `None` if there is no future left.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no output; those that wait stay as they are.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let mut outputs = loxley::task::as_completed([std::future::ready(5)]);
    /// assert_eq!(outputs.next().await, Some(5));
    /// # });
    /// ```
    pub async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|cx| self.poll_next(cx)).await
    }

    /// What [`AsCompleted::next`] does, in the shape of a poll. The waker of the last call is the one that is woken.
    ///
    /// ```
    /// use std::task::{Context, Poll, Waker};
    ///
    /// let mut outputs = loxley::task::as_completed([std::future::ready(5)]);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// assert_eq!(outputs.poll_next(&mut cx), Poll::Ready(Some(5)));
    /// ```
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        if self.futures.is_empty() {
            return Poll::Ready(None);
        }
        let unit = ready!(coop::poll_proceed(cx));
        let polled = self
            .futures
            .poll_next(cx, |future, cx| future.as_mut().poll(cx));
        if polled.is_ready() {
            unit.made_progress();
        }
        polled.map(Some)
    }
}

impl<F> AsCompleted<F> {
    /// Futures that have given no output yet.
    ///
    /// ```
    /// assert_eq!(loxley::task::as_completed([std::future::ready(5)]).len(), 1);
    /// ```
    #[must_use]
    pub fn len(&self) -> usize {
        self.futures.len()
    }

    /// True if there is none.
    ///
    /// ```
    /// let nothing: [std::future::Ready<()>; 0] = [];
    /// assert!(loxley::task::as_completed(nothing).is_empty());
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.futures.is_empty()
    }
}

#[cfg(feature = "stream")]
impl<F: Future> futures_core::Stream for AsCompleted<F> {
    type Item = F::Output;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        AsCompleted::poll_next(self.get_mut(), cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.len(), Some(self.len()))
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AsCompleted")
            .field("len", &self.len())
            .finish()
    }
}
