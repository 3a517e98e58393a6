//! Types and traits of other crates in our public API: a new major version of theirs is a breaking change of ours, so
//! `docs/stability.md` names those crates, and there are no others.

use std::collections::{BTreeMap, BTreeSet};

use super::surface::Surface;
use crate::source::is_word;

/// The sentence of the page whose quoted words are the list.
const SENTENCE: &str = "The types and traits of other crates in our API are those of";
/// Everybody has them.
const ALWAYS: [&str; 4] = ["std", "core", "alloc", "proc_macro"];

/// The crates that the page names.
pub(crate) fn named(page: &str) -> Result<BTreeSet<String>, String> {
    let at = page.find(SENTENCE).ok_or("the sentence is not there")?;
    let sentence = page[at..].split('.').next().unwrap_or_default();
    let words = sentence.split('`').skip(1).step_by(2);
    Ok(words.map(|word| word.replace('-', "_")).collect())
}

/// What names a crate that is not on the list; `crates` are all that ours depend on.
pub(crate) fn unnamed(
    surface: &Surface,
    crates: &BTreeSet<String>,
    named: &BTreeSet<String>,
) -> Vec<String> {
    let mut found: BTreeMap<&str, &str> = BTreeMap::new();
    for (name, row) in surface {
        for path in [&**name, &*row.signature].into_iter().flat_map(paths) {
            let root = path.split("::").next().unwrap_or_default();
            if crates.contains(root) && !named.contains(root) && !ALWAYS.contains(&root) {
                found.entry(root).or_insert(name);
            }
        }
    }
    let complaint = |(root, name)| format!("`{name}` shows something of {root}");
    found.into_iter().map(complaint).collect()
}

/// The words with a crate or a module before them.
fn paths(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|character| !is_word(character) && character != ':');
    words.filter(|word| word.contains("::"))
}

#[cfg(test)]
mod tests {
    use super::super::surface::Row;
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).into()).collect()
    }

    fn surface(signature: &str) -> Surface {
        let row = Row {
            home: "net".into(),
            kind: "fn",
            signature: signature.into(),
        };
        BTreeMap::from([("net::f".into(), row)])
    }

    #[test]
    fn a_crate_that_the_page_does_not_name_is_found() {
        let crates = set(&["bytes", "mio", "core"]);
        let named = set(&["bytes"]);
        let bad = surface("fn(&mio::event::Event) -> core::option::Option<bytes::Buf>");
        let found = unnamed(&bad, &crates, &named);
        assert_eq!(found, ["`net::f` shows something of mio"]);
        let good = surface("fn(bytes::Buf) -> io::mio, time::core::X");
        assert!(unnamed(&good, &crates, &named).is_empty());
    }

    #[test]
    fn the_page_has_the_sentence_and_names_crates() {
        let page = crate::command::read("docs/stability.md").unwrap();
        let named = named(&page).unwrap();
        assert!(
            named.contains("bytes") && named.contains("futures_core"),
            "{named:?}"
        );
        assert!(super::named("nothing").is_err());
    }
}
