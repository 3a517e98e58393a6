//! `minimal`: what people depend on compiles with the oldest version of each dependency that our manifests allow.
//!
//! A workspace below the target directory has the published packages as its members and a lock file of its own, in which
//! cargo has put the least version of everything that they name. That choice is unstable, hence `RUSTC_BOOTSTRAP`. What
//! our dependencies in turn depend on is as new as it can be: their lower bounds are not ours to prove.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::command::{cargo, read, root, run, target_directory};
use crate::deps::PUBLISHED;
use crate::gate::{Options, Outcome, Verdict};

/// `minimal`
pub(crate) fn gate(_: &Options) -> Outcome {
    let directory = target_directory()?.join("minimal");
    let manifest = manifest(&read("Cargo.toml")?)?;
    let mut basis = manifest.clone();
    for package in PUBLISHED {
        basis += &read(&format!("crates/{package}/Cargo.toml"))?;
    }
    let failed = |error| format!("cannot write below {}: {error}", directory.display());
    fs::create_dir_all(&directory).map_err(failed)?;
    fs::write(directory.join("Cargo.toml"), manifest).map_err(failed)?;
    let link = directory.join("crates");
    if !link.exists() {
        symlink(root().join("crates"), link).map_err(failed)?;
    }
    let stamp = directory.join("basis");
    if fs::read_to_string(&stamp).ok().as_ref() != Some(&basis) {
        run(within(
            &directory,
            &["generate-lockfile", "-Z", "direct-minimal-versions"],
        ))?;
        fs::write(stamp, basis).map_err(failed)?;
    }
    run(within(
        &directory,
        &[
            "check",
            "--workspace",
            "--lib",
            "--all-features",
            "--locked",
        ],
    ))?;
    let lock = fs::read_to_string(directory.join("Cargo.lock")).map_err(failed)?;
    Ok(Verdict::Passed(format!(
        "{} packages",
        lock.matches("[[package]]").count()
    )))
}

fn within(directory: &Path, args: &[&str]) -> Command {
    let mut command = cargo(args);
    command
        .current_dir(directory)
        .env("RUSTC_BOOTSTRAP", "1")
        .env("CARGO_TARGET_DIR", directory.join("target"));
    command
}

/// The root manifest with the published packages as members.
fn manifest(ours: &str) -> Result<String, String> {
    let members: Vec<_> = PUBLISHED
        .iter()
        .map(|package| format!("\"crates/{package}\""))
        .collect();
    let mut lines = Vec::new();
    let mut found = 0;
    for line in ours.lines() {
        match line.split(" = ").next().unwrap_or_default() {
            "members" => {
                found += 1;
                lines.push(format!("members = [{}]", members.join(", ")));
            }
            "exclude" | "default-members" => {}
            _ => lines.push(line.into()),
        }
    }
    match found {
        1 => Ok(lines.join("\n") + "\n"),
        _ => Err("Cargo.toml does not name its members in one line".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_packages_are_the_only_members() {
        let ours = "[workspace]\nmembers = [\"crates/*\", \"tour\"]\nexclude = [\"fuzz\"]\n[x]\na = \"1\"\n";
        let text = manifest(ours).unwrap();
        assert!(text.contains("members = [\"crates/loxley-core\""), "{text}");
        assert!(!text.contains("tour") && !text.contains("fuzz") && text.ends_with("a = \"1\"\n"));
        assert!(manifest("[workspace]\n").is_err());
        assert!(manifest(&read("Cargo.toml").unwrap()).is_ok());
    }
}
