//! `faults`: the tests that need a right or a tool say when they lack it; this counts them.
//!
//! They trace system calls with strace, and filter a network of their own. Where that is not allowed they print `skipped:`
//! and why. The gate runs them, lists what was skipped, and fails if that is all of them.

use crate::built::{self, Kind};
use crate::gate::{Options, Outcome, Verdict};
use crate::rust::passed;
use crate::source;

/// Where they are, in files whose names begin with `faults_`.
const TESTS: &str = "crates/loxley/tests";

/// Each call of these is a test that may be skipped.
const NEEDY: &[&str] = &["under_strace(", "in_a_network_of_its_own("];

/// `faults`
pub(crate) fn gate(_: &Options) -> Outcome {
    let mut files = source::files(TESTS)?;
    files.retain(|file| file.path.contains("/faults_"));
    let texts: Vec<&str> = files.iter().map(|file| &*file.text).collect();
    let needy = needy(&texts);
    if needy == 0 {
        return Err(format!("no test in {TESTS} injects a fault"));
    }
    let mut programs = built::programs("crates/loxley", Kind::Test)?;
    programs.retain(|program| program.name.starts_with("faults_"));
    judge(&built::test(&programs, &[])?, needy)
}

fn needy(texts: &[&str]) -> usize {
    let lines = texts.iter().flat_map(|text| text.lines()).map(str::trim);
    lines
        .filter(|line| NEEDY.iter().any(|call| line.starts_with(call)))
        .count()
}

fn judge(told: &str, needy: usize) -> Outcome {
    let skipped: Vec<&str> = told
        .lines()
        .filter_map(|line| line.strip_prefix("skipped: "))
        .collect();
    if skipped.len() >= needy {
        return Err(format!(
            "every fault that has to be injected was skipped:\n{}",
            skipped.join("\n")
        ));
    }
    let passed = passed(told);
    if passed == 0 {
        return Err("no test ran".into());
    }
    let mut seen = format!("{passed} tests, {} of {needy} skipped", skipped.len());
    for skip in skipped {
        seen.push_str("; ");
        seen.push_str(skip);
    }
    Ok(Verdict::Passed(seen))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAN: &str = "test a ... ok\ntest result: ok. 3 passed; 0 failed\n";

    #[test]
    fn calls_are_counted_and_definitions_are_not() {
        let text = "pub fn under_strace(x: u8) {}\n    under_strace(\n    in_a_network_of_its_own(\"a\", || {\n";
        assert_eq!(needy(&[text]), 2);
    }

    #[test]
    fn what_is_skipped_is_listed() {
        let told = format!("\nskipped: a_law: no strace\n{RAN}");
        let Ok(Verdict::Passed(seen)) = judge(&told, 2) else {
            panic!("one of two ran");
        };
        assert_eq!(seen, "3 tests, 1 of 2 skipped; a_law: no strace");
    }

    #[test]
    fn skipping_everything_and_running_nothing_fail() {
        assert!(judge(&format!("skipped: a\nskipped: b\n{RAN}"), 2).is_err());
        assert!(judge("", 2).is_err());
    }
}
