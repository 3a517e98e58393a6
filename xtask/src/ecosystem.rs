//! `ecosystem`: crates made for tokio run on loxley, by the one line of docs/drop-in.md.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::command::{cargo, echoed, run, stdout};
use crate::gate::{Options, Outcome, Verdict};

const MANIFEST: &str = "examples-ecosystem/Cargo.toml";

/// `ecosystem`
pub(crate) fn gate(_: &Options) -> Outcome {
    // Without `--locked`: who gives loxley a dependency changes that lock file too, and cargo only adds to it.
    let ours = metadata(&["--manifest-path", MANIFEST])?;
    let theirs = metadata(&["--locked"])?;
    only_ours(&ours)?;
    every_name(&ours, &theirs)?;
    for package in ["tokio", "ecosystem"] {
        let fmt = ["fmt", "--manifest-path", MANIFEST, "-p", package];
        run(cargo(&[&fmt[..], &["--", "--check"]].concat()))?;
    }
    let tree = ["tree", "--manifest-path", MANIFEST];
    let tree = stdout(cargo(
        &[&tree[..], &["-i", "tokio", "--depth", "1"]].concat(),
    ))?;
    if !tree.starts_with("tokio v1.999.") {
        return Err(format!("`cargo tree -i tokio` shows another one:\n{tree}"));
    }
    let test = ["test", "--manifest-path", MANIFEST, "--workspace"];
    let output = echoed(cargo(&[&test[..], &["--", "--nocapture"]].concat()))?;
    let mut seen = format!("{} programs on our workers", programs(&output)?);
    for skipped in output.lines().filter(|line| line.starts_with("skipped: ")) {
        seen.push_str("; ");
        seen.push_str(skipped);
    }
    Ok(Verdict::Passed(seen))
}

fn metadata(args: &[&str]) -> Result<Value, String> {
    let text = stdout(cargo(&[&["metadata", "--format-version=1"], args].concat()))?;
    serde_json::from_str(&text).map_err(|error| format!("`cargo metadata` is no JSON: {error}"))
}

/// The packages of this name: version, and names of the features.
fn packages(metadata: &Value, name: &str) -> Vec<(String, BTreeSet<String>)> {
    let all = metadata["packages"].as_array().into_iter().flatten();
    let named = all.filter(|package| package["name"] == name);
    named
        .map(|package| {
            let version = package["version"].as_str().unwrap_or_default();
            let features = package["features"].as_object().into_iter().flatten();
            let features = features.map(|(name, _)| name.clone());
            (version.to_string(), features.collect())
        })
        .collect()
}

/// Cargo only warns when it takes the real tokio instead of ours.
fn only_ours(ours: &Value) -> Result<(), String> {
    let versions: Vec<_> = packages(ours, "tokio").into_iter().map(|it| it.0).collect();
    match versions.as_slice() {
        [version] if version.starts_with("1.999.") => {}
        _ => {
            return Err(format!(
                "tokio is there as {versions:?}, and not as 1.999.x alone"
            ));
        }
    }
    if packages(ours, "tokio-macros").is_empty() {
        Ok(())
    } else {
        Err("tokio-macros is there, so the real tokio is".into())
    }
}

/// One feature that ours does not declare, and cargo takes the real tokio.
fn every_name(ours: &Value, theirs: &Value) -> Result<(), String> {
    let ours = packages(ours, "tokio");
    let theirs = packages(theirs, "tokio");
    let (Some((_, ours)), Some((version, theirs))) = (ours.first(), theirs.first()) else {
        return Err("one of the two workspaces has no tokio".into());
    };
    match theirs.difference(ours).next() {
        None => Ok(()),
        Some(name) => Err(format!(
            "tokio {version} has the feature `{name}`, crates/tokio/Cargo.toml has not"
        )),
    }
}

/// How many programs proved that they ran on our workers.
fn programs(output: &str) -> Result<usize, String> {
    match output
        .lines()
        .filter(|line| line.starts_with("proof: "))
        .count()
    {
        0 => Err("no program proved that it ran on our workers".into()),
        count => Ok(count),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with(version: &str, features: Value) -> Value {
        json!({"packages": [{"name": "tokio", "version": version, "features": features}]})
    }

    #[test]
    fn the_real_tokio_is_seen() {
        assert!(only_ours(&with("1.999.0", json!({}))).is_ok());
        assert!(only_ours(&with("1.54.1", json!({}))).is_err());
        assert!(only_ours(&json!({"packages": []})).is_err());
        let mut both = with("1.999.0", json!({}));
        let macros = json!({"name": "tokio-macros", "version": "2.7.2", "features": {}});
        both["packages"].as_array_mut().unwrap().push(macros);
        assert!(only_ours(&both).unwrap_err().contains("tokio-macros"));
    }

    #[test]
    fn a_feature_that_is_missing_is_named() {
        let ours = with("1.999.0", json!({"net": [], "full": ["net"], "more": []}));
        assert!(every_name(&ours, &with("1.54.1", json!({"net": [], "full": []}))).is_ok());
        let message = every_name(&ours, &with("1.54.1", json!({"time": []}))).unwrap_err();
        assert!(
            message.contains("`time`") && message.contains("1.54.1"),
            "{message}"
        );
        assert!(every_name(&ours, &json!({"packages": []})).is_err());
    }

    #[test]
    fn programs_that_prove_nothing_do_not_count() {
        assert_eq!(programs("test a ... ok\nproof: 2 workers\n").unwrap(), 1);
        assert!(programs("test result: ok. 9 passed\n").is_err());
    }
}
