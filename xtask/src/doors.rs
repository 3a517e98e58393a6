//! `doors`: in the core, only the doors name what lies outside.
//!
//! Synchronisation (std's, parking_lot's, crossbeam's, loom's) and the system (mio, rustix) are reached through
//! `primitive`, and through the modules named `os` and `model`. Everything else says `crate::primitive`, or a
//! model would check a scheduler that is not the one that ships.

use crate::gate::{Options, Outcome, Verdict};
use crate::paths::{Path, paths};
use crate::source::{self, File};

const CORE: &str = "crates/loxley-core/src";

/// Packages that only a door may name.
const PACKAGES: &[&str] = &[
    "crossbeam_deque",
    "crossbeam_epoch",
    "crossbeam_utils",
    "loom",
    "mio",
    "parking_lot",
    "rustix",
];

/// What only a door may name below `std::sync` and `std::thread`.
const SYNC: &[&str] = &[
    "*",
    "Barrier",
    "Condvar",
    "Mutex",
    "MutexGuard",
    "Once",
    "RwLock",
    "atomic",
    "mpsc",
];
const THREAD: &[&str] = &[
    "*",
    "Builder",
    "JoinHandle",
    "park",
    "park_timeout",
    "scope",
    "sleep",
    "spawn",
    "yield_now",
];

/// `doors`
pub(crate) fn gate(_: &Options) -> Outcome {
    let files = source::files(CORE)?;
    let looked = files.iter().filter(|file| !is_door(&file.path)).count();
    let found: Vec<String> = files.iter().flat_map(findings).collect();
    if found.is_empty() {
        Ok(Verdict::Passed(format!(
            "{looked} files name no door but `primitive`"
        )))
    } else {
        Err(format!(
            "say `crate::primitive` instead, or move it behind a door:\n{}",
            found.join("\n")
        ))
    }
}

fn is_door(path: &str) -> bool {
    path.ends_with("/primitive.rs")
        || path.contains("/primitive/")
        || path.ends_with("/model.rs")
        || path.ends_with("/os.rs")
        || path.contains("/os/")
}

/// One line per forbidden name.
fn findings(file: &File) -> Vec<String> {
    if is_door(&file.path) || source::is_test_file(&file.path) {
        return Vec::new();
    }
    let code = source::without_tests(&source::code(&file.text));
    paths(&code)
        .iter()
        .filter(|path| is_outside(path))
        .map(|path| format!("{}:{}: {}", file.path, path.line, path.text()))
        .collect()
}

fn is_outside(path: &Path) -> bool {
    let words: Vec<&str> = path.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["std" | "core", "sync", name, ..] => SYNC.contains(name),
        ["std", "thread", name, ..] => THREAD.contains(name),
        ["std", "thread_local"] => true,
        [package, ..] => PACKAGES.contains(package),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        findings(&File {
            path: path.into(),
            text: text.into(),
        })
    }

    #[test]
    fn each_kind_of_outside_name_is_found() {
        for bad in [
            "use std::sync::atomic::AtomicUsize;",
            "use std::{fmt, sync::{Arc, Mutex}};",
            "use core::sync::atomic::fence;",
            "fn f() { std::thread::yield_now() }",
            "fn f(x: std::sync::Condvar) {}",
            "use parking_lot::RwLock as L;",
            "use mio::{Poll};",
            "use rustix::fs::OFlags;",
            "use crossbeam_deque as deque;",
            "fn f() { loom::model(|| {}) }",
            "use std::sync::*;",
        ] {
            assert_eq!(
                found("crates/loxley-core/src/idle.rs", bad).len(),
                1,
                "{bad}"
            );
        }
    }

    #[test]
    fn a_finding_names_file_line_and_path() {
        assert_eq!(
            found("src/idle.rs", "//\n\nuse std::sync::{Arc,\n Mutex};"),
            ["src/idle.rs:4: std::sync::Mutex"]
        );
    }

    #[test]
    fn comments_tests_and_harmless_names_are_not_found() {
        let text = "// std::sync::Mutex\nuse std::sync::{Arc, Weak, OnceLock};\nuse crate::primitive::Mutex;\n\
                    use std::thread::Result;\n#[cfg(test)]\nmod tests { use std::sync::Mutex; }";
        assert!(found("src/idle.rs", text).is_empty());
        assert!(found("src/idle/tests.rs", "use std::sync::Mutex;").is_empty());
    }

    #[test]
    fn the_doors_may_name_it() {
        for door in [
            "src/primitive.rs",
            "src/primitive/real.rs",
            "src/queue/model.rs",
            "src/poller/os.rs",
            "src/poller/os/linux.rs",
        ] {
            assert!(found(door, "use std::sync::Mutex;").is_empty(), "{door}");
        }
        assert!(!found("src/macos.rs", "use std::sync::Mutex;").is_empty());
        assert!(!found("src/remodel.rs", "use std::sync::Mutex;").is_empty());
    }
}
