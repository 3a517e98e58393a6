//! `examples`: each file in examples/ is a program that runs to its end on its own.

use std::collections::BTreeSet;
use std::fs;

use crate::built::{self, Kind};
use crate::command::{read, root, run};
use crate::gate::{Options, Outcome, Verdict};

/// `examples`
pub(crate) fn gate(_: &Options) -> Outcome {
    let names = names(&read("examples/Cargo.toml")?);
    agree(&names, &files()?)?;
    let programs = built::programs("examples", Kind::Example)?;
    for name in &names {
        let program = programs.iter().find(|program| program.name == *name);
        let program = program.ok_or_else(|| format!("cargo built no example `{name}`"))?;
        run(program.command())?;
    }
    Ok(Verdict::Passed(format!("{} examples", names.len())))
}

/// The examples that the manifest names.
fn names(manifest: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let mut inside = false;
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == "[[example]]";
        }
        if let (true, Some(value)) = (inside, line.strip_prefix("name = ")) {
            names.insert(value.trim().trim_matches('"').to_string());
        }
    }
    names
}

/// The examples that lie in the directory.
fn files() -> Result<BTreeSet<String>, String> {
    let directory = root().join("examples");
    let entries =
        fs::read_dir(directory).map_err(|error| format!("cannot read examples/: {error}"))?;
    Ok(entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| Some(name.strip_suffix(".rs")?.to_string()))
        .collect())
}

/// A file that the manifest forgot would never be built.
fn agree(names: &BTreeSet<String>, files: &BTreeSet<String>) -> Result<(), String> {
    if names.is_empty() {
        return Err("examples/Cargo.toml names no example".into());
    }
    match names.symmetric_difference(files).next() {
        None => Ok(()),
        Some(name) => Err(format!(
            "`{name}` is either in examples/ or in its manifest, and not in both"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    #[test]
    fn the_manifest_is_read() {
        let manifest = "[package]\nname = \"examples\"\n[[example]]\nname = \"hello\"\npath = \"hello.rs\"\n\
                        [[example]]\nname = \"echo\"\n[dependencies]\nname = \"x\"\n";
        assert_eq!(names(manifest), set(&["hello", "echo"]));
    }

    #[test]
    fn a_forgotten_example_fails() {
        assert!(agree(&set(&["a"]), &set(&["a"])).is_ok());
        assert!(
            agree(&set(&["a"]), &set(&["a", "b"]))
                .unwrap_err()
                .contains("`b`")
        );
        assert!(agree(&set(&["a", "b"]), &set(&["a"])).is_err());
        assert!(agree(&set(&[]), &set(&[])).is_err());
    }
}
