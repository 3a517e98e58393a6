//! `features`: each feature of loxley alone, none of them, and all of them compile, without a warning; and so does the core in
//! the forms that only the benches build.
//!
//! The names are read from the manifest, so a new one is tried without anybody thinking of it. Only the library is
//! checked: the tests ask for the features that they are about.

use serde_json::Value;

use crate::command::{cargo, run, stdout};
use crate::gate::{Options, Outcome, Verdict};

/// Groups of others, and what only the models need.
const SKIPPED: &[&str] = &["default", "loom"];

/// What the benches build the core with: `rescue cost` and `shared`.
const FORMS: [&str; 2] = ["loxley_without_rescue", "loxley_counted"];

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
    FORMS.iter().try_for_each(|form| check_form(form))?;
    Ok(Verdict::Passed(format!(
        "{} features, none, all; {} forms for the benches",
        names.len(),
        FORMS.len()
    )))
}

fn check(features: &[&str]) -> Result<(), String> {
    let begin = ["clippy", "--quiet", "--locked", "-p", "loxley", "--lib"];
    // By clippy's arguments and not by `RUSTFLAGS`, which would build every dependency anew.
    let command = cargo(&[&begin, features, &["--", "-D", "warnings"]].concat());
    run(command).map_err(|error| format!("with {}: {error}", features.join(" ")))
}

fn check_form(form: &str) -> Result<(), String> {
    let mut command = cargo(&["check", "--quiet", "--locked", "-p", "loxley-core"]);
    // A directory of its own, or all that is built here would be built anew.
    command.args(["--target-dir", "target/forms"]);
    command.env("RUSTFLAGS", format!("--cfg {form} -D warnings"));
    run(command).map_err(|error| format!("as {form}: {error}"))
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
