//! Why something differs or is not there: `docs/tokio-reasons.txt`.
//!
//! A line that begins at the margin is a reason, the indented lines below it say for what, one name each; `*` stands
//! for any text. What begins with `#` is a remark. Of several reasons for one thing the first counts.

/// A checked-in reason.
#[derive(Debug)]
pub(crate) struct Reason {
    pub(crate) text: String,
    pub(crate) names: Vec<String>,
}

/// Reads the file.
pub(crate) fn parse(text: &str) -> Result<Vec<Reason>, String> {
    let mut reasons: Vec<Reason> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let name = line.trim();
        if name.is_empty() || name.starts_with('#') {
            continue;
        }
        if !line.starts_with(' ') {
            reasons.push(Reason {
                text: name.to_owned(),
                names: Vec::new(),
            });
        } else if let Some(reason) = reasons.last_mut() {
            reason.names.push(name.to_owned());
        } else {
            return Err(format!("line {}: a name without a reason", number + 1));
        }
    }
    Ok(reasons)
}

/// The first reason for a name, and which of its patterns it was.
pub(crate) fn find<'a>(reasons: &'a [Reason], name: &str) -> Option<(&'a str, &'a str)> {
    reasons.iter().find_map(|reason| {
        let pattern = reason.names.iter().find(|it| matches(it, name))?;
        Some((&*reason.text, &**pattern))
    })
}

/// `*` stands for any text, also for none.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((head, tail)) => name.strip_prefix(head).is_some_and(|rest| {
            let starts = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
            starts.into_iter().any(|at| matches(tail, &rest[at..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(matches("a::*", "a::b"));
        assert!(matches("impl * for a::B", "impl Debug for a::B"));
        assert!(matches("*x*", "x"));
        assert!(!matches("a::*", "b::a::b"));
        assert!(!matches("a", "ab"));
    }

    #[test]
    fn the_first_reason_counts() {
        let reasons = parse("# remark\none\n    a::b\n\nother\n    a::*\n").unwrap();
        assert_eq!(find(&reasons, "a::b"), Some(("one", "a::b")));
        assert_eq!(find(&reasons, "a::c"), Some(("other", "a::*")));
        assert_eq!(find(&reasons, "b"), None);
    }

    #[test]
    fn a_name_without_a_reason_is_an_error_with_its_line() {
        assert!(parse("  a::b\n").unwrap_err().contains("line 1"));
    }
}
