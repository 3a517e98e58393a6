//! The limit of the socket rows: plain threads, one epoll set and one `SO_REUSEPORT` listener each, no tasks at all.
//!
//! Level-triggered, one read and one write per event, so that no call ends in `EAGAIN` on the usual path; a write that
//! does not fit is finished when there is room.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::harness::listen;

/// The token of the listener; connections have their index.
const LISTENER: u64 = u64::MAX;

/// Starts echo threads on one port and returns its address.
///
/// # Errors
///
/// What the sockets and the poller say.
pub fn serve_echo(threads: usize) -> io::Result<SocketAddr> {
    let first = listen(SocketAddr::from(([127, 0, 0, 1], 0)), true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listen(address, true)?);
    }
    for listener in listeners {
        let mut server = Server::new(listener)?;
        thread::spawn(move || server.run().expect("the raw server goes on"));
    }
    Ok(address)
}

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    free: Vec<usize>,
    buffer: Vec<u8>,
}

struct Connection {
    stream: TcpStream,
    /// Read, and not written back for want of room.
    unsent: Vec<u8>,
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Server> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        Ok(Server {
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            buffer: vec![0; 64 * 1024],
        })
    }

    fn run(&mut self) -> io::Result<()> {
        let mut events: Vec<Event> = Vec::with_capacity(1024);
        loop {
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            for event in events.drain(..) {
                match event.data.u64() {
                    LISTENER => self.accept()?,
                    // An error of one connection is its end.
                    index => {
                        if !self.ready(index as usize, event.flags).unwrap_or(false) {
                            self.connections[index as usize] = None;
                            self.free.push(index as usize);
                        }
                    }
                }
            }
        }
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            let index = self.free.pop().unwrap_or_else(|| {
                self.connections.push(None);
                self.connections.len() - 1
            });
            epoll::add(
                &self.epoll,
                &stream,
                EventData::new_u64(index as u64),
                EventFlags::IN,
            )?;
            self.connections[index] = Some(Connection {
                stream,
                unsent: Vec::new(),
            });
        }
    }

    /// Serves one event; false when the connection is over.
    fn ready(&mut self, index: usize, flags: EventFlags) -> io::Result<bool> {
        let Some(connection) = self.connections[index].as_mut() else {
            return Err(io::Error::other("an event of a closed connection"));
        };
        let token = EventData::new_u64(index as u64);
        if flags.contains(EventFlags::OUT) {
            let written = connection.stream.write(&connection.unsent)?;
            connection.unsent.drain(..written);
            if connection.unsent.is_empty() {
                epoll::modify(&self.epoll, &connection.stream, token, EventFlags::IN)?;
            }
            return Ok(true);
        }
        let count = connection.stream.read(&mut self.buffer)?;
        let written = match connection.stream.write(&self.buffer[..count]) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            result => result?,
        };
        if written < count {
            connection
                .unsent
                .extend_from_slice(&self.buffer[written..count]);
            // Nothing more is read before this is written.
            epoll::modify(&self.epoll, &connection.stream, token, EventFlags::OUT)?;
        }
        Ok(count > 0)
    }
}
