//! Records of checks that take too long for every build: one line per thing checked, with the commit.
//!
//! A record is a text file below `docs/proof`: `NAME: what was seen [COMMIT, TREE, DATE]`. The tree is git's hash of
//! the core's source, so anybody can tell whether the line speaks of what is there now.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{program_in_root, root, stdout};

/// The core's source, as git names it.
pub(crate) const CORE: &str = "crates/loxley-core/src";

/// One file of records.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record {
    pub(crate) path: &'static str,
    /// The first line, which says what the file is.
    pub(crate) head: &'static str,
}

impl Record {
    /// Replaces the line of `name`, at the present commit.
    pub(crate) fn enter(&self, name: &str, seen: &str) -> Result<(), String> {
        let mut lines = self.lines();
        lines.insert(name.into(), format!("{seen} [{}]", Origin::here()?));
        let mut text = format!("# {}\n", self.head);
        for (name, line) in lines {
            text.push_str(&format!("{name}: {line}\n"));
        }
        fs::write(root().join(self.path), text)
            .map_err(|error| format!("cannot write {}: {error}", self.path))
    }

    /// What is written down, by name.
    pub(crate) fn lines(&self) -> BTreeMap<String, String> {
        let text = fs::read_to_string(root().join(self.path)).unwrap_or_default();
        parse(&text)
    }
}

pub(crate) fn parse(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(": "))
        .map(|(name, seen)| (name.into(), seen.into()))
        .collect()
}

/// What a line was seen with: commit, the core's tree, day.
struct Origin {
    commit: String,
    tree: String,
    day: String,
}

impl Origin {
    fn here() -> Result<Self, String> {
        let git = |args: &[&str]| {
            let said = stdout(program_in_root("git", args))?;
            Ok::<_, String>(said.trim().to_owned())
        };
        let day = stdout(program_in_root("date", &["-u", "+%F"]))?;
        Ok(Self {
            commit: git(&["rev-parse", "--short=12", "HEAD"])?,
            tree: git(&["rev-parse", "--short=12", &format!("HEAD:{CORE}")])?,
            day: day.trim().into(),
        })
    }
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "commit {}, core {}, {}",
            self.commit, self.tree, self.day
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_by_name() {
        let lines = parse("# head: of the file\naddress: 12 tests [commit a]\n\nleak: x\n");
        assert_eq!(lines.len(), 2);
        assert_eq!(lines["address"], "12 tests [commit a]");
    }
}
