//! Waiting through mio's common part: whole milliseconds, rounded up.

use std::io;
use std::time::Duration;

use crate::poller::interest::Ready;
use crate::poller::os::BATCH;
use crate::poller::slab::Token;

/// The events of one wait.
pub struct Wait {
    asleep: mio::Events,
    /// There if it differs.
    busy: Option<mio::Events>,
}

impl Wait {
    pub fn new() -> Self {
        Self {
            asleep: mio::Events::with_capacity(BATCH),
            busy: None,
        }
    }

    /// How many events one wait brings, if it may wait and if not.
    pub fn set_batches(&mut self, (asleep, busy): (usize, usize)) {
        self.asleep = mio::Events::with_capacity(asleep);
        self.busy = (busy != asleep).then(|| mio::Events::with_capacity(busy));
    }

    pub fn wait(
        &mut self,
        poll: &mut mio::Poll,
        timeout: Option<Duration>,
        mut sink: impl FnMut(usize, Ready),
    ) -> io::Result<()> {
        let events = match &mut self.busy {
            Some(busy) if timeout == Some(Duration::ZERO) => busy,
            _ => &mut self.asleep,
        };
        poll.poll(events, timeout)?;
        for event in &*events {
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
