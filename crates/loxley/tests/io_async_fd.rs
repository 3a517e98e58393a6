//! What `AsyncFd` promises.

mod kit;

use std::fs::File;
use std::future::poll_fn;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;

use kit::{on_every_runtime, poll_once};
use loxley::io::unix::AsyncFd;
use loxley::io::{Interest, Ready};

fn pair() -> (AsyncFd<UnixStream>, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    near.set_nonblocking(true).unwrap();
    (AsyncFd::new(near).unwrap(), far)
}

#[test]
fn readiness_lasts_until_the_guard_clears_it() {
    on_every_runtime(|| async {
        let (near, mut far) = pair();
        assert!(poll_once(near.readable()).is_pending());
        far.write_all(b"x").unwrap();
        near.readable().await.unwrap().retain_ready();
        drop(near.readable().await.unwrap());
        let mut guard = near.readable().await.unwrap();
        assert!(guard.ready().is_readable());
        guard.clear_ready();
        assert!(guard.ready().is_empty());
        assert!(poll_once(near.readable()).is_pending());
        far.write_all(b"y").unwrap();
        near.readable().await.unwrap().retain_ready();
    });
}

#[test]
fn trying_through_the_guard_clears_when_it_would_block() {
    on_every_runtime(|| async {
        let (near, mut far) = pair();
        far.write_all(b"word").unwrap();
        let mut bytes = [0; 8];
        let mut guard = near.readable().await.unwrap();
        let len = guard.try_io(|fd| fd.get_ref().read(&mut bytes)).unwrap();
        assert_eq!(len.unwrap(), 4);
        assert!(guard.try_io(|fd| fd.get_ref().read(&mut bytes)).is_err());
        assert!(poll_once(near.readable()).is_pending());
        // Another error is a result.
        let mut guard = near.writable().await.unwrap();
        let other = guard.try_io(|_| Err::<(), _>(ErrorKind::NotFound.into()));
        assert_eq!(other.unwrap().unwrap_err().kind(), ErrorKind::NotFound);
    });
}

#[test]
fn a_part_of_the_readiness_can_be_cleared() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair();
        far.write_all(b"x").unwrap();
        near.readable().await.unwrap().retain_ready();
        near.writable().await.unwrap().retain_ready();
        let both = Interest::READABLE | Interest::WRITABLE;
        let mut guard = near.ready_mut(both).await.unwrap();
        assert!(guard.ready().is_readable() && guard.ready().is_writable());
        guard.clear_ready_matching(Ready::READABLE);
        assert!(!guard.ready().is_readable() && guard.ready().is_writable());
        guard.get_inner_mut().write_all(b"y").unwrap();
        drop(guard);
        assert!(poll_once(near.readable()).is_pending());
        assert!(poll_once(near.writable()).is_ready());
    });
}

#[test]
fn polling_by_hand_waits_too() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair();
        let writer = loxley::task::spawn_blocking(move || far.write_all(b"x").map(|()| far));
        poll_fn(|cx| {
            near.poll_read_ready(cx)
                .map_ok(|mut guard| guard.clear_ready())
        })
        .await
        .unwrap();
        let _far = writer.await.unwrap().unwrap();
        poll_fn(|cx| {
            near.poll_write_ready_mut(cx)
                .map_ok(|guard| assert!(guard.ready().is_writable()))
        })
        .await
        .unwrap();
    });
}

#[test]
fn an_operation_is_awaited_and_tried() {
    on_every_runtime(|| async {
        let (mut near, mut far) = pair();
        let mut bytes = [0; 8];
        let error = near.try_io(Interest::READABLE, |mut io| io.read(&mut bytes));
        assert_eq!(error.unwrap_err().kind(), ErrorKind::WouldBlock);
        far.write_all(b"abc").unwrap();
        let len = near
            .async_io_mut(Interest::READABLE, |io| io.read(&mut bytes))
            .await;
        assert_eq!(len.unwrap(), 3);
        far.write_all(b"abcd").unwrap();
        near.readable_mut().await.unwrap().retain_ready();
        let len = near.try_io_mut(Interest::READABLE, |io| io.read(&mut bytes));
        assert_eq!(len.unwrap(), 4);
    });
}

#[test]
fn a_file_on_a_disk_is_refused_and_comes_back() {
    on_every_runtime(|| async {
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let fd = file.as_raw_fd();
        let (file, error) = AsyncFd::try_new(file).unwrap_err().into_parts();
        assert_eq!(
            (file.as_raw_fd(), error.kind()),
            (fd, ErrorKind::PermissionDenied)
        );
        assert!(AsyncFd::with_interest(file, Interest::READABLE).is_err());
    });
}

#[test]
fn a_closed_descriptor_is_refused() {
    struct Closed;
    impl AsRawFd for Closed {
        fn as_raw_fd(&self) -> RawFd {
            i32::MAX
        }
    }
    on_every_runtime(|| async {
        let error = AsyncFd::new(Closed).map(drop).unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::BADF.raw_os_error())
        );
    });
}

#[test]
fn the_owner_need_not_be_send() {
    struct Shared(Rc<UnixStream>);
    impl AsRawFd for Shared {
        fn as_raw_fd(&self) -> RawFd {
            self.0.as_raw_fd()
        }
    }
    on_every_runtime(|| async {
        let (near, _far) = UnixStream::pair().unwrap();
        let fd = AsyncFd::new(Shared(Rc::new(near))).unwrap();
        fd.writable().await.unwrap().retain_ready();
        let stream = fd.into_inner();
        assert_eq!(Rc::strong_count(&stream.0), 1);
        // It may come back: it has left the poller.
        AsyncFd::new(stream)
            .unwrap()
            .writable()
            .await
            .unwrap()
            .retain_ready();
    });
}
