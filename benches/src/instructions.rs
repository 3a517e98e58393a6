//! Instructions per operation, counted by callgrind: noise cannot touch them.
//!
//! One worker; the same workload at two lengths without warm-up; the difference of the two counts over the difference of
//! the two lengths. Start, end and everything else that does not grow with the length cancels out. Callgrind runs
//! one thread at a time, so contention is not in these figures; nor is what the kernel does.
//!
//! In the socket rows the server alone is counted, its client runs at full speed beside it; the two lengths are times, and
//! the messages are those that were answered. How many events come with one call varies, so these figures vary by some
//! percent, the others by less than one.
//!
//! Loxley reads the clock to learn how many polls fill the time between two looks. Under callgrind they take fifty times as
//! long, so it would look all the time, and how often would depend on the machine: one program read 85 to 142 instructions for
//! a yield. So it is counted with that number fixed (`STEADY`).
//!
//! Allocations are counted in the same way, by memcheck: it sees every call of malloc and its kin, in all threads, and the
//! program is the one whose instructions were counted. An allocator of our own that counts would be in those figures.
//!
//! `mpsc_1_1` reads about alike everywhere, because nearly all of it is the channel's own code: the check of the method.
//!
//! *Checked by* the tests of the parsers below.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;
use std::process::Command;

use crate::meter::Sample;
use crate::report::chosen;
use crate::rows::named;

/// A row to count: its lengths, and the most that loxley may need.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Count {
    pub(crate) row: &'static str,
    short: u64,
    long: u64,
    bar: Option<u64>,
}

const COUNTS: [Count; 12] = [
    count("spawn_local", 20_000, 60_000, Some(600)),
    count("spawn_one", 20_000, 60_000, None),
    count("chained_spawn", 20_000, 60_000, Some(450)),
    count("yield_many", 200_000, 600_000, Some(150)),
    count("yield_self", 100_000, 300_000, Some(150)),
    count("ping_pong", 10_000, 30_000, Some(2_000)),
    count("timer_cancel", 20_000, 60_000, Some(500)),
    count("spawn_remote_1", 20_000, 60_000, Some(700)),
    count("mpsc_1_1", 50_000, 150_000, None),
    count("echo_64b_64", 500, 2_000, None),
    count("churn", 500, 2_000, None),
    count("http_hello", 1_000, 4_000, None),
];

pub(crate) const fn count(row: &'static str, short: u64, long: u64, bar: Option<u64>) -> Count {
    Count {
        row,
        short,
        long,
        bar,
    }
}

/// Loxley with as many polls between two looks as tokio has by default.
const STEADY: &str = "loxley+event_interval=61";

/// Counts the rows of those names (all that have a count, if there are none) on those runtimes and prints a table.
///
/// # Errors
///
/// If valgrind is missing or fails, or a row is unknown or has no count.
pub fn run(names: &[String], runtimes: &[String]) -> io::Result<()> {
    checked(names)?;
    let own = std::env::current_exe()?;
    let mut out = io::stdout();
    write!(out, "{:<16}", "instructions/op")?;
    for runtime in runtimes {
        write!(out, "{runtime:>10}")?;
    }
    writeln!(out, "{:>8}", "bar")?;
    for count in COUNTS.iter().filter(|count| wanted(count, names)) {
        write!(out, "{:<16}", count.row)?;
        for runtime in runtimes {
            if named(count.row).is_some_and(|row| row.form(runtime).is_none()) {
                write!(out, "{:>10}", "-")?;
                continue;
            }
            let steady = if runtime == "loxley" { STEADY } else { runtime };
            let per_op = count.per_operation(&own, steady, &INSTRUCTIONS)?;
            let over = runtime == "loxley" && count.bar.is_some_and(|bar| per_op > bar as f64);
            write!(
                out,
                "{:>10}",
                format!("{}{per_op:.0}", if over { "!" } else { "" })
            )?;
            out.flush()?;
        }
        writeln!(
            out,
            "{:>8}",
            count.bar.map_or("-".to_owned(), |bar| format!("<={bar}"))
        )?;
    }
    writeln!(
        out,
        "one worker; a `!` marks a figure of loxley's above the bar"
    )
}

/// Counts the same on loxley alone and prints a line per row: its name, instructions and allocations per operation.
///
/// # Errors
///
/// As [`run`].
pub fn lines(names: &[String]) -> io::Result<()> {
    checked(names)?;
    let own = std::env::current_exe()?;
    for count in COUNTS.iter().filter(|count| wanted(count, names)) {
        let instructions = count.per_operation(&own, STEADY, &INSTRUCTIONS)?;
        let allocations = count.per_operation(&own, STEADY, &ALLOCATIONS)?;
        writeln!(
            io::stdout(),
            "{} {instructions:.1} {allocations:.3}",
            count.row
        )?;
    }
    Ok(())
}

fn wanted(count: &Count, names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == count.row)
}

/// Whether those rows can be counted here.
fn checked(names: &[String]) -> io::Result<()> {
    chosen(names)?;
    if let Some(name) = names
        .iter()
        .find(|name| COUNTS.iter().all(|count| count.row != **name))
    {
        let counted: Vec<_> = COUNTS.iter().map(|count| count.row).collect();
        return Err(io::Error::other(format!(
            "{name} is not counted; those are: {}",
            counted.join(" ")
        )));
    }
    if let Err(error) = Command::new("valgrind").arg("--version").output() {
        return Err(io::Error::other(format!(
            "valgrind does not start ({error}): install it, as in `apt-get install valgrind`"
        )));
    }
    Ok(())
}

/// Starts a program on one processor, where no thread preempts the one that woke it: the client sends all that it can
/// before the server reads, and the other way round. So how many messages come with one look does not depend on who is
/// faster.
const LOCKSTEP: [&str; 6] = ["chrt", "--batch", "0", "taskset", "--cpu-list", "0"];

/// A tool that runs a program, and where it says what it counted.
pub(crate) struct Counter {
    command: &'static [&'static str],
    /// Callgrind's dumps hold the count, and not what it says.
    dumps: bool,
    /// Whether client and server run by turns.
    lockstep: bool,
    read: fn(&str) -> Option<u64>,
}

pub(crate) const INSTRUCTIONS: Counter = Counter {
    command: &[
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
    ],
    dumps: false,
    lockstep: false,
    read: collected,
};

/// Instructions of the thread that needs most: the one worker. What others do by the clock counts fifty times as much
/// where the program runs fifty times slower.
pub(crate) const WORKER_INSTRUCTIONS: Counter = Counter {
    command: &["valgrind", "--tool=callgrind", "--separate-threads=yes"],
    dumps: true,
    lockstep: true,
    read: busiest,
};

/// System calls of all threads of the runtime, by their names, and not of the client.
/// Counted by the kernel: under strace a poll takes so long that the monitor takes its worker for stuck.
pub(crate) const CALLS: Counter = Counter {
    command: &[
        "perf",
        "stat",
        "-x,",
        "-e",
        "raw_syscalls:sys_enter",
        "--filter",
        "comm ~ \"loxley*\"",
    ],
    dumps: false,
    lockstep: true,
    read: called,
};

/// Without memcheck's own checks, which would only take time.
const ALLOCATIONS: Counter = Counter {
    command: &[
        "valgrind",
        "--tool=memcheck",
        "--leak-check=no",
        "--undef-value-errors=no",
        "--freelist-vol=0",
    ],
    dumps: false,
    lockstep: false,
    read: allocated,
};

impl Count {
    /// What a program needs per operation of this row.
    pub(crate) fn per_operation(
        &self,
        program: &Path,
        runtime: &str,
        counter: &Counter,
    ) -> io::Result<f64> {
        let (few, short) = counter.count_once(program, self.row, runtime, self.short)?;
        let (many, long) = counter.count_once(program, self.row, runtime, self.long)?;
        Ok(long.saturating_sub(short) as f64 / many.saturating_sub(few).max(1) as f64)
    }
}

impl Counter {
    /// Operations done and what was counted meanwhile.
    fn count_once(
        &self,
        program: &Path,
        row: &str,
        runtime: &str,
        amount: u64,
    ) -> io::Result<(u64, u64)> {
        let turns: &[_] = if self.lockstep { &LOCKSTEP } else { &[] };
        let mut words = turns.iter().chain(self.command);
        let tool = words.next().expect("a tool has a name");
        let mut command = Command::new(tool);
        command.args(words);
        let dumps = std::env::temp_dir().join(format!("loxley-benches-{}", std::process::id()));
        if self.dumps {
            fs::create_dir_all(&dumps)?;
            let file = dumps.join("callgrind");
            command.arg(format!("--callgrind-out-file={}", file.display()));
        }
        let output = command
            .arg(program)
            .args(["one", row, runtime, "--workers", "1", "--no-warm-up"])
            .args(["--amount", &amount.to_string()])
            .output()
            .map_err(|error| io::Error::other(format!("{tool} does not start: {error}")))?;
        let mut said = String::from_utf8_lossy(&output.stderr).into_owned();
        if self.dumps {
            for file in fs::read_dir(&dumps)? {
                said += &fs::read_to_string(file?.path())?;
            }
            fs::remove_dir_all(&dumps)?;
        }
        let sample: Result<Sample, _> = String::from_utf8_lossy(&output.stdout).trim().parse();
        match ((self.read)(&said), sample) {
            (Some(count), Ok(sample)) if output.status.success() => Ok((sample.ops, count)),
            _ => Err(io::Error::other(format!(
                "{row} on {runtime} under {tool}: {}\n{said}",
                output.status
            ))),
        }
    }
}

/// The count in callgrind's last words, a line like `==7== Collected : 1234`.
fn collected(said: &str) -> Option<u64> {
    let (_, count) = said
        .lines()
        .rev()
        .find_map(|line| line.split_once("Collected :"))?;
    count.split_whitespace().next()?.parse().ok()
}

/// The count in memcheck's last words, a line like `==7==   total heap usage: 2,180 allocs, 2,145 frees, ..`.
fn allocated(said: &str) -> Option<u64> {
    let (_, count) = said
        .lines()
        .rev()
        .find_map(|line| line.split_once("total heap usage:"))?;
    let (count, _) = count.split_once(" allocs")?;
    count.trim().replace(',', "").parse().ok()
}

/// The largest count in callgrind's dumps of single threads, in lines like `totals: 1234`.
fn busiest(dumps: &str) -> Option<u64> {
    let totals = dumps
        .lines()
        .filter_map(|line| line.strip_prefix("totals:"));
    totals.filter_map(|total| total.trim().parse().ok()).max()
}

/// The count in perf's line, like `1234,,raw_syscalls:sys_enter,56789,100.00,,`.
fn called(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .rev()
        .find(|line| line.contains(",raw_syscalls:sys_enter"))?;
    line.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_threads_the_busiest_is_counted() {
        let dumps = "events: Ir\ntotals: 9394\nevents: Ir\ntotals: 34459697\ntotals: 7\n";
        assert_eq!(busiest(dumps), Some(34_459_697));
        assert_eq!(busiest("events: Ir\n"), None);
    }

    #[test]
    fn the_calls_are_read_from_perfs_line() {
        let said = "something else\n1234,,raw_syscalls:sys_enter,56789,100.00,,\n";
        assert_eq!(called(said), Some(1_234));
        assert_eq!(
            called("<not counted>,,raw_syscalls:sys_enter,0,0.00,,"),
            None
        );
        assert_eq!(called("perf: nothing"), None);
    }

    #[test]
    fn the_count_is_read_from_callgrinds_last_words() {
        let said =
            "==7== Callgrind\n==7== \n==7== Events    : Ir\n==7== Collected : 123456\n==7== \n";
        assert_eq!(collected(said), Some(123_456));
        assert_eq!(collected("==7== nothing"), None);
    }

    #[test]
    fn the_allocations_are_read_from_memchecks_last_words() {
        let said = "==7== HEAP SUMMARY:\n==7==     in use at exit: 9 bytes in 1 blocks\n\
                    ==7==   total heap usage: 1,002,180 allocs, 2,145 frees, 483,980 bytes allocated\n";
        assert_eq!(allocated(said), Some(1_002_180));
        assert_eq!(allocated("==7==   total heap usage: none"), None);
        assert_eq!(allocated("==7== nothing"), None);
    }

    #[test]
    fn every_counted_row_exists() {
        for count in COUNTS {
            assert!(named(count.row).is_some(), "{}", count.row);
            assert!(count.short < count.long);
        }
    }
}
