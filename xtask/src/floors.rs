//! `cycles`: the modules of the core form floors, and imports only point down.
//!
//! The floors are the block marked `floors` in docs/architecture.md, highest first, one floor per line. A module
//! may import from lower floors and from itself; two modules of one floor do not know each other. Then there can
//! be no cycle, and the page tells the truth about the code. `lib.rs` stands above and may name everything;
//! tests may look anywhere.

use std::collections::BTreeSet;

use crate::command;
use crate::gate::{Options, Outcome, Verdict};
use crate::paths::{Path, paths};
use crate::source::{self, File};

const CORE: &str = "crates/loxley-core/src/";
const PAGE: &str = "docs/architecture.md";

/// `cycles`
pub(crate) fn gate(_: &Options) -> Outcome {
    let floors = floors(&command::read(PAGE)?)?;
    let files = source::files(CORE)?;
    let imports: Vec<Import> = files.iter().flat_map(imports).collect();
    let modules: BTreeSet<&str> = files.iter().filter_map(|file| top(&file.path)).collect();
    let mut wrong = strangers(&floors, &modules);
    wrong.extend(imports.iter().filter_map(|import| upward(&floors, import)));
    if wrong.is_empty() {
        Ok(Verdict::Passed(format!(
            "{} imports between {} modules on {} floors",
            imports.len(),
            modules.len(),
            floors.len()
        )))
    } else {
        Err(format!(
            "imports point down the floors of {PAGE}:\n{}",
            wrong.join("\n")
        ))
    }
}

/// One module of the core naming another.
#[derive(Debug, PartialEq)]
struct Import {
    from: String,
    to: String,
    place: String,
}

/// The floors, highest first.
fn floors(page: &str) -> Result<Vec<Vec<String>>, String> {
    let block = page
        .split_once("```floors\n")
        .and_then(|(_, rest)| rest.split_once("```"))
        .map(|(block, _)| block)
        .ok_or_else(|| format!("{PAGE} has no block marked `floors`"))?;
    let floors: Vec<Vec<String>> = block
        .lines()
        .map(|line| line.split_whitespace().map(String::from).collect())
        .filter(|floor: &Vec<String>| !floor.is_empty())
        .collect();
    let all: Vec<&String> = floors.iter().flatten().collect();
    if all.iter().collect::<BTreeSet<_>>().len() != all.len() || all.is_empty() {
        return Err(format!("{PAGE}: each module stands on one floor, once"));
    }
    Ok(floors)
}

/// The floor of a module, counted from the top.
fn floor(floors: &[Vec<String>], module: &str) -> Option<usize> {
    floors
        .iter()
        .position(|floor| floor.iter().any(|name| name == module))
}

/// Modules without a floor, and names on the page without a module.
fn strangers(floors: &[Vec<String>], modules: &BTreeSet<&str>) -> Vec<String> {
    let missing = modules
        .iter()
        .filter(|module| floor(floors, module).is_none())
        .map(|module| format!("the module `{module}` has no floor"));
    let gone = floors
        .iter()
        .flatten()
        .filter(|name| !modules.contains(name.as_str()))
        .map(|name| format!("`{name}` has a floor and is no module"));
    missing.chain(gone).collect()
}

/// What is wrong with an import, if anything is.
fn upward(floors: &[Vec<String>], import: &Import) -> Option<String> {
    let from = floor(floors, &import.from)?;
    let Some(to) = floor(floors, &import.to) else {
        return Some(format!(
            "{}: `crate::{}` is no module: name an item by its module",
            import.place, import.to
        ));
    };
    if from < to {
        return None;
    }
    let way = if from == to { "beside it" } else { "above it" };
    Some(format!(
        "{}: `{}` names `{}`, which stands {way}",
        import.place, import.from, import.to
    ))
}

/// The top-level module that a file belongs to; `None` for `lib.rs`.
fn top(path: &str) -> Option<&str> {
    let path = path.strip_prefix(CORE).unwrap_or(path);
    let first = path.split('/').next()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib").then_some(name)
}

/// The module that a file is: `task/state.rs` is `task::state`.
fn module_of(path: &str) -> Vec<String> {
    let path = path.strip_prefix(CORE).unwrap_or(path);
    let path = path.strip_suffix(".rs").unwrap_or(path);
    let path = path.strip_suffix("/mod").unwrap_or(path);
    path.split('/').map(String::from).collect()
}

fn imports(file: &File) -> Vec<Import> {
    let Some(from) = top(&file.path) else {
        return Vec::new();
    };
    if source::is_test_file(&file.path) {
        return Vec::new();
    }
    let code = source::without_tests(&source::code(&file.text));
    let module = module_of(&file.path);
    paths(&code)
        .iter()
        .filter_map(|path| Some((target(path, &module)?, path.line)))
        .filter(|(to, _)| to != from)
        .map(|(to, line)| Import {
            from: from.into(),
            to,
            place: format!("{}:{line}", file.path),
        })
        .collect()
}

/// The top-level module that a path leads to, if it starts at the root or climbs up to it.
fn target(path: &Path, module: &[String]) -> Option<String> {
    if path.words[0] == "crate" {
        return path.words.get(1).cloned();
    }
    let ups = path
        .words
        .iter()
        .take_while(|word| *word == "super")
        .count();
    let depth = module.len() + path.inside.len();
    (ups > 0 && ups >= depth).then(|| path.words.get(ups).cloned())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "text\n```floors\nruntime\nworker blocking\ntask\nprimitive\n```\nmore";

    fn file(path: &str, text: &str) -> File {
        File {
            path: format!("{CORE}{path}"),
            text: text.into(),
        }
    }

    fn wrong(path: &str, text: &str) -> Vec<String> {
        let floors = floors(PAGE).unwrap();
        imports(&file(path, text))
            .iter()
            .filter_map(|import| upward(&floors, import))
            .collect()
    }

    #[test]
    fn an_import_that_points_up_is_found() {
        let found = wrong(
            "task/raw.rs",
            "use crate::{primitive::Mutex,\n worker::Worker};",
        );
        assert_eq!(found.len(), 1);
        assert!(found[0].contains("task/raw.rs:2: `task` names `worker`, which stands above it"));
    }

    #[test]
    fn an_import_beside_is_found() {
        assert!(wrong("worker.rs", "fn f() { crate::blocking::go() }")[0].contains("beside it"));
    }

    #[test]
    fn climbing_out_with_super_is_an_import_too() {
        assert_eq!(wrong("task.rs", "use super::runtime::Handle;").len(), 1);
        assert_eq!(
            wrong("task/raw.rs", "use super::super::runtime::Handle;").len(),
            1
        );
        assert_eq!(
            wrong("task.rs", "mod a { use super::super::worker::W; }").len(),
            1
        );
        assert!(wrong("task.rs", "mod a { use super::worker; }").is_empty());
        assert!(wrong("task/raw.rs", "use super::state::State;").is_empty());
    }

    #[test]
    fn down_inside_and_in_tests_is_fine() {
        assert!(
            wrong(
                "worker.rs",
                "use crate::task::Id; use crate::worker::steal;"
            )
            .is_empty()
        );
        assert!(
            wrong(
                "task.rs",
                "#[cfg(test)] mod tests { use crate::runtime::R; }"
            )
            .is_empty()
        );
        assert!(wrong("lib.rs", "pub use crate::runtime::R;").is_empty());
    }

    #[test]
    fn an_item_named_by_the_root_hides_its_module_and_is_found() {
        assert!(wrong("task.rs", "use crate::Sleep;")[0].contains("is no module"));
    }

    #[test]
    fn modules_and_page_name_each_other() {
        let floors = floors(PAGE).unwrap();
        let modules = BTreeSet::from(["runtime", "worker", "task", "primitive", "clock"]);
        let found = strangers(&floors, &modules);
        assert_eq!(found.len(), 2, "{found:?}");
    }

    #[test]
    fn a_page_without_floors_is_an_error() {
        assert!(floors("nothing").is_err());
        assert!(floors("```floors\n```").is_err());
        assert!(floors("```floors\ntask\ntask\n```").is_err());
    }
}
