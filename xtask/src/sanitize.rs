//! `sanitize [address|leak|thread]...`: the core's tests under the compiler's sanitizers; none named: all three.
//!
//! They are unstable options of the stable compiler, which `RUSTC_BOOTSTRAP=1` opens. Each sanitizer builds in a
//! directory of its own, with some optimisation, for they are slow.
//!
//! - *address*: use after free and out of bounds.
//! - *leak*: what is lost when a program ends. Without the unit tests of `worker`: the parts of a scheduler know each other until it is
//!   shut down, which they do not do. What tests leak on purpose is named by `xtask/sanitize/leak.supp`.
//! - *thread*: data races. It does not know fences, so `--cfg loxley_tsan` makes them accesses (`primitive/real.rs`).
//!   std is built with it, from `rustup component add rust-src`: without that each lock, channel and `OnceLock` of std hides
//!   what it orders, and 460 races are found that are none. `xtask/sanitize/thread.supp` names what stays unknown, and a test
//!   keeps our own names out of it.
//!
//! What was seen is written to `docs/proof/sanitize.txt`, with the commit.

use std::env;
use std::path::Path;
use std::process::{Command, ExitCode};

use crate::command::{cargo, echoed, root, target_directory};
use crate::proof::Record;

/// Operations of the random program; under a sanitizer each takes many times as long.
const STRESS: &str = "80000";
/// Seconds until a test counts as hung.
const LIMIT: &str = "1800";

pub(crate) const RECORD: Record = Record {
    path: "docs/proof/sanitize.txt",
    head: "What the sanitizers found in the tests of the core, and valgrind in a start and stop; `cargo xtask sanitize` and `leaks --bless` write this file.",
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sanitizer {
    Address,
    Leak,
    Thread,
}

impl Sanitizer {
    const ALL: [Self; 3] = [Self::Address, Self::Leak, Self::Thread];

    fn name(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Leak => "leak",
            Self::Thread => "thread",
        }
    }

    /// Flags of the compiler.
    fn flags(self) -> &'static str {
        match self {
            Self::Address => "-Zsanitizer=address",
            Self::Leak => "-Zsanitizer=leak",
            Self::Thread => "-Zsanitizer=thread --cfg loxley_tsan",
        }
    }

    /// What is told to the test programs.
    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Leak => &["--", "--skip", "worker::"],
            Self::Address | Self::Thread => &[],
        }
    }

    /// The variable that its run time reads, and the options in it.
    fn options(self) -> (&'static str, String) {
        let suppressions = |kind| root().join(format!("xtask/sanitize/{kind}.supp"));
        match self {
            Self::Address => ("ASAN_OPTIONS", "detect_leaks=0".into()),
            Self::Leak => {
                let file = suppressions("leak");
                let options = format!("suppressions={} max_leaks=20", file.display());
                ("LSAN_OPTIONS", options)
            }
            Self::Thread => {
                let file = suppressions("thread");
                let options = format!("suppressions={} second_deadlock_stack=1", file.display());
                ("TSAN_OPTIONS", options)
            }
        }
    }

    fn parse(name: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|it| it.name() == name)
            .ok_or_else(|| format!("there is no sanitizer `{name}`: address, leak or thread"))
    }
}

/// The sanitizers that the command line names.
pub(crate) fn named(names: &[String]) -> Result<Vec<Sanitizer>, String> {
    match names {
        [] => Ok(Sanitizer::ALL.into()),
        names => names.iter().map(|name| Sanitizer::parse(name)).collect(),
    }
}

/// `sanitize`
pub(crate) fn command(sanitizers: &[Sanitizer]) -> ExitCode {
    let mut failed = false;
    for sanitizer in sanitizers {
        let found = run(*sanitizer);
        failed |= found.is_err();
        let line = found.unwrap_or_else(|message| {
            eprintln!("xtask: {message}");
            "FAILED".into()
        });
        println!("{}: {line}", sanitizer.name());
        if let Err(message) = RECORD.enter(sanitizer.name(), &line) {
            eprintln!("xtask: {message}");
            return ExitCode::FAILURE;
        }
    }
    match failed {
        true => ExitCode::FAILURE,
        false => ExitCode::SUCCESS,
    }
}

fn run(sanitizer: Sanitizer) -> Result<String, String> {
    let text = echoed(tests(sanitizer)?)?;
    let passed = passed(&text);
    match passed {
        0 => Err(format!("{} saw no test", sanitizer.name())),
        passed => Ok(format!("{passed} tests, nothing found")),
    }
}

/// The core's tests, built with a sanitizer.
fn tests(sanitizer: Sanitizer) -> Result<Command, String> {
    let host = host()?;
    let mut command = cargo(&["test", "-p", "loxley-core"]);
    command.args(["--lib", "--tests"]);
    command.args(["--no-fail-fast", "--target", &host, "--target-dir"]);
    command.arg(target_directory()?.join(format!("sanitize-{}", sanitizer.name())));
    let flags = match env::var("RUSTFLAGS") {
        Ok(flags) => format!("{flags} {}", sanitizer.flags()),
        Err(_) => sanitizer.flags().into(),
    };
    if sanitizer == Sanitizer::Thread {
        has_sources_of_std()?;
        command.arg("-Zbuild-std");
    }
    command.args(sanitizer.arguments());
    let (variable, options) = sanitizer.options();
    command
        .env("RUSTC_BOOTSTRAP", "1")
        .env("RUSTFLAGS", flags)
        .env(variable, options)
        .env("CARGO_PROFILE_DEV_OPT_LEVEL", "1")
        .env("CARGO_PROFILE_DEV_DEBUG", "line-tables-only")
        .env("LOXLEY_STRESS_OPS", STRESS)
        .env("LOXLEY_TEST_LIMIT", LIMIT);
    Ok(command)
}

/// The target that the compiler builds for; naming it keeps the flags away from build scripts.
pub(crate) fn host() -> Result<String, String> {
    let said = crate::command::stdout(crate::command::program_in_root("rustc", &["-vV"]))?;
    said.lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(String::from)
        .ok_or_else(|| "`rustc -vV` names no host".into())
}

fn has_sources_of_std() -> Result<(), String> {
    let sysroot = crate::command::stdout(crate::command::program_in_root(
        "rustc",
        &["--print", "sysroot"],
    ))?;
    let sources = Path::new(sysroot.trim()).join("lib/rustlib/src/rust/library");
    match sources.is_dir() {
        true => Ok(()),
        false => Err("std has no sources here: `rustup component add rust-src`".into()),
    }
}

/// Tests that have passed, in all programs of a run.
pub(crate) fn passed(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_sanitizer_is_an_error_that_names_it() {
        let error = named(&["tread".into()]).unwrap_err();
        assert!(error.contains("`tread`"), "{error}");
        assert_eq!(named(&["leak".into()]), Ok(vec![Sanitizer::Leak]));
        assert_eq!(named(&[]), Ok(Sanitizer::ALL.into()));
    }

    #[test]
    fn passed_tests_are_added_up() {
        let text = "test result: ok. 12 passed; 0 failed\nx\ntest result: ok. 3 passed\n";
        assert_eq!(passed(text), 15);
        assert_eq!(passed("test result: FAILED. 2 passed"), 0);
    }

    /// What is suppressed cannot be found any more, so the lists are part of this test. A line of ours would hide a race or a
    /// leak of ours.
    #[test]
    fn the_suppressions_are_these_and_name_nothing_of_ours() {
        for (file, suppressed) in SUPPRESSED {
            let text = crate::command::read(file).unwrap();
            let lines: Vec<_> = text
                .lines()
                .filter(|line| !line.is_empty() && !line.starts_with('#'))
                .collect();
            assert_eq!(lines, suppressed, "{file}");
            assert!(!lines.iter().any(|line| line.contains("loxley")), "{file}");
        }
    }

    const SUPPRESSED: [(&str, &[&str]); 2] = [
        (
            "xtask/sanitize/thread.supp",
            &["race:crossbeam_deque::deque::Stealer*steal"],
        ),
        (
            "xtask/sanitize/leak.supp",
            &["leak:task_panics::a_payload_that_panics_when_dropped_is_contained::Payload"],
        ),
    ];
}
