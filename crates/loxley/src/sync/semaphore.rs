//! `Semaphore`: permits with a public face; the protocol stands in `permits.rs`.

use std::fmt;
use std::sync::Arc;

use super::permits::Permits;
use super::{AcquireError, TryAcquireError, blocking};

/// A number of permits that tasks take, wait for, and give back by dropping them.
///
/// It is fair: permits go to those who wait in the order in which they asked. A request for many permits keeps
/// later ones waiting, even if there would be enough for them; so it is not starved by small ones.
///
/// # Cancellation
///
/// A future of `acquire` and its kin that is dropped loses its place in the queue, and no permit is lost.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::Semaphore;
///
/// let semaphore = Semaphore::new(2);
/// let one = semaphore.acquire().await.unwrap();
/// let two = semaphore.acquire().await.unwrap();
/// assert_eq!(semaphore.available_permits(), 0);
/// drop(one);
/// assert_eq!(semaphore.available_permits(), 1);
/// # drop(two);
/// # });
/// ```
pub struct Semaphore {
    permits: Permits,
}

#[track_caller]
fn assert_few_enough(permits: usize) {
    assert!(
        permits <= Semaphore::MAX_PERMITS,
        "a semaphore may not have more than MAX_PERMITS permits ({})",
        Semaphore::MAX_PERMITS
    );
}

impl Semaphore {
    /// How many permits there may be: `usize::MAX >> 3`.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    ///
    /// let full = Semaphore::new(Semaphore::MAX_PERMITS);
    /// assert_eq!(full.available_permits(), usize::MAX >> 3);
    /// ```
    pub const MAX_PERMITS: usize = Permits::MAX;

    /// A semaphore with so many free permits.
    ///
    /// # Panics
    ///
    /// If `permits` exceeds [`Semaphore::MAX_PERMITS`].
    ///
    /// ```
    /// assert_eq!(loxley::sync::Semaphore::new(3).available_permits(), 3);
    /// ```
    #[track_caller]
    pub fn new(permits: usize) -> Self {
        assert_few_enough(permits);
        Self {
            permits: Permits::new(permits),
        }
    }

    /// As [`Semaphore::new`], for a `static`.
    ///
    /// # Panics
    ///
    /// If `permits` exceeds [`Semaphore::MAX_PERMITS`]: the program then does not compile.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    ///
    /// static DOORS: Semaphore = Semaphore::const_new(2);
    /// assert_eq!(DOORS.available_permits(), 2);
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new(permits: usize) -> Self {
        assert!(
            permits <= Self::MAX_PERMITS,
            "a semaphore may not have more than MAX_PERMITS permits"
        );
        Self {
            permits: Permits::new(permits),
        }
    }

    /// How many permits are free now.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(3);
    /// let two = semaphore.try_acquire_many(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn available_permits(&self) -> usize {
        self.permits.free()
    }

    /// Adds permits.
    ///
    /// # Panics
    ///
    /// If there were more than [`Semaphore::MAX_PERMITS`] then.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(0);
    /// semaphore.add_permits(5);
    /// assert_eq!(semaphore.available_permits(), 5);
    /// ```
    #[track_caller]
    pub fn add_permits(&self, n: usize) {
        self.permits.release(n);
    }

    /// Takes up to `n` free permits away for ever; says how many they were.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.forget_permits(5), 3);
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    pub fn forget_permits(&self, n: usize) -> usize {
        self.permits.forget(n)
    }

    /// Waits for a permit.
    ///
    /// # Errors
    ///
    /// [`AcquireError`] if the semaphore is closed, or becomes so meanwhile.
    ///
    /// # Cancellation
    ///
    /// Dropping the future gives up the place in the queue.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = loxley::sync::Semaphore::new(1);
    /// let permit = semaphore.acquire().await.unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// # });
    /// ```
    pub async fn acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.take(1).await?;
        Ok(self.permit(1))
    }

    /// Waits for `n` permits at once.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Cancellation
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let semaphore = loxley::sync::Semaphore::new(5);
    /// let permit = semaphore.acquire_many(3).await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 2);
    /// # });
    /// ```
    pub async fn acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        self.permits.take(n as usize).await?;
        Ok(self.permit(n as usize))
    }

    /// Takes a permit if one is free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert!(semaphore.try_acquire().is_err());
    /// ```
    pub fn try_acquire(&self) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(1)?;
        Ok(self.permit(1))
    }

    /// Takes `n` permits if so many are free and nobody waits.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(4);
    /// let permit = semaphore.try_acquire_many(3).unwrap();
    /// assert!(semaphore.try_acquire_many(2).is_err());
    /// ```
    pub fn try_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, TryAcquireError> {
        self.permits.try_take(n as usize)?;
        Ok(self.permit(n as usize))
    }

    /// As [`Semaphore::acquire`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `acquire().await` there.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(1);
    /// let permit = semaphore.blocking_acquire().unwrap();
    /// assert_eq!(semaphore.available_permits(), 0);
    /// ```
    #[track_caller]
    pub fn blocking_acquire(&self) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::wait_for(
            self.acquire(),
            "Semaphore::blocking_acquire",
            "acquire().await",
        )
    }

    /// As [`Semaphore::acquire_many`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `acquire_many(n).await` there.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(3);
    /// let permit = semaphore.blocking_acquire_many(2).unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many(&self, n: u32) -> Result<SemaphorePermit<'_>, AcquireError> {
        blocking::wait_for(
            self.acquire_many(n),
            "Semaphore::blocking_acquire_many",
            "acquire_many(n).await",
        )
    }

    /// As [`Semaphore::acquire`], with a permit that holds the semaphore by `Arc`.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Cancellation
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().acquire_owned().await.unwrap();
    /// loxley::spawn(async move { drop(permit) }).await.unwrap();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// # });
    /// ```
    pub async fn acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.take(1).await?;
        Ok(self.owned_permit(1))
    }

    /// As [`Semaphore::acquire_many`], with a permit that holds the semaphore by `Arc`.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Cancellation
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let permit = semaphore.clone().acquire_many_owned(2).await.unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// # });
    /// ```
    pub async fn acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        self.permits.take(n as usize).await?;
        Ok(self.owned_permit(n as usize))
    }

    /// As [`Semaphore::try_acquire`], with a permit that holds the semaphore by `Arc`.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(semaphore.try_acquire_owned().is_err());
    /// ```
    pub fn try_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take(1)?;
        Ok(self.owned_permit(1))
    }

    /// As [`Semaphore::try_acquire_many`], with a permit that holds the semaphore by `Arc`.
    ///
    /// # Errors
    ///
    /// [`TryAcquireError`].
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(3));
    /// let permit = semaphore.try_acquire_many_owned(3).unwrap();
    /// assert_eq!(permit.semaphore().available_permits(), 0);
    /// ```
    pub fn try_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, TryAcquireError> {
        self.permits.try_take(n as usize)?;
        Ok(self.owned_permit(n as usize))
    }

    /// As [`Semaphore::acquire_owned`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `acquire_owned().await` there.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let permit = Arc::new(Semaphore::new(1)).blocking_acquire_owned().unwrap();
    /// assert_eq!(permit.num_permits(), 1);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_owned(self: Arc<Self>) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking::wait_for(
            self.acquire_owned(),
            "Semaphore::blocking_acquire_owned",
            "acquire_owned().await",
        )
    }

    /// As [`Semaphore::acquire_many_owned`], for threads that drive no async tasks.
    ///
    /// # Errors
    ///
    /// As [`Semaphore::acquire`].
    ///
    /// # Panics
    ///
    /// Where async tasks are driven: use `acquire_many_owned(n).await` there.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let permit = Arc::new(Semaphore::new(2)).blocking_acquire_many_owned(2).unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    #[track_caller]
    pub fn blocking_acquire_many_owned(
        self: Arc<Self>,
        n: u32,
    ) -> Result<OwnedSemaphorePermit, AcquireError> {
        blocking::wait_for(
            self.acquire_many_owned(n),
            "Semaphore::blocking_acquire_many_owned",
            "acquire_many_owned(n).await",
        )
    }

    /// Closes it: whoever waits gets an error, and so does whoever asks from now on.
    ///
    /// Permits that are out stay valid and can be given back.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(0));
    /// let waiting = loxley::spawn(semaphore.clone().acquire_owned());
    /// semaphore.close();
    /// assert!(waiting.await.unwrap().is_err());
    /// # });
    /// ```
    pub fn close(&self) {
        self.permits.close();
    }

    /// True after [`Semaphore::close`].
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(1);
    /// assert!(!semaphore.is_closed());
    /// semaphore.close();
    /// assert!(semaphore.is_closed());
    /// ```
    pub fn is_closed(&self) -> bool {
        self.permits.is_closed()
    }

    fn permit(&self, count: usize) -> SemaphorePermit<'_> {
        let semaphore = self;
        SemaphorePermit { semaphore, count }
    }

    fn owned_permit(self: Arc<Self>, count: usize) -> OwnedSemaphorePermit {
        let semaphore = self;
        OwnedSemaphorePermit { semaphore, count }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .field("closed", &self.is_closed())
            .finish()
    }
}

/// Permits of a borrowed [`Semaphore`]; they go back when this is dropped.
///
/// ```
/// let semaphore = loxley::sync::Semaphore::new(1);
/// drop(semaphore.try_acquire().unwrap());
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
#[must_use = "dropping the permits gives them back at once"]
#[derive(Debug)]
#[clippy::has_significant_drop]
pub struct SemaphorePermit<'a> {
    semaphore: &'a Semaphore,
    count: usize,
}

/// Permits of a [`Semaphore`] in an `Arc`; they go back when this is dropped.
///
/// ```
/// use loxley::sync::Semaphore;
/// use std::sync::Arc;
///
/// let semaphore = Arc::new(Semaphore::new(1));
/// drop(semaphore.clone().try_acquire_owned().unwrap());
/// assert_eq!(semaphore.available_permits(), 1);
/// ```
#[must_use = "dropping the permits gives them back at once"]
#[derive(Debug)]
#[clippy::has_significant_drop]
pub struct OwnedSemaphorePermit {
    semaphore: Arc<Semaphore>,
    count: usize,
}

impl<'a> SemaphorePermit<'a> {
    /// Never gives them back: the semaphore has so many fewer from now on.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(2);
    /// semaphore.try_acquire().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Takes the permits of `other` over.
    ///
    /// # Panics
    ///
    /// If they come from different semaphores.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(2);
    /// let mut permit = semaphore.try_acquire().unwrap();
    /// permit.merge(semaphore.try_acquire().unwrap());
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            std::ptr::eq(self.semaphore, other.semaphore),
            "merging permits from different semaphore instances"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Parts with `n` permits; `None` if there are not so many.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(3);
    /// let mut three = semaphore.try_acquire_many(3).unwrap();
    /// let one = three.split(1).unwrap();
    /// assert_eq!((one.num_permits(), three.num_permits()), (1, 2));
    /// assert!(three.split(3).is_none());
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.count = self.count.checked_sub(n)?;
        Some(self.semaphore.permit(n))
    }

    /// Where they come from.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(1);
    /// let permit = semaphore.try_acquire().unwrap();
    /// assert!(std::ptr::eq(permit.semaphore(), &semaphore));
    /// ```
    pub fn semaphore(&self) -> &Semaphore {
        self.semaphore
    }

    /// How many they are.
    ///
    /// ```
    /// let semaphore = loxley::sync::Semaphore::new(3);
    /// assert_eq!(semaphore.try_acquire_many(3).unwrap().num_permits(), 3);
    /// ```
    pub fn num_permits(&self) -> usize {
        self.count
    }
}

impl OwnedSemaphorePermit {
    /// Never gives them back: the semaphore has so many fewer from now on.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// semaphore.clone().try_acquire_owned().unwrap().forget();
    /// assert_eq!(semaphore.available_permits(), 1);
    /// ```
    pub fn forget(mut self) {
        self.count = 0;
    }

    /// Takes the permits of `other` over.
    ///
    /// # Panics
    ///
    /// If they come from different semaphores.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(2));
    /// let mut permit = semaphore.clone().try_acquire_owned().unwrap();
    /// permit.merge(semaphore.try_acquire_owned().unwrap());
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    #[track_caller]
    pub fn merge(&mut self, mut other: Self) {
        assert!(
            Arc::ptr_eq(&self.semaphore, &other.semaphore),
            "merging permits from different semaphore instances"
        );
        self.count += std::mem::take(&mut other.count);
    }

    /// Parts with `n` permits; `None` if there are not so many.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let mut three = Arc::new(Semaphore::new(3)).try_acquire_many_owned(3).unwrap();
    /// let one = three.split(1).unwrap();
    /// assert_eq!((one.num_permits(), three.num_permits()), (1, 2));
    /// ```
    pub fn split(&mut self, n: usize) -> Option<Self> {
        self.count = self.count.checked_sub(n)?;
        Some(self.semaphore.clone().owned_permit(n))
    }

    /// Where they come from.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let semaphore = Arc::new(Semaphore::new(1));
    /// let permit = semaphore.clone().try_acquire_owned().unwrap();
    /// assert!(Arc::ptr_eq(permit.semaphore(), &semaphore));
    /// ```
    pub fn semaphore(&self) -> &Arc<Semaphore> {
        &self.semaphore
    }

    /// How many they are.
    ///
    /// ```
    /// use loxley::sync::Semaphore;
    /// use std::sync::Arc;
    ///
    /// let permit = Arc::new(Semaphore::new(2)).try_acquire_many_owned(2).unwrap();
    /// assert_eq!(permit.num_permits(), 2);
    /// ```
    pub fn num_permits(&self) -> usize {
        self.count
    }
}

impl Drop for SemaphorePermit<'_> {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}

impl Drop for OwnedSemaphorePermit {
    fn drop(&mut self) {
        self.semaphore.permits.release(self.count);
    }
}
