//! [`File`].
//!
//! # Words
//!
//! *Job*: one call on the blocking pool; a file has at most one under way. *Ahead*: bytes that were read and that nobody
//! has taken. *Out*: bytes that were written here and not to the file yet.
//!
//! # Rules
//!
//! 1. A read that finds nothing ahead starts a job for what was asked and more: the more, the longer the file is read in
//!    order, up to the largest buffer. So a reader with a small buffer costs few jobs (tokio #3664: twenty-five times
//!    slower than std without).
//! 2. A write is put into *out*, and a job started if there is none. The job writes until *out* is empty, so writes that
//!    come meanwhile go together. A write waits only if *out* is as large as the largest buffer.
//! 3. The place of the file is that of the last byte taken. Whatever depends on it, such as a seek, a write, or the
//!    file's second life as a `std::fs::File`, first goes back by what is ahead.
//! 4. An error of a write comes from the next write, flush, or sync, once; what was in *out* is dropped with it.
//! 5. Bytes written are never lost to a drop: not to that of the file, whose job goes on without it, and not to that of
//!    the runtime, which throws away jobs that have not begun: such a job does its work where it is thrown away.
//! 6. Any number of tasks may wait for the job, through `&self`: all are woken.

mod state;

use std::fmt;
use std::fs::{File as StdFile, FileTimes, Metadata, Permissions};
use std::future::poll_fn;
use std::io::{self, SeekFrom};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::SystemTime;

use loxley_core::coop;

use self::state::{Machine, Work, start};
use super::{OpenOptions, on_pool};
use crate::io::{AsyncRead, AsyncSeek, AsyncWrite, ReadBuf};

/// An open file.
///
/// Reads and writes go through large buffers. Call [`flush`](crate::io::AsyncWriteExt::flush) at the end to learn of
/// errors: dropping the file writes everything all the same, and tells nobody how it went.
///
/// # Examples
///
/// ```
/// use loxley::fs::File;
/// use loxley::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
///
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let path = std::env::temp_dir().join(format!("loxley-doc-file-{}", std::process::id()));
/// let mut file = File::options().read(true).write(true).create(true).open(&path).await?;
/// file.write_all(b"hello").await?;
/// file.rewind().await?;
/// let mut text = String::new();
/// file.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # loxley::fs::remove_file(path).await
/// # }
/// ```
pub struct File {
    std: Arc<StdFile>,
    machine: Arc<Machine>,
    max_buf_size: usize,
}

/// Opening, and the standard library.
impl File {
    /// Opens a file for reading.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::open`].
    pub async fn open(path: impl AsRef<Path>) -> io::Result<File> {
        File::options().read(true).open(path).await
    }

    /// Opens a file for writing, which is made, or emptied.
    ///
    /// # Errors
    ///
    /// Those of [`std::fs::File::create`].
    pub async fn create(path: impl AsRef<Path>) -> io::Result<File> {
        let mut options = File::options();
        options.write(true).create(true).truncate(true);
        options.open(path).await
    }

    /// Makes a file for reading and writing.
    ///
    /// # Errors
    ///
    /// `AlreadyExists` if there is one; otherwise those of [`std::fs::File::create_new`].
    pub async fn create_new<P: AsRef<Path>>(path: P) -> io::Result<File> {
        let mut options = File::options();
        options.read(true).write(true).create_new(true);
        options.open(path).await
    }

    /// The same as [`OpenOptions::new`].
    #[must_use]
    pub fn options() -> OpenOptions {
        OpenOptions::new()
    }

    /// Takes over a file of the standard library.
    #[must_use]
    pub fn from_std(std: StdFile) -> File {
        File {
            std: Arc::new(std),
            machine: Arc::default(),
            max_buf_size: crate::io::MAX_BUF,
        }
    }

    /// The file of the standard library, after all writes, at the place of the last byte taken.
    ///
    /// An error of a write is lost; flush before.
    ///
    /// # Panics
    ///
    /// If a call of a dropped future is still at work and the descriptor cannot be doubled.
    pub async fn into_std(self) -> StdFile {
        self.idle().await;
        let ahead = self.machine.take_ahead();
        if ahead > 0 {
            let std = self.std.clone();
            // A file without places, such as a pipe, has no way back.
            let _ = on_pool(move || state::go_back(&std, ahead)).await;
        }
        let File { std, .. } = self;
        Arc::try_unwrap(std)
            .unwrap_or_else(|std| std.try_clone().expect("the descriptor cannot be doubled"))
    }

    /// As [`into_std`](File::into_std), at once.
    ///
    /// # Errors
    ///
    /// The file itself, if a call is under way or something was read ahead.
    pub fn try_into_std(self) -> Result<StdFile, File> {
        if !self.machine.is_still() {
            return Err(self);
        }
        let File {
            std,
            machine,
            max_buf_size,
        } = self;
        Arc::try_unwrap(std).map_err(|std| File {
            std,
            machine,
            max_buf_size,
        })
    }

    /// Sets the largest buffer. Unit: bytes, at least 1. Default: 2 MiB.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing could ever be read or written.
    #[track_caller]
    pub fn set_max_buf_size(&mut self, max_buf_size: usize) {
        assert!(max_buf_size > 0, "`max_buf_size` must be greater than 0");
        self.max_buf_size = max_buf_size;
    }

    /// The largest buffer, in bytes.
    #[must_use]
    pub fn max_buf_size(&self) -> usize {
        self.max_buf_size
    }

    /// Waits for the job under way.
    async fn idle(&self) {
        poll_fn(|cx| self.machine.poll_idle(cx)).await;
    }

    /// Does a call after all writes.
    async fn after_writes<R: Send + 'static>(
        &self,
        f: impl FnOnce(&StdFile) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        self.idle().await;
        self.machine.take_error()?;
        self.call(f).await
    }

    async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&StdFile) -> io::Result<R> + Send + 'static,
    ) -> io::Result<R> {
        let std = self.std.clone();
        on_pool(move || f(&std)).await
    }
}

/// What the system knows and keeps.
impl File {
    /// Waits until all that was written, and what the system knows about the file, is on the disk.
    ///
    /// # Errors
    ///
    /// That of an earlier write, and those of the system.
    pub async fn sync_all(&self) -> io::Result<()> {
        self.after_writes(StdFile::sync_all).await
    }

    /// Waits until all that was written is on the disk.
    ///
    /// # Errors
    ///
    /// That of an earlier write, and those of the system.
    pub async fn sync_data(&self) -> io::Result<()> {
        self.after_writes(StdFile::sync_data).await
    }

    /// Cuts the file, or lengthens it with zeros. What was read ahead is forgotten.
    ///
    /// # Errors
    ///
    /// That of an earlier write, and those of the system.
    pub async fn set_len(&self, size: u64) -> io::Result<()> {
        self.idle().await;
        let ahead = self.machine.take_ahead();
        self.after_writes(move |file| {
            state::go_back(file, ahead)?;
            file.set_len(size)
        })
        .await
    }

    /// What the system knows about the file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        self.call(StdFile::metadata).await
    }

    /// The same file once more: both have one place, so that reads and writes of one move the other.
    ///
    /// # Errors
    ///
    /// If too many files are open.
    pub async fn try_clone(&self) -> io::Result<File> {
        self.idle().await;
        let ahead = self.machine.take_ahead();
        let std = self
            .call(move |file| {
                state::go_back(file, ahead)?;
                file.try_clone()
            })
            .await?;
        Ok(File {
            max_buf_size: self.max_buf_size,
            ..File::from_std(std)
        })
    }

    /// Sets who may do what with the file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub async fn set_permissions(&self, perm: Permissions) -> io::Result<()> {
        self.call(move |file| file.set_permissions(perm)).await
    }

    /// Sets when the file was last read and changed.
    ///
    /// # Errors
    ///
    /// That of an earlier write, and those of the system.
    pub async fn set_times(&self, times: FileTimes) -> io::Result<()> {
        self.after_writes(move |file| file.set_times(times)).await
    }

    /// Sets when the file was last changed.
    ///
    /// # Errors
    ///
    /// That of an earlier write, and those of the system.
    pub async fn set_modified(&self, time: SystemTime) -> io::Result<()> {
        self.set_times(FileTimes::new().set_modified(time)).await
    }
}

impl AsyncRead for File {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            match ready!(self.machine.poll_read(cx, buf, self.max_buf_size)) {
                Ok(None) => {
                    unit.made_progress();
                    return Poll::Ready(Ok(()));
                }
                Ok(Some(len)) => start(&self.std, &self.machine, Work::Read { len }),
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    }
}

impl AsyncWrite for File {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let unit = ready!(coop::poll_proceed(cx));
        let (len, ahead) = ready!(self.machine.poll_write(cx, buf, self.max_buf_size))?;
        if let Some(ahead) = ahead {
            start(&self.std, &self.machine, Work::Write { ahead });
        }
        unit.made_progress();
        Poll::Ready(Ok(len))
    }

    /// Waits until everything is written to the file; not until it is on the disk, for which there is `sync_all`.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.machine.poll_written(cx));
        Poll::Ready(self.machine.take_error())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_flush(cx)
    }
}

impl AsyncSeek for File {
    fn start_seek(self: Pin<&mut Self>, position: SeekFrom) -> io::Result<()> {
        let ahead = self.machine.begin_seek()?;
        let to = position;
        start(&self.std, &self.machine, Work::Seek { to, ahead });
        Ok(())
    }

    fn poll_complete(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        ready!(self.machine.poll_idle(cx));
        Poll::Ready(self.machine.place())
    }
}

impl From<StdFile> for File {
    fn from(std: StdFile) -> File {
        File::from_std(std)
    }
}

impl From<OwnedFd> for File {
    fn from(fd: OwnedFd) -> File {
        File::from_std(StdFile::from(fd))
    }
}

impl AsFd for File {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.std.as_fd()
    }
}

impl AsRawFd for File {
    fn as_raw_fd(&self) -> RawFd {
        self.std.as_raw_fd()
    }
}

impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("std", &self.std)
            .finish_non_exhaustive()
    }
}
