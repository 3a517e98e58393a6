//! Guards that cancel a token when they are dropped.

use std::mem;

use super::CancellationToken;

/// Cancels its token when it is dropped, unless it is disarmed.
///
/// ```
/// let token = loxley::sync::CancellationToken::new();
/// {
///     let _guard = token.clone().drop_guard();
/// }
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token at once"]
pub struct DropGuard {
    /// `None`: disarmed.
    token: Option<CancellationToken>,
}

impl DropGuard {
    pub(super) fn new(token: CancellationToken) -> Self {
        let token = Some(token);
        Self { token }
    }

    /// The token.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// assert_eq!(token.clone().drop_guard().token(), &token);
    /// ```
    pub fn token(&self) -> &CancellationToken {
        let token = self.token.as_ref();
        token.expect("taken only by the method that consumes the guard")
    }

    /// Gives the token back, and does not cancel it.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new().drop_guard().disarm();
    /// assert!(!token.is_cancelled());
    /// ```
    pub fn disarm(mut self) -> CancellationToken {
        let token = self.token.take();
        token.expect("taken only by the method that consumes the guard")
    }
}

impl Drop for DropGuard {
    fn drop(&mut self) {
        if let Some(token) = &self.token {
            token.cancel();
        }
    }
}

/// Cancels a borrowed token when it is dropped, unless it is disarmed.
///
/// ```
/// let token = loxley::sync::CancellationToken::new();
/// {
///     let _guard = token.drop_guard_ref();
/// }
/// assert!(token.is_cancelled());
/// ```
#[derive(Debug)]
#[must_use = "dropping the guard cancels the token at once"]
pub struct DropGuardRef<'a> {
    token: &'a CancellationToken,
}

impl<'a> DropGuardRef<'a> {
    pub(super) fn new(token: &'a CancellationToken) -> Self {
        Self { token }
    }

    /// The token.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// assert_eq!(token.drop_guard_ref().token(), &token);
    /// ```
    pub fn token(&self) -> &CancellationToken {
        self.token
    }

    /// Gives the token back, and does not cancel it.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// assert!(!token.drop_guard_ref().disarm().is_cancelled());
    /// ```
    pub fn disarm(self) -> &'a CancellationToken {
        let token = self.token;
        mem::forget(self);
        token
    }
}

impl Drop for DropGuardRef<'_> {
    fn drop(&mut self) {
        self.token.cancel();
    }
}
