//! One read or write of a stream, and what it says about readiness.
//!
//! 1. It is tried first; a stream whose bytes are always there already is never registered with the system.
//! 2. If it would block, the core registers the stream, clears what the try had seen and waits.
//! 3. If it moved some bytes but fewer than asked, the readiness is cleared too: on Linux the kernel has no more
//!    now, and the edge for more is still to come. This saves the call that would say so (test
//!    `a_short_read_waits_without_asking_again`). The core clears nothing if another event has come since the
//!    try began, so no edge is lost, and never a closed or failed half, so the end of the stream and errors
//!    behind the last bytes are found by the next operation (tests
//!    `bytes_already_received_are_delivered_before_eof` and `bytes_already_received_are_delivered_before_a_reset`).

use std::io;
use std::os::fd::AsFd;
use std::task::{Context, Poll};

use loxley_core::io::{Direction, Source};

use crate::net::os::SHORT_MEANS_DRAINED;

/// How much of what was asked has been done.
pub(super) struct Moved {
    pub(super) bytes: usize,
    pub(super) asked: usize,
}

impl Moved {
    fn drained(&self) -> bool {
        SHORT_MEANS_DRAINED && 0 < self.bytes && self.bytes < self.asked
    }
}

/// Does `f` until it moves bytes or fails, or waits for readiness. Takes part in the budget.
#[inline]
pub(super) fn poll_transfer<T: AsFd>(
    source: &Source<T>,
    cx: &mut Context<'_>,
    direction: Direction,
    mut f: impl FnMut(&T) -> io::Result<Moved>,
) -> Poll<io::Result<usize>> {
    source.poll_transfer(cx, direction, |stream| {
        let moved = f(stream)?;
        Ok((moved.bytes, moved.drained()))
    })
}
