//! Handles that abort their task when they are dropped.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::{AbortHandle, JoinError, JoinHandle};

/// A [`JoinHandle`] that aborts its task when it is dropped, instead of letting it go on by itself.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::task::AbortOnDropHandle;
///
/// let task = loxley::spawn(std::future::pending::<()>());
/// let watcher = task.abort_handle();
/// drop(AbortOnDropHandle::new(task));
/// while !watcher.is_finished() {
///     loxley::task::yield_now().await;
/// }
/// # });
/// ```
#[must_use = "dropping the handle aborts the task at once"]
pub struct AbortOnDropHandle<T> {
    /// `None`: let go.
    handle: Option<JoinHandle<T>>,
}

impl<T> AbortOnDropHandle<T> {
    /// Takes the handle over.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::task::AbortOnDropHandle::new(loxley::spawn(async { 5 }));
    /// assert_eq!(task.await.unwrap(), 5);
    /// # });
    /// ```
    pub fn new(handle: JoinHandle<T>) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    fn get(&self) -> &JoinHandle<T> {
        let handle = self.handle.as_ref();
        handle.expect("taken only by the method that consumes it")
    }

    /// See [`JoinHandle::abort`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// let task = loxley::task::AbortOnDropHandle::new(task);
    /// task.abort();
    /// assert!(task.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort(&self) {
        self.get().abort();
    }

    /// See [`JoinHandle::is_finished`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// assert!(!loxley::task::AbortOnDropHandle::new(task).is_finished());
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.get().is_finished()
    }

    /// See [`JoinHandle::abort_handle`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// let task = loxley::task::AbortOnDropHandle::new(task);
    /// task.abort_handle().abort();
    /// assert!(task.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort_handle(&self) -> AbortHandle {
        self.get().abort_handle()
    }

    /// Gives the handle back, which aborts nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::task::AbortOnDropHandle::new(loxley::spawn(async { 5 }));
    /// assert_eq!(task.detach().await.unwrap(), 5);
    /// # });
    /// ```
    pub fn detach(mut self) -> JoinHandle<T> {
        let handle = self.handle.take();
        handle.expect("taken only by this method, which consumes it")
    }
}

/// Also of a task whose output says nothing about itself.
impl<T> fmt::Debug for AbortOnDropHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.handle.as_ref().map(JoinHandle::id);
        f.debug_struct("AbortOnDropHandle")
            .field("id", &id)
            .finish()
    }
}

impl<T> AsRef<JoinHandle<T>> for AbortOnDropHandle<T> {
    fn as_ref(&self) -> &JoinHandle<T> {
        self.get()
    }
}

impl<T> Future for AbortOnDropHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.handle {
            Some(handle) => Pin::new(handle).poll(cx),
            None => unreachable!("taken only by the method that consumes it"),
        }
    }
}

impl<T> Drop for AbortOnDropHandle<T> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}

/// An [`AbortHandle`] that aborts its task when it is dropped.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// let task = loxley::spawn(std::future::pending::<()>());
/// drop(loxley::task::AbortOnDrop::new(task.abort_handle()));
/// assert!(task.await.unwrap_err().is_cancelled());
/// # });
/// ```
#[derive(Debug)]
#[must_use = "dropping the handle aborts the task at once"]
pub struct AbortOnDrop {
    /// `None`: let go.
    handle: Option<AbortHandle>,
}

impl AbortOnDrop {
    /// Takes the handle over.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// let guard = loxley::task::AbortOnDrop::new(task.abort_handle());
    /// assert!(!guard.is_finished());
    /// # });
    /// ```
    pub fn new(handle: AbortHandle) -> Self {
        Self {
            handle: Some(handle),
        }
    }

    fn get(&self) -> &AbortHandle {
        let handle = self.handle.as_ref();
        handle.expect("taken only by the method that consumes it")
    }

    /// See [`AbortHandle::abort`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// let guard = loxley::task::AbortOnDrop::new(task.abort_handle());
    /// guard.abort();
    /// assert!(task.await.unwrap_err().is_cancelled());
    /// # });
    /// ```
    pub fn abort(&self) {
        self.get().abort();
    }

    /// See [`AbortHandle::is_finished`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(std::future::pending::<()>());
    /// assert!(!loxley::task::AbortOnDrop::new(task.abort_handle()).is_finished());
    /// # });
    /// ```
    pub fn is_finished(&self) -> bool {
        self.get().is_finished()
    }

    /// Gives the handle back, which aborts nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let task = loxley::spawn(async { 5 });
    /// let handle = loxley::task::AbortOnDrop::new(task.abort_handle()).detach();
    /// assert_eq!(task.await.unwrap(), 5);
    /// # });
    /// ```
    pub fn detach(mut self) -> AbortHandle {
        let handle = self.handle.take();
        handle.expect("taken only by this method, which consumes it")
    }
}

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            handle.abort();
        }
    }
}
