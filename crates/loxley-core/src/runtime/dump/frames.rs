//! The stack of a poll, from the leaf outwards to the task.
//!
//! The standard library names the functions of a stack in a text alone: a line for each, `12: name`, and one for its
//! place, if that is known, `at file:line:column`. A line that looks otherwise is left out.

use std::backtrace::Backtrace;
use std::fmt;

/// Functions of these modules, and what is around them, are the runtime's own. A function that was inlined may be known by
/// its place alone.
const LEAF: [&str; 2] = ["loxley_core::budget::", "src/budget.rs:"];
const TASK: [&str; 2] = ["loxley_core::task::raw::", "src/task/raw.rs:"];
/// What lies between two functions of a program is not worth a line.
const PLUMBING: [&str; 4] = ["core::", "std::", "<core::", "<std::"];

/// One function of a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    function: String,
    place: Option<String>,
}

impl Frame {
    /// Its name.
    pub fn function(&self) -> &str {
        &self.function
    }

    fn is_in(&self, [module, file]: [&str; 2]) -> bool {
        self.function.contains(module) || self.place().is_some_and(|place| place.contains(file))
    }

    /// File, line and column of the call, if the program has debug information.
    pub fn place(&self) -> Option<&str> {
        self.place.as_deref()
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.function)?;
        match &self.place {
            Some(place) => write!(f, " at {place}"),
            None => Ok(()),
        }
    }
}

/// The frames between the leaf and the task, innermost first.
pub fn of_poll(stack: &Backtrace) -> Vec<Frame> {
    let mut frames = parse(&stack.to_string());
    let leaf = |frame: &Frame| frame.is_in(LEAF);
    let task = |frame: &Frame| frame.is_in(TASK);
    let begin = frames.iter().position(leaf).unwrap_or(0);
    let inside = frames.iter().skip(begin).take_while(|frame| leaf(frame));
    frames.drain(..begin + inside.count());
    frames.truncate(frames.iter().position(task).unwrap_or(frames.len()));
    let plumbing = |frame: &Frame| PLUMBING.iter().any(|part| frame.function.starts_with(part));
    frames.retain(|frame| !plumbing(frame));
    frames
}

fn parse(text: &str) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(place) = line.strip_prefix("at ") {
            if let Some(frame) = frames.last_mut() {
                frame.place = Some(place.into());
            }
        } else if let Some((number, function)) = line.split_once(": ") {
            if number.parse::<u32>().is_ok() {
                let (function, place) = (function.into(), None);
                frames.push(Frame { function, place });
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
        let shown: Vec<String> = frames.iter().map(Frame::to_string).collect();
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
    fn a_stack_of_this_process_is_understood() {
        #[inline(never)]
        fn a_function_of_its_own() -> String {
            // Used here, or release builds make the capture a jump, and this function is not on the stack.
            std::hint::black_box(Backtrace::force_capture()).to_string()
        }
        let frames = parse(&a_function_of_its_own());
        let named = |frame: &Frame| frame.function().contains("a_function_of_its_own");
        assert!(frames.iter().any(named), "{frames:?}");
    }
}
