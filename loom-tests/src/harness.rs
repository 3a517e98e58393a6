//! Exploration, its account, and the end of a run that found something.

use std::any::type_name;
use std::cell::{Cell, RefCell};
use std::io::Write;
use std::panic;
use std::process::Command;
use std::sync::Once;
use std::time::Duration;
use std::{env, fs, process};

use loxley_core::doors::atomic::{Ordering, begin};
use loxley_core::doors::fault::{self, Fault, How};

/// Set in the process that runs a twin.
const TWIN: &str = "LOXLEY_TWIN";
/// The exit code of a twin in which something was found.
const FOUND: i32 = 42;
/// A twin that takes longer is one that loom finds nothing wrong with.
const TWIN_LIMIT: Duration = Duration::from_secs(120);
/// Operations in one execution; loom's own limit is too low for a worker's loop.
const BRANCHES: usize = 10_000;

/// How often a running thread may be interrupted in one execution; the settings may ask for more.
pub type Bound = usize;

/// Every order there is: for models of two threads and few steps.
pub const FULL: Bound = Bound::MAX;

/// One step removed from the real code.
#[derive(Clone, Copy, Debug)]
pub struct Twin {
    /// The file, as a path below the core's `src`; those of `sync` are below the `src` of `loxley`.
    pub file: &'static str,
    /// A text in the file, usually the name of the function.
    pub after: &'static str,
    /// The first line behind it that holds this text is the place.
    pub line: &'static str,
    /// What is wrong there.
    pub how: How,
}

thread_local! {
    /// The model that this thread runs.
    static RUNNING: RefCell<Option<String>> = const { RefCell::new(None) };
    static EXECUTIONS: Cell<u64> = const { Cell::new(0) };
}

/// Explores a model to the end.
///
/// # Panics
///
/// If nothing was explored, or only a part.
pub fn check<F: Fn() + Send + Sync + 'static>(bound: Bound, model: F) {
    let name = name_of::<F>();
    fault::set(env::var("LOXLEY_FAULT").ok().map(|text| parse_fault(&text)));
    let executions = explore(&name, builder(bound), model);
    assert!(executions > 0, "model {name} explored nothing");
    let cut = most().is_some_and(|most| executions + 1 >= most);
    let end = if cut { "cut off" } else { "complete" };
    say(&format!("model {name}: {executions} executions, {end}"));
    if env::var_os("LOXLEY_SITES").is_some() {
        for site in fault::passed() {
            say(&format!(
                "site {name} {}:{} {}",
                site.file, site.line, site.order
            ));
        }
    }
}

/// Explores a model that takes minutes, in the long form alone; a smaller one beside it is explored by both.
///
/// # Panics
///
/// As [`check`] does.
pub fn check_long<F: Fn() + Send + Sync + 'static>(bound: Bound, model: F) {
    if env::var_os("LOXLEY_LONG").is_some() {
        return check(bound, model);
    }
    say(&format!("model {}: left to the long form", name_of::<F>()));
}

/// Explores a twin until loom finds what is wrong with it; `complaint` is a part of what it then says.
///
/// The twin runs in a process of its own, which ends where it fails. Without `twin` the step is missing in the
/// model itself.
///
/// # Panics
///
/// If nothing wrong is found, or something else.
pub fn must_fail<F: Fn() + Send + Sync + 'static>(
    twin: Option<Twin>,
    complaint: &str,
    bound: Bound,
    model: F,
) {
    let name = name_of::<F>();
    if env::var_os(TWIN).is_some() {
        fault::set(twin.map(|twin| twin.place()));
        let mut builder = builder(bound);
        builder.max_duration = Some(TWIN_LIMIT);
        let executions = explore(&name, builder, model);
        let met = twin.is_none() || fault::was_met();
        say(&format!(
            "nothing wrong in {executions} executions; the place was met: {met}"
        ));
        return;
    }
    if env::var_os("LOXLEY_FAULT").is_some() || env::var_os("LOXLEY_NO_TWINS").is_some() {
        return; // only models count there
    }
    let output = Command::new(env::current_exe().expect("a test knows its own path"))
        .args(["--exact", &name, "--nocapture"])
        .env(TWIN, &name)
        .output()
        .expect("a test can run itself");
    let text = String::from_utf8_lossy(&output.stdout);
    let found = output.status.code() == Some(FOUND) && text.contains(complaint);
    assert!(
        found,
        "twin {name}: loom should complain of {complaint:?}, and said:\n{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let line = text
        .lines()
        .find_map(|line| Some(&line[line.find("twin ")?..]));
    say(line.unwrap_or("a twin without a line"));
}

impl Twin {
    /// Looks the place up in the source.
    fn place(&self) -> Fault {
        let package = match self.file.starts_with("sync/") {
            true => "loxley",
            false => "loxley-core",
        };
        let path = format!(
            "{}/../crates/{package}/src/{}",
            env!("CARGO_MANIFEST_DIR"),
            self.file
        );
        let source = fs::read_to_string(&path).expect("the source is beside this package");
        let mut lines = source.lines().zip(1..);
        let behind = lines.by_ref().find(|(text, _)| text.contains(self.after));
        assert!(behind.is_some(), "{path} does not hold {:?}", self.after);
        let place = behind
            .into_iter()
            .chain(lines)
            .find(|(text, _)| text.contains(self.line));
        let (_, line) = place.unwrap_or_else(|| panic!("{path} does not hold {:?}", self.line));
        Fault {
            file: format!("src/{}", self.file),
            line,
            how: self.how,
        }
    }
}

fn parse_fault(text: &str) -> Fault {
    let mut parts = text.split(':');
    let file = parts.next().unwrap_or_default().to_owned();
    let line = parts.next().and_then(|line| line.parse().ok());
    let how = match parts.next() {
        Some("Split") => How::Split,
        Some("Omit") => How::Omit,
        Some("Acquire") => How::Left(Ordering::Acquire),
        Some("Release") => How::Left(Ordering::Release),
        Some("AcqRel") => How::Left(Ordering::AcqRel),
        _ => How::Weaken,
    };
    Fault {
        file,
        line: line.expect("LOXLEY_FAULT=file:line:how"),
        how,
    }
}

fn builder(bound: Bound) -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    builder.max_branches = BRANCHES;
    // loom counts what comes next, and looks at the limit only so often.
    builder.max_permutations = most().map(|most| most as usize);
    builder.checkpoint_interval = 500;
    builder.max_duration = None;
    let asked = builder.preemption_bound.unwrap_or(2);
    builder.preemption_bound = (bound != FULL).then_some(bound.max(asked));
    builder
}

/// The number of executions after which every model is cut off, if there is one.
fn most() -> Option<u64> {
    let text = env::var("LOXLEY_MOST").ok()?;
    Some(text.parse().expect("LOXLEY_MOST is a number"))
}

fn explore<F: Fn() + Send + Sync + 'static>(
    name: &str,
    builder: loom::model::Builder,
    model: F,
) -> u64 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            end_if_running(&info.to_string());
            others(info);
        }));
    });
    RUNNING.set(Some(name.to_owned()));
    EXECUTIONS.set(0);
    builder.check(move || {
        EXECUTIONS.set(EXECUTIONS.get() + 1);
        begin();
        model();
    });
    RUNNING.set(None);
    EXECUTIONS.get()
}

/// The end of the process, if the panic belongs to a model.
fn end_if_running(message: &str) {
    let Some(name) = RUNNING.take() else { return };
    let executions = EXECUTIONS.get();
    if env::var_os(TWIN).is_some() {
        say(&format!(
            "twin {name}: found after {executions} executions\n{message}"
        ));
        process::exit(FOUND);
    }
    say(&format!(
        "model {name}: violation in execution {executions}\n{message}"
    ));
    process::exit(1);
}

/// The path of the test that a closure is written in, without the crate: what libtest calls it.
fn name_of<F>() -> String {
    let path = type_name::<F>().trim_end_matches("::{{closure}}");
    path.split_once("::")
        .map_or(path, |(_, path)| path)
        .to_owned()
}

/// One whole line, so that tests beside this one do not write into it.
fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody to tell if standard output is gone.
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
