//! `CancellationToken`: asking tasks to end.
//!
//! # How it works
//!
//! All tokens that descend from one are a *tree* with one lock; each has a node in it, until its last clone is
//! dropped. Cancelling marks the node and all below it under the lock, and wakes their waiters after it. A node that
//! goes hands its children to its parent: what is above them still reaches them, and no chain of dead tokens is kept.
//!
//! Checked by `tests/sync_cancellation.rs`.

mod future;
mod guard;
mod tree;

use std::fmt;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::pin::pin;
use std::sync::Arc;

pub use future::{WaitForCancellationFuture, WaitForCancellationFutureOwned};
pub use guard::{DropGuard, DropGuardRef};

use self::tree::Node;

/// Tells tasks that they are to end; clones are one token, [children](CancellationToken::child_token) follow it.
///
/// It only tells: a task ends when it looks at the token, or waits for it beside what it does.
///
/// ```
/// # loxley::runtime::Runtime::new().unwrap().block_on(async {
/// use loxley::sync::CancellationToken;
///
/// let token = CancellationToken::new();
/// let task = loxley::spawn({
///     let token = token.clone();
///     async move { token.run_until_cancelled(std::future::pending::<()>()).await }
/// });
/// token.cancel();
/// assert_eq!(task.await.unwrap(), None);
/// # });
/// ```
pub struct CancellationToken {
    node: Arc<Node>,
}

impl CancellationToken {
    /// A token that is not cancelled.
    ///
    /// ```
    /// assert!(!loxley::sync::CancellationToken::new().is_cancelled());
    /// ```
    pub fn new() -> Self {
        let node = Node::root();
        Self { node }
    }

    /// A token that is cancelled with this one, and can be cancelled without it.
    ///
    /// ```
    /// let parent = loxley::sync::CancellationToken::new();
    /// let [one, two] = [parent.child_token(), parent.child_token()];
    /// one.cancel();
    /// assert!(one.is_cancelled() && !two.is_cancelled() && !parent.is_cancelled());
    /// parent.cancel();
    /// assert!(two.is_cancelled());
    /// ```
    pub fn child_token(&self) -> Self {
        let node = self.node.child();
        Self { node }
    }

    /// Cancels this token, its clones, and all tokens below it; for ever.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// token.clone().cancel();
    /// assert!(token.is_cancelled());
    /// ```
    pub fn cancel(&self) {
        self.node.cancel();
    }

    /// True after [`CancellationToken::cancel`], here or above.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// token.cancel();
    /// assert!(token.is_cancelled() && token.child_token().is_cancelled());
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.node.is_cancelled()
    }

    /// Waits until the token is cancelled.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses nothing.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// let other = token.clone();
    /// loxley::spawn(async move { other.cancel() });
    /// token.cancelled().await;
    /// # });
    /// ```
    pub fn cancelled(&self) -> WaitForCancellationFuture<'_> {
        WaitForCancellationFuture::new(&self.node)
    }

    /// As [`CancellationToken::cancelled`], with a future that keeps the token.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// let waiting = loxley::spawn(token.clone().cancelled_owned());
    /// token.cancel();
    /// waiting.await.unwrap();
    /// # });
    /// ```
    pub fn cancelled_owned(self) -> WaitForCancellationFutureOwned {
        WaitForCancellationFutureOwned::new(self.node)
    }

    /// A guard that cancels the token when it is dropped.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// drop(token.clone().drop_guard());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard(self) -> DropGuard {
        DropGuard::new(self)
    }

    /// As [`CancellationToken::drop_guard`], with a guard that borrows the token.
    ///
    /// ```
    /// let token = loxley::sync::CancellationToken::new();
    /// drop(token.drop_guard_ref());
    /// assert!(token.is_cancelled());
    /// ```
    pub fn drop_guard_ref(&self) -> DropGuardRef<'_> {
        DropGuardRef::new(self)
    }

    /// Runs a future until it ends or the token is cancelled; then the future is dropped, and this gives `None`.
    ///
    /// Of both at the same time the cancellation counts.
    ///
    /// # Cancellation
    ///
    /// As that of `fut`.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// assert_eq!(token.run_until_cancelled(async { 5 }).await, Some(5));
    /// token.cancel();
    /// assert_eq!(token.run_until_cancelled(async { 5 }).await, None);
    /// # });
    /// ```
    pub async fn run_until_cancelled<F>(&self, fut: F) -> Option<F::Output>
    where
        F: Future,
    {
        future::first(pin!(self.cancelled()), pin!(fut)).await
    }

    /// As [`CancellationToken::run_until_cancelled`], with a future that keeps the token.
    ///
    /// # Cancellation
    ///
    /// As that of `fut`.
    ///
    /// ```
    /// # loxley::runtime::Runtime::new().unwrap().block_on(async {
    /// let token = loxley::sync::CancellationToken::new();
    /// let running = token.clone().run_until_cancelled_owned(std::future::pending::<()>());
    /// let task = loxley::spawn(running);
    /// token.cancel();
    /// assert_eq!(task.await.unwrap(), None);
    /// # });
    /// ```
    pub async fn run_until_cancelled_owned<F>(self, fut: F) -> Option<F::Output>
    where
        F: Future,
    {
        self.run_until_cancelled(fut).await
    }
}

impl std::panic::UnwindSafe for CancellationToken {}
impl std::panic::RefUnwindSafe for CancellationToken {}

impl Clone for CancellationToken {
    fn clone(&self) -> Self {
        let node = self.node.clone();
        Self { node }
    }
}

impl Default for CancellationToken {
    fn default() -> Self {
        Self::new()
    }
}

/// Clones are equal; parents and children are not.
impl PartialEq for CancellationToken {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.node, &other.node)
    }
}

impl Eq for CancellationToken {}

impl Hash for CancellationToken {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Arc::as_ptr(&self.node).hash(state);
    }
}

impl fmt::Debug for CancellationToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CancellationToken")
            .field("is_cancelled", &self.is_cancelled())
            .finish()
    }
}
