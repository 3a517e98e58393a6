//! Paths: every `a::b::c` that a file names, with the trees of `use` written out.

use crate::source::is_word;

/// One path as it stands in the code, and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    /// Its words; a leading `::` leaves none behind, `*` stays.
    pub(crate) words: Vec<String>,
    /// Counted from 1.
    pub(crate) line: usize,
    /// Inline modules around it, outermost first.
    pub(crate) inside: Vec<String>,
}

impl Path {
    /// The path as text.
    pub(crate) fn text(&self) -> String {
        self.words.join("::")
    }
}

/// All paths of more than one word, and all that `use` names; expects blanked code.
pub(crate) fn paths(code: &str) -> Vec<Path> {
    let tokens = tokens(code);
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        found: Vec::new(),
        modules: Vec::new(),
        depth: 0,
    };
    reader.read();
    reader.found
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    Word(String),
    Colons,
    Other(char),
}

fn tokens(code: &str) -> Vec<(Token, usize)> {
    let characters: Vec<char> = code.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < characters.len() {
        let character = characters[at];
        if character == '\n' {
            line += 1;
        }
        if is_word(character) {
            let begin = at;
            while at < characters.len() && is_word(characters[at]) {
                at += 1;
            }
            let word: String = characters[begin..at].iter().collect();
            if word == "r" && characters.get(at) == Some(&'#') {
                at += 1; // a raw identifier: the next word is the name
            } else {
                tokens.push((Token::Word(word), line));
            }
        } else if character == ':' && characters.get(at + 1) == Some(&':') {
            tokens.push((Token::Colons, line));
            at += 2;
        } else {
            if !character.is_whitespace() {
                tokens.push((Token::Other(character), line));
            }
            at += 1;
        }
    }
    tokens
}

struct Reader<'a> {
    tokens: &'a [(Token, usize)],
    at: usize,
    found: Vec<Path>,
    /// Inline modules, each with the depth of braces inside it.
    modules: Vec<(String, usize)>,
    depth: usize,
}

impl Reader<'_> {
    fn read(&mut self) {
        while let Some((token, _)) = self.tokens.get(self.at) {
            match token {
                Token::Other('{') => {
                    self.depth += 1;
                    self.at += 1;
                }
                Token::Other('}') => {
                    self.modules.retain(|(_, depth)| *depth < self.depth);
                    self.depth = self.depth.saturating_sub(1);
                    self.at += 1;
                }
                Token::Word(word) if word == "use" => {
                    self.at += 1;
                    self.tree(&[]);
                }
                Token::Word(word) if word == "mod" => self.module(),
                Token::Word(_) => self.inline(),
                Token::Colons | Token::Other(_) => self.at += 1,
            }
        }
    }

    /// `mod name {` opens a module, `mod name;` names a file.
    fn module(&mut self) {
        self.at += 1;
        let Some(name) = self.word() else { return };
        if self.is(&Token::Other('{')) {
            self.modules.push((name, self.depth + 1));
        }
    }

    /// `a::b::c` anywhere else.
    fn inline(&mut self) {
        let line = self.tokens[self.at].1;
        let mut words = Vec::new();
        while let Some(word) = self.word() {
            words.push(word);
            if !self.is(&Token::Colons) {
                break;
            }
            self.at += 1;
        }
        if words.len() > 1 {
            self.push(words, line);
        }
    }

    /// One branch of a tree of `use`, below `before`.
    fn tree(&mut self, before: &[String]) {
        let mut words = before.to_vec();
        if self.is(&Token::Colons) {
            self.at += 1;
        }
        loop {
            let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
            if self.is(&Token::Other('{')) {
                self.at += 1;
                while self.at < self.tokens.len() && !self.is(&Token::Other('}')) {
                    if self.is(&Token::Other(',')) {
                        self.at += 1;
                    } else {
                        self.tree(&words);
                    }
                }
                self.at += 1;
                return;
            }
            if self.is(&Token::Other('*')) {
                self.at += 1;
                words.push("*".into());
            } else if let Some(word) = self.word() {
                words.push(word);
            } else {
                // Not a tree that we know; step over it rather than stand still.
                self.at += 1;
                return;
            }
            if self.is(&Token::Colons) {
                self.at += 1;
                continue;
            }
            if self.is(&Token::Word("as".into())) {
                self.at += 2;
            }
            self.push(words, line);
            return;
        }
    }

    fn word(&mut self) -> Option<String> {
        match self.tokens.get(self.at) {
            Some((Token::Word(word), _)) => {
                self.at += 1;
                Some(word.clone())
            }
            _ => None,
        }
    }

    fn is(&self, wanted: &Token) -> bool {
        self.tokens
            .get(self.at)
            .is_some_and(|(token, _)| token == wanted)
    }

    fn push(&mut self, words: Vec<String>, line: usize) {
        let inside = self.modules.iter().map(|(name, _)| name.clone()).collect();
        self.found.push(Path {
            words,
            line,
            inside,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(code: &str) -> Vec<String> {
        paths(code).iter().map(Path::text).collect()
    }

    #[test]
    fn a_tree_of_use_is_written_out() {
        assert_eq!(
            texts("pub use std::{fmt, sync::{atomic::{AtomicU8, self}, Arc as A}, io::*};"),
            [
                "std::fmt",
                "std::sync::atomic::AtomicU8",
                "std::sync::atomic::self",
                "std::sync::Arc",
                "std::io::*"
            ]
        );
    }

    #[test]
    fn paths_in_the_middle_of_code_are_found_with_their_line() {
        let found = paths("fn f() {\n  let a: ::mio::Poll = crate::b::c::<u8>(x, y);\n  d(e);\n}");
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].text().as_str(), found[0].line), ("mio::Poll", 2));
        assert_eq!(found[1].text(), "crate::b::c");
    }

    #[test]
    fn a_path_knows_the_inline_modules_around_it() {
        let found = paths("use a::b; mod x { mod y { use super::c; } use d::e; } mod z; use f::g;");
        let inside: Vec<_> = found.iter().map(|path| path.inside.join("/")).collect();
        assert_eq!(inside, ["", "x/y", "x", ""]);
    }

    #[test]
    fn a_tree_of_one_word_is_a_path_too() {
        assert_eq!(texts("use mio; extern crate loom;"), ["mio"]);
        assert_eq!(texts("use r#loop::b;"), ["loop::b"]);
    }

    #[test]
    fn broken_code_ends_the_reading_and_not_the_program() {
        let _ = paths("use a::{b, c");
        let _ = paths("use ;;; use <T>::x; mod");
    }
}
