//! Waiting through mio's common part: whole milliseconds, rounded up.

use std::io;
use std::time::Duration;

use crate::poller::interest::Ready;
use crate::poller::os::BATCH;
use crate::poller::slab::Token;

/// The events of one wait.
pub struct Wait {
    events: mio::Events,
}

impl Wait {
    pub fn new() -> Self {
        Self {
            events: mio::Events::with_capacity(BATCH),
        }
    }

    pub fn wait(
        &mut self,
        poll: &mut mio::Poll,
        timeout: Option<Duration>,
        mut sink: impl FnMut(usize, Ready),
    ) -> io::Result<()> {
        poll.poll(&mut self.events, timeout)?;
        for event in &self.events {
            let token = event.token().0;
            if token != Token::KICK {
                sink(token, ready(event));
            }
        }
        Ok(())
    }
}

fn ready(event: &mio::event::Event) -> Ready {
    let bits = [
        (event.is_readable(), Ready::READABLE),
        (event.is_writable(), Ready::WRITABLE),
        (event.is_read_closed(), Ready::READ_CLOSED),
        (event.is_write_closed(), Ready::WRITE_CLOSED),
        (event.is_priority(), Ready::PRIORITY),
        // An error alone must reach whoever waits: the operation tells what it is.
        (
            event.is_error(),
            Ready::ERROR | Ready::READABLE | Ready::WRITABLE,
        ),
    ];
    let set = bits.into_iter().filter(|(is, _)| *is);
    set.fold(Ready::EMPTY, |ready, (_, bit)| ready | bit)
}
