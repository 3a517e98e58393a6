//! `supply`: what the tree of dependencies is made of, by the lists of `deny.toml`.
//!
//! The same file is read by `cargo deny`, which also knows the advisories; this gate needs nothing that is not here
//! anyway. It looks at every package of the workspace with all features: each licence is on the list, no package comes
//! in two versions, all come from the registry, and each dependency that one of our manifests names is named in its
//! sources too.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::Value;

use crate::command::{cargo, read, root, stdout};
use crate::gate::{Options, Outcome, Verdict};
use crate::source::{self, File, is_word};

/// `supply`
pub(crate) fn gate(_: &Options) -> Outcome {
    let metadata = stdout(cargo(&[
        "metadata",
        "--format-version=1",
        "--all-features",
        "--locked",
    ]))?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| format!("`cargo metadata` is not JSON: {error}"))?;
    let packages = metadata["packages"]
        .as_array()
        .filter(|packages| !packages.is_empty())
        .ok_or("`cargo metadata` lists no packages")?;
    let deny = read("deny.toml")?;
    let mut wrong = licences(packages, &list(&deny, "allow")?);
    wrong.extend(twice(packages, &list(&deny, "skip")?));
    wrong.extend(sources(packages));
    for package in packages.iter().filter(|package| is_ours(package)) {
        let files = files_of(package)?;
        let words = files.iter().flat_map(|file| words(&file.text)).collect();
        wrong.extend(unused(package, &words));
    }
    if wrong.is_empty() {
        Ok(Verdict::Passed(format!("{} packages", packages.len())))
    } else {
        Err(wrong.join("\n"))
    }
}

/// The quoted words of a list in `deny.toml`.
fn list(deny: &str, name: &str) -> Result<BTreeSet<String>, String> {
    let begin = format!("{name} = [");
    let rest = deny
        .find(&begin)
        .map(|at| &deny[at + begin.len()..])
        .ok_or_else(|| format!("deny.toml has no list `{name}`"))?;
    let inside = rest.split(']').next().unwrap_or_default();
    Ok(inside
        .split('"')
        .skip(1)
        .step_by(2)
        .map(String::from)
        .collect())
}

fn text(package: &Value, key: &str) -> String {
    package[key].as_str().unwrap_or_default().to_owned()
}

fn is_ours(package: &Value) -> bool {
    package["source"].is_null()
}

/// Packages whose licence asks for more than the list allows.
fn licences(packages: &[Value], allowed: &BTreeSet<String>) -> Vec<String> {
    packages
        .iter()
        .filter(|package| !is_allowed(&text(package, "license"), allowed))
        .map(|package| {
            format!(
                "{} has the licence {:?}, which deny.toml does not allow",
                text(package, "name"),
                text(package, "license")
            )
        })
        .collect()
}

/// True if one of each choice is on the list. `/` is an old way to write OR; one level of brackets is enough here.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let expression = expression.replace('/', " OR ");
    let one = |word: &str| allowed.contains(word.trim_matches([' ', '(', ')']));
    let choice = |text: &str| text.split(" OR ").any(one);
    match expression.contains(" AND ") {
        true => expression.split(" AND ").all(choice),
        false => choice(&expression),
    }
}

/// Packages that come in two versions.
fn twice(packages: &[Value], skip: &BTreeSet<String>) -> Vec<String> {
    let mut versions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        let versions = versions.entry(text(package, "name")).or_default();
        versions.push(text(package, "version"));
    }
    versions
        .into_iter()
        .filter(|(name, versions)| versions.len() > 1 && !skip.contains(name))
        .map(|(name, versions)| format!("{name} comes as {}", versions.join(" and ")))
        .collect()
}

/// Packages that come from elsewhere than the registry.
fn sources(packages: &[Value]) -> Vec<String> {
    packages
        .iter()
        .filter(|package| !is_ours(package))
        .filter(|package| !text(package, "source").starts_with("registry+"))
        .map(|package| {
            let (name, source) = (text(package, "name"), text(package, "source"));
            format!("{name} comes from {source}")
        })
        .collect()
}

/// The Rust files of a package.
fn files_of(package: &Value) -> Result<Vec<File>, String> {
    let manifest = text(package, "manifest_path");
    let directory = Path::new(&manifest).parent().unwrap_or(Path::new(""));
    let below = directory
        .strip_prefix(root())
        .map_err(|_| format!("{manifest} lies outside"))?;
    source::files(&below.to_string_lossy())
}

/// Comments count too: examples stand there.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|character| !is_word(character))
}

/// Dependencies that a manifest names and no file uses.
fn unused(package: &Value, words: &BTreeSet<&str>) -> Vec<String> {
    let dependencies = package["dependencies"].as_array();
    dependencies
        .into_iter()
        .flatten()
        .filter_map(|dependency| {
            let renamed = dependency["rename"].as_str();
            renamed.or_else(|| dependency["name"].as_str())
        })
        .filter(|name| !words.contains(&*name.replace('-', "_")))
        .map(|name| {
            format!(
                "{} depends on {name} and never names it",
                text(package, "name")
            )
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn allowed() -> BTreeSet<String> {
        list("allow = [\"MIT\", \"Unicode-3.0\"]\n", "allow").unwrap()
    }

    #[test]
    fn one_of_a_choice_is_enough_and_all_of_a_sum_are_needed() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "Unlicense/MIT",
            "(MIT OR X) AND Unicode-3.0",
        ] {
            assert!(is_allowed(good, &allowed()), "{good}");
        }
        for bad in [
            "",
            "GPL-3.0",
            "MITX",
            "MIT AND GPL-3.0",
            "(GPL-2.0 OR X) AND MIT",
        ] {
            assert!(!is_allowed(bad, &allowed()), "{bad}");
        }
    }

    #[test]
    fn a_package_in_two_versions_is_found_unless_it_is_skipped() {
        let packages = ["1.0.0", "2.0.0"].map(|it| json!({ "name": "syn", "version": it }));
        assert_eq!(
            twice(&packages, &BTreeSet::new()),
            ["syn comes as 1.0.0 and 2.0.0"]
        );
        let skip = list("skip = [{ name = \"syn\", version = \"2\" }]", "skip").unwrap();
        assert!(twice(&packages, &skip).is_empty());
    }

    #[test]
    fn a_package_from_elsewhere_is_found() {
        let packages = ["registry+x", "git+x"].map(|it| json!({ "name": "a", "source": it }));
        assert_eq!(sources(&packages), ["a comes from git+x"]);
        assert!(sources(&[json!({ "name": "ours", "source": null })]).is_empty());
    }

    #[test]
    fn a_dependency_that_nobody_names_is_found() {
        let package = json!({ "name": "ours", "dependencies": [
            { "name": "used-here" }, { "name": "not-used" }, { "name": "x", "rename": "y" },
        ] });
        let words = words("use used_here::X; y::z(); x").collect();
        let found = unused(&package, &words);
        assert_eq!(found, ["ours depends on not-used and never names it"]);
    }

    #[test]
    fn a_list_that_is_missing_is_an_error() {
        assert!(list("allow = []", "skip").is_err());
    }
}
