//! [`ReusableBoxFuture`].

#![expect(
    unsafe_code,
    reason = "a box is emptied and filled again, which `Box` cannot do"
)]

use std::alloc::Layout;
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// How a drop ended: the panic, if it did.
type Dropped = Result<(), Box<dyn Any + Send>>;

/// A boxed future whose box is used again for the next one, if that has the same size.
///
/// For a type with a `poll` method that waits by means of an `async fn`, again and again.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::ReusableBoxFuture;
///
/// async fn double(number: u32) -> u32 {
///     number * 2
/// }
///
/// let mut future = ReusableBoxFuture::new(double(1));
/// assert_eq!(future.get_pin().await, 2);
/// assert!(future.try_set(double(2)).is_ok());
/// assert_eq!(future.get_pin().await, 4);
/// # });
/// ```
pub struct ReusableBoxFuture<'a, T> {
    /// `None`: between two futures.
    boxed: Option<Boxed<'a, T>>,
}

// SAFETY: a shared reference gives nothing: whoever polls needs `&mut`.
unsafe impl<T> Sync for ReusableBoxFuture<'_, T> {}

impl<'a, T> ReusableBoxFuture<'a, T> {
    /// Puts a future into a new box.
    pub fn new<F>(future: F) -> Self
    where
        F: Future<Output = T> + Send + 'a,
    {
        Self {
            boxed: Some(Box::pin(future)),
        }
    }

    /// Drops the future and puts another in its place, into the same box if it has the same size and alignment.
    ///
    /// # Panics
    ///
    /// If the drop of the old future does; the new one is in place then.
    pub fn set<F>(&mut self, future: F)
    where
        F: Future<Output = T> + Send + 'a,
    {
        if let Err(future) = self.try_set(future) {
            *self = Self::new(future);
        }
    }

    /// As [`set`](ReusableBoxFuture::set), if the box fits.
    ///
    /// # Errors
    ///
    /// Gives the future back, and keeps the old one, if its size or alignment is another.
    ///
    /// # Panics
    ///
    /// If the drop of the old future does; the new one is in place then.
    pub fn try_set<F>(&mut self, future: F) -> Result<(), F>
    where
        F: Future<Output = T> + Send + 'a,
    {
        let fits = |old: &mut Boxed<'a, T>| Layout::for_value(&**old) == Layout::new::<F>();
        let Some(old) = self.boxed.take_if(fits) else {
            return Err(future);
        };
        let (mut place, dropped) = emptied::<F, T>(old);
        place.write(future);
        // SAFETY: it was written in the line before.
        let boxed = unsafe { place.assume_init() };
        self.boxed = Some(Box::into_pin(boxed));
        dropped.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    }

    /// The future, to be polled.
    pub fn get_pin(&mut self) -> Pin<&mut (dyn Future<Output = T> + Send)> {
        match &mut self.boxed {
            Some(boxed) => boxed.as_mut(),
            None => unreachable!("taken only by `try_set`, which puts another there"),
        }
    }

    /// Polls the future.
    ///
    /// # Panics
    ///
    /// As the future does when it is polled after it was ready.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<T> {
        self.get_pin().poll(cx)
    }
}

/// Drops the future and gives its box for one of type `F`, which has its layout; and the panic of the drop.
fn emptied<F, T>(old: Boxed<'_, T>) -> (Box<MaybeUninit<F>>, Dropped) {
    // SAFETY: the future is not moved from here on; it is dropped where it is.
    let old = Box::into_raw(unsafe { Pin::into_inner_unchecked(old) });
    let drop_it = || {
        // SAFETY: the future came out of a box that is ours, and nobody looks at it again, also after a panic.
        unsafe { old.drop_in_place() }
    };
    let dropped = catch_unwind(AssertUnwindSafe(drop_it));
    // SAFETY: a box allocated with the layout of `F`, which is that of `MaybeUninit<F>`; its old content is dropped.
    let place = unsafe { Box::from_raw(old.cast::<MaybeUninit<F>>()) };
    (place, dropped)
}

impl<T> Future for ReusableBoxFuture<'_, T> {
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        Pin::into_inner(self).get_pin().poll(cx)
    }
}

impl<T> fmt::Debug for ReusableBoxFuture<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReusableBoxFuture").finish_non_exhaustive()
    }
}
