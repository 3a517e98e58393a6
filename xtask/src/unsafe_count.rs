//! `unsafe`: how often each file says `unsafe`, against a checked-in list.
//!
//! The list makes every new block a line in the change that somebody reads. Inside the core the word also has
//! its places: a file elsewhere is refused, and `--bless` does not help there.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{self, root};
use crate::gate::{Options, Outcome, Verdict};
use crate::source::{self, File, is_word};

const LIST: &str = "xtask/unsafe-count.txt";

/// Where the sources are; generated and vendored files have no place among them.
const SOURCES: &[&str] = &[
    "crates",
    "tour",
    "examples",
    "benches",
    "loom-tests",
    "xtask",
];

/// Where the core may say it.
const CORE: &str = "crates/loxley-core/src/";
const CORE_PLACES: &[&str] = &["task/", "queue/", "timer/wheel.rs", "poller/source.rs"];

type Counts = BTreeMap<String, usize>;

/// `unsafe`
pub(crate) fn gate(options: &Options) -> Outcome {
    let mut files = Vec::new();
    for below in SOURCES {
        files.extend(source::files(below)?);
    }
    let seen = count(&files);
    let displaced = displaced(&seen);
    if !displaced.is_empty() {
        return Err(format!(
            "the core says `unsafe` only in {} and the modules named os:\n{}",
            CORE_PLACES.join(", "),
            displaced.join("\n")
        ));
    }
    if options.bless {
        let path = root().join(LIST);
        fs::write(&path, written(&seen))
            .map_err(|error| format!("cannot write {LIST}: {error}"))?;
        return Ok(Verdict::Passed(format!("{LIST} written")));
    }
    let listed = parse(&command::read(LIST)?)?;
    let differences = differences(&listed, &seen);
    if differences.is_empty() {
        let total: usize = seen.values().sum();
        Ok(Verdict::Passed(format!("{total} in {} files", seen.len())))
    } else {
        Err(format!(
            "{LIST} says otherwise; if the change is meant, run `cargo xtask unsafe --bless`:\n{}",
            differences.join("\n")
        ))
    }
}

/// Files that say it, and how often; tests count too.
fn count(files: &[File]) -> Counts {
    files
        .iter()
        .map(|file| (file.path.clone(), count_in(&file.text)))
        .filter(|(_, count)| *count > 0)
        .collect()
}

fn count_in(text: &str) -> usize {
    source::code(text)
        .split(|character| !is_word(character))
        .filter(|word| *word == "unsafe")
        .count()
}

/// Files of the core that say it and may not.
fn displaced(seen: &Counts) -> Vec<String> {
    seen.keys()
        .filter_map(|path| Some((path, path.strip_prefix(CORE)?)))
        .filter(|(_, place)| {
            !place.ends_with("/os.rs")
                && !place.contains("/os/")
                && !CORE_PLACES.iter().any(|may| place.starts_with(may))
        })
        .map(|(path, _)| path.clone())
        .collect()
}

fn parse(list: &str) -> Result<Counts, String> {
    list.lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| {
            line.split_once(' ')
                .and_then(|(count, path)| Some((path.trim().to_string(), count.parse().ok()?)))
                .ok_or_else(|| format!("{LIST}: not a count and a path: {line}"))
        })
        .collect()
}

fn written(seen: &Counts) -> String {
    let mut text = String::from(
        "# How often each file says `unsafe`; written by `cargo xtask unsafe --bless`.\n",
    );
    for (path, count) in seen {
        text.push_str(&format!("{count} {path}\n"));
    }
    text
}

fn differences(listed: &Counts, seen: &Counts) -> Vec<String> {
    let mut paths: Vec<&String> = listed.keys().chain(seen.keys()).collect();
    paths.sort();
    paths.dedup();
    paths
        .into_iter()
        .map(|path| {
            let count = |counts: &Counts| counts.get(path).copied().unwrap_or(0);
            (path, count(listed), count(seen))
        })
        .filter(|(_, listed, seen)| listed != seen)
        .map(|(path, listed, seen)| format!("{path}: listed {listed}, now {seen}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(list: &[(&str, usize)]) -> Counts {
        list.iter()
            .map(|(path, count)| (path.to_string(), *count))
            .collect()
    }

    #[test]
    fn the_word_is_counted_in_code_alone() {
        let text = "//! unsafe\n#![deny(unsafe_code)]\nunsafe fn f() { unsafe { g(\"unsafe\") } }\nunsafe impl S {}";
        assert_eq!(count_in(text), 3);
    }

    #[test]
    fn one_more_one_less_and_a_new_file_are_differences() {
        let listed = counts(&[("a.rs", 2), ("b.rs", 1)]);
        assert!(differences(&listed, &listed).is_empty());
        for seen in [
            counts(&[("a.rs", 3), ("b.rs", 1)]),
            counts(&[("a.rs", 2)]),
            counts(&[("a.rs", 2), ("b.rs", 1), ("c.rs", 1)]),
        ] {
            assert_eq!(differences(&listed, &seen).len(), 1, "{seen:?}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let seen = counts(&[("crates/a.rs", 12), ("b c.rs", 1)]);
        assert_eq!(parse(&written(&seen)), Ok(seen));
        assert!(parse("twelve a.rs").is_err());
    }

    #[test]
    fn the_core_has_places_for_it() {
        let path = |place: &str| (format!("{CORE}{place}"), 1);
        let good = [
            "task/raw.rs",
            "queue/slot.rs",
            "timer/wheel.rs",
            "poller/os.rs",
        ];
        let bad = [
            "worker.rs",
            "timer.rs",
            "poller/slab.rs",
            "macos.rs",
            "multitask/a.rs",
        ];
        assert!(displaced(&good.iter().map(|place| path(place)).collect()).is_empty());
        assert_eq!(
            displaced(&bad.iter().map(|place| path(place)).collect()).len(),
            bad.len()
        );
    }
}
