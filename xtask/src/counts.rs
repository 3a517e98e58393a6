//! `counts`: instructions and allocations per operation, against a checked-in record.
//!
//! 1. The benches count (`benches instructions --lines`, under valgrind): loxley alone, one worker.
//! 2. On the record's set-up (rustc, glibc, processor) the figures are compared with the record.
//! 3. On another one the recorded commit is built and counted again in the same run, and that is compared with.
//! 4. What seems lost is counted again, up to twice, and the least figure stands, as in what it is compared with: whatever
//!    comes by the clock, in a program that runs fifty times slower, only adds.
//! 5. `--bless` builds and counts the last commit, not the working tree, so that the record names what it shows.
//!
//! A row is lost when it needs more than 3 % above the record. The socket row is held to its allocations alone: how many
//! events come with one system call depends on how fast its client gets to run, and its instructions per message were
//! 1160 to 2000 in five runs on a busy machine. They stand in the record to be looked at.
//!
//! *Rejected.* An allocator that counts, in the benches: it would be in every count of instructions.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::command::{
    self, build_program, echoed, program_in_root, root, run, stdout, target_directory,
};
use crate::gate::{Options, Outcome, Verdict};

const RECORD: &str = "benches/counts.txt";

/// The rows, by how much of the record their instructions may grow, and by how many their allocations besides.
const ROWS: &[(&str, f64, f64)] = &[
    ("spawn_local", BOUND, STRAY),
    ("chained_spawn", BOUND, STRAY),
    ("yield_many", BOUND, STRAY),
    ("yield_self", BOUND, STRAY),
    ("ping_pong", BOUND, STRAY),
    ("timer_cancel", BOUND, STRAY),
    // Threads that stand in on a busy machine allocate; one allocation per message would be a whole one.
    ("echo_64b_64", f64::INFINITY, 0.9),
];
const BOUND: f64 = 0.03;

/// Allocations per operation that come and go with the place where a run ends, in rows that hardly allocate.
const STRAY: f64 = 0.02;

/// How often a row that seems lost is counted again.
const LOOKS: usize = 2;

/// What decides about counts besides the source.
const SETUP: [&str; 3] = ["rustc", "glibc", "processor"];

/// Per operation.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Count {
    instructions: f64,
    allocations: f64,
}

type Counts = BTreeMap<String, Count>;

#[derive(Debug, PartialEq)]
struct Record {
    commit: String,
    setup: [String; 3],
    counts: Counts,
}

/// `counts`
pub(crate) fn gate(options: &Options) -> Outcome {
    if let Err(why) = valgrind_works() {
        return Ok(Verdict::Skipped(why));
    }
    let setup = setup()?;
    if options.bless {
        return bless(setup);
    }
    let record = parse(&command::read(RECORD)?)?;
    let rows: Vec<&str> = ROWS.iter().map(|(row, ..)| *row).collect();
    let (before, with) = if record.setup == setup {
        (record.counts, format!("the record of {}", record.commit))
    } else if has_commit(&record.commit) {
        let recorded: Vec<&String> = record.counts.keys().collect();
        let counts = count_commit(&record.commit, &recorded)?;
        (counts, format!("{} counted here", record.commit))
    } else {
        return Ok(Verdict::Skipped(format!(
            "the record is from {}, this is {}, and the history here lacks its commit {} (a shallow clone?)",
            record.setup.join(", "),
            setup.join(", "),
            record.commit
        )));
    };
    let program = build_program(&["-p", "benches"])?;
    let mut now = count(&program, &rows)?;
    for _ in 0..LOOKS {
        let suspects = suspects(&before, &now);
        if suspects.is_empty() {
            break;
        }
        least(&mut now, &count(&program, &suspects)?);
    }
    let losses = losses(&before, &now);
    if losses.is_empty() {
        let gained = gained(&before, &now);
        Ok(Verdict::Passed(format!(
            "{} rows against {with}{gained}",
            now.len()
        )))
    } else {
        Err(format!(
            "more per operation than {with}; if it is meant, commit and run `cargo xtask counts --bless`:\n{}",
            losses.join("\n")
        ))
    }
}

fn bless(setup: [String; 3]) -> Outcome {
    let head = git(&["rev-parse", "--short=12", "HEAD"])?;
    let rows: Vec<&str> = ROWS.iter().map(|(row, ..)| *row).collect();
    let record = Record {
        counts: count_commit(&head, &rows)?,
        commit: head,
        setup,
    };
    fs::write(root().join(RECORD), written(&record))
        .map_err(|error| format!("cannot write {RECORD}: {error}"))?;
    Ok(Verdict::Passed(format!(
        "{RECORD} written for the commit {}",
        record.commit
    )))
}

pub(crate) fn valgrind_works() -> Result<(), String> {
    let output = Command::new("valgrind")
        .args(["--tool=none", "true"])
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(format!(
            "valgrind runs nothing here: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        )),
        Err(error) => Err(format!(
            "valgrind does not start ({error}): install it, as in `apt-get install valgrind`"
        )),
    }
}

fn setup() -> Result<[String; 3], String> {
    let rustc = stdout(program_in_root("rustc", &["--version"]))?;
    let glibc = stdout(program_in_root("getconf", &["GNU_LIBC_VERSION"]))?;
    let processor = fs::read_to_string("/proc/cpuinfo")
        .map_err(|error| format!("cannot read /proc/cpuinfo: {error}"))?;
    Ok([
        rustc.trim().to_string(),
        glibc.trim().to_string(),
        processor_in(&processor),
    ])
}

/// Its name, and family and model because names of virtual ones say little.
fn processor_in(cpuinfo: &str) -> String {
    let field = |name: &str| {
        cpuinfo
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(key, _)| key.trim() == name)
            .map_or("?", |(_, value)| value.trim())
    };
    format!(
        "{}, family {}, model {}",
        field("model name"),
        field("cpu family"),
        field("model")
    )
}

fn git(args: &[&str]) -> Result<String, String> {
    Ok(stdout(program_in_root("git", args))?.trim().to_string())
}

fn has_commit(commit: &str) -> bool {
    let mut command = program_in_root("git", &["cat-file", "-e"]);
    command.arg(format!("{commit}^{{commit}}"));
    command.stdin(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Builds a commit in a work tree of its own and counts; what it depends on is shared with the build of what is here.
fn count_commit(commit: &str, rows: &[impl AsRef<str>]) -> Result<Counts, String> {
    let target = target_directory()?;
    let tree = target.join("counts/tree");
    let counts = check_out(&tree, commit).and_then(|()| {
        let manifest = path(&tree.join("Cargo.toml"))?;
        let target = path(&target)?;
        let program = build_program(&[
            "-p",
            "benches",
            "--locked",
            "--manifest-path",
            &manifest,
            "--target-dir",
            &target,
        ])?;
        let mut counts = count(&program, rows)?;
        least(&mut counts, &count(&program, rows)?);
        Ok(counts)
    });
    remove(&tree);
    counts
}

fn check_out(tree: &Path, commit: &str) -> Result<(), String> {
    remove(tree);
    let mut command = program_in_root("git", &["worktree", "add", "--quiet", "--detach"]);
    command.arg(tree).arg(commit);
    run(command)
}

/// Whatever is left of it, from a run that was interrupted too.
fn remove(tree: &Path) {
    if tree.exists() {
        let mut command = program_in_root("git", &["worktree", "remove", "--force"]);
        command.arg(tree);
        if run(command).is_err() {
            // Not a work tree any more; if it stays, `git worktree add` says so.
            let _ = fs::remove_dir_all(tree);
        }
    }
    let _ = run(program_in_root("git", &["worktree", "prune"]));
}

fn path(path: &Path) -> Result<String, String> {
    path.to_str()
        .map(str::to_string)
        .ok_or_else(|| format!("not a path in UTF-8: {}", path.display()))
}

fn count(program: &Path, rows: &[impl AsRef<str>]) -> Result<Counts, String> {
    let mut command = program_in_root(program, &["instructions", "--lines"]);
    command.args(rows.iter().map(AsRef::as_ref));
    let counts = counts(&echoed(command)?)?;
    match rows
        .iter()
        .map(AsRef::as_ref)
        .find(|row| !counts.contains_key(*row))
    {
        Some(row) => Err(format!("the benches did not count {row}")),
        None => Ok(counts),
    }
}

/// Lines of a row's name, its instructions and its allocations.
fn counts(text: &str) -> Result<Counts, String> {
    text.lines()
        .map(|line| {
            row_and_count(line)
                .ok_or_else(|| format!("not a row, its instructions and its allocations: {line}"))
        })
        .collect()
}

fn row_and_count(line: &str) -> Option<(String, Count)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [row, instructions, allocations] = words[..] else {
        return None;
    };
    let count = Count {
        instructions: instructions.parse().ok()?,
        allocations: allocations.parse().ok()?,
    };
    // No row does without instructions, and what is compared with must be a number.
    let sane = count.instructions.is_finite() && count.instructions > 0.0;
    let sane = sane && count.allocations.is_finite() && count.allocations >= 0.0;
    sane.then(|| (row.to_string(), count))
}

fn parse(record: &str) -> Result<Record, String> {
    let field = |name: &str| {
        record
            .lines()
            .find_map(|line| {
                line.strip_prefix("# ")?
                    .strip_prefix(name)?
                    .strip_prefix(": ")
            })
            .map(|value| value.trim().to_string())
            .filter(|value| !value.is_empty())
            .ok_or_else(|| format!("{RECORD} names no {name}"))
    };
    let rows: String = record
        .lines()
        .filter(|line| !line.starts_with('#') && !line.trim().is_empty())
        .map(|line| format!("{line}\n"))
        .collect();
    let [rustc, glibc, processor] = SETUP;
    let record = Record {
        commit: field("commit")?,
        setup: [field(rustc)?, field(glibc)?, field(processor)?],
        counts: counts(&rows).map_err(|error| format!("{RECORD}: {error}"))?,
    };
    if record.counts.is_empty() {
        return Err(format!("{RECORD} has no rows"));
    }
    Ok(record)
}

fn written(record: &Record) -> String {
    let mut text = String::from(
        "# Row, instructions and allocations per operation; written by `cargo xtask counts --bless`.\n",
    );
    text.push_str(&format!("# commit: {}\n", record.commit));
    for (name, value) in SETUP.iter().zip(&record.setup) {
        text.push_str(&format!("# {name}: {value}\n"));
    }
    for (row, count) in &record.counts {
        text.push_str(&format!(
            "{row} {:.1} {:.3}\n",
            count.instructions, count.allocations
        ));
    }
    text
}

/// What got worse by more than its bound, and rows that have no record.
fn losses(before: &Counts, now: &Counts) -> Vec<String> {
    let mut losses = Vec::new();
    for (row, now) in now {
        let Some(before) = before.get(row) else {
            losses.push(format!("{row} has no record"));
            continue;
        };
        let (bound, stray) = bounds(row);
        if now.instructions > before.instructions * (1.0 + bound) {
            losses.push(format!(
                "{row}: {:.1} instructions, not {:.1} ({:+.1} %)",
                now.instructions,
                before.instructions,
                percent(before, now)
            ));
        }
        if now.allocations > before.allocations * (1.0 + BOUND) + stray {
            losses.push(format!(
                "{row}: {:.3} allocations, not {:.3}",
                now.allocations, before.allocations
            ));
        }
    }
    losses
}

/// The rows of which a second look is worth while.
fn suspects(before: &Counts, now: &Counts) -> Vec<String> {
    now.iter()
        .filter(|(row, count)| {
            let one = Counts::from([((*row).clone(), **count)]);
            before.contains_key(*row) && !losses(before, &one).is_empty()
        })
        .map(|(row, _)| row.clone())
        .collect()
}

fn least(counts: &mut Counts, again: &Counts) {
    for (row, again) in again {
        if let Some(count) = counts.get_mut(row) {
            count.instructions = count.instructions.min(again.instructions);
            count.allocations = count.allocations.min(again.allocations);
        }
    }
}

/// What got better by more than its bound, to be blessed.
fn gained(before: &Counts, now: &Counts) -> String {
    let rows: Vec<String> = now
        .iter()
        .filter_map(|(row, now)| Some((row, before.get(row)?, now)))
        .filter(|(row, before, now)| percent(before, now) < -100.0 * bounds(row).0)
        .map(|(row, before, now)| format!("{row} {:.1} %", percent(before, now)))
        .collect();
    if rows.is_empty() {
        String::new()
    } else {
        format!("; better, `--bless` it: {}", rows.join(", "))
    }
}

fn percent(before: &Count, now: &Count) -> f64 {
    (now.instructions / before.instructions - 1.0) * 100.0
}

fn bounds(row: &str) -> (f64, f64) {
    ROWS.iter()
        .find(|(name, ..)| *name == row)
        .map_or((BOUND, STRAY), |(_, bound, stray)| (*bound, *stray))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# words\n# commit: abc\n# rustc: rustc 1.95.0\n# glibc: glibc 2.36\n\
                        # processor: X, family 1, model 2\necho_64b_64 1200.0 0.000\nping_pong 1800.0 4.000\n";

    fn of(row: &str, instructions: f64, allocations: f64) -> Counts {
        Counts::from([(
            row.to_string(),
            Count {
                instructions,
                allocations,
            },
        )])
    }

    #[test]
    fn a_record_survives_writing_and_reading() {
        let record = parse(GOOD).unwrap();
        assert_eq!(record.commit, "abc");
        assert_eq!(record.counts["ping_pong"].allocations, 4.0);
        assert_eq!(parse(&written(&record)), Ok(record));
    }

    #[test]
    fn a_broken_record_is_refused_with_what_it_lacks() {
        let refused = |text: &str| parse(text).unwrap_err();
        assert!(refused("").contains("names no commit"));
        assert!(refused(&GOOD.replace("glibc:", "libc:")).contains("names no glibc"));
        assert!(refused(&GOOD.replace("1800.0", "many")).contains("ping_pong many"));
        assert!(refused(&GOOD.replace("1800.0 ", "")).contains("ping_pong 4.000"));
        assert!(refused(&GOOD.replace("1800.0", "0.0")).contains("ping_pong 0.0"));
        assert!(refused(&GOOD.replace("1800.0", "NaN")).contains("NaN"));
        let rowless: String = GOOD
            .lines()
            .take(5)
            .map(|line| format!("{line}\n"))
            .collect();
        assert!(refused(&rowless).contains("no rows"));
    }

    #[test]
    fn a_loss_above_three_percent_is_found_and_one_below_is_not() {
        let before = of("yield_many", 100.0, 1.0);
        assert_eq!(losses(&before, &of("yield_many", 102.9, 1.0)), [""; 0]);
        let found = losses(&before, &of("yield_many", 103.1, 1.0));
        assert_eq!(
            found,
            ["yield_many: 103.1 instructions, not 100.0 (+3.1 %)"]
        );
        let found = losses(&before, &of("yield_many", 100.0, 1.1));
        assert_eq!(found, ["yield_many: 1.100 allocations, not 1.000"]);
    }

    #[test]
    fn the_socket_row_is_held_to_its_allocations_alone() {
        let before = of("echo_64b_64", 1_000.0, 0.0);
        assert!(losses(&before, &of("echo_64b_64", 2_000.0, 0.4)).is_empty());
        assert_eq!(losses(&before, &of("echo_64b_64", 1_000.0, 1.0)).len(), 1);
        assert_eq!(gained(&before, &of("echo_64b_64", 500.0, 0.0)), "");
    }

    #[test]
    fn a_row_without_record_is_a_loss_and_no_second_look_helps() {
        let now = of("new", 1.0, 0.0);
        assert_eq!(losses(&Counts::new(), &now), ["new has no record"]);
        assert!(suspects(&Counts::new(), &now).is_empty());
    }

    #[test]
    fn a_second_look_can_only_lower_a_count() {
        let before = of("yield_many", 100.0, 1.0);
        let mut now = of("yield_many", 110.0, 1.0);
        assert_eq!(suspects(&before, &now), ["yield_many"]);
        least(&mut now, &of("yield_many", 101.0, 1.5));
        assert_eq!(now, of("yield_many", 101.0, 1.0));
        least(&mut now, &of("yield_many", 120.0, 2.0));
        assert_eq!(now, of("yield_many", 101.0, 1.0));
    }

    #[test]
    fn a_gain_is_told_so_that_it_gets_recorded() {
        let before = of("yield_many", 100.0, 1.0);
        assert_eq!(gained(&before, &of("yield_many", 98.0, 1.0)), "");
        assert!(gained(&before, &of("yield_many", 90.0, 1.0)).contains("yield_many -10.0 %"));
    }

    #[test]
    fn the_processor_has_its_name_family_and_model() {
        let cpuinfo = "cpu family\t: 25\nmodel\t\t: 2\nmodel name\t: AMD EPYC\n";
        assert_eq!(processor_in(cpuinfo), "AMD EPYC, family 25, model 2");
        assert_eq!(processor_in(""), "?, family ?, model ?");
    }
}
