//! `deps`: the Rust version that we state is one that our dependencies really accept.
//!
//! Looks at what a user of the published packages builds, with all features, on this platform; what only our
//! tests and benches need may be newer. The lock file must be complete: a build that changes it fails here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::command::{cargo, stdout};
use crate::gate::{Options, Outcome, Verdict};

/// What people depend on.
pub(crate) const PUBLISHED: &[&str] = &["loxley-core", "loxley-macros", "loxley"];

/// `deps`
pub(crate) fn gate(_: &Options) -> Outcome {
    let rustc = stdout(crate::command::program_in_root("rustc", &["-vV"]))?;
    let host = rustc
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .ok_or("`rustc -vV` names no host")?;
    let metadata = stdout(cargo(&[
        "metadata",
        "--format-version=1",
        "--all-features",
        "--locked",
        "--filter-platform",
        host,
    ]))?;
    let metadata = serde_json::from_str(&metadata)
        .map_err(|error| format!("`cargo metadata` is not JSON: {error}"))?;
    check(&metadata)
}

fn check(metadata: &Value) -> Outcome {
    let packages = packages(metadata)?;
    let mut stated = Version::MAX;
    let mut begin = Vec::new();
    for name in PUBLISHED {
        let package = packages
            .values()
            .find(|package| package.name == *name && package.ours)
            .ok_or_else(|| format!("there is no package {name}"))?;
        stated = stated.min(
            package
                .rust
                .ok_or_else(|| format!("{name} states no rust-version"))?,
        );
        begin.push(package.id.clone());
    }
    let reached = reached(metadata, begin);
    let newer: Vec<String> = reached
        .iter()
        .filter_map(|id| packages.get(id))
        .filter_map(|package| Some((package, package.rust?)))
        .filter(|(_, rust)| *rust > stated)
        .map(|(package, rust)| {
            format!(
                "{} {} needs Rust {}.{}",
                package.name, package.version, rust.0, rust.1
            )
        })
        .collect();
    if newer.is_empty() {
        Ok(Verdict::Passed(format!(
            "{} packages accept Rust {}.{}",
            reached.len(),
            stated.0,
            stated.1
        )))
    } else {
        Err(format!(
            "we state Rust {}.{}, and\n{}",
            stated.0,
            stated.1,
            newer.join("\n")
        ))
    }
}

/// Major and minor; a patch level never decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    const MAX: Version = Version(u32::MAX, u32::MAX);

    fn parse(text: &str) -> Option<Version> {
        let mut parts = text.split('.');
        let major = parts.next()?.parse().ok()?;
        let minor = parts.next().map_or(Some(0), |part| part.parse().ok())?;
        Some(Version(major, minor))
    }
}

#[derive(Debug)]
struct Package {
    id: String,
    name: String,
    version: String,
    rust: Option<Version>,
    ours: bool,
}

fn packages(metadata: &Value) -> Result<BTreeMap<String, Package>, String> {
    let list = metadata["packages"]
        .as_array()
        .ok_or("`cargo metadata` lists no packages")?;
    let text = |value: &Value| value.as_str().map(String::from);
    Ok(list
        .iter()
        .filter_map(|package| {
            Some(Package {
                id: text(&package["id"])?,
                name: text(&package["name"])?,
                version: text(&package["version"])?,
                rust: package["rust_version"].as_str().and_then(Version::parse),
                ours: package["source"].is_null(),
            })
        })
        .map(|package| (package.id.clone(), package))
        .collect())
}

/// Everything that a build of `begin` compiles: normal and build dependencies, not those of tests.
fn reached(metadata: &Value, begin: Vec<String>) -> BTreeSet<String> {
    let nodes = metadata["resolve"]["nodes"].as_array();
    let nodes: BTreeMap<&str, &Value> = nodes
        .into_iter()
        .flatten()
        .filter_map(|node| Some((node["id"].as_str()?, node)))
        .collect();
    let mut reached = BTreeSet::new();
    let mut next = begin;
    while let Some(id) = next.pop() {
        let node = nodes.get(id.as_str());
        if !reached.insert(id) {
            continue;
        }
        let below = node
            .and_then(|node| node["deps"].as_array())
            .into_iter()
            .flatten();
        next.extend(
            below
                .filter(|dependency| is_built(dependency))
                .filter_map(|dependency| dependency["pkg"].as_str().map(String::from)),
        );
    }
    reached
}

fn is_built(dependency: &Value) -> bool {
    dependency["dep_kinds"]
        .as_array()
        .into_iter()
        .flatten()
        .any(|kind| kind["kind"] != "dev")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn package(name: &str, rust: Value) -> Value {
        json!({ "id": name, "name": name, "version": "1.0.0", "rust_version": rust, "source": null })
    }

    fn edge(to: &str, kind: Value) -> Value {
        json!({ "pkg": to, "dep_kinds": [{ "kind": kind }] })
    }

    fn metadata(deep: &str, kind: Value) -> Value {
        json!({
            "packages": [
                package("loxley", json!("1.85")),
                package("loxley-core", json!("1.85")),
                package("loxley-macros", json!("1.85")),
                package("between", Value::Null),
                package("deep", json!(deep)),
            ],
            "resolve": { "nodes": [
                { "id": "loxley", "deps": [edge("loxley-core", Value::Null)] },
                { "id": "loxley-core", "deps": [edge("between", Value::Null)] },
                { "id": "between", "deps": [edge("deep", kind)] },
            ] },
        })
    }

    #[test]
    fn a_deep_dependency_that_needs_a_newer_rust_is_found() {
        let error = check(&metadata("1.95.0", Value::Null)).unwrap_err();
        assert!(error.contains("deep 1.0.0 needs Rust 1.95"), "{error}");
        assert!(check(&metadata("1.86", json!("build"))).is_err());
    }

    #[test]
    fn what_tests_need_may_be_newer() {
        assert!(check(&metadata("1.95", json!("dev"))).is_ok());
        assert!(check(&metadata("1.85.1", Value::Null)).is_ok());
        assert!(check(&metadata("1.9", Value::Null)).is_ok());
    }

    #[test]
    fn metadata_without_our_packages_is_an_error() {
        assert!(check(&json!({})).is_err());
        assert!(check(&json!({ "packages": [] })).is_err());
    }
}
