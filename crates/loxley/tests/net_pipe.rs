//! What pipes promise.

mod kit;

use std::fs::File;
use std::io::ErrorKind;

use kit::{Folder, on_every_runtime, poll_once};
use loxley::io::{AsyncReadExt, AsyncWriteExt};
use loxley::net::unix::pipe::{self, OpenOptions};
use rustix::fs::{CWD, FileType, Mode, mknodat};

fn named_pipe(folder: &Folder) -> std::path::PathBuf {
    let path = folder.join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    path
}

#[test]
fn a_receiver_reads_what_was_sent_and_then_the_end() {
    on_every_runtime(|| async {
        let (mut sender, mut receiver) = pipe::pipe().unwrap();
        assert!(poll_once(receiver.read(&mut [0; 8])).is_pending());
        let reader = loxley::spawn(async move {
            let mut text = String::new();
            receiver.read_to_string(&mut text).await.map(|_| text)
        });
        sender.write_all(b"hello").await.unwrap();
        sender.shutdown().await.unwrap();
        drop(sender);
        assert_eq!(reader.await.unwrap().unwrap(), "hello");
    });
}

#[test]
fn a_full_pipe_makes_its_sender_wait() {
    on_every_runtime(|| async {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        let mut sent = 0;
        while let Ok(len) = sender.try_write(&[1; 4096]) {
            sent += len;
        }
        assert!(poll_once(sender.write(b"x")).is_pending());
        let writer = loxley::spawn(async move { sender.write_all(b"more").await });
        let mut received = Vec::new();
        while received.len() < sent + 4 {
            receiver.readable().await.unwrap();
            match receiver.try_read_buf(&mut received) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                result => assert!(result.unwrap() > 0 || received.len() == sent + 4),
            }
        }
        writer.await.unwrap().unwrap();
    });
}

#[test]
fn a_sender_without_a_receiver_fails() {
    on_every_runtime(|| async {
        let (mut sender, receiver) = pipe::pipe().unwrap();
        drop(receiver);
        assert_eq!(
            sender.write(b"x").await.unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
        assert_eq!(
            sender.try_write(b"x").unwrap_err().kind(),
            ErrorKind::BrokenPipe
        );
    });
}

#[test]
fn a_named_pipe_is_opened_without_waiting() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = named_pipe(&folder);
        // Nobody reads yet.
        let error = OpenOptions::new().open_sender(&path).unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::NXIO.raw_os_error())
        );
        let mut receiver = OpenOptions::new().open_receiver(&path).unwrap();
        let mut sender = OpenOptions::new().open_sender(&path).unwrap();
        sender.write_all(b"hi").await.unwrap();
        let mut bytes = [0; 2];
        receiver.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"hi");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_pipe_open_both_ways_has_no_end() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        let path = named_pipe(&folder);
        let mut sender = OpenOptions::new()
            .read_write(true)
            .open_sender(&path)
            .unwrap();
        let mut receiver = OpenOptions::new()
            .read_write(true)
            .open_receiver(&path)
            .unwrap();
        sender.write_all(b"x").await.unwrap();
        drop(sender);
        assert_eq!(receiver.read(&mut [0; 8]).await.unwrap(), 1);
        assert!(poll_once(receiver.read(&mut [0; 8])).is_pending());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn packets_of_a_packet_pipe_are_all_read() {
    use rustix::pipe::PipeFlags;
    on_every_runtime(|| async {
        let flags = PipeFlags::DIRECT | PipeFlags::NONBLOCK;
        let (receiver, sender) = rustix::pipe::pipe_with(flags).unwrap();
        let mut receiver = pipe::Receiver::from_owned_fd(receiver).unwrap();
        assert!(poll_once(receiver.read(&mut [0; 8])).is_pending());
        for _ in 0..3 {
            rustix::io::write(&sender, b"packet").unwrap();
        }
        for _ in 0..3 {
            assert_eq!(receiver.read(&mut [0; 64]).await.unwrap(), 6);
        }
    });
}

#[test]
fn what_is_no_pipe_or_the_wrong_end_is_refused() {
    on_every_runtime(|| async {
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"").unwrap();
        let error = OpenOptions::new()
            .open_receiver(folder.join("file"))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        let mut unchecked = OpenOptions::new();
        assert!(
            unchecked
                .unchecked(true)
                .open_receiver(folder.join("file"))
                .is_ok()
        );
        let file = File::open(folder.join("file")).unwrap();
        assert_eq!(
            pipe::Receiver::from_file(file).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let (sender, receiver) = pipe::pipe().unwrap();
        let fd = sender.into_nonblocking_fd().unwrap();
        assert_eq!(
            pipe::Receiver::from_owned_fd(fd).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
        let fd = receiver.into_blocking_fd().unwrap();
        assert!(
            !rustix::fs::fcntl_getfl(&fd)
                .unwrap()
                .contains(rustix::fs::OFlags::NONBLOCK)
        );
        assert_eq!(
            pipe::Sender::from_owned_fd(fd).unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}
