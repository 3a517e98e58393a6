//! `museum`: what broke in other runtimes, what can fail, and what is promised, each with the test that guards it.
//!
//! Three pages are tables: a number or name, what it is about, and the evidence. Evidence is one or more tests,
//! `` `file.rs::name` ``, the file by any end of its path; or, after `Not here:`, a sentence why there is nothing to test.
//! The gate reads the pages and the sources: every row must be there, in order, and every test must be in the tree.

use std::collections::HashSet;

use crate::command;
use crate::gate::{Options, Outcome, Verdict};
use crate::source::{self, File};

const SOURCES: &[&str] = &["crates", "tour", "loom-tests", "xtask"];

/// A sentence that stands for a test begins so.
const REASON: &str = "Not here: ";
/// And says at least so much.
const SHORTEST: usize = 30;

/// `museum`
pub(crate) fn gate(_: &Options) -> Outcome {
    let mut files = Vec::new();
    for below in SOURCES {
        files.extend(source::files(below)?);
    }
    let tests = tests(&files);
    let mut problems = Vec::new();
    let (mut rows, mut named) = (0, 0);
    for (page, wanted) in pages() {
        let text = command::read(page)?;
        match check(&text, &wanted, &tests) {
            Ok(count) => named += count,
            Err(found) => problems.extend(found.iter().map(|it| format!("{page}: {it}"))),
        }
        rows += wanted.len();
    }
    if problems.is_empty() {
        Ok(Verdict::Passed(format!(
            "{rows} rows, {named} tests named, all of them there"
        )))
    } else {
        Err(problems.join("\n"))
    }
}

/// Each page with the first cells of its rows.
fn pages() -> Vec<(&'static str, Vec<String>)> {
    let numbers = |last: usize| (1..=last).map(|number| number.to_string()).collect();
    let laws = (1..=17).filter(|law| *law != 12).chain(21..=28);
    vec![
        ("docs/bugs-of-the-field.md", numbers(118)),
        ("docs/faults.md", numbers(62)),
        (
            "docs/behaviour.md",
            laws.map(|law| format!("C{law:02}")).collect(),
        ),
    ]
}

/// How many tests a page names; what is wrong with it.
fn check(
    text: &str,
    wanted: &[String],
    tests: &HashSet<(String, String)>,
) -> Result<usize, Vec<String>> {
    let rows: Vec<Vec<&str>> = text.lines().filter_map(row).collect();
    let mut problems = Vec::new();
    let found: Vec<&str> = rows.iter().map(|row| row[0]).collect();
    if found != wanted {
        let at = wanted
            .iter()
            .zip(found.iter().chain(std::iter::repeat(&"nothing")))
            .find(|(wanted, found)| wanted != found);
        problems.push(match at {
            Some((wanted, found)) => format!("row {wanted} is missing: {found} is in its place"),
            None => format!("{} rows too many", found.len() - wanted.len()),
        });
    }
    let mut named = 0;
    for row in &rows {
        let evidence = row[row.len() - 1];
        let (count, unknown) = look_up(evidence, tests);
        named += count;
        for test in unknown {
            problems.push(format!("row {}: there is no test `{test}`", row[0]));
        }
        let reason = evidence
            .split_once(REASON)
            .is_some_and(|(_, why)| why.len() >= SHORTEST);
        if row.len() != 3 || (count == 0 && !reason) {
            problems.push(format!(
                "row {} needs three cells, and in the last one a test or `{REASON}` with a reason",
                row[0]
            ));
        }
    }
    if problems.is_empty() {
        Ok(named)
    } else {
        Err(problems)
    }
}

/// The cells of a row that begins with a number or the name of a law.
fn row(line: &str) -> Option<Vec<&str>> {
    let line = line.trim().strip_prefix('|')?.strip_suffix('|')?;
    let cells: Vec<&str> = line.split('|').map(str::trim).collect();
    let name = cells[0].strip_prefix('C').unwrap_or(cells[0]);
    let is_number = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some(cells)
}

/// How many tests of a cell there are, and those that there are not.
fn look_up<'a>(cell: &'a str, tests: &HashSet<(String, String)>) -> (usize, Vec<&'a str>) {
    let words = cell.split('`').skip(1).step_by(2);
    let named = words.filter(|word| word.contains(".rs::"));
    let (known, unknown): (Vec<_>, Vec<_>) = named.partition(|word| {
        word.split_once("::").is_some_and(|(file, name)| {
            tests
                .iter()
                .any(|(path, test)| test == name && is_end(path, file))
        })
    });
    (known.len(), unknown)
}

/// True if `end` is some last folders and the name of the file.
fn is_end(path: &str, end: &str) -> bool {
    path.strip_suffix(end)
        .is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// Path and name of every test.
fn tests(files: &[File]) -> HashSet<(String, String)> {
    let mut tests = HashSet::new();
    for file in files {
        let mut marked = false;
        for line in source::code(&file.text).lines().map(str::trim) {
            if line.starts_with("#[test]") || (line.starts_with("#[") && line.contains("::test")) {
                marked = true;
            } else if let Some(name) = function(line) {
                if std::mem::take(&mut marked) {
                    tests.insert((file.path.clone(), name.to_owned()));
                }
            }
        }
    }
    tests
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("pub ").unwrap_or(line);
    let rest = rest.strip_prefix("async ").unwrap_or(rest);
    rest.strip_prefix("fn ")?.split(['(', '<']).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree() -> HashSet<(String, String)> {
        let text = "#[test]\nfn a_law() {}\nfn a_helper() {}\n// #[test]\nfn a_ghost() {}\n\
                    #[loxley::test(worker_threads = 2)]\nasync fn another() {}\n";
        tests(&[File {
            path: "crates/x/tests/y.rs".into(),
            text: text.into(),
        }])
    }

    fn checked(page: &str, last: usize) -> Result<usize, Vec<String>> {
        let wanted: Vec<_> = (1..=last).map(|number| number.to_string()).collect();
        check(page, &wanted, &tree())
    }

    #[test]
    fn tests_are_found_and_helpers_are_not() {
        let names: HashSet<_> = tree().into_iter().map(|(_, name)| name).collect();
        assert_eq!(
            names,
            HashSet::from(["a_law".to_owned(), "another".to_owned()])
        );
    }

    #[test]
    fn a_page_with_every_row_and_every_test_passes() {
        let page = "| # | bug | evidence |\n|---|---|---|\n| 1 | a | `tests/y.rs::a_law`, `y.rs::another` |\n\
                    | 2 | b | Not here: there is no such thing as a queue that grows. |\n";
        assert_eq!(checked(page, 2), Ok(2));
    }

    #[test]
    fn a_gap_and_a_row_too_many_are_found() {
        let page = "| 1 | a | `y.rs::a_law` |\n| 3 | b | `y.rs::a_law` |\n";
        assert!(checked(page, 3).unwrap_err()[0].contains("row 2"));
        assert!(checked(page, 1).unwrap_err()[0].contains("too many"));
        assert!(checked("", 1).is_err());
    }

    #[test]
    fn a_row_without_evidence_is_found() {
        for evidence in ["", "certainly", "Not here: no.", "`y.rs`"] {
            let page = format!("| 1 | a | {evidence} |\n");
            assert!(checked(&page, 1).is_err(), "{evidence}");
        }
        assert!(checked("| 1 | `y.rs::a_law` |\n", 1).is_err());
    }

    #[test]
    fn a_test_that_is_not_there_is_named() {
        for test in [
            "y.rs::a_ghost",
            "y.rs::a_helper",
            "z.rs::a_law",
            "s/y.rs::gone",
        ] {
            let page = format!("| 1 | a | `{test}`, `y.rs::a_law` |\n");
            let problems = checked(&page, 1).unwrap_err();
            assert!(problems[0].contains(test), "{problems:?}");
        }
    }
}
