//! Source: reading Rust files for what a search may see.
//!
//! A search for a word must not find it in a comment, in a string or in a test. [`code`] blanks the first
//! two and [`without_tests`] the third; both keep every line where it was, so that findings can name it.
//! No parser: the tokens that matter here (braces, words, paths) are plain once comments and strings are gone.

use std::fs;
use std::path::{Path, PathBuf};

use crate::command::root;

/// A Rust file: its path from the root of the workspace, and its text.
#[derive(Debug, Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) text: String,
}

/// All Rust files below a directory that is named from the root, sorted by path.
pub(crate) fn files(below: &str) -> Result<Vec<File>, String> {
    let root = root();
    let mut paths = Vec::new();
    walk(&root.join(below), &mut paths)?;
    paths.sort();
    if paths.is_empty() {
        return Err(format!("there is no Rust file below {below}"));
    }
    let mut files = Vec::new();
    for path in paths {
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        let path = path.strip_prefix(&root).unwrap_or(&path);
        let path = path.to_string_lossy().replace('\\', "/");
        files.push(File { path, text });
    }
    Ok(files)
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> Result<(), String> {
    let problem = |error| format!("cannot read {}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(problem)? {
        let path = entry.map_err(problem)?.path();
        if path.is_dir() {
            if path.file_name().is_none_or(|name| name != "target") {
                walk(&path, found)?;
            }
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
    Ok(())
}

/// True if the whole file is a test: `tests.rs`, `model_tests.rs`, or anything below `tests/`.
pub(crate) fn is_test_file(path: &str) -> bool {
    let stem = path.rsplit('/').next().unwrap_or(path);
    stem == "tests.rs" || stem.ends_with("_tests.rs") || path.contains("/tests/")
}

/// The code alone: comments and the insides of strings and characters become blanks.
pub(crate) fn code(text: &str) -> String {
    let source: Vec<char> = text.chars().collect();
    let mut out = source.clone();
    let mut at = 0;
    while at < source.len() {
        let end = match source[at] {
            '/' if next_is(&source, at, '/') => line_end(&source, at),
            '/' if next_is(&source, at, '*') => block_comment_end(&source, at),
            '"' => string_end(&source, at),
            'r' | 'b' | 'c' if !in_word(&source, at) => match raw_string_end(&source, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            '\'' => match char_end(&source, at) {
                Some(end) => end,
                None => {
                    at += 1;
                    continue;
                }
            },
            _ => {
                at += 1;
                continue;
            }
        };
        for blank in &mut out[at..end] {
            if *blank != '\n' {
                *blank = ' ';
            }
        }
        at = end;
    }
    out.into_iter().collect()
}

fn next_is(source: &[char], at: usize, wanted: char) -> bool {
    source.get(at + 1) == Some(&wanted)
}

/// True if the character before belongs to the same word.
fn in_word(source: &[char], at: usize) -> bool {
    at > 0 && is_word(source[at - 1])
}

pub(crate) fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn line_end(source: &[char], from: usize) -> usize {
    source[from..]
        .iter()
        .position(|&character| character == '\n')
        .map_or(source.len(), |length| from + length)
}

/// Block comments nest.
fn block_comment_end(source: &[char], from: usize) -> usize {
    let mut depth = 0;
    let mut at = from;
    while at < source.len() {
        if source[at] == '/' && next_is(source, at, '*') {
            depth += 1;
            at += 2;
        } else if source[at] == '*' && next_is(source, at, '/') {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    source.len()
}

fn string_end(source: &[char], from: usize) -> usize {
    let mut at = from + 1;
    while at < source.len() {
        match source[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    source.len()
}

/// The end of `r"…"`, `r#"…"#`, `br"…"`, `cr"…"`; `None` for anything else that begins with these letters
/// (the quote of `b"…"` is met right after).
fn raw_string_end(source: &[char], from: usize) -> Option<usize> {
    let mut at = from;
    if source[at] != 'r' {
        at += 1;
    }
    if source.get(at) != Some(&'r') {
        return None;
    }
    at += 1;
    let hashes = source[at..].iter().take_while(|&&c| c == '#').count();
    at += hashes;
    if source.get(at) != Some(&'"') {
        return None;
    }
    at += 1;
    while at < source.len() {
        if source[at] == '"'
            && source[at + 1..].len() >= hashes
            && source[at + 1..at + 1 + hashes].iter().all(|&c| c == '#')
        {
            return Some(at + 1 + hashes);
        }
        at += 1;
    }
    Some(source.len())
}

/// The end of a character literal; `None` for a lifetime.
fn char_end(source: &[char], from: usize) -> Option<usize> {
    if source.get(from + 1) == Some(&'\\') {
        let rest = source.get(from + 3..)?;
        let length = rest.iter().position(|&character| character == '\'')?;
        return Some(from + 3 + length + 1);
    }
    (source.get(from + 2) == Some(&'\'')).then_some(from + 3)
}

/// Blanks every item that carries `#[cfg(test)]` or `#[cfg(all(test, …))]`; expects [`code`].
pub(crate) fn without_tests(code: &str) -> String {
    let mut out: Vec<char> = code.chars().collect();
    let mut at = 0;
    while at < out.len() {
        if out[at] == '#' && next_is(&out, at, '[') {
            let end = balanced_end(&out, at + 1);
            if asks_for_test(&out[at..end].iter().collect::<String>()) {
                let item = item_end(&out, end);
                for blank in &mut out[at..item] {
                    if *blank != '\n' {
                        *blank = ' ';
                    }
                }
                at = item;
            } else {
                at = end;
            }
        } else {
            at += 1;
        }
    }
    out.into_iter().collect()
}

fn asks_for_test(attribute: &str) -> bool {
    let text: String = attribute.chars().filter(|c| !c.is_whitespace()).collect();
    text == "#[cfg(test)]" || text.starts_with("#[cfg(all(test,") || text == "#[test]"
}

/// From an opening bracket to behind its partner.
fn balanced_end(source: &[char], from: usize) -> usize {
    let mut depth = 0;
    for (at, character) in source.iter().enumerate().skip(from) {
        match character {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => {
                depth -= 1;
                if depth <= 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
    }
    source.len()
}

/// Behind the item that starts here: its `;`, or the end of its first braces.
fn item_end(source: &[char], from: usize) -> usize {
    let mut at = from;
    while at < source.len() {
        match source[at] {
            ';' => return at + 1,
            '{' => return balanced_end(source, at),
            '(' | '[' => at = balanced_end(source, at),
            _ => at += 1,
        }
    }
    source.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_not_code() {
        let text = "let a = \"unsafe \\\" unsafe\"; // unsafe\n/* unsafe /* unsafe */ unsafe */ b";
        let code = code(text);
        assert!(!code.contains("unsafe"), "{code}");
        assert!(code.contains("let a =") && code.ends_with(" b"));
        assert_eq!(code.len(), text.len());
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        let code = code("r#\"unsafe \" unsafe\"# + br\"unsafe\" + expr + b\"unsafe\" + r#type");
        assert!(!code.contains("unsafe"), "{code}");
        assert!(code.contains("expr") && code.contains("r#type"));
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let code =
            code("fn f<'a>(x: &'a str, q: char) { q == '\"' || q == '\\'' || q == '{' } unsafe");
        assert!(
            code.contains("'a str") && code.ends_with("unsafe"),
            "{code}"
        );
        assert!(!code.contains('"') && code.matches('{').count() == 1);
    }

    #[test]
    fn lines_stay_where_they_were() {
        let text = "a\n/* b\nc */\n\"d\ne\"\nf";
        assert_eq!(code(text).lines().count(), text.lines().count());
        assert_eq!(code(text).lines().position(|line| line == "f"), Some(5));
    }

    #[test]
    fn tests_are_left_out_and_the_rest_stays() {
        let text = "use a;\n#[cfg(test)]\nmod tests { use b; fn f() { {} } }\n\
                    #[cfg(test)] use c;\n#[cfg(not(test))] use d;\n#[cfg(all(test, loxley_loom))]\n#[x] fn e() {}\nuse f;";
        let left = without_tests(&code(text));
        for gone in ["use b", "use c", "fn e", "mod tests"] {
            assert!(!left.contains(gone), "{left}");
        }
        for kept in ["use a;", "use d;", "use f;"] {
            assert!(left.contains(kept), "{left}");
        }
    }

    #[test]
    fn test_files_are_known_by_name() {
        assert!(is_test_file("crates/loxley-core/src/queue/tests.rs"));
        assert!(is_test_file("crates/loxley-core/tests/laws.rs"));
        assert!(!is_test_file("crates/loxley-core/src/latest.rs"));
    }

    #[test]
    fn a_directory_without_sources_is_an_error() {
        assert!(files("docs").is_err());
        assert!(files("no-such-directory").is_err());
        assert!(files("xtask/src").is_ok_and(|files| files.len() > 3));
    }
}
