//! `msrv`: what people depend on compiles with the Rust version that we state.
//!
//! Needs that toolchain, and has rustup bring it; where that can't be done the gate is skipped and says so. `deps` holds the
//! dependencies to the same version everywhere.

use std::process::{Command, Stdio};

use crate::command::{program_in_root, read, run, target_directory};
use crate::gate::{Options, Outcome, Verdict};

/// `msrv`
pub(crate) fn gate(_: &Options) -> Outcome {
    let manifest = read("Cargo.toml")?;
    let version = stated(&manifest).ok_or("Cargo.toml states no rust-version")?;
    if !is_installed(version) && run(installation(version)).is_err() {
        return Ok(Verdict::Skipped(format!(
            "`rustup toolchain install {version}` did not bring the compiler"
        )));
    }
    let mut command = program_in_root("rustup", &["run", version, "cargo", "check", "--locked"]);
    command.args(["-p", "loxley", "-p", "loxley-core", "--all-features"]);
    // A directory of its own, or each compiler would throw away what the other has built.
    command
        .arg("--target-dir")
        .arg(target_directory()?.join("msrv"));
    run(command)?;
    Ok(Verdict::Passed(format!("Rust {version} compiles it")))
}

/// The version in the root manifest.
fn stated(manifest: &str) -> Option<&str> {
    let line = manifest
        .lines()
        .find(|line| line.starts_with("rust-version"))?;
    line.split('"').nth(1).filter(|version| !version.is_empty())
}

/// Leaves what the user has chosen as it is.
fn installation(version: &str) -> Command {
    let arguments = ["toolchain", "install", version, "--profile", "minimal"];
    let mut command = program_in_root("rustup", &arguments);
    command.arg("--no-self-update");
    command
}

fn is_installed(version: &str) -> bool {
    let mut command = Command::new("rustup");
    command.args(["run", version, "rustc", "--version"]);
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_the_manifest() {
        assert_eq!(stated("[a]\nrust-version = \"1.85\"\n"), Some("1.85"));
        assert_eq!(stated("rust-version.workspace = true"), None);
        assert_eq!(stated("[package]"), None);
    }

    #[test]
    fn a_version_that_nobody_has_is_not_installed() {
        assert!(!is_installed("0.0.1"));
    }
}
