//! The stack of a poll, from the leaf outwards to the task.
//!
//! The standard library names the functions of a stack in a text alone: a line for each, `12: name`, and one for its
//! place, if that is known, `at file:line:column`. A line that looks otherwise is left out.

use std::backtrace::Backtrace as Stack;
use std::fmt;
use std::iter;
use std::path::Path;

/// Functions of these modules, and what is around them, are the runtime's own. A function that was inlined may be known by
/// its place alone.
const LEAF: [&str; 2] = ["loxley_core::budget::", "src/budget.rs:"];
const TASK: [&str; 2] = ["loxley_core::task::raw::", "src/task/raw.rs:"];
const ROOT: [&str; 2] = [
    "loxley_core::runtime::dump::root::",
    "src/runtime/dump/root.rs:",
];
/// What lies between two functions of a program is not worth a line.
const PLUMBING: [&str; 4] = ["core::", "std::", "<core::", "<std::"];

/// The functions between a leaf and its task, or a [`Root`](super::Root), innermost first.
#[derive(Clone, Debug)]
pub struct Backtrace {
    frames: Vec<BacktraceFrame>,
}

/// One line of a [`Backtrace`].
#[derive(Clone, Debug)]
pub struct BacktraceFrame {
    symbol: BacktraceSymbol,
}

/// A function, as far as the program knows it.
#[derive(Clone, Debug)]
pub struct BacktraceSymbol {
    function: String,
    /// File, line and column of the call.
    place: Option<String>,
}

impl Backtrace {
    /// Each of them. Empty if no stack was kept.
    pub fn frames(&self) -> impl Iterator<Item = &BacktraceFrame> {
        self.frames.iter()
    }
}

impl BacktraceFrame {
    /// The function: one, since what was inlined has a frame of its own.
    pub fn symbols(&self) -> impl Iterator<Item = &BacktraceSymbol> {
        iter::once(&self.symbol)
    }

    fn is_in(&self, [module, file]: [&str; 2]) -> bool {
        let place = self.symbol.place.as_deref();
        self.symbol.function.contains(module) || place.is_some_and(|place| place.contains(file))
    }
}

impl BacktraceSymbol {
    /// Its name.
    pub fn name_demangled(&self) -> Option<&str> {
        Some(&self.function)
    }

    /// The file, if the program has debug information.
    pub fn filename(&self) -> Option<&Path> {
        self.part(2).map(Path::new)
    }

    /// The line of the call, likewise.
    pub fn lineno(&self) -> Option<u32> {
        self.part(1)?.parse().ok()
    }

    /// The column of the call, likewise.
    pub fn colno(&self) -> Option<u32> {
        self.part(0)?.parse().ok()
    }

    /// Of `file:line:column`, counted from the end.
    fn part(&self, number: usize) -> Option<&str> {
        self.place.as_deref()?.rsplitn(3, ':').nth(number)
    }
}

impl fmt::Display for Backtrace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, frame) in self.frames.iter().enumerate() {
            let end = if number == 0 { "" } else { "\n" };
            write!(f, "{end}{frame}")?;
        }
        Ok(())
    }
}

impl fmt::Display for BacktraceFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.symbol.fmt(f)
    }
}

impl fmt::Display for BacktraceSymbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.place {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

/// What of a stack belongs to the program; `None`: it was not kept.
pub fn of_poll(stack: Option<&Stack>) -> Backtrace {
    let mut frames = stack.map_or(Vec::new(), |stack| parse(&stack.to_string()));
    let leaf = |frame: &BacktraceFrame| frame.is_in(LEAF);
    let end = |frame: &BacktraceFrame| frame.is_in(TASK) || frame.is_in(ROOT);
    let begin = frames.iter().position(leaf).unwrap_or(0);
    let inside = frames.iter().skip(begin).take_while(|frame| leaf(frame));
    frames.drain(..begin + inside.count());
    frames.truncate(frames.iter().position(end).unwrap_or(frames.len()));
    let is_plumbing = |function: &str| PLUMBING.iter().any(|part| function.starts_with(part));
    frames.retain(|frame| !is_plumbing(&frame.symbol.function));
    Backtrace { frames }
}

fn parse(text: &str) -> Vec<BacktraceFrame> {
    let mut frames: Vec<BacktraceFrame> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut() {
                frame.symbol.place = Some(place.into());
            }
        } else if let Some((number, function)) = line.split_once(": ") {
            if number.parse::<u32>().is_ok() {
                let (function, place) = (function.into(), None);
                let symbol = BacktraceSymbol { function, place };
                frames.push(BacktraceFrame { symbol });
            }
        }
    }
    frames
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_stack_is_understood() {
        let text = "   0: one\n             at ./src/a.rs:1:2\n   1: two::{{closure}}\n  10: <x as y>::z\n             at /b.rs:30:4\nnoise";
        let frames = parse(text);
        let shown: Vec<String> = frames.iter().map(BacktraceFrame::to_string).collect();
        assert_eq!(
            shown,
            [
                "one at ./src/a.rs:1:2",
                "two::{{closure}}",
                "<x as y>::z at /b.rs:30:4"
            ]
        );
    }

    #[test]
    fn a_place_is_told_in_its_parts() {
        let frames = parse("0: one\n at C:/a b/c.rs:12:34\n1: two\n2: three\n at odd");
        let of = |number: usize| {
            let symbol = frames[number].symbols().next().unwrap();
            (symbol.filename(), symbol.lineno(), symbol.colno())
        };
        assert_eq!(of(0), (Some(Path::new("C:/a b/c.rs")), Some(12), Some(34)));
        assert_eq!(of(1), (None, None, None));
        assert_eq!(of(2), (None, None, None));
        let name = frames[1].symbols().next().unwrap().name_demangled();
        assert_eq!(name, Some("two"));
    }

    #[test]
    fn a_stack_that_was_not_kept_has_no_frames() {
        assert_eq!(of_poll(None).frames().count(), 0);
    }

    #[test]
    fn a_stack_of_this_process_is_understood() {
        #[inline(never)]
        fn a_function_of_its_own() -> String {
            // Used here, or release builds make the capture a jump, and this function is not on the stack.
            std::hint::black_box(Stack::force_capture()).to_string()
        }
        let frames = parse(&a_function_of_its_own());
        let named =
            |frame: &BacktraceFrame| frame.symbol.function.contains("a_function_of_its_own");
        assert!(frames.iter().any(named), "{frames:?}");
    }
}
