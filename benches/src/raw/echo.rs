//! Echo: what was read is written back; a write that does not fit is finished when there is room.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;

use rustix::event::epoll::EventFlags;

use super::{Serve, Watch};

/// One connection.
pub(super) struct Echo {
    stream: TcpStream,
    /// Read, and not written back for want of room.
    unsent: Vec<u8>,
}

/// One buffer for all.
pub(super) struct Buffer(Vec<u8>);

impl Default for Buffer {
    fn default() -> Self {
        Self(vec![0; 64 * 1024])
    }
}

impl Serve for Echo {
    type Thread = Buffer;

    fn new(_: &Buffer, stream: TcpStream) -> Self {
        let unsent = Vec::new();
        Self { stream, unsent }
    }

    fn ready(
        &mut self,
        Buffer(buffer): &mut Buffer,
        watch: Watch<'_>,
        flags: EventFlags,
    ) -> io::Result<bool> {
        if flags.contains(EventFlags::OUT) {
            let written = self.stream.write(&self.unsent)?;
            self.unsent.drain(..written);
            if self.unsent.is_empty() {
                watch.change(&self.stream, EventFlags::IN)?;
            }
            return Ok(true);
        }
        let count = self.stream.read(buffer)?;
        let written = match self.stream.write(&buffer[..count]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result?,
        };
        if written < count {
            self.unsent.extend_from_slice(&buffer[written..count]);
            // Nothing more is read before this is written.
            watch.change(&self.stream, EventFlags::OUT)?;
        }
        Ok(count > 0)
    }
}
