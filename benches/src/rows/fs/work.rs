//! The workloads, for the library that the module above calls `lib`.

use std::path::PathBuf;

use super::super::{LARGE, READ, SMALL};
use super::lib::fs::{self, File};
use super::lib::io::AsyncReadExt;
use super::lib::task::JoinSet;

pub async fn read_whole(place: PathBuf, ops: u64, tasks: u64) {
    let path = place.join("file");
    let mut set = JoinSet::new();
    for task in 0..tasks {
        let path = path.clone();
        // The first ones do what is left over.
        let turns = ops / tasks + u64::from(task < ops % tasks);
        set.spawn(async move {
            for _ in 0..turns {
                let bytes = fs::read(&path).await.expect("the file is there");
                assert_eq!(bytes.len(), SMALL);
            }
        });
    }
    while let Some(ended) = set.join_next().await {
        ended.expect("nobody panics");
    }
}

pub async fn read_stream(place: PathBuf, ops: u64) {
    let path = place.join("file");
    let mut buffer = vec![0; READ];
    let mut left = ops;
    while left > 0 {
        let mut file = File::open(&path).await.expect("the file is there");
        let mut found = 0;
        while left > 0 {
            let bytes = file.read(&mut buffer).await.expect("the file is readable");
            if bytes == 0 {
                assert_eq!(found, LARGE, "the whole file");
                break;
            }
            found += bytes;
            left -= 1;
        }
    }
}

/// Walks until so many entries were seen, from the root again whenever all were.
pub async fn walk(place: PathBuf, ops: u64) {
    let mut left = ops;
    while left > 0 {
        let mut directories = vec![place.clone()];
        while let Some(directory) = directories.pop() {
            let mut entries = fs::read_dir(directory).await.expect("it is there");
            while let Some(entry) = entries.next_entry().await.expect("it is readable") {
                let kind = entry.file_type().await.expect("the system says so");
                if kind.is_dir() {
                    directories.push(entry.path());
                }
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    }
}
