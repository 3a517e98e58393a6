//! Where a table comes from: commit, compiler, machine, rivals, and what else ran meanwhile.

use std::fmt::Write as _;
use std::fs;
use std::process::Command;
use std::time::Instant;

use super::Rivals;

/// Who measures what, where, and how to read it.
pub(crate) fn heading(options: &Rivals) -> String {
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

/// Ticks of the processors that anybody used, that we and our children used, and when.
pub(super) struct Load {
    busy: Option<u64>,
    own: Option<u64>,
    at: Instant,
}

/// Ticks per second of `/proc/stat`, the same on every Linux.
const TICKS: f64 = 100.0;

impl Load {
    /// Reads the counters.
    pub(super) fn now() -> Load {
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
    pub(super) fn foreign(&self) -> Option<f64> {
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

    #[test]
    fn the_lock_file_names_the_rivals() {
        assert!(
            versions().contains("tokio 1.") && versions().contains("smol 2."),
            "{}",
            versions()
        );
    }
}
