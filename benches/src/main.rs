//! The command line of the benches; what it can do stands in the library's head.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use bench_rows::client::{self, Load};
use bench_rows::harness::{Amount, Plan};
use bench_rows::report::{self, Rivals};
use bench_rows::{instructions, knobs, rescue, rows, runtimes, scaling, shared};

const USAGE: &str = "\
benches rivals [ROW ..] [--runs N] [--workers N] [--amount N] [--with RUNTIME] [--only RUNTIME,..]
    alternates processes of loxley and its rivals and prints medians, spread and paired ratios
benches rescue [CASE ..] [--runs N] [--workers N] [--only RUNTIME,..]
    shows what a stuck worker does to others, with the bars beside the figures; the case `cost` counts instructions and
    system calls with and without rescue (needs valgrind and perf)
benches instructions [ROW ..] [--only RUNTIME,..] [--lines]
    counts instructions per operation with callgrind; with --lines only loxley's, and its allocations, for programs
benches knobs [KNOB ..] [--runs N] [--workers N] [--amount N]
    runs loxley with several values of each knob, on rows that it matters to
benches scaling [ROW ..] [--amount N]
    shows with 2, 4, 8 and 64 workers what loxley counts per operation: sleeps, searches, steals, polls
benches shared [ROW ..]
    builds loxley once more and counts writes to shared words per operation, by word, with one worker and with two
benches one ROW RUNTIME [--workers N] [--amount N] [--no-warm-up] [--counts]
    measures once, in this process, and prints one line; with --counts also what loxley counts
benches list
    names the rows and their questions";

/// After so long a process gives up on its row: something is stuck.
const PATIENCE: Duration = Duration::from_secs(120);

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match run(&arguments) {
        Ok(code) => code,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &[String]) -> Result<ExitCode, String> {
    let Some((mode, rest)) = arguments.split_first() else {
        return Err(USAGE.to_owned());
    };
    match mode.as_str() {
        "rivals" => rivals(&Options::parse(rest)?),
        "rescue" => {
            let options = Options::parse(rest)?;
            let rivals = options.rivals(options.only.clone(), false);
            delivered(rescue::run(&rivals))
        }
        "knobs" => {
            let options = Options::parse(rest)?;
            delivered(knobs::run(&options.rivals(Vec::new(), false)))
        }
        "instructions" => {
            let options = Options::parse(rest)?;
            let counted = if options.lines {
                instructions::lines(&options.words)
            } else {
                instructions::run(&options.words, &options.runtimes(&report::RUNTIMES))
            };
            counted.map_err(|error| error.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        "scaling" => {
            let options = Options::parse(rest)?;
            delivered(scaling::run(&options.words, options.amount))
        }
        "shared" => {
            let options = Options::parse(rest)?;
            shared::run(&options.words).map_err(|error| error.to_string())?;
            Ok(ExitCode::SUCCESS)
        }
        "one" => one(&Options::parse(rest)?),
        "client" => {
            let (address, load) = rest.split_first().ok_or(USAGE)?;
            let address = address
                .parse()
                .map_err(|_| format!("no address: {address}"))?;
            client::run(address, &Load::from_args(load)?)
                .map_err(|error| format!("client: {error}"))?;
            Ok(ExitCode::SUCCESS)
        }
        "list" => {
            let every = rows::all().chain(rows::rescue::rows());
            every.for_each(|row| println!("{:<16} {}", row.name, row.question));
            Ok(ExitCode::SUCCESS)
        }
        _ => Err(USAGE.to_owned()),
    }
}

fn rivals(options: &Options) -> Result<ExitCode, String> {
    let rivals = options.rivals(options.runtimes(&report::RUNTIMES), true);
    delivered(report::run(&rivals))
}

/// What a run that printed its table means for the shell.
fn delivered(run: std::io::Result<bool>) -> Result<ExitCode, String> {
    Ok(match run.map_err(|error| error.to_string())? {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn one(options: &Options) -> Result<ExitCode, String> {
    let [row, runtime] = options.words.as_slice() else {
        return Err(USAGE.to_owned());
    };
    let row = rows::named(row).ok_or(format!("no row {row}"))?;
    let form = row
        .form(runtime)
        .ok_or(format!("{} does not run on {runtime}", row.name))?;
    runtimes::be(runtime);
    thread::spawn(|| {
        thread::sleep(PATIENCE);
        eprintln!("nothing after {PATIENCE:?}: stuck");
        std::process::exit(3);
    });
    let (Amount::Ops(amount) | Amount::Millis(amount)) = row.amount.or(options.amount);
    let sample = form(&Plan {
        workers: row.workers.unwrap_or(options.workers),
        amount,
        warm_up: options.warm_up,
    });
    if options.counts {
        println!("{}", runtimes::counted(sample));
        shared::print();
    } else {
        println!("{sample}");
    }
    // Threads of a runtime that has no end of its own must not keep us.
    std::process::exit(0)
}

/// What follows the mode.
#[derive(Debug)]
struct Options {
    words: Vec<String>,
    runs: usize,
    workers: usize,
    amount: Option<u64>,
    warm_up: bool,
    with: Vec<String>,
    only: Vec<String>,
    lines: bool,
    counts: bool,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Options, String> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let mut options = Options {
            words: Vec::new(),
            runs: 5,
            workers: cores,
            amount: None,
            warm_up: true,
            with: Vec::new(),
            only: Vec::new(),
            lines: false,
            counts: false,
        };
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            let mut value = || {
                arguments
                    .next()
                    .ok_or(format!("{argument} wants a value\n{USAGE}"))
            };
            let number = |text: &String| {
                text.parse::<u64>()
                    .map_err(|_| format!("no number: {text}"))
            };
            match argument.as_str() {
                "--runs" => options.runs = number(value()?)?.max(1) as usize,
                "--workers" => options.workers = number(value()?)?.max(1) as usize,
                "--amount" => options.amount = Some(number(value()?)?.max(1)),
                "--with" => options.with.push(value()?.clone()),
                "--only" => options.only.extend(value()?.split(',').map(str::to_owned)),
                "--lines" => options.lines = true,
                "--counts" => options.counts = true,
                "--no-warm-up" => options.warm_up = false,
                flag if flag.starts_with('-') => {
                    return Err(format!("no such flag: {flag}\n{USAGE}"));
                }
                _ => options.words.push(argument.clone()),
            }
        }
        Ok(options)
    }

    fn rivals(&self, runtimes: Vec<String>, twice: bool) -> Rivals {
        Rivals {
            rows: self.words.clone(),
            runs: self.runs,
            workers: self.workers,
            amount: self.amount,
            runtimes,
            twice,
        }
    }

    /// Those asked for, or the usual ones and those asked for besides.
    fn runtimes(&self, usual: &[&str]) -> Vec<String> {
        if !self.only.is_empty() {
            return self.only.clone();
        }
        usual
            .iter()
            .map(|name| (*name).to_owned())
            .chain(self.with.iter().cloned())
            .collect()
    }
}
