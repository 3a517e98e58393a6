//! The limit of the socket rows: plain threads, one epoll set and one `SO_REUSEPORT` listener each, no tasks at all.
//!
//! Level-triggered, one read and one write per event, so that no call ends in `EAGAIN` on the usual path.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::harness::listen;

mod echo;
mod http;

pub use http::hello;

/// The token of the listener; connections have their index.
const LISTENER: u64 = u64::MAX;

/// Starts echo threads on one port and returns its address.
///
/// # Errors
///
/// What the sockets and the poller say.
pub fn serve_echo(threads: usize) -> io::Result<SocketAddr> {
    serve::<echo::Echo>(threads)
}

/// The same for threads in which hyper answers each request with 13 bytes.
///
/// # Errors
///
/// What the sockets and the poller say.
pub fn serve_http(threads: usize) -> io::Result<SocketAddr> {
    serve::<http::Http>(threads)
}

/// What is done with a connection.
trait Serve: Sized + 'static {
    /// Shared by all connections of a thread.
    type Thread: Default;

    fn new(thread: &Self::Thread, stream: TcpStream) -> Self;

    /// Serves one event; false when the connection is over.
    fn ready(
        &mut self,
        thread: &mut Self::Thread,
        watch: Watch<'_>,
        flags: EventFlags,
    ) -> io::Result<bool>;
}

/// A connection's place in the epoll set.
#[derive(Clone, Copy)]
struct Watch<'a> {
    epoll: &'a OwnedFd,
    index: usize,
}

impl Watch<'_> {
    fn token(self) -> EventData {
        EventData::new_u64(self.index as u64)
    }

    /// Events from now on.
    fn change(self, stream: &TcpStream, flags: EventFlags) -> io::Result<()> {
        Ok(epoll::modify(self.epoll, stream, self.token(), flags)?)
    }
}

fn serve<S: Serve>(threads: usize) -> io::Result<SocketAddr> {
    let first = listen(SocketAddr::from(([127, 0, 0, 1], 0)), true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    for _ in 1..threads {
        listeners.push(listen(address, true)?);
    }
    for listener in listeners {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(
            &epoll,
            &listener,
            EventData::new_u64(LISTENER),
            EventFlags::IN,
        )?;
        thread::spawn(move || {
            let mut server = Server::<S>::new(epoll, listener);
            server.run().expect("the raw server goes on");
        });
    }
    Ok(address)
}

struct Server<S: Serve> {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<S>>,
    free: Vec<usize>,
    thread: S::Thread,
}

impl<S: Serve> Server<S> {
    fn new(epoll: OwnedFd, listener: TcpListener) -> Self {
        Self {
            epoll,
            listener,
            connections: Vec::new(),
            free: Vec::new(),
            thread: S::Thread::default(),
        }
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
            let epoll = &self.epoll;
            epoll::add(
                epoll,
                &stream,
                Watch { epoll, index }.token(),
                EventFlags::IN,
            )?;
            self.connections[index] = Some(S::new(&self.thread, stream));
        }
    }

    fn ready(&mut self, index: usize, flags: EventFlags) -> io::Result<bool> {
        let Some(connection) = self.connections[index].as_mut() else {
            return Err(io::Error::other("an event of a closed connection"));
        };
        let epoll = &self.epoll;
        connection.ready(&mut self.thread, Watch { epoll, index }, flags)
    }
}
