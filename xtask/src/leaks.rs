//! `leaks`: starting and stopping runtimes loses no byte, and touches none that is not ours.
//!
//! The example `restart` makes runtimes of every kind, gives them work of every kind, and stops them in the middle of
//! some. valgrind looks at it, in the debug build: in release the optimiser removes what would show a mistake. What is
//! still reachable at the end, such as a thread-local of the main thread or an `Arc` in a static, is not lost.
//!
//! valgrind hides the kernel's vDSO, which rustix would read without asking whether it is there; `rustix_use_libc` makes
//! it call libc instead. A program of yours needs the same flag to run there.
//!
//! `--bless` writes what was seen to `docs/proof/sanitize.txt`.

use std::path::PathBuf;
use std::process::Stdio;

use crate::command::{cargo, executable, program_in_root, stdout, target_directory};
use crate::counts::valgrind_works;
use crate::gate::{Options, Outcome, Verdict};
use crate::sanitize::RECORD;

const ROUNDS: &str = "9";

/// `leaks`
pub(crate) fn gate(options: &Options) -> Outcome {
    if let Err(why) = valgrind_works() {
        return Ok(Verdict::Skipped(why));
    }
    let program = program()?;
    let mut command = program_in_root("valgrind", &["--leak-check=full", "--fair-sched=yes"]);
    // *Possibly* lost is what crossbeam-epoch keeps for a thread: its pointers carry marks in their low bits.
    command.args([
        "--show-leak-kinds=definite,indirect",
        "--errors-for-leak-kinds=definite,indirect",
    ]);
    command.arg(program).args(["--rounds", ROUNDS]);
    eprintln!("$ valgrind restart --rounds {ROUNDS}");
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot start valgrind: {error}"))?;
    let report = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        return Err(format!("`restart` ended with {}\n{report}", output.status));
    }
    match faults(&report)? {
        None => {
            let seen = format!("{ROUNDS} runtimes, 0 bytes lost, 0 invalid accesses");
            if options.bless {
                RECORD.enter("valgrind", &seen)?;
            }
            Ok(Verdict::Passed(seen))
        }
        Some(line) => Err(format!("{line}\n{report}")),
    }
}

fn program() -> Result<PathBuf, String> {
    let mut build = cargo(&["build", "-p", "examples", "--example", "restart"]);
    build.arg("--message-format=json-render-diagnostics");
    build
        .arg("--target-dir")
        .arg(target_directory()?.join("leaks"));
    build.env("RUSTFLAGS", "--cfg rustix_use_libc");
    let messages = stdout(build)?;
    executable(&messages).ok_or_else(|| "cargo built no `restart`".into())
}

/// The line of valgrind's summary that tells of a fault; an error if there is no summary.
fn faults(report: &str) -> Result<Option<String>, String> {
    let after = |line: &str, word: &str| Some(line[line.find(word)? + word.len()..].to_owned());
    let errors = report
        .lines()
        .find_map(|line| after(line, "ERROR SUMMARY: "))
        .ok_or_else(|| format!("valgrind gave no summary\n{report}"))?;
    if !errors.starts_with("0 errors ") {
        return Ok(Some(errors));
    }
    // They are not there if every block was freed.
    let lost = ["definitely lost: ", "indirectly lost: "];
    let lost = lost.iter().find_map(|word| {
        let line = report.lines().find_map(|line| after(line, word))?;
        (!line.starts_with("0 bytes ")).then(|| format!("{word}{line}"))
    });
    Ok(lost)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "==7==    definitely lost: 0 bytes in 0 blocks\n\
                        ==7==    indirectly lost: 0 bytes in 0 blocks\n\
                        ==7==    still reachable: 1,024 bytes in 3 blocks\n\
                        ==7== ERROR SUMMARY: 0 errors from 0 contexts\n";

    #[test]
    fn what_is_still_reachable_is_not_lost() {
        assert_eq!(faults(GOOD), Ok(None));
        let freed =
            "==7== All heap blocks were freed\n==7== ERROR SUMMARY: 0 errors from 0 contexts";
        assert_eq!(faults(freed), Ok(None));
    }

    #[test]
    fn one_lost_block_and_one_invalid_read_are_found() {
        let lost = GOOD.replace(
            "definitely lost: 0 bytes in 0",
            "definitely lost: 8 bytes in 1",
        );
        assert_eq!(
            faults(&lost),
            Ok(Some("definitely lost: 8 bytes in 1 blocks".into()))
        );
        let invalid = GOOD.replace("0 errors from 0", "2 errors from 1");
        assert!(faults(&invalid).unwrap().is_some());
    }

    #[test]
    fn a_report_without_a_summary_is_an_error() {
        assert!(faults("").is_err());
    }
}
