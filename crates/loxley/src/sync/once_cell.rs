//! `OnceCell`: a value that is made once, by whoever comes first.

use std::error::Error;
use std::fmt;
use std::future::Future;

use super::once::Once;
use super::permits::Permits;

/// A value that is made by the first who needs it; whoever comes meanwhile waits.
///
/// If the first is cancelled, fails or panics, the next in the queue tries.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::OnceCell;
///
/// static ADDRESS: OnceCell<String> = OnceCell::const_new();
///
/// async fn look_up() -> String {
///     String::from("127.0.0.1")
/// }
///
/// assert_eq!(ADDRESS.get_or_init(look_up).await, "127.0.0.1");
/// assert!(ADDRESS.initialized());
/// # });
/// ```
pub struct OnceCell<T> {
    value: Once<T>,
    /// One, for whoever makes the value; closed when it is there.
    turn: Permits,
}

impl<T> OnceCell<T> {
    /// Without a value.
    ///
    /// ```
    /// assert_eq!(loxley::sync::OnceCell::<u8>::new().get(), None);
    /// ```
    pub fn new() -> Self {
        Self {
            value: Once::empty(),
            turn: Permits::new(1),
        }
    }

    /// As [`OnceCell::new`], for a `static`.
    ///
    /// ```
    /// use loxley::sync::OnceCell;
    ///
    /// static NUMBER: OnceCell<u8> = OnceCell::const_new();
    /// assert_eq!(NUMBER.get(), None);
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new() -> Self {
        Self {
            value: Once::empty(),
            turn: Permits::new(1),
        }
    }

    /// With this value, if there is one.
    ///
    /// ```
    /// assert_eq!(loxley::sync::OnceCell::new_with(Some(5)).get(), Some(&5));
    /// ```
    pub fn new_with(value: Option<T>) -> Self {
        value.map_or_else(Self::new, Self::from)
    }

    /// With this value, for a `static`.
    ///
    /// ```
    /// use loxley::sync::OnceCell;
    ///
    /// static NUMBER: OnceCell<u8> = OnceCell::const_new_with(5);
    /// assert_eq!(NUMBER.get(), Some(&5));
    /// ```
    #[cfg(not(loxley_loom))]
    pub const fn const_new_with(value: T) -> Self {
        Self {
            value: Once::full(value),
            turn: Permits::new(0),
        }
    }

    /// True if the value is there.
    ///
    /// ```
    /// assert!(loxley::sync::OnceCell::from(5).initialized());
    /// ```
    pub fn initialized(&self) -> bool {
        self.value.get().is_some()
    }

    /// The value, if it is there.
    ///
    /// ```
    /// assert_eq!(loxley::sync::OnceCell::from(5).get(), Some(&5));
    /// ```
    pub fn get(&self) -> Option<&T> {
        self.value.get()
    }

    /// The value, to be changed.
    ///
    /// ```
    /// let mut cell = loxley::sync::OnceCell::from(5);
    /// *cell.get_mut().unwrap() = 6;
    /// assert_eq!(cell.into_inner(), Some(6));
    /// ```
    pub fn get_mut(&mut self) -> Option<&mut T> {
        self.value.get_mut()
    }

    /// Sets the value.
    ///
    /// # Errors
    ///
    /// [`SetError`], with the value, if there is one or somebody is about to make one.
    ///
    /// ```
    /// let cell = loxley::sync::OnceCell::new();
    /// cell.set(5).unwrap();
    /// assert!(cell.set(6).unwrap_err().is_already_init_err());
    /// ```
    pub fn set(&self, value: T) -> Result<(), SetError<T>> {
        if self.initialized() {
            return Err(SetError::AlreadyInitializedError(value));
        }
        if self.turn.try_take(1).is_ok() {
            self.fill(value);
            return Ok(());
        }
        match self.initialized() {
            true => Err(SetError::AlreadyInitializedError(value)),
            false => Err(SetError::InitializingError(value)),
        }
    }

    /// The value; made by `f` if it is not there.
    ///
    /// # Cancellation
    ///
    /// If the future is dropped while it makes the value, the next who waits makes it.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = loxley::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_init(|| async { 5 }).await, &5);
    /// assert_eq!(cell.get_or_init(|| async { 6 }).await, &5);
    /// # });
    /// ```
    pub async fn get_or_init<F, Fut>(&self, f: F) -> &T
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = T>,
    {
        enum Never {}
        let made = self
            .get_or_try_init(|| async { Ok::<T, Never>(f().await) })
            .await;
        match made {
            Ok(value) => value,
            Err(never) => match never {},
        }
    }

    /// The value; made by `f` if it is not there. If `f` fails, the next who waits tries.
    ///
    /// # Errors
    ///
    /// What `f` says.
    ///
    /// # Cancellation
    ///
    /// As [`OnceCell::get_or_init`].
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let cell = loxley::sync::OnceCell::new();
    /// assert_eq!(cell.get_or_try_init(|| async { Err("no") }).await, Err("no"));
    /// assert_eq!(cell.get_or_try_init(|| async { Ok::<_, ()>(5) }).await, Ok(&5));
    /// # });
    /// ```
    pub async fn get_or_try_init<E, F, Fut>(&self, f: F) -> Result<&T, E>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<T, E>>,
    {
        if let Some(value) = self.value.get() {
            return Ok(value);
        }
        if self.turn.take(1).await.is_err() {
            // Closed: somebody has made it.
            return Ok(self.value.get().expect("closed after the value was set"));
        }
        let turn = Turn(&self.turn);
        let value = f().await?;
        std::mem::forget(turn);
        Ok(self.fill(value))
    }

    /// With the permit that `turn` had.
    fn fill(&self, value: T) -> &T {
        let filled = self.value.fill(value);
        let value = filled.unwrap_or_else(|_| unreachable!("the one permit was ours"));
        self.turn.close();
        value
    }

    /// The value, if there is one.
    ///
    /// ```
    /// assert_eq!(loxley::sync::OnceCell::from(5).into_inner(), Some(5));
    /// ```
    pub fn into_inner(mut self) -> Option<T> {
        self.value.take()
    }

    /// Takes the value out; the cell is as new then.
    ///
    /// ```
    /// let mut cell = loxley::sync::OnceCell::from(5);
    /// assert_eq!(cell.take(), Some(5));
    /// assert!(cell.set(6).is_ok());
    /// ```
    pub fn take(&mut self) -> Option<T> {
        std::mem::take(self).into_inner()
    }
}

/// Gives the permit back if the value was not made.
struct Turn<'a>(&'a Permits);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.release(1);
    }
}

impl<T> Default for OnceCell<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: fmt::Debug> fmt::Debug for OnceCell<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceCell")
            .field("value", &self.get())
            .finish()
    }
}

impl<T: Clone> Clone for OnceCell<T> {
    fn clone(&self) -> Self {
        Self::new_with(self.get().cloned())
    }
}

impl<T: PartialEq> PartialEq for OnceCell<T> {
    fn eq(&self, other: &Self) -> bool {
        self.get() == other.get()
    }
}

impl<T: Eq> Eq for OnceCell<T> {}

impl<T> From<T> for OnceCell<T> {
    fn from(value: T) -> Self {
        let turn = Permits::new(0);
        turn.close();
        Self {
            value: Once::full(value),
            turn,
        }
    }
}

/// Why [`OnceCell::set`] has not set the value; holds the value.
///
/// ```
/// let error = loxley::sync::OnceCell::from(5).set(6).unwrap_err();
/// assert_eq!(error, loxley::sync::SetError::AlreadyInitializedError(6));
/// ```
#[derive(Debug, PartialEq, Eq)]
pub enum SetError<T> {
    /// There is a value.
    AlreadyInitializedError(T),
    /// Somebody is about to make one.
    InitializingError(T),
}

impl<T> SetError<T> {
    /// True if there is a value.
    ///
    /// ```
    /// assert!(loxley::sync::OnceCell::from(5).set(6).unwrap_err().is_already_init_err());
    /// ```
    pub fn is_already_init_err(&self) -> bool {
        matches!(self, Self::AlreadyInitializedError(_))
    }

    /// True if somebody is about to make a value.
    ///
    /// ```
    /// assert!(loxley::sync::SetError::InitializingError(5).is_initializing_err());
    /// ```
    pub fn is_initializing_err(&self) -> bool {
        matches!(self, Self::InitializingError(_))
    }
}

impl<T> fmt::Display for SetError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AlreadyInitializedError(_) => "AlreadyInitializedError",
            Self::InitializingError(_) => "InitializingError",
        })
    }
}

impl<T: fmt::Debug> Error for SetError<T> {}
