//! The driver of `rescue`: what a stuck worker does to others, in turns, with the bar beside each figure.
//!
//! The cases are rows like any others (see [`crate::rows::rescue`]); each round runs one process per contender. The last
//! one, [`cost`], counts what the readiness costs.
//!
//! *Verdicts* on loxley's figure: *met* or *missed* if the whole 95 % interval of its median lies on that side of the
//! bar, else *undecided*; with one run there is no interval, and the figure alone decides. A bar that holds only where the calm run
//! shows less is undecided where that shows more.
//!
//! tokio's options are unstable: they need `--cfg tokio_unstable`, so this program builds itself a second time, without
//! loxley, with that flag and a target directory of its own.
//!
//! *Checked by* the tests below.

pub mod cost;

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use crate::harness::Row;
use crate::report::{Rivals, Turn, heading, spread_cell, take_turns};
use crate::rows::rescue;
use crate::runtimes::WITH_OPTIONS;
use crate::stats::{Interval, bootstrap, median, paired_ratios};

/// Those who take turns.
const CONTENDERS: [&str; 4] = ["loxley", "tokio", WITH_OPTIONS, "smol"];
/// Width of a column of the table.
const WIDTH: usize = 23;

/// What a figure of loxley's is held against.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bar {
    /// At most this.
    Most(f64),
    /// At most this, where the calm figure of that heading is less.
    MostIfCalm(f64, &'static str),
    /// At most so much more than the calm figure, all runs together.
    OverCalm(f64, &'static str),
    /// At most so many times the figure of that contender.
    Times(f64, &'static str),
    /// Exactly the workers and one monitor.
    Threads,
}

/// The bars of a case, by the figure's heading.
fn bars(case: &str) -> Vec<(&'static str, Bar)> {
    let most = |label, value| (label, Bar::Most(value));
    let of_case = match case {
        "block_2" | "block_4" | "spin_2" | "spin_4" => vec![
            ("p99 ms", Bar::MostIfCalm(2.0, "calm p99 ms")),
            ("p99.9 ms", Bar::MostIfCalm(5.0, "calm p99.9 ms")),
            (
                "later than 20 ms, of 10⁴",
                Bar::OverCalm(1.0, "calm later than 20 ms"),
            ),
        ],
        "wake_20ms_busy" | "spawn_20ms_busy" => vec![most("p99 ms", 5.0)],
        "wake_20ms" | "wake_1s" | "spawn_20ms" | "spawn_1s" => vec![most("p50 ms", 1.5)],
        "lone" => vec![most("byte p50 ms", 0.3), most("timer p50 ms", 0.3)],
        "all_offend" => vec![
            most("p99 ms", 3.0),
            most("p99.9 ms", 6.0),
            most("tick late p99 ms", 3.0),
            most("tick late p99.9 ms", 6.0),
        ],
        "all_asleep" => vec![most("byte max ms", 3.0), most("spares 1 s after", 0.0)],
        "all_compute" | "all_compute_4" => vec![most("spares started", 0.0)],
        "compute_echo" => vec![most("p99 ms", 30.0), most("spares at once", 1.0)],
        "idle" => vec![most("runs in 10 s", 0.0)],
        low if low.starts_with("low_") => vec![
            most("switches/turn", 1.1),
            ("CPU µs/turn", Bar::Times(1.1, "tokio")),
        ],
        _ => Vec::new(),
    };
    let everywhere = [("threads", Bar::Threads), most("threads more, after", 0.0)];
    of_case.into_iter().chain(everywhere).collect()
}

/// Runs the cases of those names (all, if there are none) so many times and prints their tables; true if every process delivered.
///
/// # Errors
///
/// If a case does not exist, or standard output is closed.
pub fn run(options: &Rivals) -> io::Result<bool> {
    let cases = chosen(&options.rows)?;
    let mut out = io::stdout();
    out.write_all(heading(options).as_bytes())?;
    let mut missed = Vec::new();
    let mut delivered = true;
    for case in cases {
        let mut asked = options.clone();
        if asked.runtimes.is_empty() {
            asked.runtimes = CONTENDERS.iter().map(|name| (*name).to_owned()).collect();
        }
        let turns = take_turns(case, &asked);
        let workers = case.workers.unwrap_or(asked.workers);
        let (text, lost) = table(case, workers, &turns);
        write!(out, "\n{text}")?;
        out.flush()?;
        missed.extend(lost);
        delivered &= turns.iter().all(|turn| turn.failures.is_empty());
    }
    if options.rows.is_empty() || options.rows.iter().any(|name| name == cost::NAME) {
        missed.extend(cost::run(options.runs)?);
    }
    if !missed.is_empty() {
        writeln!(out, "\nMissed or undecided:")?;
        missed
            .iter()
            .try_for_each(|line| writeln!(out, "  {line}"))?;
    }
    Ok(delivered)
}

fn chosen(names: &[String]) -> io::Result<Vec<&'static Row>> {
    let cases: Vec<_> = rescue::rows().collect();
    let mut all: Vec<_> = cases.iter().map(|case| case.name).collect();
    all.push(cost::NAME);
    if let Some(stranger) = names.iter().find(|name| !all.contains(&name.as_str())) {
        return Err(io::Error::other(format!(
            "no case {stranger:?}; there are: {}",
            all.join(" ")
        )));
    }
    let wanted = |case: &&Row| names.is_empty() || names.iter().any(|name| name == case.name);
    Ok(cases.into_iter().filter(wanted).collect())
}

/// A case's table, and the lines of the bars that were not met.
fn table(case: &Row, workers: usize, turns: &[Turn]) -> (String, Vec<String>) {
    let mut text = format!(
        "{} · {workers} workers\n  {}\n  {:<26}",
        case.name, case.question, ""
    );
    for turn in turns {
        let _ = write!(text, "{:>WIDTH$}", turn.label);
    }
    text.push('\n');
    for metric in case.metrics {
        let _ = write!(text, "  {:<26}", metric.label);
        for turn in turns {
            let values = turn.values(metric);
            let cell = match values.iter().any(Option::is_some) {
                true => spread_cell(&values),
                false => "-".to_owned(),
            };
            let _ = write!(text, "{cell:>WIDTH$}");
        }
        text.push('\n');
    }
    for turn in turns.iter().filter(|turn| !turn.failures.is_empty()) {
        let _ = writeln!(text, "  {} failed: {}", turn.label, turn.failures[0]);
    }
    let mut missed = Vec::new();
    for (label, bar) in bars(case.name) {
        let Some((verdict, why)) = judge(case, workers, turns, label, bar) else {
            continue;
        };
        let line = format!("{label} {why}: {verdict}");
        let _ = writeln!(text, "  bar: {line}");
        if verdict != "met" {
            missed.push(format!("{}: {line}", case.name));
        }
    }
    (text, missed)
}

/// The verdict on one figure, and what it was held against; `None` if loxley did not take part.
fn judge(
    case: &Row,
    workers: usize,
    turns: &[Turn],
    label: &str,
    bar: Bar,
) -> Option<(&'static str, String)> {
    let values = |contender: &str, label: &str| -> Option<Vec<Option<f64>>> {
        let metric = case.metrics.iter().find(|metric| metric.label == label)?;
        let turn = turns.iter().find(|turn| turn.label == contender)?;
        Some(turn.values(metric))
    };
    let ours = values("loxley", label)?;
    let known: Vec<f64> = ours.iter().copied().flatten().collect();
    Some(match bar {
        Bar::Most(most) => (verdict(&known, most), format!("at most {most}")),
        Bar::MostIfCalm(most, calm) => {
            let calm: Vec<f64> = values("loxley", calm)?.into_iter().flatten().collect();
            let restless = median(&calm).is_none_or(|calm| calm > most);
            let verdict = verdict(&known, most);
            (
                if restless && verdict != "met" {
                    "undecided"
                } else {
                    verdict
                },
                format!("at most {most}"),
            )
        }
        Bar::OverCalm(more, calm) => {
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            let calm: Vec<f64> = values("loxley", calm)?.into_iter().flatten().collect();
            let most = mean(&calm) + more;
            let verdict = if mean(&known) <= most {
                "met"
            } else {
                "missed"
            };
            (
                verdict,
                format!(
                    "(mean {:.2}) at most {most:.2}, the calm run's and {more}",
                    mean(&known)
                ),
            )
        }
        Bar::Times(most, contender) => {
            let ratios = paired_ratios(&ours, &values(contender, label)?);
            let ratio = median(&ratios)?;
            (
                verdict(&ratios, most),
                format!("({ratio:.2} times) at most {most} times {contender}"),
            )
        }
        Bar::Threads => {
            let all =
                !known.is_empty() && known.iter().all(|threads| *threads == (workers + 1) as f64);
            let verdict = if all { "met" } else { "missed" };
            (verdict, "the workers and one".to_owned())
        }
    })
}

fn verdict(values: &[f64], most: f64) -> &'static str {
    let interval = bootstrap(values).or_else(|| {
        let median = median(values)?;
        Some(Interval {
            median,
            low: median,
            high: median,
        })
    });
    match interval {
        Some(interval) if interval.high <= most => "met",
        Some(interval) if interval.low > most => "missed",
        _ => "undecided",
    }
}

/// The program with tokio's unstable options; built when it is first asked for.
///
/// # Errors
///
/// If cargo does not build it; what it said is in the message.
pub fn program_with_options() -> Result<PathBuf, String> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    PROGRAM.get_or_init(build_with_options).clone()
}

fn build_with_options() -> Result<PathBuf, String> {
    build_again(
        "tokio-unstable",
        "--cfg tokio_unstable",
        &["--no-default-features"],
    )
}

/// Builds this program with those flags of the compiler and of cargo, in a target directory of that name.
pub(crate) fn build_again(name: &str, flags: &str, arguments: &[&str]) -> Result<PathBuf, String> {
    let own = std::env::current_exe().map_err(|error| error.to_string())?;
    let ours = own.ancestors().nth(2).ok_or("no target directory")?;
    let target = ours.join(name);
    let output = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()))
        .args(["build", "--release", "--locked", "--package", "benches"])
        .args(["--bin", "benches"])
        .args(arguments)
        .arg("--target-dir")
        .arg(&target)
        .env("RUSTFLAGS", flags)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .map_err(|error| format!("cargo does not start: {error}"))?;
    if output.status.success() {
        Ok(target.join("release").join("benches"))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bar_is_about_a_figure_that_its_case_shows() {
        for case in chosen(&[]).unwrap() {
            let has = |label: &str| case.metrics.iter().any(|metric| metric.label == label);
            let bars = bars(case.name);
            assert!(!bars.is_empty(), "{} has no bar", case.name);
            for (label, bar) in bars {
                assert!(has(label), "{} does not show {label}", case.name);
                if let Bar::MostIfCalm(_, calm) | Bar::OverCalm(_, calm) = bar {
                    assert!(has(calm), "{} does not show {calm}", case.name);
                }
            }
        }
    }

    #[test]
    fn an_unknown_case_is_refused_with_the_list_of_those_that_are() {
        let error = chosen(&["stuck".to_owned()]).unwrap_err().to_string();
        assert!(
            error.contains("block_2") && error.contains(cost::NAME),
            "{error}"
        );
        assert!(chosen(&[cost::NAME.to_owned()]).unwrap().is_empty());
    }

    #[test]
    fn a_bar_is_met_or_missed_by_the_whole_interval() {
        assert_eq!(verdict(&[1.0, 1.1, 1.2], 1.2), "met");
        assert_eq!(verdict(&[1.0, 1.1, 1.2], 0.9), "missed");
        assert_eq!(verdict(&[1.0, 1.1, 1.2], 1.1), "undecided");
        assert_eq!(verdict(&[1.0], 1.1), "met");
        assert_eq!(verdict(&[], 1.1), "undecided");
    }
}
