//! `mutants [FILE]...`: the mutants of cargo-mutants in the modules on which the rest stands; none named: all of them.
//!
//! 1. The floors up to these modules become a package of their own below the target directory: they need nothing above
//!    them, and it builds in a fraction of the time. cargo-mutants makes each mutant of a file there and runs the unit tests of
//!    its module. A mutant is *caught* if they fail or do not end.
//! 2. What they have missed, unless a person has given a reason already, is made once more, in the workspace, and shown to
//!    the models of the file: what only loom can see counts too.
//! 3. The account goes to `docs/proof/mutants.txt`, each survivor in a line of its own, behind which a person writes the
//!    reason. A reason stays as long as its mutant survives.
//!
//! A run that was ended goes on where it was, and a later one asks the unexplained survivors alone. A mutant that hangs is asked again
//! too: on a busy machine that may have been the machine. The gate runs none: it takes the record, and fails for a
//! survivor without a reason and for a file in which fewer than 95 of 100 mutants that compile are caught.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::command::{cargo, program_in_root, read, root, stdout, target_directory};
use crate::gate::{Options, Outcome, Verdict};
use crate::orderings::{code, hash};
use crate::proof::CORE;
use crate::{scratch, source};

const RECORD: &str = "docs/proof/mutants.txt";
/// Of the mutants that compile, out of a hundred.
const LEAST_CAUGHT: usize = 95;
/// Seconds after which tests hang; each mutant that does costs so much.
const HUNG: &str = "20";
/// The same for models.
const MODELS_HUNG: &str = "600";
/// Executions after which a model has seen enough of a mutant.
const MOST: &str = "20000";

/// The modules of the package, from the ground up.
const FLOORS: [&str; 10] = [
    "primitive",
    "clock",
    "random",
    "budget",
    "trace",
    "task",
    "park",
    "queue",
    "idle",
    "timer",
];

/// What they need of others.
const MANIFEST: &str = r#"[package]
name = "floors"
version = "0.0.0"
edition = "2024"

[workspace]

[features]
default = ["test-util"]
test-util = []

[lib]
doctest = false

[lints.rust]
unexpected_cfgs = "allow"

[dependencies]
crossbeam-deque = "0.8"
crossbeam-utils = "0.8"
parking_lot = "*"
pin-project-lite = "0.2"
rustix = { version = "1", features = ["event", "mm", "thread", "time"] }
libc = "0.2"
"#;

/// A file, and the files of `loom-tests/tests` that may notice what its unit tests do not.
struct Module {
    file: &'static str,
    /// The unit tests' module; all of the crate's would take longer than building them.
    tests: &'static str,
    models: &'static [&'static str],
}

const MODULES: &[Module] = &[
    Module {
        file: "task/state.rs",
        tests: "task::state",
        models: &["task_state", "task_join"],
    },
    Module {
        file: "timer/wheel.rs",
        tests: "timer",
        models: &["timer"],
    },
    Module {
        file: "timer/entry.rs",
        tests: "timer",
        models: &["timer"],
    },
    Module {
        file: "timer.rs",
        tests: "timer",
        models: &["timer"],
    },
    Module {
        file: "queue/slot.rs",
        tests: "queue",
        models: &["slot"],
    },
    Module {
        file: "queue.rs",
        tests: "queue",
        models: &["queue", "injector"],
    },
    Module {
        file: "idle.rs",
        tests: "idle",
        models: &["idle", "park", "worker", "shutdown"],
    },
];

/// `mutants [FILE]...`, files as paths below the core's `src`.
pub(crate) fn command(files: &[String]) -> ExitCode {
    match run(files) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run(files: &[String]) -> Result<(), String> {
    let is_known = |file: &&String| MODULES.iter().any(|module| module.file == **file);
    if let Some(unknown) = files.iter().find(|file| !is_known(file)) {
        return Err(format!("no mutants are made of {unknown}"));
    }
    let is_asked = |file: &str| files.is_empty() || files.iter().any(|asked| asked == file);
    for module in MODULES.iter().filter(|module| is_asked(module.file)) {
        let mut accounts = record();
        let known = accounts.remove(module.file).unwrap_or_default();
        let mut account = module.run(&known)?;
        account.take_reasons(&known);
        println!("{}: {}", module.file, account.sum());
        accounts.insert(module.file.into(), account);
        fs::write(root().join(RECORD), written(&accounts))
            .map_err(|error| format!("cannot write {RECORD}: {error}"))?;
    }
    Ok(())
}

fn record() -> BTreeMap<String, Account> {
    parse(&fs::read_to_string(root().join(RECORD)).unwrap_or_default())
}

/// `mutants` among the gates.
pub(crate) fn gate(_: &Options) -> Outcome {
    let accounts = record();
    let wrong = accounts.iter().flat_map(|(file, account)| {
        let wrong = account.wrong().into_iter();
        wrong.map(move |wrong| format!("{RECORD}, {file}: {wrong}"))
    });
    let wrong: Vec<_> = wrong.collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n"));
    }
    let is_current = |module: &&Module| {
        let account = accounts.get(module.file);
        account.is_some_and(|account| account.is_of(module.file))
    };
    let sum = |of: fn(&Account) -> usize| accounts.values().map(of).sum::<usize>();
    Ok(Verdict::Passed(format!(
        "{} of {} mutants that compile are caught; {} of {} files are as they were then",
        sum(Account::noticed),
        sum(Account::viable),
        MODULES.iter().filter(is_current).count(),
        MODULES.len()
    )))
}

/// What was seen of each file, for the page on verification.
pub(crate) fn lines() -> Vec<(&'static str, String)> {
    let accounts = record();
    let seen = |module: &Module| {
        let Some(account) = accounts.get(module.file) else {
            return "no run is recorded".into();
        };
        let since = match account.is_of(module.file) {
            true => "",
            false => ", its code has changed since",
        };
        format!("{} [commit {}{since}]", account.sum(), account.commit)
    };
    MODULES
        .iter()
        .map(|module| (module.file, seen(module)))
        .collect()
}

impl Module {
    /// `known`: the account so far.
    fn run(&self, known: &Account) -> Result<Account, String> {
        let directory = target_directory()?.join("mutants-seen");
        let directory = directory.join(self.file.replace('/', "-"));
        let source = read(&format!("{CORE}/{}", self.file))?;
        let floors = floors()?;
        let all = self.list(&floors, &source)?;
        let mut tests = Seen::open(directory.join("tests"))?;
        let open = unexplained(&tests.open_of(&all), known);
        tests.ask(&open, |args| self.tests(&floors, args))?;
        let missed = tests.missed_of(&all);
        let mut models = Seen::open(directory.join("models"))?;
        models.ask(&unexplained(&missed, known), |args| self.models(args))?;
        let survivors = models.missed_of(&missed);
        let commit = stdout(program_in_root("git", &["rev-parse", "--short=12", "HEAD"]))?;
        let unviable = all.intersection(&tests.unviable).count();
        Ok(Account {
            hash: hash(&source),
            commit: commit.trim().into(),
            by_tests: all.len() - missed.len() - unviable,
            by_models: missed.len() - survivors.len(),
            unviable,
            missed: survivors
                .into_iter()
                .map(|name| (name, String::new()))
                .collect(),
        })
    }

    /// All that cargo-mutants makes of the file, without its tests.
    fn list(&self, floors: &Path, source: &str) -> Result<BTreeSet<String>, String> {
        let mut list = self.cargo_mutants(&format!("src/{}", self.file));
        list.arg("--list").current_dir(floors);
        let said = stdout(list)?;
        let end = code(source).len();
        let is_code = |name: &&str| line(name).is_some_and(|line| line <= end);
        let names = said.lines().map(placed).filter(is_code);
        let all: BTreeSet<_> = names.map(String::from).collect();
        match all.is_empty() {
            true => Err(format!("cargo-mutants makes nothing of {}", self.file)),
            false => Ok(all),
        }
    }

    /// The unit tests.
    fn tests(&self, floors: &Path, args: &[String]) -> Command {
        let mut command = self.cargo_mutants(&format!("src/{}", self.file));
        command
            .args(args)
            .current_dir(floors)
            .env("CARGO_TARGET_DIR", floors.join("target"))
            .env("CARGO_PROFILE_DEV_DEBUG", "0")
            .env("LOXLEY_TEST_SHORT", "1")
            // Each caught mutant panics, and finding the lines takes longer than the tests.
            .env("RUST_BACKTRACE", "0")
            .args(["--", "--", &format!("{}::tests", self.tests)])
            // The first failure decides, although a test beside it waits for what will never come.
            .env("RUSTC_BOOTSTRAP", "1")
            .args(["-Zunstable-options", "--fail-fast", "--test-threads=4"]);
        command
    }

    /// The models of the file.
    fn models(&self, args: &[String]) -> Command {
        let mut command = self.cargo_mutants(&format!("{CORE}/{}", self.file));
        command
            .args(args)
            .env("RUSTFLAGS", "--cfg loxley_loom")
            .env("LOOM_MAX_PREEMPTIONS", "2")
            .env("LOXLEY_MOST", MOST)
            .env("LOXLEY_NO_TWINS", "1")
            .env("CARGO_INCREMENTAL", "1")
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        // Without a package it looks into the default members alone. The tree without mutants it would test by the package
        // of the file, which has no models; the gate `loom` has seen them pass.
        command.args(["--package", "loxley-core", "--test-package", "loom-tests"]);
        command.args(["--baseline", "skip", "--timeout", MODELS_HUNG]);
        command.args(["--profile", "release"]);
        command.args(["--features", "loom", "--", "--test", "models", "--"]);
        command.args(self.models.iter().map(|model| format!("{model}::")));
        command
    }

    fn cargo_mutants(&self, path: &str) -> Command {
        let mut command = cargo(&["mutants", "--colors=never", "--file", path]);
        // What an operator makes of a mutant may be unused. A busy moment of the machine is not a hang: the tests take
        // less than a second.
        command.args(["--cap-lints=true", "--minimum-test-timeout", HUNG]);
        command
    }
}

/// The package of the lower floors; where it is.
fn floors() -> Result<PathBuf, String> {
    let modules = FLOORS.map(|floor| format!("mod {floor};\n")).concat();
    let head = "#![allow(dead_code, unused_imports, reason = \"what is used is above\")]\n";
    let mut files = vec![
        (String::from("Cargo.toml"), String::from(MANIFEST)),
        ("src/lib.rs".into(), format!("{head}{modules}")),
    ];
    for file in source::files(CORE)? {
        let path = file.path.trim_start_matches(CORE).trim_start_matches('/');
        let floor = path.split(['/', '.']).next().unwrap_or_default();
        if FLOORS.contains(&floor) {
            files.push((format!("src/{path}"), file.text));
        }
    }
    scratch::prepare("floors", &files)
}

/// What has been seen of the mutants of one file, in all runs.
#[derive(Debug, Default)]
struct Seen {
    directory: PathBuf,
    caught: BTreeSet<String>,
    unviable: BTreeSet<String>,
    /// In the last run alone.
    hung: BTreeSet<String>,
    /// In the last run alone.
    survived: BTreeSet<String>,
}

impl Seen {
    fn open(directory: PathBuf) -> Result<Self, String> {
        fs::create_dir_all(&directory)
            .map_err(|error| format!("cannot make {}: {error}", directory.display()))?;
        let mut seen = Self {
            directory,
            ..Self::default()
        };
        seen.gather()?;
        Ok(seen)
    }

    /// Runs cargo-mutants on what is open of these; that it has missed some, or that some did not end, is no failure.
    fn ask(
        &mut self,
        all: &BTreeSet<String>,
        command: impl FnOnce(&[String]) -> Command,
    ) -> Result<(), String> {
        let names = self.open_of(all);
        if names.is_empty() {
            return Ok(());
        }
        let mut args = vec![format!("--output={}", self.directory.display())];
        args.extend(names.iter().map(|name| format!("--re=:{}$", escaped(name))));
        let status = command(&args)
            .status()
            .map_err(|error| format!("cannot start cargo-mutants: {error}"))?;
        self.gather()?;
        match (status.code(), self.passed_over(&names)) {
            (Some(0 | 2 | 3), None) => Ok(()),
            (Some(0 | 2 | 3), Some(name)) => Err(format!("cargo-mutants has not made {name}")),
            _ => Err(format!("cargo-mutants ended with {status}")),
        }
    }

    /// Takes over what the last run has left, and writes down what is known in all.
    fn gather(&mut self) -> Result<(), String> {
        let known = |kind: &str| {
            let run = names(&self.directory.join(format!("mutants.out/{kind}.txt")));
            let before = names(&self.directory.join(format!("{kind}.txt")));
            run.into_iter().chain(before).collect::<BTreeSet<_>>()
        };
        (self.caught, self.unviable) = (known("caught"), known("unviable"));
        self.hung = names(&self.directory.join("mutants.out/timeout.txt"));
        self.survived = names(&self.directory.join("mutants.out/missed.txt"));
        for (kind, names) in [("caught", &self.caught), ("unviable", &self.unviable)] {
            let path = self.directory.join(format!("{kind}.txt"));
            let text: String = names.iter().map(|name| format!("{name}\n")).collect();
            fs::write(&path, text)
                .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        }
        Ok(())
    }

    /// Those to ask.
    fn open_of(&self, all: &BTreeSet<String>) -> BTreeSet<String> {
        let is_open =
            |name: &&String| !self.caught.contains(*name) && !self.unviable.contains(*name);
        all.iter().filter(is_open).cloned().collect()
    }

    /// One of those asked of which the run says nothing: it would count as one that nothing notices.
    fn passed_over<'a>(&self, asked: &'a BTreeSet<String>) -> Option<&'a String> {
        let seen = [&self.caught, &self.unviable, &self.hung, &self.survived];
        let is_seen = |name: &String| seen.iter().any(|names| names.contains(name));
        asked.iter().find(|name| !is_seen(name))
    }

    /// Those that nothing has noticed.
    fn missed_of(&self, all: &BTreeSet<String>) -> BTreeSet<String> {
        let mut missed = self.open_of(all);
        missed.retain(|name| !self.hung.contains(name));
        missed
    }
}

/// Those that nobody has given a reason for.
fn unexplained(missed: &BTreeSet<String>, known: &Account) -> BTreeSet<String> {
    let mut account = Account {
        missed: missed
            .iter()
            .map(|name| (name.clone(), String::new()))
            .collect(),
        ..Account::default()
    };
    account.take_reasons(known);
    let open = account
        .missed
        .into_iter()
        .filter(|(_, reason)| reason.is_empty());
    open.map(|(name, _)| name).collect()
}

/// The mutants that a file lists, none if it is not there.
fn names(path: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|name| placed(name).into()).collect()
}

/// A name without the file: `LINE:COLUMN: WHAT`.
fn placed(name: &str) -> &str {
    name.split_once(".rs:").map_or(name, |(_, placed)| placed)
}

fn line(placed: &str) -> Option<usize> {
    placed.split(':').next()?.parse().ok()
}

/// What was changed, wherever it stands.
fn what(placed: &str) -> &str {
    placed.split_once(": ").map_or(placed, |(_, what)| what)
}

/// A regular expression for this text alone.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        if "\\.+*?()|[]{}^$#&-~".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// What became of the mutants of a file.
#[derive(Clone, Debug, Default, PartialEq)]
struct Account {
    /// Of the file's code.
    hash: String,
    commit: String,
    by_tests: usize,
    by_models: usize,
    /// Those that do not compile.
    unviable: usize,
    /// The survivors, and the reasons.
    missed: Vec<(String, String)>,
}

impl Account {
    fn noticed(&self) -> usize {
        self.by_tests + self.by_models
    }

    fn viable(&self) -> usize {
        self.noticed() + self.missed.len()
    }

    fn sum(&self) -> String {
        format!(
            "{} mutants compile: {} caught by tests, {} by models, {} missed; {} do not",
            self.viable(),
            self.by_tests,
            self.by_models,
            self.missed.len(),
            self.unviable
        )
    }

    fn is_of(&self, file: &str) -> bool {
        read(&format!("{CORE}/{file}")).is_ok_and(|text| hash(&text) == self.hash)
    }

    /// The reasons for what is still missed; the first of two that read alike goes to the first.
    fn take_reasons(&mut self, before: &Self) {
        let mut reasons: BTreeMap<&str, VecDeque<&String>> = BTreeMap::new();
        for (name, reason) in &before.missed {
            reasons.entry(what(name)).or_default().push_back(reason);
        }
        for (name, reason) in &mut self.missed {
            if let Some(known) = reasons.get_mut(what(name)).and_then(VecDeque::pop_front) {
                reason.clone_from(known);
            }
        }
    }

    fn wrong(&self) -> Vec<String> {
        let mut wrong: Vec<String> = self
            .missed
            .iter()
            .filter(|(_, reason)| reason.is_empty())
            .map(|(name, _)| format!("no reason for {name:?}"))
            .collect();
        if self.noticed() * 100 < self.viable() * LEAST_CAUGHT {
            wrong.push(format!(
                "fewer than {LEAST_CAUGHT} of 100 are caught: {}",
                self.sum()
            ));
        }
        wrong
    }
}

/// The accounts, by file.
fn parse(text: &str) -> BTreeMap<String, Account> {
    let mut accounts: BTreeMap<String, Account> = BTreeMap::new();
    let mut file = String::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let head = line.strip_prefix('[');
        if let Some((name, origin)) = head.and_then(|line| line.split_once("] ")) {
            file = name.into();
            let (hash, commit) = origin.split_once(" at ").unwrap_or((origin, ""));
            let account = accounts.entry(file.clone()).or_default();
            (account.hash, account.commit) = (hash.into(), commit.into());
        } else if let (Some((key, rest)), Some(account)) =
            (line.split_once(' '), accounts.get_mut(&file))
        {
            let number = rest.parse().unwrap_or(0);
            match key {
                "tests" => account.by_tests = number,
                "models" => account.by_models = number,
                "unviable" => account.unviable = number,
                _ => {
                    let (name, reason) = rest.split_once(" --").unwrap_or((rest, ""));
                    let missed = (name.into(), reason.trim().into());
                    account.missed.push(missed);
                }
            }
        }
    }
    accounts
}

fn written(accounts: &BTreeMap<String, Account>) -> String {
    let mut text = String::from(
        "# What became of the mutants in the modules that the rest stands on; `cargo xtask mutants` writes this file, but for\n\
         # the reasons. Per file a hash of its code and the commit; how many mutants tests and models have caught, and how\n\
         # many do not compile; then each survivor, by line and column as they were, and why it is let live.\n",
    );
    for (file, account) in accounts {
        text.push_str(&format!(
            "[{file}] {} at {}\ntests {}\nmodels {}\nunviable {}\n",
            account.hash, account.commit, account.by_tests, account.by_models, account.unviable
        ));
        for (name, reason) in &account.missed {
            text.push_str(format!("missed {name} -- {reason}").trim_end());
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(missed: &[(&str, &str)]) -> Account {
        Account {
            hash: "12ab".into(),
            commit: "34cd".into(),
            by_tests: 37,
            by_models: 1,
            unviable: 3,
            missed: missed
                .iter()
                .map(|(name, reason)| ((*name).into(), (*reason).into()))
                .collect(),
        }
    }

    const FIRST: &str = "12:9: replace + with - in f -> u8";
    const SECOND: &str = "14:9: replace + with - in f -> u8";

    #[test]
    fn accounts_are_read_as_they_were_written() {
        let account = account(&[(FIRST, "it is the same"), (SECOND, "")]);
        let accounts = BTreeMap::from([("a/b.rs".into(), account)]);
        assert_eq!(parse(&written(&accounts)), accounts);
    }

    #[test]
    fn a_reason_stays_with_its_mutant_when_lines_move() {
        let before = account(&[(FIRST, "a"), (SECOND, "b"), ("1:1: delete ! in g", "c")]);
        let mut now = account(&[("22:9: replace + with - in f -> u8", ""), (SECOND, "")]);
        now.take_reasons(&before);
        let reasons: Vec<_> = now.missed.iter().map(|(_, reason)| &**reason).collect();
        assert_eq!(reasons, ["a", "b"]);
    }

    #[test]
    fn a_survivor_without_a_reason_and_too_many_survivors_are_wrong() {
        assert!(account(&[(FIRST, "a"), (SECOND, "b")]).wrong().is_empty());
        assert_eq!(account(&[(FIRST, "")]).wrong().len(), 1);
        assert_eq!(account(&[(FIRST, "a"); 3]).wrong().len(), 1);
    }

    #[test]
    fn what_was_caught_once_is_asked_no_more_and_what_hung_is() {
        let set = |names: &[&str]| names.iter().map(|it| (*it).to_owned()).collect();
        let seen = Seen {
            directory: PathBuf::new(),
            caught: set(&["a"]),
            unviable: set(&["b"]),
            hung: set(&["c"]),
            survived: set(&["d"]),
        };
        let all = set(&["a", "b", "c", "d"]);
        assert_eq!(seen.open_of(&all), set(&["c", "d"]));
        assert_eq!(seen.missed_of(&all), set(&["d"]));
        assert_eq!(seen.passed_over(&all), None);
        assert_eq!(seen.passed_over(&set(&["d", "e"])), Some(&"e".to_owned()));
    }

    #[test]
    fn names_are_taken_apart() {
        let name = format!("crates/a/src/b.rs:{FIRST}");
        assert_eq!(placed(&name), FIRST);
        assert_eq!(line(placed(&name)), Some(12));
        assert_eq!(what(FIRST), "replace + with - in f -> u8");
        assert_eq!(escaped("f<T>() -> |a|"), "f<T>\\(\\) \\-> \\|a\\|");
    }

    #[test]
    fn every_file_is_there_and_what_is_to_notice_its_mutants() {
        for module in MODULES {
            assert!(read(&format!("{CORE}/{}", module.file)).is_ok());
            for model in module.models {
                assert!(read(&format!("loom-tests/tests/{model}.rs")).is_ok());
            }
        }
    }
}
