//! `features`: each feature of loxley alone, none of them, and all of them compile, without a warning.
//!
//! The names are read from the manifest, so a new one is tried without anybody thinking of it. Only the library is
//! checked: the tests ask for the features that they are about.

use serde_json::Value;

use crate::command::{cargo, run, stdout};
use crate::gate::{Options, Outcome, Verdict};

/// Groups of others, and what only the models need.
const SKIPPED: &[&str] = &["default", "loom"];

/// `features`
pub(crate) fn gate(_: &Options) -> Outcome {
    let metadata = stdout(cargo(&["metadata", "--format-version=1", "--no-deps"]))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| format!("`cargo metadata` prints no JSON: {error}"))?;
    let names = features_of(&metadata, "loxley").ok_or("there is no package loxley")?;
    check(&["--no-default-features"])?;
    for name in &names {
        check(&["--no-default-features", "--features", name])?;
    }
    check(&["--all-features"])?;
    Ok(Verdict::Passed(format!(
        "{} features, none, all",
        names.len()
    )))
}

fn check(features: &[&str]) -> Result<(), String> {
    let begin = ["clippy", "--quiet", "--locked", "-p", "loxley", "--lib"];
    // By clippy's arguments and not by `RUSTFLAGS`, which would build every dependency anew.
    let command = cargo(&[&begin, features, &["--", "-D", "warnings"]].concat());
    run(command).map_err(|error| format!("with {}: {error}", features.join(" ")))
}

/// The features that a package has of its own; those that stand for an optional dependency are none.
fn features_of(metadata: &Value, package: &str) -> Option<Vec<String>> {
    let packages = metadata["packages"].as_array()?;
    let package = packages.iter().find(|it| it["name"] == package)?;
    let features = package["features"].as_object()?;
    let names = features.keys().filter(|name| !SKIPPED.contains(&&***name));
    Some(names.cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_feature_but_the_groups_is_tried() {
        let metadata = json!({ "packages": [
            { "name": "other", "features": { "x": [] } },
            { "name": "loxley", "features": { "default": ["net"], "net": [], "loom": [], "time": [] } },
        ] });
        assert_eq!(features_of(&metadata, "loxley").unwrap(), ["net", "time"]);
        assert_eq!(features_of(&metadata, "absent"), None);
    }
}
