//! `both`: the examples of our documentation hold for tokio, too.
//!
//! An example asserts what the text above it says. So each that is about something tokio has is run twice, once with
//! `loxley` meaning loxley and once with `loxley` meaning tokio (and tokio-util and tokio-stream, where loxley has what is
//! theirs): a promise that tokio does not keep is found, and so is one that we read into its documentation.
//!
//! 1. The examples are taken out of the doc comments (`examples_in`), each with the name of its item.
//! 2. What `xtask/ours.txt` names is left out, for the reason that stands there. A name that fits nothing is an error.
//! 3. The others become modules of one file, which a scratch package includes twice (`library`), and its tests are run.

use crate::api::{TOKIO, reasons};
use crate::command::{cargo, read, root, stdout};
use crate::gate::{Options, Outcome, Verdict};
use crate::rust::passed;
use crate::scratch;
use crate::source;

const OURS: &str = "xtask/ours.txt";
const CRATES: [&str; 2] = ["crates/loxley/src", "crates/loxley-core/src"];

/// A block of code in a doc comment.
#[derive(Debug, PartialEq)]
struct Example {
    /// The file, as a module's path, and the item.
    name: String,
    runs: bool,
    code: String,
}

/// `both`
pub(crate) fn gate(_: &Options) -> Outcome {
    let all = examples()?;
    let total = all.len();
    let reasons = reasons::parse(&read(OURS)?).map_err(|error| format!("{OURS}, {error}"))?;
    let mut unused: Vec<&str> = reasons
        .iter()
        .flat_map(|it| &it.names)
        .map(|it| &**it)
        .collect();
    let kept: Vec<Example> = all
        .into_iter()
        .filter(|example| match reasons::find(&reasons, &example.name) {
            None => true,
            Some((_, pattern)) => {
                unused.retain(|it| *it != pattern);
                false
            }
        })
        .collect();
    if !unused.is_empty() {
        return Err(format!(
            "{OURS} names what is not there: {}",
            unused.join(", ")
        ));
    }
    let loxley = root().join("crates");
    let texts: Vec<String> = kept.iter().map(module).collect();
    let files = [
        ("Cargo.toml", manifest(&loxley.to_string_lossy())),
        ("src/lib.rs", library()),
        ("src/examples.rs", texts.concat()),
    ];
    let directory = scratch::prepare("both", &files)?;
    let mut command = cargo(&["test", "--quiet", "--lib", "--target-dir"]);
    command
        .arg(directory.join("target"))
        .current_dir(&directory)
        .env("RUSTFLAGS", "--cfg tokio_unstable");
    let ran = passed(&stdout(command)?);
    let runs = kept.iter().filter(|example| example.runs).count() as u64;
    if ran != 2 * runs || runs == 0 {
        return Err(format!(
            "{ran} tests have run, and there are {runs} examples"
        ));
    }
    Ok(Verdict::Passed(format!(
        "{} of {total} examples compile with tokio too, and {runs} were run with both",
        kept.len()
    )))
}

/// All of them, in the order of files and lines; no two have one name.
fn examples() -> Result<Vec<Example>, String> {
    let mut all: Vec<Example> = Vec::new();
    for directory in CRATES {
        for file in source::files(directory)? {
            let module = file.path.trim_start_matches(directory).trim_matches('/');
            let module = module.trim_end_matches(".rs").replace('/', "::");
            for mut example in examples_in(&file.text) {
                example.name = format!("{module}::{}", example.name);
                let same = |it: &&Example| it.name.split('#').next() == Some(&*example.name);
                match all.iter().filter(same).count() {
                    0 => {}
                    before => example.name = format!("{}#{}", example.name, before + 1),
                }
                all.push(example);
            }
        }
    }
    Ok(all)
}

/// The examples of one file, each with the name of the item that it belongs to.
fn examples_in(text: &str) -> Vec<Example> {
    let mut found = Vec::new();
    // Those whose item has not come yet.
    let mut waiting = 0;
    let mut open: Option<Example> = None;
    for line in text.lines().map(str::trim) {
        let (inner, comment) = (line.starts_with("//!"), line.strip_prefix("///"));
        let Some(comment) = comment.or_else(|| line.strip_prefix("//!")) else {
            open = None;
            if let (true, Some(name)) = (waiting > 0, item(line)) {
                let begin = found.len() - waiting;
                found[begin..]
                    .iter_mut()
                    .for_each(|it: &mut Example| it.name = name.to_owned());
                waiting = 0;
            }
            continue;
        };
        let comment = comment.strip_prefix(' ').unwrap_or(comment);
        match (comment.strip_prefix("```"), &mut open) {
            (Some(kind), None) => {
                open = Some(Example {
                    name: if kind.is_empty() || kind == "no_run" {
                        "module"
                    } else {
                        ""
                    }
                    .to_owned(),
                    runs: kind.is_empty(),
                    code: String::new(),
                });
            }
            (Some(_), Some(_)) => {
                let example = open.take().filter(|example| !example.name.is_empty());
                waiting += usize::from(!inner && example.is_some());
                found.extend(example);
            }
            (None, Some(example)) => {
                // What rustdoc hides belongs to the code.
                let shown = comment.trim_start();
                let line = match shown.strip_prefix("# ") {
                    Some(hidden) => hidden,
                    None if shown == "#" => "",
                    None => comment,
                };
                example.code += line;
                example.code.push('\n');
            }
            (None, None) => {}
        }
    }
    found
}

/// The name of the item that a line begins, if it does.
fn item(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let kinds = [
        "fn",
        "struct",
        "enum",
        "trait",
        "mod",
        "type",
        "const",
        "macro_rules!",
        "use",
    ];
    let word = loop {
        let word = words.next()?;
        if kinds.contains(&word) && !(word == "const" && line.contains(" fn ")) {
            break words.next()?;
        }
    };
    let end = word.find(|it: char| it != '$' && !source::is_word(it));
    Some(&word[..end.unwrap_or(word.len())])
}

/// An example as rustdoc would run it, in a module of its own.
fn module(example: &Example) -> String {
    let name = example.name.replace("::", "_").replace(['#', '$'], "_");
    let code = &example.code;
    let test = if example.runs { "#[test]" } else { "" };
    let body = if code.contains("fn main()") {
        format!("{code}\n{test}\nfn example() {{ super::ended(main()) }}")
    } else if code.trim_end().ends_with("(())") {
        format!(
            "{test}\nfn example() {{\nfn inner() -> Result<(), impl std::fmt::Debug> {{\n{code}}}\ninner().unwrap()\n}}"
        )
    } else {
        format!("{test}\nfn example() {{\n{code}}}")
    };
    format!("mod {name} {{\nuse super::{{loxley, loxley_core}};\n{body}\n}}\n")
}

/// Holds the examples twice. The packages have other names here, so that `loxley` can mean either.
fn library() -> String {
    format!(
        "\
#![allow(warnings)]

fn ended(end: impl std::process::Termination) {{
    assert_eq!(end.report(), std::process::ExitCode::SUCCESS);
}}

mod with_tokio {{
    mod loxley {{
{TOKIO}        pub mod io {{
            pub use ::tokio::io::*;
            pub use ::tokio_util::io::*;
        }}
        pub mod stream {{
            pub use ::tokio_stream::wrappers::*;
        }}
    }}
    mod loxley_core {{
        pub use super::loxley::*;
        pub use ::tokio::task::*;
        pub use ::tokio::task::Builder as TaskBuilder;
    }}
    use super::ended;
    include!(\"examples.rs\");
}}

mod with_loxley {{
    use ::ours as loxley;
    use ::ours_core as loxley_core;
    use super::ended;
    include!(\"examples.rs\");
}}
"
    )
}

fn manifest(crates: &str) -> String {
    format!(
        r#"[package]
name = "both"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
tokio = {{ version = "=1.54.1", features = ["full", "test-util", "tracing", "taskdump"] }}
tokio-stream = {{ version = "0.1", features = ["full"] }}
tokio-util = {{ version = "=0.7.20", features = ["full"] }}
bytes = "1"
futures-core = "0.3"
futures-util = {{ version = "0.3", features = ["io"] }}
rustix = {{ version = "1.1", features = ["process"] }}
ours = {{ package = "loxley", path = "{crates}/loxley", features = ["full", "test-util"] }}
ours_core = {{ package = "loxley-core", path = "{crates}/loxley-core", features = ["test-util"] }}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
//! The module.
//!
//! ```
//! assert!(true);
//! ```

/// A thing.
///
/// ```no_run
/// # let hidden = 1;
/// #
/// let shown = [1];
/// ```
#[derive(Debug)]
pub struct Thing;

/// ```text
/// no code
/// ```
/// ```
/// fn main() {}
/// ```
/// ```
/// Ok::<(), ()>(())
/// ```
pub const fn make<T>() {}
";

    #[test]
    fn an_example_is_found_with_its_item_and_what_is_hidden() {
        let found = examples_in(TEXT);
        let names: Vec<&str> = found.iter().map(|it| &*it.name).collect();
        assert_eq!(names, ["module", "Thing", "make", "make"]);
        assert_eq!(found[1].code, "let hidden = 1;\n\nlet shown = [1];\n");
        let runs: Vec<bool> = found.iter().map(|it| it.runs).collect();
        assert_eq!(runs, [true, false, true, true]);
    }

    #[test]
    fn an_example_is_wrapped_as_rustdoc_does() {
        let texts: Vec<String> = examples_in(TEXT).iter().map(module).collect();
        assert!(texts[0].contains("#[test]\nfn example() {\nassert!(true);"));
        assert!(!texts[1].contains("#[test]"));
        assert!(texts[2].contains("super::ended(main())"));
        assert!(texts[3].contains("inner().unwrap()"));
    }

    #[test]
    fn an_item_is_what_comes_after_its_keyword() {
        assert_eq!(item("pub const fn new() -> Self {"), Some("new"));
        assert_eq!(item("pub(crate) async fn go<T>("), Some("go"));
        assert_eq!(item("macro_rules! join {"), Some("join"));
        assert_eq!(item("pub const LIMIT: u8 = 1;"), Some("LIMIT"));
        assert_eq!(item("#[must_use]"), None);
    }
}
