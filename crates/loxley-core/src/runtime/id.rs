//! What tells runtimes and local sets from each other.

use std::fmt;
use std::num::NonZeroU64;

use crate::primitive::global::{AtomicU64, Ordering};

static NEXT: AtomicU64 = AtomicU64::new(1);

/// Names a runtime or a [`LocalSet`](crate::LocalSet); no other of this process has had it.
///
/// From [`Handle::id`](super::Handle::id) and [`LocalSet::id`](crate::LocalSet::id). The number says nothing else.
///
/// # Examples
///
/// ```
/// use loxley_core::runtime::{Handle, Runtime};
///
/// let (one, two) = (Runtime::new()?, Runtime::new()?);
/// assert_ne!(one.handle().id(), two.handle().id());
/// let inside = one.block_on(async { Handle::current().id() });
/// assert_eq!(inside, one.handle().id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Id(NonZeroU64);

impl Id {
    /// A number that none has had.
    pub(super) fn next() -> Self {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self(NonZeroU64::new(number).expect("the counter starts at 1 and never wraps"))
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
