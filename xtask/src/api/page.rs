//! The comparison, and the page that shows it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::paths::map_std_paths;
use super::reasons::{self, Reason};
use super::signature::PRIVATE;
use super::surface::{PINNED, Row, Surface};

/// How ours answers to something of theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Answer {
    Same,
    Different,
    Absent,
}

/// A line of the page.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) theirs: Row,
    pub(crate) ours: Option<Row>,
    pub(crate) answer: Answer,
    pub(crate) reason: Option<String>,
}

/// Compares; the second value is the patterns of the reasons that apply to nothing.
pub(crate) fn compare(
    theirs: &Surface,
    ours: &Surface,
    reasons: &[Reason],
) -> (Vec<Line>, Vec<String>) {
    let mut unused: BTreeSet<&str> = reasons
        .iter()
        .flat_map(|reason| reason.names.iter().map(|name| &**name))
        .collect();
    let mut lines: Vec<Line> = theirs
        .iter()
        .map(|(name, row)| {
            let ours = ours.get(name);
            let name = short(name);
            let answer = match ours {
                None => Answer::Absent,
                Some(ours) if is_same(row, ours) => Answer::Same,
                Some(_) => Answer::Different,
            };
            let reason = match answer {
                Answer::Same => None,
                _ => reasons::find(reasons, &name),
            };
            if let Some((_, pattern)) = reason {
                unused.remove(pattern);
            }
            Line {
                name,
                theirs: row.clone(),
                ours: ours.cloned(),
                answer,
                reason: reason.map(|(text, _)| text.to_owned()),
            }
        })
        .collect();
    lines.sort_by_cached_key(|line| {
        let kinds = ["impl", "auto traits"];
        let kind = kinds.iter().position(|kind| *kind == line.theirs.kind);
        (line.theirs.home.clone(), kind, line.name.clone())
    });
    (lines, unused.into_iter().map(str::to_owned).collect())
}

/// Ours may be `const` where theirs is not, and ask for less.
fn is_same(theirs: &Row, ours: &Row) -> bool {
    if theirs.kind != ours.kind {
        return false;
    }
    let kind = theirs.kind;
    let (theirs, ours) = (&*theirs.signature, &*ours.signature);
    let ours = match theirs.starts_with("const ") {
        true => ours,
        false => ours.strip_prefix("const ").unwrap_or(ours),
    };
    if kind == "auto traits" {
        let pinned = [theirs, ours].iter().any(|it| it.contains(PINNED));
        return theirs == ours || pinned && without_unpin(theirs) == without_unpin(ours);
    }
    let (their_head, their_bounds) = bounds(theirs);
    let (our_head, our_bounds) = bounds(ours);
    let asks = |bound: &&&str| !bound.contains(": ?");
    let asked = our_bounds
        .iter()
        .filter(asks)
        .all(|bound| their_bounds.contains(bound));
    // `?Sized` is the other way round: it takes a demand away.
    let mut freed = their_bounds.iter().filter(|bound| !asks(bound));
    their_head == our_head && asked && freed.all(|bound| our_bounds.contains(bound))
}

/// What stands before the bounds, and each of them; of several signatures the whole.
fn bounds(signature: &str) -> (&str, Vec<&str>) {
    let one = !signature.contains(" | ");
    let Some((head, mut rest)) = signature.split_once(" where ").filter(|_| one) else {
        return (signature, Vec::new());
    };
    let mut bounds = Vec::new();
    while let Some(at) = end_of_first(rest) {
        bounds.push(&rest[..at]);
        rest = &rest[at + 2..];
    }
    bounds.push(rest);
    (head, bounds)
}

/// Where the first comma is that stands in no bracket.
fn end_of_first(text: &str) -> Option<usize> {
    let mut depth = 0;
    let mut before = ' ';
    for (at, it) in text.char_indices() {
        match it {
            '<' | '(' | '[' => depth += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => return Some(at),
            _ => {}
        }
        before = it;
    }
    None
}

fn without_unpin(answers: &str) -> Vec<&str> {
    let answers = answers.split("; ");
    answers
        .filter(|it| !it.trim_start_matches('!').starts_with("Unpin"))
        .collect()
}

/// Says of what has no reason what is wrong with it.
pub(crate) fn complaint(line: &Line) -> String {
    match &line.ours {
        None => format!(
            "absent: {} ({} {})",
            line.name,
            line.theirs.kind,
            short(&line.theirs.signature)
        ),
        Some(ours) => format!(
            "different: {}\n    tokio:  {} {}\n    loxley: {} {}",
            line.name,
            line.theirs.kind,
            short(&line.theirs.signature),
            ours.kind,
            short(&ours.signature)
        ),
    }
}

/// How many of each answer.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
pub(crate) struct Counts {
    pub(crate) same: usize,
    pub(crate) different: usize,
    pub(crate) absent: usize,
}

impl Counts {
    pub(crate) fn of<'a>(lines: impl IntoIterator<Item = &'a Line>) -> Counts {
        let mut counts = Counts::default();
        for line in lines {
            match line.answer {
                Answer::Same => counts.same += 1,
                Answer::Different => counts.different += 1,
                Answer::Absent => counts.absent += 1,
            }
        }
        counts
    }

    pub(crate) fn all(&self) -> usize {
        self.same + self.different + self.absent
    }

    /// Tenths of a percent.
    pub(crate) fn absent_per_mille(&self) -> usize {
        (self.absent * 1000).div_ceil(self.all().max(1))
    }
}

/// The page, with a head of ours.
pub(crate) fn page(head: &str, lines: &[Line]) -> String {
    let mut sections: BTreeMap<&str, Vec<&Line>> = BTreeMap::new();
    for line in lines {
        sections
            .entry(section(&line.theirs))
            .or_default()
            .push(line);
    }
    let mut text = head.to_owned();
    text.push_str("\n| part | same | different | absent |\n|---|---:|---:|---:|\n");
    let mut row = |name: &str, counts: Counts| {
        let Counts {
            same,
            different,
            absent,
        } = counts;
        let _ = writeln!(text, "| {name} | {same} | {different} | {absent} |");
    };
    for (name, lines) in &sections {
        row(name, Counts::of(lines.iter().copied()));
    }
    row("all", Counts::of(lines));
    for (name, lines) in &sections {
        let _ = write!(
            text,
            "\n## {name}\n\n| item | kind | loxley |\n|---|---|---|\n"
        );
        for line in lines {
            let answer = match line.answer {
                Answer::Same => "same".to_owned(),
                Answer::Different => format!("**different**: {}", why(line)),
                Answer::Absent => format!("**absent**: {}", why(line)),
            };
            let _ = writeln!(
                text,
                "| `{}` | {} | {answer} |",
                line.name, line.theirs.kind
            );
        }
    }
    text
}

fn why(line: &Line) -> &str {
    line.reason.as_deref().unwrap_or("(no reason yet)")
}

/// The module that something is in.
fn section(row: &Row) -> &str {
    match row.home.split_once("::") {
        Some((module, _)) => module,
        None if row.kind == "module" => &row.home,
        None => "the crate itself",
    }
}

/// Leaves out the modules of what std defines.
fn short(text: &str) -> String {
    let last = |path: &str| path.rsplit("::").next().unwrap_or_default().to_owned();
    map_std_paths(text, last).replace(PRIVATE, "private ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn surface(rows: &[(&str, &str)]) -> Surface {
        let row = |signature: &str| Row {
            home: "io".into(),
            kind: "fn",
            signature: signature.into(),
        };
        rows.iter()
            .map(|(name, signature)| ((*name).into(), row(signature)))
            .collect()
    }

    #[test]
    fn each_answer_is_given_where_it_is_due() {
        let theirs = surface(&[
            ("io::a", "fn()"),
            ("io::b", "fn()"),
            ("io::c", "fn()"),
            ("io::d", "fn()"),
        ]);
        let ours = surface(&[
            ("io::a", "fn()"),
            ("io::b", "fn(u8)"),
            ("io::d", "const fn()"),
        ]);
        let reasons = reasons::parse("why\n  io::b\n  io::x\n").unwrap();
        let (lines, unused) = compare(&theirs, &ours, &reasons);
        let answers: Vec<Answer> = lines.iter().map(|line| line.answer).collect();
        assert_eq!(
            answers,
            [
                Answer::Same,
                Answer::Different,
                Answer::Absent,
                Answer::Same
            ]
        );
        assert_eq!(lines[1].reason.as_deref(), Some("why"));
        assert_eq!(lines[2].reason, None);
        assert_eq!(unused, ["io::x"]);
        assert!(complaint(&lines[1]).contains("loxley: fn fn(u8)"));
        let counts = Counts::of(&lines);
        assert_eq!((counts.same, counts.absent_per_mille()), (2, 250));
        let text = page("# head\n", &lines);
        assert!(text.contains("| all | 2 | 1 | 1 |"), "{text}");
        assert!(
            text.contains("| `io::b` | fn | **different**: why |"),
            "{text}"
        );
    }

    #[test]
    fn ours_may_ask_for_less_but_not_for_more() {
        let row = |signature: &str| Row {
            home: String::new(),
            kind: "fn",
            signature: signature.into(),
        };
        let same = |theirs: &str, ours: &str| is_same(&row(theirs), &row(ours));
        let theirs = "fn(T) where T: Fn(A, B) -> C<D, E>, T: Send";
        assert!(same(theirs, "fn(T) where T: Fn(A, B) -> C<D, E>"));
        assert!(same(theirs, "const fn(T)"));
        assert!(!same("fn(T)", "fn(T) where T: Send"));
        assert!(same("fn(T)", "fn(T) where T: ?Sized"));
        assert!(!same("fn(T) where T: ?Sized", "fn(T)"));
        assert!(!same(theirs, "fn(T) where T: Fn(A, B) -> C<D>"));
        assert!(!same("const fn(T)", "fn(T)"));
    }

    #[test]
    fn the_modules_of_std_are_left_out() {
        assert_eq!(
            short("impl core::fmt::Debug for io::A<std::vec::Vec<T>>"),
            "impl Debug for io::A<Vec<T>>"
        );
        assert_eq!(
            short("fn(&str) -> async (core::a::B, ())"),
            "fn(&str) -> async (B, ())"
        );
    }
}
