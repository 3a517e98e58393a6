//! Who is at the other end: [`UCred`].

use std::io;
use std::os::fd::AsFd;

/// The number of a user.
#[expect(non_camel_case_types, reason = "tokio's name, which is C's")]
pub type uid_t = u32;

/// The number of a group.
#[expect(non_camel_case_types, reason = "tokio's name, which is C's")]
pub type gid_t = u32;

/// The number of a process.
#[expect(non_camel_case_types, reason = "tokio's name, which is C's")]
pub type pid_t = i32;

/// The process at the other end of a [`UnixStream`](super::UnixStream), at the time it connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    pid: Option<pid_t>,
    uid: uid_t,
    gid: gid_t,
}

impl UCred {
    /// Its user.
    #[must_use]
    pub fn uid(&self) -> uid_t {
        self.uid
    }

    /// Its group.
    #[must_use]
    pub fn gid(&self) -> gid_t {
        self.gid
    }

    /// Its number; `None` where the system does not tell.
    #[must_use]
    pub fn pid(&self) -> Option<pid_t> {
        self.pid
    }
}

/// What the system recorded about the peer of `socket`.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(super) fn of_peer(socket: impl AsFd) -> io::Result<UCred> {
    let peer = rustix::net::sockopt::socket_peercred(socket)?;
    Ok(UCred {
        pid: Some(peer.pid.as_raw_nonzero().get()),
        uid: peer.uid.as_raw(),
        gid: peer.gid.as_raw(),
    })
}

/// No safe call tells it here.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(super) fn of_peer(_: impl AsFd) -> io::Result<UCred> {
    Err(io::ErrorKind::Unsupported.into())
}
