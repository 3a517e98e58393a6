//! `numbers`: the tables of times in the pages show what the benches have printed, and judge it by their bars.
//!
//! 1. The records are what `benches -- rivals` printed, never edited; rows of a later one take the place of the others'.
//! 2. A table of the pages whose heading begins with `row` and `figure` shows, in each line, that figure of that row of the
//!    record. Its other columns are, by their heading: `bar`, which is the page's own; `ratio`, to whom the bar names (or
//!    to tokio), with its interval; `verdict`; else the median of the runtime of that name.
//! 3. A bar is `≥ 2.5 × tokio`, `≤ 1.05 × raw`, `≥ 1.1 × best` (of all peers in the row: each of them must be passed), or
//!    a bound of the figure itself, `≤ 90`.
//! 4. The verdict is *met* or *lost* when all of the interval of the ratio, or for a bound all values, lie on one side of
//!    the bar, and there were at least 15 rounds; else *undecided*.
//! 5. `--bless` writes the cells; without it the gate fails where they differ.
//!
//! *Rejected.* Verdicts in the output of the benches: the bars are what we want, not what was measured.

use std::collections::BTreeMap;
use std::fs;

use crate::command::{self, root};
use crate::gate::{Options, Outcome, Verdict};

const RECORDS: [&str; 4] = [
    "docs/measured/rivals.txt",
    "docs/measured/rivals-later.txt",
    "docs/measured/rivals-sockets.txt",
    "docs/measured/rivals-spawn.txt",
];
const PAGES: [&str; 2] = ["README.md", "docs/performance.md"];
/// Fewer rounds decide nothing.
const ENOUGH: usize = 15;
/// Whom ratios refer to unless a bar says otherwise.
const YARDSTICK: &str = "tokio";
/// Stands for every peer in a bar.
const BEST: &str = "best";

/// `numbers`
pub(crate) fn gate(options: &Options) -> Outcome {
    let mut record = Record::default();
    for path in RECORDS {
        let text = command::read(path)?;
        record.add(&text).map_err(|why| format!("{path}: {why}"))?;
    }
    let mut lines = 0;
    for page in PAGES {
        let text = command::read(page)?;
        let (filled, count) = fill(&text, &record).map_err(|why| format!("{page}: {why}"))?;
        lines += count;
        if options.bless {
            fs::write(root().join(page), filled)
                .map_err(|error| format!("cannot write {page}: {error}"))?;
        } else if filled != text {
            return Err(format!(
                "{page} does not show what {RECORDS:?} say; `cargo xtask numbers --bless` writes it"
            ));
        }
    }
    match lines {
        0 => Err(format!(
            "no table of {PAGES:?} shows figures of {RECORDS:?}"
        )),
        _ => Ok(Verdict::Passed(format!("{lines} lines"))),
    }
}

/// What the benches printed: figures by row and label.
#[derive(Debug, Default)]
struct Record {
    figures: BTreeMap<(String, String), Figure>,
}

#[derive(Debug, Default)]
struct Figure {
    rounds: usize,
    /// By runtime.
    values: BTreeMap<String, Reading>,
    /// loxley's, by whom it is compared with.
    ratios: BTreeMap<String, Reading>,
}

/// A median and what is in brackets beside it.
#[derive(Debug, Clone)]
struct Reading {
    text: String,
    median: String,
    low: f64,
    high: f64,
}

impl Record {
    /// Rows that were there are forgotten for those of `text`.
    fn add(&mut self, text: &str) -> Result<(), String> {
        let rounds = text
            .split_once(" rounds of")
            .and_then(|(before, _)| before.split_whitespace().next_back()?.parse().ok())
            .ok_or("it does not say how many rounds there were")?;
        for block in text.split("\n\n").filter(|block| block.contains(" · ")) {
            let row = block.split(" · ").next().unwrap_or_default().trim();
            self.figures.retain(|(known, _), _| known != row);
            self.add_row(row, block, rounds);
        }
        Ok(())
    }

    fn add_row(&mut self, row: &str, block: &str, rounds: usize) {
        let mut lines = block.lines().skip(2).map(cells);
        let runtimes = lines.next().unwrap_or_default();
        let mut label = "";
        for cells in lines {
            let Some((first, readings)) = cells.split_first() else {
                continue;
            };
            let ratio_to = match *first {
                "ratio" => Some(YARDSTICK),
                first => first.strip_prefix("to "),
            };
            if ratio_to.is_none() {
                label = first;
            }
            let key = (row.to_owned(), label.to_owned());
            let figure = self.figures.entry(key).or_default();
            figure.rounds = rounds;
            if let Some(peer) = ratio_to {
                let ratio = readings.first().and_then(|cell| Reading::parse(cell));
                figure.ratios.extend(ratio.map(|it| (peer.to_owned(), it)));
            } else {
                let values = runtimes.iter().zip(readings);
                figure.values.extend(values.filter_map(|(runtime, cell)| {
                    Some(((*runtime).to_owned(), Reading::parse(cell)?))
                }));
            }
        }
    }
}

/// Columns have two spaces between them at least.
fn cells(line: &str) -> Vec<&str> {
    let cells = line.split("  ").map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

impl Reading {
    /// Of `8014 [6637-11937]`, whatever follows.
    fn parse(cell: &str) -> Option<Self> {
        let (median, rest) = cell.split_once(" [")?;
        let (range, _) = rest.split_once(']')?;
        let (low, high) = range.split_once('-')?;
        Some(Self {
            text: format!("{median} [{low}–{high}]"),
            median: median.to_owned(),
            low: low.parse().ok()?,
            high: high.parse().ok()?,
        })
    }
}

/// What a page wants of a figure.
#[derive(Debug, PartialEq)]
struct Bar<'a> {
    at_least: bool,
    bound: f64,
    /// `None`: the bound is of the figure itself.
    peer: Option<&'a str>,
}

impl<'a> Bar<'a> {
    /// `None` of a cell that says nothing, as `-`.
    fn parse(cell: &'a str) -> Result<Option<Self>, String> {
        let Some((sign, rest)) = cell.split_once(' ') else {
            return Ok(None);
        };
        let (bound, peer) = match rest.split_once(" × ") {
            Some((bound, peer)) => (bound, Some(peer)),
            None => (rest, None),
        };
        match (sign, bound.replace(',', "").parse()) {
            ("≥" | "≤", Ok(bound)) => Ok(Some(Self {
                at_least: sign == "≥",
                bound,
                peer,
            })),
            _ => Err(format!("no bar: {cell}")),
        }
    }

    /// The readings that must pass it.
    fn about<'f>(&self, figure: &'f Figure) -> Vec<&'f Reading> {
        match self.peer {
            None => figure.values.get("loxley").into_iter().collect(),
            Some(BEST) => figure.ratios.values().collect(),
            Some(peer) => figure.ratios.get(peer).into_iter().collect(),
        }
    }

    fn verdict(&self, figure: &Figure) -> &'static str {
        let readings = self.about(figure);
        let passed = |value: f64| match self.at_least {
            true => value >= self.bound,
            false => value <= self.bound,
        };
        let all = |it: &Reading| passed(it.low) && passed(it.high);
        let none = |it: &Reading| !passed(it.low) && !passed(it.high);
        match () {
            () if readings.is_empty() => "not measured",
            () if figure.rounds < ENOUGH => "undecided",
            () if readings.iter().all(|it| all(it)) => "met",
            () if readings.iter().any(|it| none(it)) => "**lost**",
            () => "undecided",
        }
    }
}

/// The page with the cells of the record, and how many lines have some.
fn fill(page: &str, record: &Record) -> Result<(String, usize), String> {
    let mut headings: Vec<&str> = Vec::new();
    let (mut text, mut count) = (String::new(), 0);
    for line in page.lines() {
        let cells = table_cells(line);
        if cells.starts_with(&["row", "figure"]) {
            headings = cells;
        } else if cells.is_empty() {
            headings.clear();
        } else if !headings.is_empty() && !cells[0].starts_with('-') {
            text += &filled_line(&headings, &cells, record)?;
            text.push('\n');
            count += 1;
            continue;
        }
        text += line;
        text.push('\n');
    }
    Ok((text, count))
}

fn table_cells(line: &str) -> Vec<&str> {
    let inner = line
        .strip_prefix('|')
        .and_then(|line| line.strip_suffix('|'));
    inner.map_or(Vec::new(), |line| {
        line.split('|').map(str::trim).collect::<Vec<_>>()
    })
}

fn filled_line(headings: &[&str], cells: &[&str], record: &Record) -> Result<String, String> {
    let [row, label, ..] = cells else {
        return Err(format!("a line of {} cells", cells.len()));
    };
    let key = (row.trim_matches('`').to_owned(), (*label).to_owned());
    let figure = record
        .figures
        .get(&key)
        .ok_or(format!("the benches printed no {row}, {label}"))?;
    let own = |heading: &str| {
        let column = headings.iter().position(|it| *it == heading)?;
        cells.get(column).copied()
    };
    let bar = Bar::parse(own("bar").unwrap_or_default())?;
    let mut line = String::from("|");
    for heading in headings {
        let cell = match *heading {
            "row" | "figure" | "bar" => own(heading).unwrap_or_default().to_owned(),
            "ratio" => {
                let peer = bar.as_ref().and_then(|bar| bar.peer);
                let ratios = figure.ratios.iter();
                let named = ratios.filter(|(name, _)| match peer {
                    Some(BEST) => true,
                    peer => name.as_str() == peer.unwrap_or(YARDSTICK),
                });
                let texts: Vec<_> = named.map(|(_, ratio)| ratio.text.as_str()).collect();
                texts.join(", ")
            }
            "verdict" => bar
                .as_ref()
                .map_or("-", |bar| bar.verdict(figure))
                .to_owned(),
            runtime => figure
                .values
                .get(runtime)
                .map_or("-", |value| value.median.as_str())
                .to_owned(),
        };
        line += &format!(" {cell} |");
    }
    Ok(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRINTED: &str = "\
commit   abc
method   15 rounds of alternating processes; median [least-greatest];

spawn · 2 workers · 300 operations · others used 0.00 cores
  what does it cost?
                                         loxley             loxley again                    tokio                     smol
  kops/s                      8014 [6637-11937]        7332 [7061-12050]         1093 [1037-1519]         8455 [4973-9267]
    ratio                   6.07 [4.88-11.51] +       0.96 [0.89-1.06] =                        1       6.45 [4.51-8.38] +
    to smol                  0.95 [0.90-1.10] ~
  late p50 µs                  80.5 [79.0-92.0]         80.5 [79.0-92.0]            613 [600-700]         45.9 [40.0-50.0]
    ratio                    0.13 [0.12-0.14] +       1.00 [0.96-1.02] =                        1       0.08 [0.07-0.09] +
    to smol                  1.75 [1.70-1.80] -

Lost to tokio (the interval of the first figure lies on the wrong side):
  nothing
";

    fn record(printed: &str) -> Record {
        let mut record = Record::default();
        record.add(printed).unwrap();
        record
    }

    fn filled(page: &str) -> Result<(String, usize), String> {
        fill(page, &record(PRINTED))
    }

    fn verdict(bar: &str, label: &str, printed: &str) -> &'static str {
        let record = record(printed);
        let figure = &record.figures[&("spawn".to_owned(), label.to_owned())];
        let bar = Bar::parse(bar).unwrap().unwrap();
        bar.verdict(figure)
    }

    #[test]
    fn a_line_gets_its_figures_and_other_text_stays() {
        let page = "text\n| row | figure | loxley | smol | raw | ratio |\n|---|---|---:|---:|---:|---|\n| `spawn` | kops/s | 1 | | | |\n\n| a | b |\n";
        let expected = "text\n| row | figure | loxley | smol | raw | ratio |\n|---|---|---:|---:|---:|---|\n| `spawn` | kops/s | 8014 | 8455 | - | 6.07 [4.88–11.51] |\n\n| a | b |\n";
        assert_eq!(filled(page), Ok((expected.to_owned(), 1)));
        assert_eq!(filled(expected), Ok((expected.to_owned(), 1)));
    }

    #[test]
    fn a_bar_chooses_the_ratio_and_gets_a_verdict() {
        let heading = "| row | figure | bar | ratio | verdict |\n";
        let line = "| `spawn` | late p50 µs | ≤ 1.2 × smol | 1.75 [1.70–1.80] | **lost** |\n";
        let page = format!("{heading}{line}");
        assert_eq!(filled(&page), Ok((page.clone(), 1)));
    }

    #[test]
    fn a_row_that_was_not_measured_is_an_error_that_names_it() {
        let page = "| row | figure | loxley |\n| `sprawn` | kops/s | 1 |\n";
        assert!(filled(page).unwrap_err().contains("`sprawn`, kops/s"));
        let page = "| row | figure | bar |\n| `spawn` | kops/s | = 3 |\n";
        assert!(filled(page).unwrap_err().contains("no bar: = 3"));
    }

    #[test]
    fn a_row_that_was_measured_again_is_the_later_one_and_others_stay() {
        let mut record = record(PRINTED);
        let again = PRINTED.replace("spawn ·", "other ·") + &PRINTED.replace("8014", "9000");
        record.add(&again).unwrap();
        let median = |row: &str| {
            let key = (row.to_owned(), "kops/s".to_owned());
            record.figures[&key].values["loxley"].median.clone()
        };
        assert_eq!([median("spawn"), median("other")], ["9000", "8014"]);
        assert!(record.add("nothing").is_err());
    }

    #[test]
    fn an_interval_across_the_bar_is_undecided_and_so_are_few_rounds() {
        assert_eq!(verdict("≥ 2.5 × tokio", "kops/s", PRINTED), "met");
        assert_eq!(verdict("≥ 5 × tokio", "kops/s", PRINTED), "undecided");
        assert_eq!(verdict("≥ 12 × tokio", "kops/s", PRINTED), "**lost**");
        let few = PRINTED.replace("15 rounds", "5 rounds");
        assert_eq!(verdict("≥ 2.5 × tokio", "kops/s", &few), "undecided");
    }

    #[test]
    fn the_best_is_every_peer_and_a_bound_is_the_figures_own() {
        assert_eq!(verdict("≥ 0.9 × best", "kops/s", PRINTED), "met");
        assert_eq!(verdict("≥ 1.0 × best", "kops/s", PRINTED), "undecided");
        assert_eq!(verdict("≥ 1.2 × best", "kops/s", PRINTED), "**lost**");
        assert_eq!(verdict("≤ 100", "late p50 µs", PRINTED), "met");
        assert_eq!(verdict("≤ 90", "late p50 µs", PRINTED), "undecided");
        assert_eq!(verdict("≤ 1.0 × raw", "kops/s", PRINTED), "not measured");
    }
}
