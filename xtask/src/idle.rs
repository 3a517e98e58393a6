//! `idle`: a runtime that has nothing to do makes no system call, in any thread.
//!
//! The example `idle` brings a runtime to rest, prints `quiet`, sleeps for some seconds in its main thread and
//! prints `over`. strace writes down every call of every thread; whatever starts between the two words, except
//! the main thread's own sleep, is a finding. Twice: with no task, and with tasks parked on sockets.

use std::fs;
use std::process::{Command, Stdio};

use crate::command::{build_program, program_in_root, run, target_directory};
use crate::gate::{Options, Outcome, Verdict};

const SECONDS: &str = "10";

/// Tasks parked on sockets, each with a descriptor of its own.
const SOCKETS: &[&str] = &["0", "9000"];

/// `idle`
pub(crate) fn gate(_: &Options) -> Outcome {
    if let Err(why) = strace_works() {
        return Ok(Verdict::Skipped(why));
    }
    let program = build_program(&["-p", "examples", "--example", "idle"])?;
    let mut seen = Vec::new();
    for sockets in SOCKETS {
        let log = target_directory()?.join(format!("idle-{sockets}.strace"));
        let mut command = program_in_root("strace", &["-f", "-qq", "-o"]);
        command
            .arg(&log)
            .arg(&program)
            .args(["--sockets", sockets, "--seconds", SECONDS]);
        run(command)?;
        let text =
            fs::read(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
        let calls = calls_while_quiet(&String::from_utf8_lossy(&text))?;
        if !calls.is_empty() {
            return Err(format!(
                "with {sockets} sockets an idle runtime made {} system calls in {SECONDS} s:\n{}",
                calls.len(),
                calls[..calls.len().min(20)].join("\n")
            ));
        }
        seen.push(format!("{sockets} sockets: 0 calls in {SECONDS} s"));
    }
    Ok(Verdict::Passed(seen.join(", ")))
}

/// Whether strace is here and may trace a child.
fn strace_works() -> Result<(), String> {
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-o", "/dev/null", "true"]);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("strace does not start: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let why = String::from_utf8_lossy(&output.stderr);
        Err(format!(
            "strace may not attach: {}",
            why.lines().next().unwrap_or("no reason given")
        ))
    }
}

/// The calls between the two words; an error if the words are not there.
fn calls_while_quiet(log: &str) -> Result<Vec<String>, String> {
    let is_word = |line: &str, word: &str| line.contains("write(1, \"") && line.contains(word);
    let mut lines = log.lines().skip_while(|line| !is_word(line, "\"quiet"));
    let first = lines.next().ok_or("the log never says `quiet`")?;
    let main = thread(first);
    let mut calls = Vec::new();
    let mut sleeps = 0;
    for line in lines {
        if is_word(line, "\"over") {
            return if sleeps == 0 {
                Err("the main thread did not sleep between `quiet` and `over`".into())
            } else {
                Ok(calls)
            };
        }
        if thread(line) == main && line.contains("clock_nanosleep") {
            sleeps += 1;
        } else if thread(line) == main && line.contains("<... write resumed>") {
            // The word itself, written down in two halves.
        } else {
            calls.push(line.to_string());
        }
    }
    Err("the log never says `over`".into())
}

/// The thread that a line of the log is about.
fn thread(line: &str) -> &str {
    line.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: &str = "7 futex(0x1) = 0\n7 write(1, \"quiet\\n\", 6) = 6\n";
    const SLEEP: &str = "7 clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=10}, 0x7f) = 0\n";
    const AFTER: &str = "7 write(1, \"over\\n\", 5) = 5\n8 exit(0) = ?\n";

    #[test]
    fn silence_between_the_words_passes() {
        assert_eq!(
            calls_while_quiet(&format!("{BEFORE}{SLEEP}{AFTER}")),
            Ok(vec![])
        );
    }

    #[test]
    fn the_word_may_be_written_down_in_two_halves() {
        let halves = "7 write(1, \"quiet\\n\", 6 <unfinished ...>\n8 futex(0x1) = 0\n7 <... write resumed>) = 6\n";
        let found = calls_while_quiet(&format!("{halves}{SLEEP}{AFTER}")).unwrap();
        assert_eq!(found, ["8 futex(0x1) = 0"]);
    }

    #[test]
    fn one_call_of_a_worker_is_found() {
        let call = "8 <... epoll_wait resumed>[], 1024, 1000) = 0\n";
        let found = calls_while_quiet(&format!("{BEFORE}{call}{SLEEP}{AFTER}")).unwrap();
        assert_eq!(found, [call.trim()]);
    }

    #[test]
    fn a_sleep_of_another_thread_is_found() {
        let call = "9 clock_nanosleep(CLOCK_REALTIME, 0, {tv_sec=1}, 0x7f) = 0\n";
        let found = calls_while_quiet(&format!("{BEFORE}{SLEEP}{call}{AFTER}")).unwrap();
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn a_log_that_shows_nothing_is_an_error() {
        assert!(calls_while_quiet("").is_err());
        assert!(calls_while_quiet(&format!("{BEFORE}{SLEEP}")).is_err());
        assert!(calls_while_quiet(&format!("{SLEEP}{AFTER}")).is_err());
        assert!(calls_while_quiet(&format!("{BEFORE}{AFTER}")).is_err());
    }
}
