//! `LocalKey`: a variable of which each task has its own.
//!
//! The value lives in the future of [`LocalKey::scope`]. During each poll, and while that future drops what it wraps,
//! it stands in a thread-local place; what stood there before comes back afterwards, also on a panic.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

/// A variable of which each task has its own; declared by [`task_local!`](crate::task_local).
///
/// It has a value inside [`LocalKey::scope`] and nowhere else; tasks that are spawned there do not inherit it.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// loxley::task_local! {
///     static NUMBER: u32;
/// }
///
/// NUMBER
///     .scope(1, async {
///         assert_eq!(NUMBER.get(), 1);
///         NUMBER.scope(2, async { assert_eq!(NUMBER.get(), 2) }).await;
///         assert_eq!(NUMBER.get(), 1);
///     })
///     .await;
/// # });
/// ```
pub struct LocalKey<T: 'static> {
    place: &'static thread::LocalKey<RefCell<Option<T>>>,
}

impl<T: 'static> LocalKey<T> {
    /// For `task_local!` alone.
    #[doc(hidden)]
    pub const fn __new(place: &'static thread::LocalKey<RefCell<Option<T>>>) -> Self {
        Self { place }
    }

    /// Gives the variable a value while `f` runs, and while it is dropped.
    ///
    /// # Panics
    ///
    /// Polling panics if the value is borrowed by [`LocalKey::with`] at that moment.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// let task = loxley::spawn(NUMBER.scope(5, async { NUMBER.get() }));
    /// assert_eq!(task.await.unwrap(), 5);
    /// # });
    /// ```
    pub fn scope<F>(&'static self, value: T, f: F) -> TaskLocalFuture<T, F>
    where
        F: Future,
    {
        TaskLocalFuture {
            key: self,
            value: Some(value),
            future: Some(f),
        }
    }

    /// Gives the variable a value while a closure runs.
    ///
    /// # Panics
    ///
    /// If the value is borrowed by [`LocalKey::with`].
    ///
    /// ```
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert_eq!(NUMBER.sync_scope(5, || NUMBER.get()), 5);
    /// ```
    #[track_caller]
    pub fn sync_scope<F, R>(&'static self, value: T, f: F) -> R
    where
        F: FnOnce() -> R,
    {
        let mut value = Some(value);
        match self.exchanged(&mut value, f) {
            Ok(output) => output,
            Err(error) => error.panic(),
        }
    }

    /// Runs `f` with `value` in the place; both come back afterwards.
    fn exchanged<R>(
        &'static self,
        value: &mut Option<T>,
        f: impl FnOnce() -> R,
    ) -> Result<R, ScopeError> {
        struct Back<'a, T: 'static>(&'static LocalKey<T>, &'a mut Option<T>);
        impl<T> Drop for Back<'_, T> {
            fn drop(&mut self) {
                // A place that is borrowed, or gone, cannot be: it was free a moment ago, and the closure is over.
                let _ = self.0.exchange(self.1);
            }
        }
        self.exchange(value)?;
        let _back = Back(self, value);
        Ok(f())
    }

    fn exchange(&'static self, value: &mut Option<T>) -> Result<(), ScopeError> {
        let exchanged = self.place.try_with(|place| {
            let mut place = place.try_borrow_mut().map_err(|_| ScopeError::Borrowed)?;
            mem::swap(&mut *place, value);
            Ok(())
        });
        exchanged.map_err(|_| ScopeError::Gone)?
    }

    /// Lends the value.
    ///
    /// # Panics
    ///
    /// Outside a scope; [`LocalKey::try_with`] does not.
    ///
    /// ```
    /// loxley::task_local! {
    ///     static NAME: String;
    /// }
    ///
    /// let length = NAME.sync_scope("robin".to_owned(), || NAME.with(|name| name.len()));
    /// assert_eq!(length, 5);
    /// ```
    #[track_caller]
    pub fn with<F, R>(&'static self, f: F) -> R
    where
        F: FnOnce(&T) -> R,
    {
        match self.try_with(f) {
            Ok(output) => output,
            Err(_) => panic!(
                "cannot access a task-local value without setting it first: use it inside `LocalKey::scope`"
            ),
        }
    }

    /// Lends the value, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError`] outside a scope.
    ///
    /// ```
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert!(NUMBER.try_with(|_| ()).is_err());
    /// ```
    pub fn try_with<F, R>(&'static self, f: F) -> Result<R, AccessError>
    where
        F: FnOnce(&T) -> R,
    {
        let output = self.place.try_with(|place| {
            let place = place.try_borrow().ok()?;
            place.as_ref().map(f)
        });
        output.ok().flatten().ok_or(AccessError { _private: () })
    }
}

impl<T: Clone + 'static> LocalKey<T> {
    /// A clone of the value.
    ///
    /// # Panics
    ///
    /// Outside a scope.
    ///
    /// ```
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert_eq!(NUMBER.sync_scope(5, || NUMBER.get()), 5);
    /// ```
    #[track_caller]
    pub fn get(&'static self) -> T {
        self.with(T::clone)
    }

    /// A clone of the value, if there is one.
    ///
    /// # Errors
    ///
    /// [`AccessError`] outside a scope.
    ///
    /// ```
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// assert!(NUMBER.try_get().is_err());
    /// ```
    pub fn try_get(&'static self) -> Result<T, AccessError> {
        self.try_with(T::clone)
    }
}

impl<T: 'static> fmt::Debug for LocalKey<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalKey").finish_non_exhaustive()
    }
}

enum ScopeError {
    Borrowed,
    Gone,
}

impl ScopeError {
    #[track_caller]
    fn panic(self) -> ! {
        match self {
            Self::Borrowed => panic!(
                "cannot enter a task-local scope while the value is borrowed: end the closure of \
                 `LocalKey::with` first"
            ),
            Self::Gone => panic!(
                "cannot enter a task-local scope: this thread is ending, and its thread-local variables are gone"
            ),
        }
    }
}

pin_project! {
    /// The future of [`LocalKey::scope`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::task::futures::TaskLocalFuture;
    ///
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// let future: TaskLocalFuture<u32, _> = NUMBER.scope(5, async { NUMBER.get() });
    /// assert_eq!(future.await, 5);
    /// # });
    /// ```
    #[must_use = "futures do nothing unless you `.await` or poll them"]
    pub struct TaskLocalFuture<T, F>
    where
        T: 'static,
    {
        key: &'static LocalKey<T>,
        value: Option<T>,
        #[pin]
        future: Option<F>,
    }

    impl<T: 'static, F> PinnedDrop for TaskLocalFuture<T, F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            if this.future.is_some() {
                // The future may use the value in its drop. If it cannot be there, it is dropped without.
                let _ = this.key.exchanged(this.value, || this.future.set(None));
            }
        }
    }
}

impl<T, F> TaskLocalFuture<T, F>
where
    T: 'static,
{
    /// Takes the value out; the future must not be polled again, unless it is ready.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// loxley::task_local! {
    ///     static NUMBER: u32;
    /// }
    ///
    /// let mut future = std::pin::pin!(NUMBER.scope(5, async {}));
    /// future.as_mut().await;
    /// assert_eq!(future.as_mut().take_value(), Some(5));
    /// assert_eq!(future.as_mut().take_value(), None);
    /// # });
    /// ```
    pub fn take_value(self: Pin<&mut Self>) -> Option<T> {
        self.project().value.take()
    }
}

impl<T: 'static, F: Future> Future for TaskLocalFuture<T, F> {
    type Output = F::Output;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        let future = &mut this.future;
        let polled = this.key.exchanged(this.value, || {
            let output = future.as_mut().as_pin_mut()?.poll(cx);
            if output.is_ready() {
                // Here, while the value is in its place.
                future.set(None);
            }
            Some(output)
        });
        match polled {
            Ok(Some(output)) => output,
            Ok(None) => panic!("`TaskLocalFuture` polled after completion"),
            Err(error) => error.panic(),
        }
    }
}

impl<T: fmt::Debug + 'static, F> fmt::Debug for TaskLocalFuture<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskLocalFuture")
            .field("value", &self.value)
            .finish_non_exhaustive()
    }
}

/// The variable has no value here.
///
/// ```
/// loxley::task_local! {
///     static NUMBER: u32;
/// }
///
/// assert_eq!(NUMBER.try_get().unwrap_err().to_string(), "task-local value not set");
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AccessError {
    _private: (),
}

impl fmt::Debug for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessError").finish()
    }
}

impl fmt::Display for AccessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("task-local value not set")
    }
}

impl Error for AccessError {}
