//! What do files and directories cost?
//!
//! As in `sync`, loxley's functions run on loxley and tokio's on tokio, and the workloads are one file. What they read was
//! just written and is in the page cache, so no disk takes part: what differs is how often a call crosses over to the
//! blocking pool, and what the way there and back costs.
//!
//! - `fs_read_small`: a file of 4 KiB, read whole by `fs::read`, again and again. One way to the pool each.
//! - `fs_read_64`: the same by 64 tasks at once. Do they hinder each other on the way to the pool?
//! - `fs_read_stream`: a file of 8 MiB through a buffer of 8 KiB; an operation is one read. Read-ahead pays here.
//! - `fs_walk`: a tree of 111 directories with 8 files each, one directory after the other; an operation is an entry, of
//!   which the type is asked for. Entries in batches pay here.

#[cfg(feature = "loxley")]
mod with_loxley;
mod with_tokio;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::harness::{Amount, CPU_NS, RATE, Row, timed};

/// Bytes in the small file.
const SMALL: usize = 4 << 10;
/// Bytes in the large file.
const LARGE: usize = 8 << 20;
/// Bytes that one read of the large file asks for.
const READ: usize = 8 << 10;
/// Directories in a directory.
const FAN_OUT: usize = 10;
/// How deep directories are nested in the tree.
const DEPTH: usize = 2;
/// Files in a directory of the tree.
const FILES: usize = 8;

macro_rules! both {
    ($make:expr, $work:ident $(, $argument:expr)*) => {
        &[
            #[cfg(feature = "loxley")]
            ("loxley", |plan| {
                let place = Place::new($make);
                let path = place.0.clone();
                timed::<with_loxley::R, _, _>(plan, move |ops| {
                    with_loxley::work::$work(path.clone(), ops $(, $argument)*)
                })
            }),
            ("tokio", |plan| {
                let place = Place::new($make);
                let path = place.0.clone();
                timed::<with_tokio::R, _, _>(plan, move |ops| {
                    with_tokio::work::$work(path.clone(), ops $(, $argument)*)
                })
            }),
        ]
    };
}

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "fs_read_small",
        question: "what does a file of 4 KiB cost, read whole?",
        amount: Amount::Ops(50_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(|path| file(path, SMALL), read_whole, 1),
    },
    Row {
        name: "fs_read_64",
        question: "what does a file of 4 KiB cost, read whole by 64 tasks at once?",
        amount: Amount::Ops(50_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(|path| file(path, SMALL), read_whole, 64),
    },
    Row {
        name: "fs_read_stream",
        question: "what do 8 KiB cost, read one after the other from a file of 8 MiB?",
        amount: Amount::Ops(200_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(|path| file(path, LARGE), read_stream),
    },
    Row {
        name: "fs_walk",
        question: "what does an entry cost on a walk through 111 directories?",
        amount: Amount::Ops(300_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: both!(|path| tree(path, DEPTH), walk),
    },
];

/// A directory of this process, which goes when it is dropped.
struct Place(PathBuf);

impl Place {
    fn new(make: impl FnOnce(&Path) -> io::Result<()>) -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        // Relaxed: a number of its own is all that is wanted.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("loxley-benches-{}-{number}", std::process::id());
        let place = Self(std::env::temp_dir().join(name));
        fs::create_dir(&place.0)
            .and_then(|()| make(&place.0))
            .unwrap_or_else(|error| panic!("cannot fill {}: {error}", place.0.display()));
        place
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn file(place: &Path, bytes: usize) -> io::Result<()> {
    fs::write(place.join("file"), vec![7; bytes])
}

/// A directory with files and, unless it is a leaf, with directories like it.
fn tree(place: &Path, depth: usize) -> io::Result<()> {
    for number in 0..FILES {
        fs::write(place.join(format!("file{number}")), b"")?;
    }
    for number in (0..FAN_OUT).filter(|_| depth > 0) {
        let child = place.join(format!("directory{number}"));
        fs::create_dir(&child)?;
        tree(&child, depth - 1)?;
    }
    Ok(())
}
