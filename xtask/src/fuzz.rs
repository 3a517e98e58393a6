//! `fuzz [--seconds N] [TARGET]...`: drives the targets of `fuzz/` with libFuzzer, N seconds each (60); none named: all.
//!
//! Built as `cargo fuzz` builds them, with the same unstable flags on the stable compiler, so that nothing has to be
//! installed; `RUSTFLAGS="--cfg loxley_fuzz" cargo fuzz run TARGET` does the same. New inputs are gathered below `fuzz/target`;
//! those that reach something new are merged into `fuzz/corpus` at the end. How many inputs were run is added to the line
//! `TARGET, libFuzzer` of `docs/proof/fuzz.txt`. An input that finds something is left in `fuzz/artifacts`.
//!
//! `replay`, a gate, needs no fuzzer: it gives each target all that was kept, and random bytes.
//! `LOXLEY_FUZZ_INPUTS=N LOXLEY_TEST_SEED=S cargo xtask replay --bless` goes on for longer and adds to the line
//! `TARGET, random bytes`: the two kinds of inputs are worth differently.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use crate::command::{cargo, collect, read, root, run, target_directory};
use crate::gate::{Options, Outcome, Verdict};
use crate::proof::Record;
use crate::sanitize::host;

/// What `cargo fuzz` sets; the last one makes one function of each target's code, which coverage needs.
const FLAGS: &str = "--cfg fuzzing --cfg loxley_fuzz -Zsanitizer=address -Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
    -Ccodegen-units=1";

pub(crate) const RECORD: Record = Record {
    path: "docs/proof/fuzz.txt",
    head: "Inputs that each fuzz target was given without finding anything; `cargo xtask fuzz` and `replay --bless` add to them.",
};

/// Inputs that `replay` draws.
const RANDOM: &str = "random bytes";
/// Inputs that grow from those that reached something new.
const GUIDED: &str = "libFuzzer";

/// What the command line asks for.
#[derive(Debug, PartialEq)]
pub(crate) struct Plan {
    seconds: u32,
    targets: Vec<String>,
}

impl Plan {
    pub(crate) fn parse(args: &[String]) -> Result<Self, String> {
        let mut plan = Self {
            seconds: 60,
            targets: Vec::new(),
        };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--seconds" => {
                    let number = args.next().and_then(|number| number.parse().ok());
                    plan.seconds = number.ok_or("--seconds needs a number")?;
                }
                name => plan.targets.push(name.into()),
            }
        }
        Ok(plan)
    }
}

/// `replay`
pub(crate) fn gate(options: &Options) -> Outcome {
    let mut command = cargo(&["test", "--release", "--lib", "--no-default-features"]);
    command.arg("--target-dir");
    command.arg(target_directory()?.join("replay"));
    command.args(["--", "--nocapture"]);
    command.current_dir(root().join("fuzz"));
    command.env("RUSTFLAGS", "--cfg loxley_fuzz");
    let said = collect(command, |line| eprintln!("{line}"))?;
    let counts = replayed(&said);
    let all = targets(&read("fuzz/Cargo.toml")?);
    if let Some(missing) = all
        .iter()
        .find(|name| !counts.iter().any(|(it, _)| it == *name))
    {
        return Err(format!("nothing was given to the target {missing}"));
    }
    for (name, executions) in counts.iter().filter(|_| options.bless) {
        add(name, RANDOM, *executions)?;
    }
    let executions: u64 = counts.iter().map(|(_, count)| count).sum();
    Ok(Verdict::Passed(format!(
        "{} targets, {executions} inputs",
        counts.len()
    )))
}

/// `NAME: N executions`, wherever it stands in a line.
fn replayed(said: &str) -> Vec<(String, u64)> {
    let line = |line: &str| {
        let line = line.rsplit("... ").next()?;
        let (name, count) = line.strip_suffix(" executions")?.split_once(": ")?;
        Some((name.to_owned(), count.parse().ok()?))
    };
    said.lines().filter_map(line).collect()
}

/// Adds to the record of a target, under the kind of its inputs.
fn add(name: &str, kind: &str, executions: u64) -> Result<u64, String> {
    let name = format!("{name}, {kind}");
    let so_far = RECORD.lines().get(&name).and_then(|line| count(line));
    let total = so_far.unwrap_or(0) + executions;
    RECORD.enter(&name, &format!("{total} inputs"))?;
    Ok(total)
}

/// `fuzz`
pub(crate) fn command(plan: &Plan) -> ExitCode {
    match run_all(plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(plan: &Plan) -> Result<(), String> {
    let all = targets(&read("fuzz/Cargo.toml")?);
    if let Some(unknown) = plan.targets.iter().find(|name| !all.contains(name)) {
        return Err(format!(
            "there is no target `{unknown}`: {}",
            all.join(", ")
        ));
    }
    let host = host()?;
    let mut build = cargo(&["build", "--release", "--bins", "--target", &host]);
    build.args(["--target-dir", "target"]);
    build.current_dir(root().join("fuzz"));
    build.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", FLAGS);
    run(build)?;
    let programs = root().join("fuzz/target").join(&host).join("release");
    for name in &all {
        if plan.targets.is_empty() || plan.targets.contains(name) {
            let target = Target {
                program: programs.join(name),
                name,
            };
            let executions = target.run(plan.seconds)?;
            target.merge()?;
            let total = add(name, GUIDED, executions)?;
            println!("{name}: {executions} inputs, {total} in all");
        }
    }
    Ok(())
}

/// The number that a line begins with.
pub(crate) fn count(line: &str) -> Option<u64> {
    line.split(' ').next()?.parse().ok()
}

/// The targets that the manifest names.
fn targets(manifest: &str) -> Vec<String> {
    let bins = manifest.split("[[bin]]").skip(1);
    bins.filter_map(|bin| {
        let line = bin.lines().find(|line| line.starts_with("name = "))?;
        line.split('"').nth(1).map(String::from)
    })
    .collect()
}

struct Target<'a> {
    name: &'a str,
    program: PathBuf,
}

impl Target<'_> {
    /// Gives it inputs for that long, and says how many.
    fn run(&self, seconds: u32) -> Result<u64, String> {
        let mut command = self.fuzzer(&[self.gathered()?, self.kept()?])?;
        command.arg(format!("-max_total_time={seconds}"));
        command.args(["-max_len=512", "-print_final_stats=1"]);
        let said = collect(command, |line| eprintln!("{line}"))?;
        executions(&said).ok_or_else(|| format!("{} ran nothing", self.name))
    }

    /// Keeps what reaches something that nothing kept so far does.
    fn merge(&self) -> Result<(), String> {
        let mut command = self.fuzzer(&[self.kept()?, self.gathered()?])?;
        command.args(["-merge=1", "-max_len=512"]);
        collect(command, |_| {}).map(|_| ())
    }

    fn fuzzer(&self, directories: &[PathBuf]) -> Result<Command, String> {
        let artifacts = made("fuzz/artifacts")?;
        // It says everything on its standard error.
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$@\" 2>&1", "fuzzer"]);
        command.arg(&self.program).args(directories);
        let prefix = format!("{}/{}-", artifacts.display(), self.name);
        command.arg(format!("-artifact_prefix={prefix}"));
        command.current_dir(root());
        Ok(command)
    }

    fn kept(&self) -> Result<PathBuf, String> {
        made(&format!("fuzz/corpus/{}", self.name))
    }

    fn gathered(&self) -> Result<PathBuf, String> {
        made(&format!("fuzz/target/corpus/{}", self.name))
    }
}

/// A directory below the root, made if it is not there.
fn made(path: &str) -> Result<PathBuf, String> {
    let directory = root().join(path);
    fs::create_dir_all(&directory).map_err(|error| format!("cannot make {path}: {error}"))?;
    Ok(directory)
}

/// The number in libFuzzer's statistics.
fn executions(said: &str) -> Option<u64> {
    let line = said
        .lines()
        .find_map(|line| line.strip_prefix("stat::number_of_executed_units:"))?;
    line.trim().parse().ok().filter(|count| *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_understood() {
        let args = ["--seconds", "9", "read_buf"].map(String::from);
        let plan = Plan::parse(&args).unwrap();
        assert_eq!((plan.seconds, plan.targets), (9, vec!["read_buf".into()]));
        assert!(Plan::parse(&["--seconds".into()]).is_err());
    }

    #[test]
    fn every_target_of_the_manifest_has_a_module_and_inputs() {
        let targets = targets(&read("fuzz/Cargo.toml").unwrap());
        assert!(targets.len() >= 5);
        for name in targets {
            assert!(read(&format!("fuzz/src/{name}.rs")).is_ok(), "{name}");
            let corpus = root().join("fuzz/corpus").join(&name);
            let inputs = fs::read_dir(corpus).map(|inputs| inputs.count());
            assert!(
                inputs.is_ok_and(|inputs| inputs > 0),
                "{name} has no corpus"
            );
        }
    }

    #[test]
    fn a_run_without_executions_is_no_run() {
        let said = "x\nstat::number_of_executed_units: 812\nstat::y: 1\n";
        assert_eq!(executions(said), Some(812));
        assert_eq!(executions("stat::number_of_executed_units: 0"), None);
        assert_eq!(executions(""), None);
        assert_eq!(count("812 inputs [commit x]"), Some(812));
        let said = "test tests::a ... a: 7 executions\nb: 9 executions\nok\nc: x executions\n";
        assert_eq!(replayed(said), [("a".into(), 7), ("b".into(), 9)]);
    }
}
