//! The name under which a package depends on loxley: `tokio`, if its manifest says `tokio = { package = "loxley", … }`.
//!
//! An attribute has no `$crate`, so the manifest is read: the package's own, and for what it inherits that of the
//! workspace. No more of TOML is understood than lines, headers, quotes and inline tables, which is how dependencies are
//! written; whoever writes them otherwise says `crate = "…"`. A package that does not depend on loxley by itself gets
//! `::loxley`.
//!
//! Rejected: the package that does this by parsing TOML, which is larger than everything else here.

use std::path::{Path, PathBuf};
use std::{env, fs};

use proc_macro2::{Ident, Span, TokenStream};
use quote::quote;

const PACKAGE: &str = "loxley";

/// The path of loxley in the package that is being compiled.
pub fn in_use() -> TokenStream {
    let directory = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let name = directory.and_then(|directory| {
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
        name_in(&manifest, || workspace_of(&directory))
    });
    let name = name.unwrap_or_else(|| PACKAGE.to_owned());
    let name = Ident::new(&name.replace('-', "_"), Span::call_site());
    quote!(::#name)
}

/// The manifest of the workspace: the first above, or the same, that declares one.
fn workspace_of(directory: &Path) -> Option<String> {
    directory.ancestors().find_map(|directory| {
        let manifest = fs::read_to_string(directory.join("Cargo.toml")).ok()?;
        let declares = |line: &str| line.trim_start().starts_with("[workspace");
        manifest.lines().any(declares).then_some(manifest)
    })
}

/// The name in a manifest; what is inherited is looked up in that of the workspace.
fn name_in(manifest: &str, workspace: impl FnOnce() -> Option<String>) -> Option<String> {
    let dependencies = dependencies(manifest, |table| table != "workspace.dependencies");
    if let Some(plain) = dependencies.iter().find(|it| it.is_ours()) {
        return Some(plain.name.clone());
    }
    let inherited = dependencies.iter().filter(|it| it.is_inherited);
    let workspace = self::dependencies(&workspace()?, |table| table == "workspace.dependencies");
    let mut ours = workspace.into_iter().filter(Dependency::is_ours);
    ours.find_map(|it| {
        let mut inherited = inherited.clone();
        inherited.any(|own| own.name == it.name).then_some(it.name)
    })
}

/// An entry of a table of dependencies.
#[derive(Debug, Default, PartialEq)]
struct Dependency {
    name: String,
    package: Option<String>,
    is_inherited: bool,
}

impl Dependency {
    fn is_ours(&self) -> bool {
        let package = self.package.as_deref().unwrap_or(&self.name);
        package == PACKAGE && !self.is_inherited
    }

    /// Takes in `package = "…"` or `workspace = true`.
    fn set(&mut self, key: &str, value: &str) {
        match key {
            "package" => self.package = Some(unquoted(value).to_owned()),
            "workspace" => self.is_inherited = value.starts_with("true"),
            _ => {}
        }
    }
}

fn dependencies(manifest: &str, wanted: impl Fn(&str) -> bool) -> Vec<Dependency> {
    let mut found: Vec<Dependency> = Vec::new();
    let mut table = "";
    for line in manifest.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if let Some(header) = line.strip_prefix('[') {
            table = header.trim_end_matches(']').trim();
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            continue;
        };
        let (key, value) = (key.trim(), value.trim());
        // `[dependencies]` with a line for each, or `[dependencies.name]` with a line for each property.
        let (name, property) = match table.rsplit_once('.') {
            _ if is_dependencies(table) && wanted(table) => match key.split_once('.') {
                Some((name, property)) => (unquoted(name), property),
                None => (unquoted(key), ""),
            },
            Some((table, name)) if is_dependencies(table) && wanted(table) => (unquoted(name), key),
            _ => continue,
        };
        let at = found.iter().position(|it| it.name == name);
        let at = at.unwrap_or_else(|| {
            found.push(Dependency {
                name: name.to_owned(),
                ..Dependency::default()
            });
            found.len() - 1
        });
        if property.is_empty() {
            let inline = value.trim_start_matches('{').trim_end_matches('}');
            for (key, value) in inline.split(',').filter_map(|it| it.split_once('=')) {
                found[at].set(key.trim(), value.trim());
            }
        } else {
            found[at].set(property.trim(), value);
        }
    }
    found
}

fn is_dependencies(table: &str) -> bool {
    let last = table.rsplit('.').next().unwrap_or_default();
    ["dependencies", "dev-dependencies", "build-dependencies"].contains(&last)
}

fn unquoted(text: &str) -> &str {
    text.trim().trim_matches(['"', '\''])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(manifest: &str) -> Option<String> {
        name_in(manifest, || None)
    }

    #[test]
    fn a_renamed_dependency_is_found_in_every_form() {
        for manifest in [
            "[dependencies]\ntokio = { package = \"loxley\", version = \"0.1\", features = [\"full\"] }",
            "[dependencies]\ntokio = { version = \"0.1\", features = [\"net\", \"rt\"], package = 'loxley' } # ours",
            "[dependencies]\ntokio.version = \"0.1\"\ntokio.package = \"loxley\"",
            "[dependencies.tokio]\nversion = \"0.1\"\npackage = \"loxley\"",
            "[target.'cfg(unix)'.dependencies]\n\"tokio\" = { package = \"loxley\" }",
            "[dev-dependencies]\nserde = \"1\"\ntokio = { path = \"..\", package = \"loxley\" }",
        ] {
            assert_eq!(name(manifest).as_deref(), Some("tokio"), "{manifest}");
        }
    }

    #[test]
    fn a_plain_dependency_keeps_its_name() {
        assert_eq!(
            name("[dependencies]\nloxley = \"0.1\"").as_deref(),
            Some("loxley")
        );
        assert_eq!(
            name("[dependencies.loxley]\npath = \"..\"").as_deref(),
            Some("loxley")
        );
    }

    #[test]
    fn what_is_inherited_is_looked_up_in_the_workspace() {
        let workspace =
            "[workspace.dependencies]\ntokio = { package = \"loxley\", version = \"0.1\" }\n";
        for manifest in [
            "[dependencies]\ntokio = { workspace = true }",
            "[dependencies]\ntokio.workspace = true",
        ] {
            let name = name_in(manifest, || Some(workspace.to_owned()));
            assert_eq!(name.as_deref(), Some("tokio"), "{manifest}");
        }
        let other = name_in("[dependencies]\nserde.workspace = true", || {
            Some(workspace.to_owned())
        });
        assert_eq!(other, None);
    }

    #[test]
    fn other_tables_and_other_packages_do_not_count() {
        assert_eq!(
            name("[package]\nname = \"loxley\"\n[features]\nloxley = []"),
            None
        );
        assert_eq!(
            name("[dependencies]\ntokio = { version = \"1\", features = [\"loxley\"] }"),
            None
        );
        assert_eq!(name(""), None);
    }
}
