//! `api`: `docs/tokio.md`, which says of everything public in tokio what loxley has in its place.
//!
//! 1. A scratch package below the target directory depends on tokio, on tokio-util and on loxley, with the lock file
//!    of the workspace. rustdoc writes what it knows of each as JSON (`docs`).
//! 2. Each side is walked from its roots, so that everything has the name under which people know it (`world`).
//! 3. Everything public becomes a row with a signature in which what is mere spelling is levelled (`signature`,
//!    `surface`).
//! 4. The rows are compared, and what is not the same looks up why in `docs/tokio-reasons.txt` (`reasons`, `page`).
//! 5. Calls of everything that is the same are written with tokio's types, and compiled with both crates (`calls`).
//! 6. What loxley shows of other crates is of those that `docs/stability.md` names (`foreign`).
//!
//! The gate fails if something differs without a reason, if a reason applies to nothing, if more than a twentieth is
//! absent, and if the page is not what was found; `--bless` writes the page.
//!
//! rustdoc's JSON is unstable, hence `RUSTC_BOOTSTRAP`; with a compiler that writes another format the gate fails and
//! names both, rather than misread it. Rejected: the crates that read this format, since each is tied to one version of
//! it just as we are.

mod calls;
mod docs;
mod foreign;
mod page;
mod paths;
pub(crate) mod reasons;
mod signature;
mod surface;
mod world;

use std::fs;
use std::path::PathBuf;
use std::process::Command;

pub(crate) use self::calls::TOKIO;
use self::docs::Docs;
use self::page::{Answer, Counts, Line};
use self::world::World;
use crate::command::{cargo, read, root, run};
use crate::gate::{Options, Outcome, Verdict};
use crate::scratch;

const PAGE: &str = "docs/tokio.md";
const STABILITY: &str = "docs/stability.md";
const REASONS: &str = "docs/tokio-reasons.txt";
/// Parts of a thousand.
const MOST_ABSENT: usize = 50;

/// The modules of tokio-util that loxley answers for.
const UTIL_MODULES: &[&str] = &["sync", "task", "time", "compat"];

/// `api`
pub(crate) fn gate(options: &Options) -> Outcome {
    let scratch = Scratch::new()?;
    let theirs = ["tokio", "tokio-macros", "tokio-util"];
    let ours = ["loxley", "loxley-core", "loxley-macros"];
    let mut theirs = World::new(
        scratch.docs(&theirs)?,
        &[("tokio", &[]), ("tokio_util", UTIL_MODULES)],
    );
    let mut ours = World::new(scratch.docs(&ours)?, &[("loxley", &[])]);
    theirs.name_all(None);
    ours.name_all(None);
    foreign(&ours)?;
    ours.name_all(Some(&theirs.names()));
    let head = head(&theirs);
    let lines = compared(&theirs, &ours)?;
    let calls = scratch.call(&theirs, &lines)?;
    let counts = Counts::of(&lines);
    let text = page::page(&head, &lines);
    if options.bless {
        fs::write(root().join(PAGE), text)
            .map_err(|error| format!("cannot write {PAGE}: {error}"))?;
    } else if read(PAGE)? != text {
        return Err(format!(
            "{PAGE} is not what rustdoc says; `cargo xtask api --bless` writes it"
        ));
    }
    let Counts {
        same,
        different,
        absent,
    } = counts;
    let share = counts.absent_per_mille();
    let seen = format!(
        "{same} same, {different} different, {absent} absent ({}.{} %); {calls} calls compile with both",
        share / 10,
        share % 10
    );
    if share > MOST_ABSENT {
        return Err(format!("{seen}: too much is absent"));
    }
    Ok(Verdict::Passed(seen))
}

/// An error if something shows a crate that users are not told of. The adapters of `hyper` and `tokio-io` are not looked
/// at: their features name the crates.
fn foreign(ours: &World) -> Result<(), String> {
    let named =
        foreign::named(&read(STABILITY)?).map_err(|error| format!("{STABILITY}: {error}"))?;
    let crates = ours.crates.iter().flat_map(Docs::others).collect();
    let unnamed = foreign::unnamed(&surface::surface(ours), &crates, &named);
    match unnamed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "{STABILITY} does not name the crate:\n{}",
            unnamed.join("\n")
        )),
    }
}

/// All lines; an error if one needs a reason and has none, or a reason has no use.
fn compared(theirs: &World, ours: &World) -> Result<Vec<Line>, String> {
    let theirs = surface::surface(theirs);
    let ours = surface::surface(ours);
    if theirs.is_empty() || ours.is_empty() {
        return Err("rustdoc shows nothing public".into());
    }
    let reasons = reasons::parse(&read(REASONS)?).map_err(|error| format!("{REASONS}, {error}"))?;
    let (lines, unused) = page::compare(&theirs, &ours, &reasons);
    let mut wrong: Vec<String> = lines
        .iter()
        .filter(|line| line.answer != Answer::Same && line.reason.is_none())
        .map(page::complaint)
        .collect();
    wrong.extend(
        unused
            .iter()
            .map(|name| format!("{REASONS}: `{name}` applies to nothing")),
    );
    if wrong.is_empty() {
        Ok(lines)
    } else {
        let Counts {
            same,
            different,
            absent,
        } = Counts::of(&lines);
        Err(format!(
            "{same} same, {different} different, {absent} absent; {} need a reason in {REASONS} or an answer in the code:\n{}",
            wrong.len(),
            wrong.join("\n")
        ))
    }
}

fn head(theirs: &World) -> String {
    let version = |name: &str| {
        let number = theirs.crate_of(name);
        number.map_or("", |number| &theirs.crates[number].version)
    };
    format!(
        "# loxley beside tokio\n\n\
         Every public item, method, trait implementation, constant and macro of tokio {}, what is unstable there too, \
         and of the modules\n`sync`, `task`, `time` and `compat` of tokio-util {}, as a program on Linux sees them; and \
         what loxley has at the same path.\n\n\
         *Same* means the same path, kind and signature: parameters, results, bounds, and for a type the same answers \
         on `Send`, `Sync`,\n`Unpin`, `UnwindSafe` and `RefUnwindSafe`. An `async fn` and a function that returns such \
         a future are the same. A program\ngenerated with tokio's types calls what is the same, and compiles with both crates. A reason stands where something \
         differs\nor is absent.\n\n\
         Written by `cargo xtask api --bless` from what rustdoc knows of both; the reasons are in `{REASONS}`.\n",
        version("tokio"),
        version("tokio_util")
    )
}

/// A package that depends on both.
struct Scratch {
    directory: PathBuf,
}

impl Scratch {
    fn new() -> Result<Scratch, String> {
        let loxley = root().join("crates/loxley");
        let files = [
            ("Cargo.toml", manifest(&loxley.to_string_lossy())),
            ("src/lib.rs", calls::library()),
        ];
        Ok(Scratch {
            directory: scratch::prepare("api", &files)?,
        })
    }

    fn docs(&self, packages: &[&str]) -> Result<Vec<Docs>, String> {
        packages
            .iter()
            .map(|package| self.docs_of(package))
            .collect()
    }

    /// Compiles the calls of what is the same; how many there are.
    fn call(&self, theirs: &World, lines: &[Line]) -> Result<usize, String> {
        let same = lines.iter().filter(|line| line.answer == Answer::Same);
        let same = same.map(|line| line.name.clone()).collect();
        let (text, count) = calls::program(theirs, &same);
        let path = self.directory.join("src/calls.rs");
        fs::write(&path, text)
            .map_err(|error| format!("cannot write {}: {error}", path.display()))?;
        run(self.cargo("check", "api"))?;
        Ok(count)
    }

    fn cargo(&self, verb: &str, package: &str) -> Command {
        let mut command = cargo(&[verb, "--quiet", "--lib", "-p", package, "--target-dir"]);
        command
            .arg(self.target())
            .current_dir(&self.directory)
            .env("RUSTC_BOOTSTRAP", "1")
            .env("RUSTFLAGS", "--cfg tokio_unstable")
            .env("RUSTDOCFLAGS", "--cfg tokio_unstable");
        command
    }

    fn target(&self) -> PathBuf {
        self.directory.join("target")
    }

    fn docs_of(&self, package: &str) -> Result<Docs, String> {
        let mut command = self.cargo("rustdoc", package);
        command.args(["--", "-Z", "unstable-options"]);
        // Private and hidden items too: a future that nobody can name is compared by what it yields.
        command.args([
            "--output-format",
            "json",
            "--document-private-items",
            "--document-hidden-items",
        ]);
        run(command)?;
        let name = package.replace('-', "_");
        let path = self.target().join("doc").join(format!("{name}.json"));
        let text = fs::read_to_string(&path)
            .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
        Docs::parse(&name, &text)
    }
}

/// Everything of tokio that Linux has, and everything of loxley but what is made of other crates.
fn manifest(loxley: &str) -> String {
    format!(
        r#"[package]
name = "api"
version = "0.0.0"
edition = "2024"

[workspace]

[dependencies]
tokio = {{ version = "=1.54.1", features = ["full", "test-util", "tracing", "taskdump", "io-uring"] }}
tokio-util = {{ version = "=0.7.20", features = ["full"] }}
bytes = "1"
futures-core = "0.3"
loxley = {{ path = "{loxley}", features = ["full", "test-util", "tracing"] }}
"#
    )
}
