//! [`read_dir`](fn@read_dir): what is in a directory.
//!
//! Entries come in batches of [`BATCH`], so that a walk costs one call on the pool for each of them and not for each
//! entry. The type of an entry is read with it: most file systems tell it for nothing.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fmt;
use std::fs::{FileType, Metadata};
use std::future::poll_fn;
use std::io;
use std::os::unix::fs::DirEntryExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use loxley_core::coop;

use super::on_pool;
use crate::io::Job;

/// Entries read by one call on the pool.
const BATCH: usize = 64;

/// The entries of a directory, in no particular order, without `.` and `..`.
///
/// # Errors
///
/// Those of [`std::fs::read_dir`].
///
/// # Examples
///
/// ```
/// # #[loxley::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let mut entries = loxley::fs::read_dir("src").await?;
/// let mut names = Vec::new();
/// while let Some(entry) = entries.next_entry().await? {
///     names.push(entry.file_name());
/// }
/// assert!(names.contains(&"lib.rs".into()));
/// # Ok(())
/// # }
/// ```
pub async fn read_dir(path: impl AsRef<Path>) -> io::Result<ReadDir> {
    let path = path.as_ref().to_owned();
    let batch = on_pool(move || Ok(Batch::read(std::fs::read_dir(path)?))).await?;
    Ok(ReadDir {
        state: State::Ready(batch),
    })
}

/// The entries of a directory; made by [`read_dir`](fn@read_dir).
#[derive(Debug)]
#[must_use = "it reads nothing until an entry is asked for"]
pub struct ReadDir {
    state: State,
}

#[derive(Debug)]
enum State {
    Ready(Batch),
    Reading(Job<Batch>),
    /// The pool is gone, and the directory with it.
    Gone,
}

/// Entries, and where the next ones come from if there may be more.
#[derive(Debug)]
struct Batch {
    entries: VecDeque<io::Result<DirEntry>>,
    rest: Option<std::fs::ReadDir>,
}

impl Batch {
    fn read(mut directory: std::fs::ReadDir) -> Batch {
        let entries: VecDeque<_> = directory.by_ref().take(BATCH).map(DirEntry::new).collect();
        let more = entries.len() == BATCH;
        Batch {
            entries,
            rest: more.then_some(directory),
        }
    }
}

impl ReadDir {
    /// The next entry; `None` after the last.
    ///
    /// # Errors
    ///
    /// Those of the system for one entry; the next call goes on behind it.
    ///
    /// # Cancellation
    ///
    /// Dropping the future loses no entry.
    pub async fn next_entry(&mut self) -> io::Result<Option<DirEntry>> {
        poll_fn(|cx| self.poll_next_entry(cx)).await
    }

    /// As [`next_entry`](ReadDir::next_entry), for those who poll by hand. Only the waker of the last call is kept.
    ///
    /// # Errors
    ///
    /// Those of [`next_entry`](ReadDir::next_entry).
    pub fn poll_next_entry(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Option<DirEntry>>> {
        let unit = ready!(coop::poll_proceed(cx));
        loop {
            match &mut self.state {
                State::Ready(batch) => {
                    if let Some(entry) = batch.entries.pop_front() {
                        unit.made_progress();
                        return Poll::Ready(entry.map(Some));
                    }
                    let Some(rest) = batch.rest.take() else {
                        return Poll::Ready(Ok(None));
                    };
                    self.state = State::Reading(Job::on_pool(|| Batch::read(rest)));
                }
                State::Reading(job) => match ready!(job.poll(cx)) {
                    Ok(batch) => self.state = State::Ready(batch),
                    Err(error) => {
                        self.state = State::Gone;
                        return Poll::Ready(Err(error));
                    }
                },
                State::Gone => return Poll::Ready(Ok(None)),
            }
        }
    }
}

/// An entry of a directory.
pub struct DirEntry {
    /// Shared with calls on the pool.
    std: Arc<std::fs::DirEntry>,
    file_type: Option<FileType>,
}

impl DirEntry {
    fn new(entry: io::Result<std::fs::DirEntry>) -> io::Result<DirEntry> {
        let entry = entry?;
        Ok(DirEntry {
            file_type: entry.file_type().ok(),
            std: Arc::new(entry),
        })
    }

    /// The directory's path, and the name.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.std.path()
    }

    /// The name, which need not be UTF-8.
    #[must_use]
    pub fn file_name(&self) -> OsString {
        self.std.file_name()
    }

    /// The number of the file in its file system.
    #[must_use]
    pub fn ino(&self) -> u64 {
        self.std.ino()
    }

    /// What the system knows about it; of a link, about the link itself.
    ///
    /// # Errors
    ///
    /// If it is gone, or the system refuses.
    pub async fn metadata(&self) -> io::Result<Metadata> {
        let std = self.std.clone();
        on_pool(move || std.metadata()).await
    }

    /// What kind of thing it is; a link is a link. Mostly known already.
    ///
    /// # Errors
    ///
    /// If it is gone, or the system refuses.
    pub async fn file_type(&self) -> io::Result<FileType> {
        if let Some(file_type) = self.file_type {
            return Ok(file_type);
        }
        let std = self.std.clone();
        on_pool(move || std.file_type()).await
    }
}

impl fmt::Debug for DirEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
