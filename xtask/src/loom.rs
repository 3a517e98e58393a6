//! `loom`: every protocol model, explored to the end with two preemptions, or as many as it names.
//!
//! `cargo xtask loom --long` explores the models that take minutes, too, and all with three preemptions, or as many as
//! `LOOM_MAX_PREEMPTIONS` says; a model's own bound is the least.
//!
//! Each model of `loom-tests` prints `model NAME: N executions, complete` (or `cut off`). A model that explored
//! nothing, one that was cut off, a name printed twice, and a run without any model fail: each of them would
//! otherwise look like a proof. So would a model that has shrunk without anybody noticing: one that explores less than
//! half of what `docs/proof/models.txt` says fails until the record is written anew (`--bless`).

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

use crate::command::{cargo, collect, root, target_directory};
use crate::gate::{Options, Outcome, Verdict};

const RECORD: &str = "docs/proof/models.txt";
const PREEMPTIONS: &str = "LOOM_MAX_PREEMPTIONS";

/// `loom`
pub(crate) fn gate(options: &Options) -> Outcome {
    let mut command = test()?;
    command.args(["--", "--nocapture"]).env("LOXLEY_SITES", "1");
    if options.long {
        command
            .env("LOXLEY_LONG", "1")
            .env(PREEMPTIONS, env::var(PREEMPTIONS).as_deref().unwrap_or("3"));
    }
    let text = collect(command, |line| {
        if !line.starts_with("site ") {
            eprintln!("{line}");
        }
    })?;
    let said = said()?;
    fs::write(&said, &text).map_err(|error| format!("cannot write {}: {error}", said.display()))?;
    let models = models(&text)?;
    if options.bless {
        fs::write(root().join(RECORD), written(&models, &left(&text)))
            .map_err(|error| format!("cannot write {RECORD}: {error}"))?;
    } else {
        let shrunk = shrunk(&models, &record());
        if !shrunk.is_empty() {
            return Err(shrunk.join("\n"));
        }
    }
    let executions: u64 = models.iter().map(|model| model.executions).sum();
    Ok(Verdict::Passed(format!(
        "{} models, {executions} executions",
        models.len()
    )))
}

/// Where the gate leaves what the models said, for `orderings`.
pub(crate) fn said() -> Result<PathBuf, String> {
    Ok(target_directory()?.join("loom/said.txt"))
}

/// Executions by model, as they were written down.
pub(crate) fn record() -> BTreeMap<String, u64> {
    let text = fs::read_to_string(root().join(RECORD)).unwrap_or_default();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split_once(' '))
        .filter_map(|(name, count)| Some((name.into(), count.parse().ok()?)))
        .collect()
}

/// `left`: what was left to the long form keeps the line that it has.
fn written(models: &[Model], left: &[(String, u64)]) -> String {
    let explored = models.iter().map(|model| (&model.name, model.executions));
    let left = left.iter().map(|(name, executions)| (name, *executions));
    let lines: BTreeSet<String> = explored
        .chain(left)
        .map(|(name, executions)| format!("{name} {executions}\n"))
        .collect();
    let head = "# Models and the executions that each explored, two preemptions; `cargo xtask loom --bless` writes it.\n";
    lines
        .into_iter()
        .fold(head.into(), |text, line| text + &line)
}

/// Models that said they are left to the long form, with what was written down of them.
fn left(text: &str) -> Vec<(String, u64)> {
    let record = record();
    text.lines()
        .filter_map(|line| line.strip_suffix(": left to the long form"))
        .filter_map(|line| line.rsplit_once("model "))
        .filter_map(|(_, name)| Some((name.to_owned(), *record.get(name)?)))
        .collect()
}

/// Models that explore less than half of what they did.
fn shrunk(models: &[Model], record: &BTreeMap<String, u64>) -> Vec<String> {
    models
        .iter()
        .filter_map(|model| Some((model, *record.get(&model.name)?)))
        .filter(|(model, before)| model.executions < before / 2)
        .map(|(model, before)| {
            format!(
                "model {} explored {before} executions and now {}; if that is meant, `cargo xtask loom --bless`",
                model.name, model.executions
            )
        })
        .collect()
}

/// `cargo test` for the models.
pub(crate) fn test() -> Result<Command, String> {
    let flags = match env::var("RUSTFLAGS") {
        Ok(flags) => format!("{flags} --cfg loxley_loom"),
        Err(_) => "--cfg loxley_loom".into(),
    };
    let target = target_directory()?.join("loom");
    let mut command = cargo(&[
        "test",
        "--release",
        "-p",
        "loom-tests",
        "--features",
        "loom",
    ]);
    command.arg("--target-dir").arg(target);
    command
        .env("RUSTFLAGS", flags)
        .env(PREEMPTIONS, "2")
        // The models are short; building them is what takes the time.
        .env("CARGO_PROFILE_RELEASE_LTO", "off")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
    Ok(command)
}

#[derive(Debug, PartialEq)]
struct Model {
    name: String,
    executions: u64,
}

/// The models of a run; an error if one of them proves nothing.
fn models(text: &str) -> Result<Vec<Model>, String> {
    let mut models = Vec::new();
    let mut names = BTreeSet::new();
    let mut wrong = Vec::new();
    for line in text.lines() {
        // With --nocapture a line can stand behind the runner's own `test name ... `.
        let Some(at) = line.find("model ") else {
            continue;
        };
        let Some((name, end)) = line[at + "model ".len()..].split_once(": ") else {
            continue;
        };
        let Some((count, end)) = end.split_once(" executions, ") else {
            continue;
        };
        let executions = count.parse().unwrap_or(0);
        if executions == 0 {
            wrong.push(format!("model {name} explored nothing"));
        }
        if end.trim() != "complete" {
            wrong.push(format!("model {name} is not complete: {end}"));
        }
        if !names.insert(name.to_string()) {
            wrong.push(format!("two models are named {name}"));
        }
        models.push(Model {
            name: name.into(),
            executions,
        });
    }
    if models.is_empty() {
        wrong.push("no model ran".into());
    }
    if wrong.is_empty() {
        Ok(models)
    } else {
        Err(wrong.join("\n"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn complete_models_are_listed() {
        let text = "running 2 tests\nmodel park: 1204 executions, complete\n\
                    test park ... model slot-take: 7 executions, complete\nok\n";
        let models = models(text).unwrap();
        assert_eq!(models.len(), 2);
        assert_eq!(models[1].name, "slot-take");
        assert_eq!(models[0].executions, 1204);
    }

    #[test]
    fn a_model_that_has_shrunk_is_found() {
        let models = models("model a: 40 executions, complete\nmodel b: 9 executions, complete");
        let models = models.unwrap();
        assert_eq!(
            written(&models, &[]).lines().skip(1).collect::<Vec<_>>(),
            ["a 40", "b 9"]
        );
        let record = |count| BTreeMap::from([("a".to_owned(), count)]);
        assert!(shrunk(&models, &record(81)).is_empty());
        assert_eq!(shrunk(&models, &record(82)).len(), 1);
    }

    #[test]
    fn a_model_that_proves_nothing_fails() {
        for bad in [
            "",
            "test result: ok. 12 passed",
            "model park: 0 executions, complete",
            "model park: 90 executions, cut off after 60 s",
            "model park: many executions, complete",
            "model a: 1 executions, complete\nmodel a: 2 executions, complete",
        ] {
            assert!(models(bad).is_err(), "{bad}");
        }
    }
}
