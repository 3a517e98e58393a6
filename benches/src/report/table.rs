//! A row's table as text: a column for each runtime, and for each figure a line of medians, one of ratios to tokio, and
//! one for each other peer with loxley's ratio to that.

use std::fmt::Write as _;

use super::{OURS, Rivals, Turn, YARDSTICK, verdict};
use crate::harness::{Amount, Better, Metric, Row};
use crate::stats::{Interval, bootstrap, median, paired_ratios, spread};

/// Width of a column of the table.
const WIDTH: usize = 25;

/// Everything about one row.
pub(super) fn table(row: &Row, options: &Rivals, turns: &[Turn], foreign: Option<f64>) -> String {
    let mut text = String::new();
    let workers = row.workers.unwrap_or(options.workers);
    let amount = match row.amount.or(options.amount) {
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
        for peer in turns.iter().filter(|turn| turn.is_peer()) {
            let ours = turns.iter().find(|turn| turn.label == OURS);
            let ratio = ours.map_or(String::new(), |ours| ratio_to(peer, ours, metric));
            let label = format!("  to {}", peer.label);
            let _ = writeln!(text, "  {label:<20}{ratio:>WIDTH$}");
        }
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

/// Median, least and greatest of the values there are.
pub(crate) fn spread_cell(values: &[Option<f64>]) -> String {
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
    let reference = if turn.is_again() { OURS } else { YARDSTICK };
    if turn.label == YARDSTICK {
        return "1".to_owned();
    }
    turns
        .iter()
        .find(|other| other.label == reference)
        .map_or(String::new(), |reference| ratio_to(reference, turn, metric))
}

/// Median, interval, and on which side of 1 that lies.
fn ratio_to(reference: &Turn, turn: &Turn, metric: &Metric) -> String {
    let ratios = paired_ratios(&turn.values(metric), &reference.values(metric));
    match (bootstrap(&ratios), median(&ratios)) {
        (Some(interval), _) => {
            let sign = if turn.is_again() {
                '='
            } else {
                sign(&interval, metric.better)
            };
            format!("{} {sign}", interval_cell(&interval))
        }
        (None, Some(median)) => format!("{median:.2}"),
        (None, None) => String::new(),
    }
}

/// Median and interval of a ratio.
pub(crate) fn interval_cell(interval: &Interval) -> String {
    format!(
        "{:.2} [{:.2}-{:.2}]",
        interval.median, interval.low, interval.high
    )
}

/// On which side of 1 the interval lies.
pub(super) fn sign(interval: &Interval, better: Better) -> char {
    if interval.holds(1.0) {
        return '~';
    }
    if (interval.median > 1.0) == (better == Better::Higher) {
        '+'
    } else {
        '-'
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::RATE;
    use crate::report::tests::turn;

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
    fn the_yardstick_is_one_and_a_slower_column_is_marked() {
        let turns = [
            turn("loxley", "loxley", &[200, 201]),
            turn("tokio", "tokio", &[100, 100]),
        ];
        assert!(ratio_cell(&turns[0], &turns, &RATE).ends_with('-'));
        assert_eq!(ratio_cell(&turns[1], &turns, &RATE), "1");
    }

    #[test]
    fn each_other_peer_is_a_bar_of_its_own() {
        let options = Rivals {
            rows: Vec::new(),
            runs: 2,
            workers: 2,
            amount: None,
            runtimes: Vec::new(),
            twice: false,
        };
        let turns = [
            turn("loxley", "loxley", &[100, 100]),
            turn("tokio", "tokio", &[200, 200]),
            turn("smol", "smol", &[50, 50]),
        ];
        let row = crate::rows::named("spawn_local").unwrap();
        let text = table(row, &options, &turns, None);
        let line = text.lines().find(|line| line.contains("to smol"));
        assert!(line.unwrap().ends_with("0.50 [0.50-0.50] -"), "{text}");
        assert!(!text.contains("to tokio") && !text.contains("to loxley"));
    }

    #[test]
    fn figures_have_three_digits() {
        assert_eq!(
            [1234.5, 56.78, 9.0, 0.1234, 0.0].map(figure),
            ["1234", "56.8", "9.00", "0.12", "0"]
        );
    }
}
