//! The gates that are a few calls of cargo: format, lints, tests, documentation; each goes on after an error.

use std::process::Command;

use crate::built::{self, Kind};
use crate::command::{cargo, echoed, run};
use crate::gate::{Options, Outcome, Verdict};

/// `fmt`
pub(crate) fn fmt(_: &Options) -> Outcome {
    run(cargo(&["fmt", "--all", "--check"]))?;
    Ok(Verdict::Passed(String::new()))
}

/// `clippy`: with every feature that the workspace uses, then what people depend on as they get it by default.
///
/// The types that the core's `clippy.toml` forbids are forbidden to the machine, not to its tests; hence the
/// third call, which looks at the library alone and is the only one that has that lint on.
pub(crate) fn clippy(_: &Options) -> Outcome {
    const DENY: &[&str] = &["--", "-D", "warnings"];
    const TESTS_MAY: &[&str] = &["-A", "clippy::disallowed_types"];
    let everything = [
        "clippy",
        "--keep-going",
        "--workspace",
        "--all-targets",
        "--features",
        "loxley/hyper",
    ];
    run(cargo(&[&everything, DENY, TESTS_MAY].concat()))?;
    let defaults = [
        "clippy",
        "-p",
        "loxley-core",
        "-p",
        "loxley",
        "--all-targets",
    ];
    run(cargo(&[&defaults, DENY, TESTS_MAY].concat()))?;
    run(cargo(
        &[&["clippy", "-p", "loxley-core", "--lib"], DENY].concat(),
    ))?;
    Ok(Verdict::Passed(String::new()))
}

/// `test`
pub(crate) fn test(_: &Options) -> Outcome {
    tests(cargo(&["test", "--workspace", "--no-fail-fast"]))
}

/// `portable`
pub(crate) fn test_portable(_: &Options) -> Outcome {
    const PORTABLE: (&str, &str) = ("LOXLEY_PORTABLE", "1");
    let programs = built::programs("crates/loxley-core", Kind::Test)?;
    let in_docs = {
        let mut command = cargo(&["test", "--doc", "-p", "loxley-core"]);
        command.env(PORTABLE.0, PORTABLE.1);
        echoed(command)
    };
    let said = built::test(&programs, &[PORTABLE])? + &in_docs?;
    counted(&said)
}

/// `release`
pub(crate) fn test_release(_: &Options) -> Outcome {
    let mut command = cargo(&["test", "--release", "-p", "loxley-core", "--no-fail-fast"]);
    // Two dozen programs: linking each of them as a whole would take longer than everything else.
    command
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    tests(command)
}

/// `docs`
pub(crate) fn docs(_: &Options) -> Outcome {
    let mut command = cargo(&[
        "doc",
        "--keep-going",
        "--no-deps",
        "--workspace",
        "--document-private-items",
    ]);
    command.env("RUSTDOCFLAGS", "-D warnings");
    run(command)?;
    Ok(Verdict::Passed(String::new()))
}

fn tests(command: Command) -> Outcome {
    counted(&echoed(command)?)
}

fn counted(said: &str) -> Outcome {
    let passed = passed(said);
    if passed == 0 {
        return Err("no test ran".into());
    }
    Ok(Verdict::Passed(format!("{passed} tests")))
}

/// The sum over the runner's lines `test result: ok. 12 passed; …`.
pub(crate) fn passed(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| line.strip_prefix("test result: ok. "))
        .filter_map(|line| line.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

#[cfg(test)]
mod tests {
    use super::passed;

    #[test]
    fn passed_tests_are_summed_over_the_runners() {
        let text = "test a ... ok\ntest result: ok. 12 passed; 0 failed; 1 ignored\n\
                    test result: ok. 3 passed; 0 failed\n";
        assert_eq!(passed(text), 15);
    }

    #[test]
    fn a_run_without_tests_counts_nothing() {
        assert_eq!(passed("test result: ok. 0 passed; 0 failed\n"), 0);
        assert_eq!(passed("error: no such command\n"), 0);
    }
}
