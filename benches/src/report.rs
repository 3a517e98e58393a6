//! The driver of `rivals`: it alternates processes and prints the table.
//!
//! *Protocol* of one row:
//! - **D1** One process per measurement. In each round every runtime has its turn, loxley twice; the round after
//!   begins with the next one, so that nobody always follows the same neighbour.
//! - **D2** Figures of one round are paired: ratios are taken within it, and the interval is that of their median.
//! - **D3** loxley against itself is printed first. Its ratio must hold 1.00; if it does not, the machine was too restless
//!   for the row, and the table says so. One in twenty does so by chance.
//! - **D4** What other processes used of the machine meanwhile is printed with the row.
//! - **D5** Lost rows are printed like won ones, and once more at the end.
//!
//! *Rejected.* Repeating rows until they look right; leaving out the slowest run.
//!
//! *Checked by* the tests below and those of `stats`; a sample's line by `harness`.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::process::Command;
use std::time::Instant;

use crate::harness::{Amount, Better, Metric, Row, Sample};
use crate::rows;
use crate::stats::{Interval, bootstrap, median, paired_ratios, spread};

/// What `rivals` was asked for.
#[derive(Debug, Clone)]
pub struct Rivals {
    /// Rows by name; empty means all.
    pub rows: Vec<String>,
    /// Rounds.
    pub runs: usize,
    /// Worker threads, where the row does not say.
    pub workers: usize,
    /// Runtimes that take turns.
    pub runtimes: Vec<String>,
}

/// The runtimes that take turns unless others are asked for.
pub const RUNTIMES: [&str; 4] = ["loxley", "tokio", "smol", "raw"];

/// The runtime that is measured twice per round.
const OURS: &str = "loxley";
/// The runtime that ratios refer to.
const YARDSTICK: &str = "tokio";
/// Width of a column of the table.
const WIDTH: usize = 25;

/// Runs the rows and prints their tables; true if every process delivered.
///
/// # Errors
///
/// If a row does not exist, or standard output is closed.
pub fn run(options: &Rivals) -> io::Result<bool> {
    let rows = chosen(&options.rows)?;
    let mut out = io::stdout();
    out.write_all(heading(options).as_bytes())?;
    let (mut lost, mut restless, mut failed) = (Vec::new(), Vec::new(), Vec::new());
    for row in rows {
        let load = Load::now();
        let turns = take_turns(row, options);
        write!(out, "\n{}", table(row, options, &turns, load.foreign()))?;
        out.flush()?;
        let judged = verdict(row, &turns);
        lost.extend(judged.lost);
        restless.extend(judged.restless);
        failed.extend(turns.iter().flat_map(|turn| {
            turn.failures
                .iter()
                .map(|why| format!("{} on {}: {why}", row.name, turn.label))
        }));
    }
    for (what, list) in [
        (
            "Lost to tokio (the interval of the first figure lies on the wrong side)",
            &lost,
        ),
        (
            "loxley against itself did not read 1.00; do not trust",
            &restless,
        ),
        ("Failed", &failed),
    ] {
        if !list.is_empty() {
            writeln!(out, "\n{what}:")?;
            list.iter().try_for_each(|line| writeln!(out, "  {line}"))?;
        }
    }
    Ok(failed.is_empty())
}

/// The rows of those names, in the table's order.
///
/// # Errors
///
/// If there is no such row; the message lists those that there are.
pub fn chosen(names: &[String]) -> io::Result<Vec<&'static Row>> {
    if let Some(stranger) = names.iter().find(|name| rows::named(name).is_none()) {
        let all: Vec<_> = rows::all().map(|row| row.name).collect();
        return Err(io::Error::other(format!(
            "no row {stranger:?}; there are: {}",
            all.join(" ")
        )));
    }
    Ok(rows::all()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
        .collect())
}

/// One column: a runtime's samples, round by round.
#[derive(Debug)]
struct Turn {
    label: String,
    runtime: String,
    samples: Vec<Option<Sample>>,
    failures: Vec<String>,
}

impl Turn {
    fn new(label: &str, runtime: &str) -> Turn {
        Turn {
            label: label.to_owned(),
            runtime: runtime.to_owned(),
            samples: Vec::new(),
            failures: Vec::new(),
        }
    }

    fn values(&self, metric: &Metric) -> Vec<Option<f64>> {
        self.samples
            .iter()
            .map(|sample| sample.as_ref().and_then(|sample| metric.of(sample)))
            .collect()
    }
}

fn take_turns(row: &Row, options: &Rivals) -> Vec<Turn> {
    let mut turns = Vec::new();
    for runtime in options
        .runtimes
        .iter()
        .filter(|runtime| row.form(runtime).is_some())
    {
        turns.push(Turn::new(runtime, runtime));
        if runtime == OURS {
            turns.push(Turn::new("loxley again", runtime)); // D3
        }
    }
    for round in 0..options.runs {
        for place in 0..turns.len() {
            let index = (place + round) % turns.len(); // D1
            let turn = &mut turns[index];
            eprint!(
                "\r{:<20} round {} of {}: {:<14}",
                row.name,
                round + 1,
                options.runs,
                turn.label
            );
            match one(row, &turn.runtime, options.workers) {
                Ok(sample) => turn.samples.push(Some(sample)),
                Err(why) => {
                    turn.samples.push(None);
                    turn.failures.push(why);
                }
            }
        }
    }
    eprint!("\r{:70}\r", "");
    turns
}

/// Runs one process.
fn one(row: &Row, runtime: &str, workers: usize) -> Result<Sample, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let output = Command::new(program)
        .args(["one", row.name, runtime, "--workers", &workers.to_string()])
        .output()
        .map_err(|error| error.to_string())?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said: Vec<_> = said
            .lines()
            .filter(|line| !line.trim().is_empty())
            .take(3)
            .collect();
        return Err(format!("{}: {}", output.status, said.join(" / ")));
    }
    String::from_utf8_lossy(&output.stdout).trim().parse()
}

/// Who measures what, where, and how to read it.
fn heading(options: &Rivals) -> String {
    let mut text = String::new();
    let now = [
        ("commit", commit()),
        ("rustc", rustc()),
        ("machine", machine()),
        ("rivals", versions()),
    ];
    for (name, value) in now {
        let _ = writeln!(text, "{name:<8} {value}");
    }
    let _ = writeln!(
        text,
        "method   {} rounds of alternating processes; median [least-greatest];",
        options.runs
    );
    text.push_str("         ratios are paired within a round: median [95 % bootstrap interval], + better, - worse, ~ undecided.\n");
    if options.runs < 15 {
        text.push_str("         Fewer than 15 rounds: a look, not a proof.\n");
    }
    text
}

fn table(row: &Row, options: &Rivals, turns: &[Turn], foreign: Option<f64>) -> String {
    let mut text = String::new();
    let workers = row.workers.unwrap_or(options.workers);
    let amount = match row.amount {
        Amount::Ops(ops) => format!("{ops} operations"),
        Amount::Millis(millis) => format!("{millis} ms"),
    };
    let others = foreign.map_or(String::new(), |cores| {
        format!(" · others used {cores:.2} cores")
    });
    let _ = writeln!(text, "{} · {workers} workers · {amount}{others}", row.name);
    let _ = writeln!(text, "  {}", row.question);
    let _ = write!(text, "  {:<20}", "");
    for turn in turns {
        let _ = write!(text, "{:>WIDTH$}", turn.label);
    }
    text.push('\n');
    for metric in row.metrics {
        let _ = write!(text, "  {:<20}", metric.label);
        for turn in turns {
            let _ = write!(text, "{:>WIDTH$}", spread_cell(&turn.values(metric)));
        }
        let _ = write!(text, "\n  {:<20}", "  ratio");
        for turn in turns {
            let _ = write!(text, "{:>WIDTH$}", ratio_cell(turn, turns, metric));
        }
        text.push('\n');
    }
    for turn in turns.iter().filter(|turn| !turn.failures.is_empty()) {
        let _ = writeln!(
            text,
            "  {} failed {} times: {}",
            turn.label,
            turn.failures.len(),
            turn.failures[0]
        );
    }
    if verdict(row, turns).restless.is_some() {
        text.push_str("  loxley against itself does not read 1.00 here: the machine was too restless for this row.\n");
    }
    text
}

fn spread_cell(values: &[Option<f64>]) -> String {
    let values: Vec<f64> = values.iter().copied().flatten().collect();
    spread(&values).map_or("failed".to_owned(), |spread| {
        format!(
            "{} [{}-{}]",
            figure(spread.median),
            figure(spread.min),
            figure(spread.max)
        )
    })
}

/// The ratio to the yardstick; of the second loxley to the first.
fn ratio_cell(turn: &Turn, turns: &[Turn], metric: &Metric) -> String {
    let again = turn.label != turn.runtime;
    let reference = if again { OURS } else { YARDSTICK };
    if turn.label == YARDSTICK {
        return "1".to_owned();
    }
    let Some(reference) = turns.iter().find(|other| other.label == reference) else {
        return String::new();
    };
    let ratios = paired_ratios(&turn.values(metric), &reference.values(metric));
    match (bootstrap(&ratios), median(&ratios)) {
        (Some(interval), _) => {
            let sign = if again {
                '='
            } else {
                sign(&interval, metric.better)
            };
            format!(
                "{:.2} [{:.2}-{:.2}] {sign}",
                interval.median, interval.low, interval.high
            )
        }
        (None, Some(median)) => format!("{median:.2}"),
        (None, None) => String::new(),
    }
}

/// On which side of 1 the interval lies.
fn sign(interval: &Interval, better: Better) -> char {
    if interval.holds(1.0) {
        return '~';
    }
    if (interval.median > 1.0) == (better == Better::Higher) {
        '+'
    } else {
        '-'
    }
}

struct Verdict {
    lost: Option<String>,
    restless: Option<String>,
}

/// Judges a row by its first figure.
fn verdict(row: &Row, turns: &[Turn]) -> Verdict {
    let metric = &row.metrics[0];
    let interval = |ours: &str, theirs: &str| {
        let find = |label: &str| turns.iter().find(|turn| turn.label == label);
        bootstrap(&paired_ratios(
            &find(ours)?.values(metric),
            &find(theirs)?.values(metric),
        ))
    };
    let line = |interval: Interval| {
        format!(
            "{:<16} {} {:.2} [{:.2}-{:.2}]",
            row.name, metric.label, interval.median, interval.low, interval.high
        )
    };
    let lost = interval(OURS, YARDSTICK).filter(|interval| sign(interval, metric.better) == '-');
    let restless = interval("loxley again", OURS).filter(|interval| !interval.holds(1.0));
    Verdict {
        lost: lost.map(line),
        restless: restless.map(line),
    }
}

/// Three significant digits.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        large if large >= 99.95 => format!("{value:.0}"),
        middle if middle >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Ticks of the processors that anybody used, that we and our children used, and when.
struct Load {
    busy: Option<u64>,
    own: Option<u64>,
    at: Instant,
}

/// Ticks per second of `/proc/stat`, the same on every Linux.
const TICKS: f64 = 100.0;

impl Load {
    fn now() -> Load {
        // cpu user nice system idle iowait irq softirq steal: all but idle and iowait.
        let busy = fs::read_to_string("/proc/stat").ok().and_then(|stat| {
            let fields: Vec<u64> = stat
                .lines()
                .next()?
                .split_whitespace()
                .skip(1)
                .filter_map(|field| field.parse().ok())
                .collect();
            Some(
                fields
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| ![3, 4].contains(index) && *index < 8)
                    .map(|(_, ticks)| ticks)
                    .sum(),
            )
        });
        // After the name in brackets: utime, stime, cutime, cstime are fields 11 to 14.
        let own = fs::read_to_string("/proc/self/stat").ok().and_then(|stat| {
            let (_, fields) = stat.rsplit_once(')')?;
            Some(
                fields
                    .split_whitespace()
                    .skip(11)
                    .take(4)
                    .filter_map(|field| field.parse::<u64>().ok())
                    .sum(),
            )
        });
        Load {
            busy,
            own,
            at: Instant::now(),
        }
    }

    /// Cores that other processes kept busy since then.
    fn foreign(&self) -> Option<f64> {
        let now = Load::now();
        let seconds = now.at.duration_since(self.at).as_secs_f64();
        let busy = now.busy? - self.busy?;
        let own = now.own? - self.own?;
        Some(busy.saturating_sub(own) as f64 / TICKS / seconds)
    }
}

fn output_of(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .ok()?;
    output
        .status
        .success()
        .then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

fn commit() -> String {
    let Some(commit) = output_of("git", &["rev-parse", "--short=12", "HEAD"]) else {
        return "unknown".to_owned();
    };
    match output_of("git", &["status", "--porcelain"]) {
        Some(changes) if changes.is_empty() => commit,
        _ => format!("{commit}, with changes"),
    }
}

fn rustc() -> String {
    output_of("rustc", &["--version"]).unwrap_or("unknown".to_owned())
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|info| {
        let line = info.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: Vec<_> = load.split_whitespace().take(3).collect();
    let model = model.unwrap_or("unknown processor".to_owned());
    format!(
        "{cores} cores, {model}, Linux {}, load {}",
        kernel.trim(),
        load.join(" ")
    )
}

/// The rivals' versions as the lock file has them.
fn versions() -> String {
    let lock = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.lock"))
        .unwrap_or_default();
    let version = |name: &str| {
        let (_, rest) = lock.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", rest.split_once('"')?.0))
    };
    let names = ["tokio", "smol", "async-executor", "async-io", "hyper"];
    names
        .iter()
        .filter_map(|name| version(name))
        .collect::<Vec<_>>()
        .join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::RATE;

    fn turn(label: &str, runtime: &str, walls: &[u64]) -> Turn {
        let sample = |wall_ns: &u64| {
            Some(Sample {
                ops: 1,
                wall_ns: *wall_ns,
                cpu_ns: 1,
                extras: Vec::new(),
            })
        };
        Turn {
            samples: walls.iter().map(sample).collect(),
            ..Turn::new(label, runtime)
        }
    }

    #[test]
    fn a_slower_row_is_lost_and_a_restless_one_is_named() {
        let row = rows::named("spawn_local").unwrap();
        let turns = [
            turn("loxley", "loxley", &[200, 201, 202]),
            turn("loxley again", "loxley", &[100, 101, 102]),
            turn("tokio", "tokio", &[100, 100, 100]),
        ];
        let judged = verdict(row, &turns);
        assert!(judged.lost.unwrap().contains("0.50"));
        assert!(judged.restless.unwrap().contains("1.99"));
        assert!(ratio_cell(&turns[0], &turns, &RATE).ends_with('-'));
        assert_eq!(ratio_cell(&turns[2], &turns, &RATE), "1");
    }

    #[test]
    fn an_interval_across_one_is_undecided() {
        let interval = Interval {
            median: 1.1,
            low: 0.9,
            high: 1.2,
        };
        assert_eq!(sign(&interval, Better::Higher), '~');
        let interval = Interval {
            median: 1.1,
            low: 1.05,
            high: 1.2,
        };
        assert_eq!(sign(&interval, Better::Higher), '+');
        assert_eq!(sign(&interval, Better::Lower), '-');
    }

    #[test]
    fn a_failed_run_leaves_a_hole_and_not_a_figure() {
        let mut broken = turn("tokio", "tokio", &[100]);
        broken.samples.push(None);
        assert_eq!(spread_cell(&broken.values(&RATE)), "10000 [10000-10000]");
        assert_eq!(spread_cell(&[None]), "failed");
    }

    #[test]
    fn an_unknown_row_is_refused_with_the_list_of_those_that_are() {
        let error = chosen(&["spawn".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("spawn_local") && error.contains("http_hello"),
            "{error}"
        );
    }

    #[test]
    fn the_lock_file_names_the_rivals() {
        assert!(
            versions().contains("tokio 1.") && versions().contains("smol 2."),
            "{}",
            versions()
        );
    }
}
