//! `verification`: writes `docs/verification.md`, the page that says what is proved, how, and what is not.
//!
//! Nothing of it is typed: the invariants and where their evidence lies are read from `docs/proof/invariants.txt`, what
//! the long checks saw from the records beside it, the rest from the sources. Evidence that is not in the tree is an
//! error, of this command and of a test.

use std::collections::BTreeMap;
use std::fs;
use std::process::ExitCode;

use crate::command::{program_in_root, read, root, stdout};
use crate::proof::{CORE, parse};
use crate::{loom, mutants, orderings, source};

const INVARIANTS: &str = "docs/proof/invariants.txt";
const PAGE: &str = "docs/verification.md";

/// `verification`
pub(crate) fn command() -> ExitCode {
    match page().and_then(|page| {
        fs::write(root().join(PAGE), page).map_err(|error| format!("cannot write {PAGE}: {error}"))
    }) {
        Ok(()) => {
            println!("{PAGE} written");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// A sentence that must hold, and the names of its evidence by kind.
#[derive(Debug, PartialEq)]
struct Invariant {
    sentence: String,
    evidence: BTreeMap<String, Vec<String>>,
}

impl Invariant {
    fn of(&self, kind: &str) -> &[String] {
        self.evidence.get(kind).map_or(&[], Vec::as_slice)
    }
}

/// Paragraphs: the sentence, then one line per kind of evidence.
fn invariants(text: &str) -> Result<Vec<Invariant>, String> {
    let text: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    let paragraphs = text.split(|line| line.is_empty());
    paragraphs
        .filter_map(|lines| lines.split_first())
        .map(|(sentence, lines)| {
            let mut evidence = BTreeMap::new();
            for line in lines {
                let (kind, names) = line
                    .split_once(": ")
                    .filter(|(kind, _)| KINDS.contains(kind))
                    .ok_or_else(|| format!("{INVARIANTS}: what kind of evidence is {line:?}?"))?;
                let names = names.split(' ').map(String::from).collect();
                evidence.insert(kind.into(), names);
            }
            Ok(Invariant {
                sentence: (*sentence).into(),
                evidence,
            })
        })
        .collect()
}

const KINDS: [&str; 5] = ["models", "tests", "protocols", "fuzz", "orderings"];

/// Functions by file: the path from the root, and the text.
struct Tree(BTreeMap<String, String>);

impl Tree {
    fn read() -> Result<Self, String> {
        let mut files = BTreeMap::new();
        for below in ["crates", "loom-tests/tests", "fuzz/src"] {
            for file in source::files(below)? {
                files.insert(file.path, file.text);
            }
        }
        Ok(Self(files))
    }

    /// The file that a name of the list means.
    fn file(&self, kind: &str, name: &str) -> Option<&str> {
        let file = name.split("::").next().unwrap_or(name);
        let ends: [String; 2] = match kind {
            "models" => [format!("loom-tests/tests/{file}.rs"), String::new()],
            "protocols" => ["loom-tests/tests/protocol.rs".into(), String::new()],
            "fuzz" => [format!("fuzz/src/{file}.rs"), String::new()],
            "orderings" => [format!("{CORE}/{file}"), String::new()],
            _ => [file.into(), format!("/tests/{file}.rs")],
        };
        let is_it =
            |path: &str| path == ends[0] || (!ends[1].is_empty() && path.ends_with(&ends[1]));
        let (_, text) = self.0.iter().find(|(path, _)| is_it(path))?;
        Some(text)
    }

    /// What is missing of the evidence.
    fn missing(&self, invariant: &Invariant) -> Vec<String> {
        let mut missing = Vec::new();
        for (kind, names) in &invariant.evidence {
            for name in names {
                let function = match &**kind {
                    "protocols" => Some(&**name),
                    _ => name.split_once("::").map(|(_, function)| function),
                };
                let found = self.file(kind, name).is_some_and(|text| {
                    function.is_none_or(|function| text.contains(&format!("fn {function}()")))
                });
                if !found {
                    missing.push(format!("{}: there is no {kind} {name}", invariant.sentence));
                }
            }
        }
        missing
    }

    /// Tests of a file that are twins, and the others; one if the name is that of a function.
    fn tests(&self, kind: &str, name: &str) -> (usize, usize) {
        if name.contains("::") || kind == "protocols" {
            return (0, 1);
        }
        let text = self.file(kind, name).unwrap_or_default();
        let all = text.matches("#[test]").count();
        let twins = text.matches("fn twin_").count();
        (twins, all.saturating_sub(twins))
    }
}

/// All that an invariant stands on, as cells of a table.
fn row(invariant: &Invariant, tree: &Tree, executions: &BTreeMap<String, u64>) -> String {
    let sum = |kind: &str| {
        let counts = invariant.of(kind).iter().map(|name| tree.tests(kind, name));
        counts.fold((0, 0), |sum, count| (sum.0 + count.0, sum.1 + count.1))
    };
    let (twins, models) = sum("models");
    let counted: Vec<u64> = invariant
        .of("models")
        .iter()
        .map(|module| format!("{}::", module.replace('/', "::")))
        .flat_map(|prefix| {
            executions
                .iter()
                .filter(move |(name, _)| name.starts_with(&prefix))
        })
        .map(|(_, count)| *count)
        .collect();
    let explored = grouped(counted.iter().sum());
    let (_, tests) = sum("tests");
    let (_, protocols) = sum("protocols");
    let models = match models {
        0 => "–".into(),
        models => {
            let explored = match counted.len() {
                0 => "not counted yet".into(),
                all if all >= models => format!("{explored} executions"),
                some => format!("{some} of them counted: {explored} executions"),
            };
            format!("{models} models and {twins} twins, {explored}")
        }
    };
    let protocols = match protocols {
        0 => String::new(),
        count => format!("; {count} protocols with up to five threads"),
    };
    let fuzz = match invariant.of("fuzz") {
        [] => "–".into(),
        targets => format!("`{}`", targets.join("`, `")),
    };
    let names: Vec<_> = invariant
        .of("tests")
        .iter()
        .map(|name| shown(name))
        .collect();
    format!(
        "| {} | {models}{protocols} | {tests}: {} | {fuzz} |\n",
        invariant.sentence,
        names.join(", ")
    )
}

/// A test as a reader looks for it: the last part of the path.
fn shown(name: &str) -> String {
    format!("`{}`", name.rsplit('/').next().unwrap_or(name))
}

/// Thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn page() -> Result<String, String> {
    let tree = Tree::read()?;
    let invariants = invariants(&read(INVARIANTS)?)?;
    let missing: Vec<_> = invariants.iter().flat_map(|it| tree.missing(it)).collect();
    if !missing.is_empty() {
        return Err(missing.join("\n"));
    }
    let git =
        |args: &[&str]| stdout(program_in_root("git", args)).map(|said| said.trim().to_owned());
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    let core = git(&["rev-parse", "--short=12", &format!("HEAD:{CORE}")])?;
    let day = stdout(program_in_root("date", &["-u", "+%F"]))?;
    let executions = loom::record();
    let mut text = format!(
        "# Verification\n\n\
         Made by `cargo xtask verification` on {}, at commit {commit} (core {core}). Do not edit.\n\n\
         ## Invariants\n\n\
         A *model* is the real code under loom, every order of two or three threads within its bound; a *twin* is the same\n\
         with one step removed, and must fail. {} models have explored {} executions.\n\n\
         | what must hold | models | tests | fuzz targets |\n|---|---|---|---|\n",
        day.trim(),
        executions.len(),
        grouped(executions.values().sum()),
    );
    for invariant in &invariants {
        text.push_str(&row(invariant, &tree, &executions));
    }
    text.push_str("\n## What takes too long for every build\n\n");
    text.push_str(
        "Seen at the commit in brackets; `core` is git's name of the core's source then.\n\n",
    );
    text.push_str("| check | command | seen |\n|---|---|---|\n");
    for (check, command, path) in RECORDS {
        let lines = parse(&fs::read_to_string(root().join(path)).unwrap_or_default());
        if lines.is_empty() {
            text.push_str(&format!("| {check} | `{command}` | no run is recorded |\n"));
        }
        for (name, seen) in lines {
            let seen = seen.replace('|', "\\|");
            text.push_str(&format!("| {check}: {name} | `{command}` | {seen} |\n"));
        }
    }
    let orderings = orderings::summary()?;
    text.push_str(&format!(
        "| orderings | `cargo xtask orderings` | {orderings} |\n"
    ));
    for (file, seen) in mutants::lines() {
        text.push_str(&format!(
            "| mutants: {file} | `cargo xtask mutants` | {seen} |\n"
        ));
    }
    text.push_str("\n## What others have met\n\n");
    text.push_str(
        "| list | rows | with a test here | cannot exist here, and why |\n|---|---|---|---|\n",
    );
    for (name, path) in [
        ("bugs", "docs/bugs-of-the-field.md"),
        ("faults", "docs/faults.md"),
    ] {
        let (rows, excused) = museum(&fs::read_to_string(root().join(path)).unwrap_or_default());
        let name = match root().join(path).exists() {
            true => format!("[{name}]({})", path.trim_start_matches("docs/")),
            false => format!("{name}: no list yet"),
        };
        text.push_str(&format!(
            "| {name} | {rows} | {} | {excused} |\n",
            rows - excused
        ));
    }
    text.push_str(GAPS);
    Ok(text)
}

/// Checks that leave a record.
const RECORDS: [(&str, &str, &str); 2] = [
    (
        "sanitizer",
        "cargo xtask sanitize`, `cargo xtask leaks --bless",
        "docs/proof/sanitize.txt",
    ),
    (
        "fuzz",
        "cargo xtask fuzz`, `cargo xtask replay --bless",
        "docs/proof/fuzz.txt",
    ),
];

/// Numbered rows of the tables of a page, and those that say why they have no test.
fn museum(page: &str) -> (usize, usize) {
    let rows: Vec<_> = page
        .lines()
        .filter(|line| {
            let first = line
                .strip_prefix("| ")
                .and_then(|line| line.split(' ').next());
            first.is_some_and(|first| first.trim_start_matches('F').parse::<u32>().is_ok())
        })
        .collect();
    let excused = rows.iter().filter(|row| row.contains("| Not here")).count();
    (rows.len(), excused)
}

const GAPS: &str = "\n## Known gaps\n\n\
- **Miri is no gate**; it was run by hand, at 484f8fdd1784, and found nothing in the unit tests of `task` and of the slot, with \
`MIRIFLAGS=\"-Zmiri-strict-provenance -Zmiri-disable-isolation\" cargo +nightly miri test -p loxley-core --lib -- task:: queue::slot \
--skip ids_are_unique`, nor in those of `queue`, with `-Zmiri-permissive-provenance -Zmiri-tree-borrows`, but what crossbeam-epoch had not freed at the \
end: it and parking_lot make pointers out of numbers. Two tests of wakers fail there, for they compare vtables, which have \
several addresses under Miri. The tests of `timer` were not seen to their end.\n\
- loom takes a `SeqCst` access for `AcqRel` (none is in the core; fences are exact), does not explore loads that read from \
later stores of other threads in a cycle, and has at most five threads.\n\
- crossbeam-deque, parking_lot and mio are opaque to loom: models put stand-ins in their place that promise no more than \
they do; stress and the sanitizers see the real ones.\n\
- AddressSanitizer does not look for leaks, LeakSanitizer does, without the unit tests of `worker/`: they leave a scheduler that \
they do not shut down.\n\
- Under ThreadSanitizer a fence is an access to one word, which orders a little more than a fence; std is built for it, too.\n\
- Only Linux was tested, with its own timers and with the portable twin.\n";

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str =
        "# head\n\nI1 It holds.\nmodels: park\ntests: stress a.rs::b\n\nI2 That too.\nfuzz: x\n";

    #[test]
    fn invariants_are_read_by_paragraph() {
        let found = invariants(TEXT).unwrap();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].of("tests"), ["stress", "a.rs::b"]);
        assert!(found[0].of("fuzz").is_empty());
        assert!(invariants("I1 x\nmodel: park\n").is_err());
    }

    #[test]
    fn evidence_that_is_not_there_is_named() {
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        let tree = Tree(BTreeMap::from([
            file(
                "loom-tests/tests/park.rs",
                "#[test]\nfn a() #[test] fn twin_a()",
            ),
            file("crates/x/tests/stress.rs", "#[test] fn c()"),
        ]));
        let found = invariants(TEXT).unwrap();
        let missing = tree.missing(&found[0]);
        assert_eq!(missing, ["I1 It holds.: there is no tests a.rs::b"]);
        assert_eq!(tree.missing(&found[1]).len(), 1);
        assert_eq!(tree.tests("models", "park"), (1, 1));
        let row = row(
            &found[0],
            &tree,
            &BTreeMap::from([("park::a".into(), 1234)]),
        );
        assert!(
            row.contains("1 models and 1 twins, 1,234 executions"),
            "{row}"
        );
    }

    #[test]
    fn the_evidence_of_every_invariant_is_in_the_tree() {
        let tree = Tree::read().unwrap();
        let invariants = invariants(&read(INVARIANTS).unwrap()).unwrap();
        assert!(invariants.len() > 10);
        let missing: Vec<_> = invariants.iter().flat_map(|it| tree.missing(it)).collect();
        assert!(missing.is_empty(), "{missing:#?}");
        for invariant in &invariants {
            assert!(!invariant.evidence.is_empty(), "{}", invariant.sentence);
        }
    }

    #[test]
    fn rows_are_those_with_a_number() {
        let page = "| # | bug | evidence |\n|---|---|---|\n| 1 | x | `a.rs::b` |\n| F2 | y | Not here: z. |\n";
        assert_eq!(museum(page), (2, 1));
    }
}
