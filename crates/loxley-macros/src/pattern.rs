//! Patterns without what binds: for the question whether a value matches, which is asked by reference.
//!
//! `select!` has to know whether an output matches before it may be moved into the names of the pattern. It matches a
//! reference, where `ref`, `mut` and `&` are not allowed in every edition, and are not needed: names bind references,
//! and a pattern that is no reference looks through them.

use proc_macro2::{Group, TokenStream, TokenTree};

/// Takes `ref`, `mut` and `&` out, inside groups too; not in the arguments of macros.
pub(crate) fn without_bindings(pattern: TokenStream) -> TokenStream {
    let mut after_bang = false;
    let mut kept = Vec::new();
    for token in pattern {
        let is_bang = matches!(&token, TokenTree::Punct(punct) if punct.as_char() == '!');
        match token {
            TokenTree::Ident(word) if word == "ref" || word == "mut" => {}
            TokenTree::Punct(punct) if punct.as_char() == '&' => {}
            TokenTree::Group(group) if !after_bang => kept.push(inside(&group)),
            other => kept.push(other),
        }
        after_bang = is_bang;
    }
    kept.into_iter().collect()
}

fn inside(group: &Group) -> TokenTree {
    let mut new = Group::new(group.delimiter(), without_bindings(group.stream()));
    new.set_span(group.span());
    new.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(pattern: &str, expected: &str) {
        let pattern: TokenStream = pattern.parse().unwrap();
        let expected: TokenStream = expected.parse().unwrap();
        assert_eq!(without_bindings(pattern).to_string(), expected.to_string());
    }

    #[test]
    fn what_binds_is_taken_out() {
        check("Some(mut x)", "Some(x)");
        check("Point { ref mut x, y: &y }", "Point { x, y: y }");
        check(
            "(a, [&mut b, ..]) | (mut a, [b, ..])",
            "(a, [b, ..]) | (a, [b, ..])",
        );
        check("whole @ Ok(&&5)", "whole @ Ok(5)");
    }

    #[test]
    fn arguments_of_macros_stay() {
        check("letters!(ref mut &x)", "letters!(ref mut &x)");
    }
}
