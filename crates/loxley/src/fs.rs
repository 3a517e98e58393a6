//! Files and directories, on the threads for what blocks.
//!
//! The system offers no way to wait for a file, so every call here runs on the runtime's blocking pool. That costs some
//! microseconds per call; [`File`] makes few and large ones, and code that does many small calls in a row is faster
//! inside one [`spawn_blocking`] with `std::fs`.
//!
//! A future that is dropped leaves its call at work: the file is still removed, renamed or written. Paths need not be
//! UTF-8.
//!
//! # Panics
//!
//! Everything here panics outside a runtime.

mod dir_builder;
mod file;
mod functions;
mod open_options;
mod os;
mod read_dir;

use std::io;

pub use self::dir_builder::DirBuilder;
pub use self::file::File;
pub use self::functions::{
    canonicalize, copy, create_dir, create_dir_all, hard_link, metadata, read, read_link,
    read_to_string, remove_dir, remove_dir_all, remove_file, rename, set_permissions, symlink,
    symlink_metadata, try_exists, write,
};
pub use self::open_options::OpenOptions;
pub use self::read_dir::{DirEntry, ReadDir, read_dir};
#[doc(no_inline)]
pub use std::fs::FileTimes;

use loxley_core::shared::shut_down;

use crate::task::spawn_blocking;

/// Does one blocking call on the pool.
async fn on_pool<R, F>(f: F) -> io::Result<R>
where
    F: FnOnce() -> io::Result<R> + Send + 'static,
    R: Send + 'static,
{
    match spawn_blocking(f).await {
        Ok(result) => result,
        Err(error) if error.is_cancelled() => Err(shut_down()),
        Err(error) => Err(io::Error::other(error)),
    }
}
