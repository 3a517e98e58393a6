//! Which words are written per operation, and how often a cache line moves from one thread to another for it.
//!
//! The program is built once more with `--cfg loxley_counted`, where each atomic and each lock of the machine counts
//! (`primitive/counted.rs` of the core says what, and what it does not see). A *word* is named by the line of source that
//! touches it. Each row runs at two lengths with one worker and with two, and the differences are divided as in
//! [`crate::instructions`]. A write to which no line moves costs what any instruction costs, on however many processors.
//!
//! The rescue of stuck workers is off: counting makes polls slow, and spares would take tasks that nobody is late with.
//!
//! *Checked by* the test below.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use crate::harness::{Amount, Row};
use crate::meter::Sample;
use crate::report::chosen;
use crate::rescue::build_again;
use crate::runtimes::WITHOUT_RESCUE;

/// The rows that are shown unless others are asked for.
const ROWS: [&str; 8] = [
    "spawn_local",
    "spawn_one",
    "chained_spawn",
    "spawn_remote_1",
    "yield_many",
    "yield_self",
    "ping_pong",
    "timer_cancel",
];
const WORKERS: [usize; 2] = [1, 2];
/// Of a row's usual amount: counting takes ten times as long, and no figure here is a time.
const SHORT: u64 = 50;
const LONG: u64 = 10;
/// Words that are touched less often per operation are left out.
const FEW: f64 = 0.005;

/// Writes, and moves of lines, by word.
type Words = BTreeMap<String, [f64; 2]>;

/// Runs the rows and prints a table each.
///
/// # Errors
///
/// If the program cannot be built, a row does not exist, or its process fails.
pub fn run(names: &[String]) -> io::Result<()> {
    let usual: Vec<String> = ROWS.iter().map(|&row| row.to_owned()).collect();
    let rows = chosen(if names.is_empty() { &usual } else { names })?;
    let program = build_again("counted", "--cfg loxley_counted", &[]).map_err(io::Error::other)?;
    let mut out = io::stdout();
    for row in rows {
        let counted: Vec<Words> = WORKERS
            .iter()
            .map(|&workers| per_operation(&program, row, workers))
            .collect::<io::Result<_>>()?;
        write!(out, "\n{:<36}", row.name)?;
        for workers in WORKERS {
            write!(out, "{:>12}{:>12}", format!("writes, {workers}"), "moving")?;
        }
        writeln!(out)?;
        for word in counted
            .iter()
            .flat_map(Words::keys)
            .collect::<BTreeSet<_>>()
        {
            let of = |words: &Words| words.get(word).copied().unwrap_or_default();
            if counted
                .iter()
                .all(|words| of(words).iter().all(|count| *count < FEW))
            {
                continue;
            }
            write!(out, "{word:<36}")?;
            for words in &counted {
                let [writes, moving] = of(words);
                write!(out, "{writes:>12.3}{moving:>12.3}")?;
            }
            writeln!(out)?;
        }
        write!(out, "{:<36}", "all")?;
        for words in &counted {
            let sum = |which: usize| words.values().map(|counts| counts[which]).sum::<f64>();
            write!(out, "{:>12.3}{:>12.3}", sum(0), sum(1))?;
        }
        writeln!(out)?;
        out.flush()?;
    }
    Ok(())
}

fn per_operation(program: &Path, row: &Row, workers: usize) -> io::Result<Words> {
    let (Amount::Ops(usual) | Amount::Millis(usual)) = row.amount;
    let (few, short) = count(program, row, workers, usual / SHORT)?;
    let (many, mut long) = count(program, row, workers, usual / LONG)?;
    let ops = many.saturating_sub(few).max(1) as f64;
    for (word, counts) in &mut long {
        let start = short.get(word).copied().unwrap_or_default();
        for (count, start) in counts.iter_mut().zip(start) {
            *count = (*count - start) / ops;
        }
    }
    Ok(long)
}

/// Operations done, and what was counted meanwhile.
fn count(program: &Path, row: &Row, workers: usize, amount: u64) -> io::Result<(u64, Words)> {
    let output = Command::new(program)
        .args(["one", row.name, WITHOUT_RESCUE, "--no-warm-up", "--counts"])
        .args(["--workers", &workers.to_string()])
        .args(["--amount", &amount.to_string()])
        .output()?;
    read(&String::from_utf8_lossy(&output.stdout)).ok_or_else(|| {
        let said = String::from_utf8_lossy(&output.stderr);
        io::Error::other(format!("{}: {}\n{said}", row.name, output.status))
    })
}

/// Prints what this process has written so far, a line per word, if it was built to count that.
pub fn print() {
    #[cfg(all(feature = "loxley", loxley_counted))]
    for (word, (writes, moving)) in loxley::counted() {
        println!("word {word} {writes} {moving}");
    }
}

/// Reads a sample and the lines `word NAME WRITES MOVING` after it.
fn read(said: &str) -> Option<(u64, Words)> {
    let mut lines = said.lines();
    let sample: Sample = lines.next()?.parse().ok()?;
    let words = lines.map(|line| {
        let mut fields = line.strip_prefix("word ")?.split(' ');
        let name = fields.next()?.to_owned();
        let mut number = || fields.next()?.parse().ok();
        Some((name, [number()?, number()?]))
    });
    Some((sample.ops, words.collect::<Option<_>>()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_from_the_lines_after_the_sample() {
        let said = "sample ops=10 wall_ns=1 cpu_ns=1 sleeps=2\nword task/state.rs:7 30 4\n";
        let (ops, words) = read(said).unwrap();
        assert_eq!((ops, words["task/state.rs:7"]), (10, [30.0, 4.0]));
        assert!(read("sample ops=10 wall_ns=1 cpu_ns=1\nword a 1\n").is_none());
        assert!(read("").is_none());
    }

    #[test]
    fn every_row_of_the_table_exists() {
        for row in ROWS {
            assert!(crate::rows::named(row).is_some(), "{row}");
        }
    }
}
