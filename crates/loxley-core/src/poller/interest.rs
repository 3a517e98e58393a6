//! What a program waits for, and what a source is ready for: tokio's words and tokio's meaning.

use std::fmt;
use std::ops::{BitAnd, BitOr, BitOrAssign, Sub};

const READABLE: u8 = 1;
const WRITABLE: u8 = 1 << 1;
const READ_CLOSED: u8 = 1 << 2;
const WRITE_CLOSED: u8 = 1 << 3;
const PRIORITY: u8 = 1 << 4;
const ERROR: u8 = 1 << 5;

/// The half of a source that an operation works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Reading, accepting, receiving.
    Read,
    /// Writing, connecting, sending.
    Write,
}

impl Direction {
    /// Everything that makes an operation of this half worth a try.
    pub(crate) fn mask(self) -> Ready {
        match self {
            Self::Read => Ready(READABLE | READ_CLOSED),
            Self::Write => Ready(WRITABLE | WRITE_CLOSED),
        }
    }
}

/// The readiness that somebody waits for; never empty.
///
/// # Examples
///
/// ```
/// use loxley_core::io::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable());
/// assert_eq!(both.remove(Interest::WRITABLE), Some(Interest::READABLE));
/// assert_eq!(Interest::READABLE.remove(both), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(u8);

impl Interest {
    /// Data, a connection or the end of the stream can be read.
    pub const READABLE: Self = Self(READABLE);

    /// There is room to write, or the other side has gone.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// Out-of-band data has arrived. Known on Linux only; elsewhere it never comes.
    pub const PRIORITY: Self = Self(PRIORITY);

    /// The source has an error to tell, for example in its error queue.
    pub const ERROR: Self = Self(ERROR);

    /// True if reading is part of the interest.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & READABLE != 0
    }

    /// True if writing is part of the interest.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & WRITABLE != 0
    }

    /// True if out-of-band data is part of the interest.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// True if errors are part of the interest.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    /// Both interests; the same as `|`.
    #[must_use]
    pub const fn add(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// This interest without `other`; `None` if nothing is left.
    #[must_use]
    pub const fn remove(self, other: Self) -> Option<Self> {
        match self.0 & !other.0 {
            0 => None,
            left => Some(Self(left)),
        }
    }

    /// Everything that makes an operation with this interest worth a try.
    pub(crate) fn mask(self) -> Ready {
        Ready::from_interest(self)
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        self.add(other)
    }
}

impl BitOrAssign for Interest {
    fn bitor_assign(&mut self, other: Self) {
        *self = *self | other;
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(self.0, f)
    }
}

/// What a source is ready for.
///
/// Always a hint: an operation may find that there is nothing to do, and then clears what it believed.
///
/// # Examples
///
/// ```
/// use loxley_core::io::Ready;
///
/// let ready = Ready::READABLE | Ready::WRITE_CLOSED;
/// assert!(ready.is_readable() && ready.is_writable() && !ready.is_read_closed());
/// assert_eq!(ready - Ready::READABLE, Ready::WRITE_CLOSED);
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ready(u8);

impl Ready {
    /// Ready for nothing.
    pub const EMPTY: Self = Self(0);

    /// Something can be read.
    pub const READABLE: Self = Self(READABLE);

    /// Something can be written.
    pub const WRITABLE: Self = Self(WRITABLE);

    /// The other side will send no more; what it has sent can still be read.
    pub const READ_CLOSED: Self = Self(READ_CLOSED);

    /// The other side will take no more.
    pub const WRITE_CLOSED: Self = Self(WRITE_CLOSED);

    /// Out-of-band data has arrived.
    pub const PRIORITY: Self = Self(PRIORITY);

    /// The source has an error to tell.
    pub const ERROR: Self = Self(ERROR);

    /// Ready for everything.
    pub const ALL: Self = Self(READABLE | WRITABLE | READ_CLOSED | WRITE_CLOSED | PRIORITY | ERROR);

    /// The bits that satisfy an interest; a closed half satisfies the interest in that half.
    #[must_use]
    pub fn from_interest(interest: Interest) -> Self {
        let mut ready = Self::EMPTY;
        if interest.is_readable() {
            ready |= Direction::Read.mask();
        }
        if interest.is_writable() {
            ready |= Direction::Write.mask();
        }
        if interest.is_priority() {
            ready |= Self::PRIORITY | Self::READ_CLOSED;
        }
        if interest.is_error() {
            ready |= Self::ERROR;
        }
        ready
    }

    /// True if nothing is ready.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// True if reading is worth a try: there is data, or the end.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.0 & (READABLE | READ_CLOSED) != 0
    }

    /// True if writing is worth a try: there is room, or the other side has gone.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.0 & (WRITABLE | WRITE_CLOSED) != 0
    }

    /// True if the other side will send no more.
    #[must_use]
    pub const fn is_read_closed(self) -> bool {
        self.0 & READ_CLOSED != 0
    }

    /// True if the other side will take no more.
    #[must_use]
    pub const fn is_write_closed(self) -> bool {
        self.0 & WRITE_CLOSED != 0
    }

    /// True if out-of-band data has arrived.
    #[must_use]
    pub const fn is_priority(self) -> bool {
        self.0 & PRIORITY != 0
    }

    /// True if the source has an error to tell.
    #[must_use]
    pub const fn is_error(self) -> bool {
        self.0 & ERROR != 0
    }

    pub(crate) const fn bits(self) -> u8 {
        self.0
    }

    /// Unknown bits are dropped.
    pub(crate) const fn from_bits(bits: u8) -> Self {
        Self(bits & Self::ALL.0)
    }
}

impl BitOr for Ready {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitOrAssign for Ready {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}

impl BitAnd for Ready {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl Sub for Ready {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_names(self.0, f)
    }
}

fn write_names(bits: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const NAMES: [(u8, &str); 6] = [
        (READABLE, "READABLE"),
        (WRITABLE, "WRITABLE"),
        (READ_CLOSED, "READ_CLOSED"),
        (WRITE_CLOSED, "WRITE_CLOSED"),
        (PRIORITY, "PRIORITY"),
        (ERROR, "ERROR"),
    ];
    let mut first = true;
    for (bit, name) in NAMES {
        if bits & bit != 0 {
            f.write_str(if first { "" } else { " | " })?;
            f.write_str(name)?;
            first = false;
        }
    }
    if first { f.write_str("EMPTY") } else { Ok(()) }
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_closed_half_satisfies_the_interest_in_it() {
        assert!((Interest::READABLE.mask() & Ready::READ_CLOSED).is_readable());
        assert!((Interest::WRITABLE.mask() & Ready::WRITE_CLOSED).is_writable());
        assert!((Interest::WRITABLE.mask() & Ready::READ_CLOSED).is_empty());
        assert!((Interest::PRIORITY.mask() & Ready::READABLE).is_empty());
        assert!((Interest::ERROR.mask() & Ready::ALL) == Ready::ERROR);
    }

    #[test]
    fn debug_prints_the_names() {
        let text = format!("{:?}", Ready::READABLE | Ready::ERROR);
        assert_eq!(text, "READABLE | ERROR");
        assert_eq!(format!("{:?}", Ready::EMPTY), "EMPTY");
        assert_eq!(format!("{:?}", Interest::PRIORITY), "PRIORITY");
    }
}
