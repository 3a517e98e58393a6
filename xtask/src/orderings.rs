//! `orderings`: each ordering above Relaxed in the core earns its place, because some model fails without it.
//!
//! The models themselves can do one operation wrongly (`primitive/model/fault.rs`), so nothing is copied or built anew:
//! for every place, and everything weaker that could stand there, the models that pass it are run with that fault until one
//! of them fails: first the beginning of each, the small ones before the large ones, then more of those that were cut off.
//! What none of them notices has survived. Then the code can be weaker, or a model is missing, or a comment beside the
//! ordering says in what respect loom cannot see it, with that word in it.
//!
//! Results are kept per file in `docs/proof/orderings.txt` and taken from there as long as the file's code is the same,
//! whatever its comments say; a run that was ended goes on where it was. The gate asks no model: it takes the record, says
//! how many places of the present files are not in it, and fails for a survivor that nobody speaks of.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use crate::command::{executable, program_in_root, read, root, stdout};
use crate::gate::{Options, Outcome, Verdict};
use crate::loom;

const CORE: &str = "crates/loxley-core/src";
const RESULTS: &str = "docs/proof/orderings.txt";
/// Lines above an ordering in which a comment speaks of it.
const BESIDE: usize = 8;
/// Executions after which a model is cut off: most mistakes show early, and most models are not asked a second time.
const ROUNDS: [u64; 2] = [2_000, 100_000];

/// `orderings [--again] [FILE]...`, files as paths below the core's `src`.
pub(crate) fn command(files: &[String], again: bool) -> ExitCode {
    match run(files, again, Ask::Models) {
        Ok(seen) => {
            println!("{seen}");
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}

/// `orderings` among the gates.
pub(crate) fn gate(_: &Options) -> Outcome {
    run(&[], false, Ask::Record).map(Verdict::Passed)
}

/// What the record says, and of how many files as they are now.
pub(crate) fn summary() -> Result<String, String> {
    let mut results = Results::parse(&fs::read_to_string(root().join(RESULTS)).unwrap_or_default());
    let (seen, commit) = (results.sum(), results.commit.clone());
    let mut open = 0;
    for file in sources(&root().join(CORE), "") {
        let text = read(&format!("{CORE}/{file}"))?;
        results.open(&file, &hash(&text), false);
        for site in sites(&text) {
            let names = weaker(&site).iter().map(|weaker| site.named(weaker));
            open += names.filter(|name| !results.has(&file, name)).count();
        }
    }
    Ok(format!(
        "{seen}; {open} were not asked, or their file has changed [{commit}]"
    ))
}

/// Who is to say what became of a weakening.
#[derive(Clone, Copy, PartialEq)]
enum Ask {
    /// The record alone; nothing is written.
    Record,
    /// The models, for what is not in the record.
    Models,
}

/// Asks the models what is not yet known; an error names the survivors that nobody speaks of.
fn run(files: &[String], again: bool, ask: Ask) -> Result<String, String> {
    let commit = stdout(program_in_root("git", &["rev-parse", "--short=12", "HEAD"]))?;
    let mut results = Results::parse(&fs::read_to_string(root().join(RESULTS)).unwrap_or_default());
    results.commit = commit.trim().into();
    let all = sources(&root().join(CORE), "");
    if let Some(unknown) = files.iter().find(|file| !all.contains(file)) {
        return Err(format!("{CORE} holds no {unknown}, or it is not looked at"));
    }
    results.files.retain(|file, _| all.contains(file));
    let mut models = None;
    let (mut asked, mut left) = (0, 0);
    for file in all
        .iter()
        .filter(|file| files.is_empty() || files.contains(file))
    {
        let text = read(&format!("{CORE}/{file}"))?;
        results.open(file, &hash(&text), again);
        for site in sites(&text) {
            for weaker in weaker(&site) {
                let name = site.named(weaker);
                if results.has(file, &name) {
                    continue;
                }
                if ask == Ask::Record {
                    left += 1;
                } else {
                    let models = match &models {
                        Some(models) => models,
                        None => models.insert(Models::build()?),
                    };
                    asked += 1;
                    // What is known to survive need not be proved to.
                    let rounds = match is_excused(&text, site.line) {
                        true => &ROUNDS[..1],
                        false => &ROUNDS[..],
                    };
                    let said = models.weaken(file, &site, weaker, rounds)?;
                    eprintln!("{file} {name}: {said}");
                    results.enter(file, &name, said);
                    results.write()?;
                }
            }
        }
    }
    if ask == Ask::Models {
        results.write()?;
    }
    match results.unexcused(files)? {
        unexcused if unexcused.is_empty() => Ok(format!(
            "{}, {asked} of them asked now; {left} not asked since their file changed",
            results.sum()
        )),
        unexcused => Err(format!(
            "no model notices, and no comment says why:\n{}",
            unexcused.join("\n")
        )),
    }
}

/// One operation or fence in the source.
#[derive(Debug, PartialEq)]
struct Site {
    /// Counted from 1; where the method is named.
    line: usize,
    function: String,
    what: String,
    order: String,
    /// How many like it stand above it in the file.
    nth: usize,
}

impl Site {
    /// What the record calls it: without the line, which changes with every comment.
    fn named(&self, weaker: &str) -> String {
        let (function, what, order) = (&self.function, &self.what, &self.order);
        match self.nth {
            0 => format!("{function} {what} {order} -> {weaker}"),
            nth => format!("{function} {what} {order} #{} -> {weaker}", nth + 1),
        }
    }

    fn is_like(&self, other: &Site) -> bool {
        (&self.function, &self.what, &self.order) == (&other.function, &other.what, &other.order)
    }
}

/// What could stand there instead.
fn weaker(site: &Site) -> &'static [&'static str] {
    match (&*site.what, &*site.order) {
        ("fence", "SeqCst") => &["none", "AcqRel"],
        (_, "AcqRel" | "SeqCst") => &["Acquire", "Release"],
        _ => &["Relaxed"],
    }
}

/// The core's files that models can pass, as paths below its `src`.
fn sources(directory: &Path, prefix: &str) -> Vec<String> {
    let mut files = Vec::new();
    let mut entries: Vec<_> = fs::read_dir(directory)
        .map(|entries| entries.filter_map(Result::ok).collect())
        .unwrap_or_default();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        let stand_in =
            ["primitive", "os", "tests", "model"].contains(&name.trim_end_matches(".rs"));
        if stand_in {
            continue;
        }
        if entry.path().is_dir() {
            files.extend(sources(&entry.path(), &format!("{path}/")));
        } else if name.ends_with(".rs") {
            files.push(path);
        }
    }
    files
}

/// The lines of a file without comments, up to its tests.
pub(crate) fn code(text: &str) -> Vec<&str> {
    let mut code: Vec<&str> = text
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let tests = |pair: &[&str]| pair[0].starts_with("#[cfg(") && pair[1].starts_with("mod tests {");
    if let Some(at) = code.windows(2).position(tests) {
        code.truncate(at);
    }
    code
}

/// What becomes of a file's code, but not of its comments (FNV-1a).
pub(crate) fn hash(text: &str) -> String {
    let words = code(text).into_iter().flat_map(str::split_whitespace);
    let bytes = words.flat_map(|word| word.bytes().chain([b' ']));
    let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}

/// The function that begins in a line.
fn function(line: &str) -> Option<&str> {
    let at = match line.trim_start().starts_with("fn ") {
        true => line.find("fn ")? + 3,
        false => line.find(" fn ")? + 4,
    };
    line[at..].split(['(', '<']).next()
}

/// The orderings above Relaxed in a file, without its tests.
fn sites(text: &str) -> Vec<Site> {
    const ORDERS: [&str; 4] = ["Acquire", "Release", "AcqRel", "SeqCst"];
    let code = code(text);
    let mut sites: Vec<Site> = Vec::new();
    for (index, line) in code.iter().enumerate() {
        let Some(order) = ORDERS
            .iter()
            .find(|order| line.contains(&format!("Ordering::{order}")))
        else {
            continue;
        };
        let near = (index.saturating_sub(6)..=index).rev();
        let Some((at, what)) = near
            .filter_map(|at| Some((at + 1, method(code[at])?)))
            .next()
        else {
            continue;
        };
        // The second ordering of an exchange is weakened with the first.
        if sites.last().is_none_or(|last| last.line != at) {
            let inside = code[..at].iter().rev().find_map(|line| function(line));
            let mut site = Site {
                line: at,
                function: inside.unwrap_or_default().into(),
                what: what.into(),
                order: (*order).into(),
                nth: 0,
            };
            site.nth = sites.iter().filter(|other| site.is_like(other)).count();
            sites.push(site);
        }
    }
    sites
}

/// The atomic operation that a line names.
fn method(line: &str) -> Option<&'static str> {
    const METHODS: [&str; 14] = [
        "compare_exchange_weak",
        "compare_exchange",
        "fetch_update",
        "fetch_add",
        "fetch_sub",
        "fetch_or",
        "fetch_and",
        "fetch_xor",
        "fetch_max",
        "fetch_min",
        "load",
        "store",
        "swap",
        "fence",
    ];
    METHODS.into_iter().find(|method| {
        let called = format!("{method}(");
        let at = line.find(&called);
        at.is_some_and(|at| *method == "fence" || line[..at].ends_with('.'))
    })
}

/// The models, and what they pass.
struct Models {
    program: PathBuf,
    /// Models by their executions, fewest first.
    by_cost: Vec<(u64, String)>,
    /// File and line, and the models that come there.
    passed: BTreeMap<(String, usize), BTreeSet<String>>,
}

impl Models {
    fn build() -> Result<Self, String> {
        let mut build = loom::test()?;
        build.args(["--test", "models", "--no-run"]);
        build.arg("--message-format=json-render-diagnostics");
        let program = executable(&stdout(build)?).ok_or("cargo built no models")?;
        let mut models = Self {
            program,
            by_cost: Vec::new(),
            passed: BTreeMap::new(),
        };
        let said = models.sites()?;
        for line in said.lines() {
            models.note(line);
        }
        models.by_cost.sort();
        match models.by_cost.is_empty() {
            true => Err("no model ran".into()),
            false => Ok(models),
        }
    }

    fn program(&self, most: u64) -> Command {
        let mut command = program_in_root(&self.program, &["--nocapture"]);
        command.env("LOOM_MAX_PREEMPTIONS", "2");
        command.env("LOXLEY_MOST", most.to_string());
        command
    }

    /// What all models say of themselves, in the beginning at least; the gate `loom` has written down all if it ran before.
    fn sites(&self) -> Result<String, String> {
        let beside = loom::said()?;
        let age = |path: &Path| fs::metadata(path).and_then(|it| it.modified()).ok();
        if age(&beside) > age(&self.program) {
            return fs::read_to_string(&beside)
                .map_err(|error| format!("cannot read {}: {error}", beside.display()));
        }
        let mut all = self.program(ROUNDS[0]);
        all.env("LOXLEY_SITES", "1").env("LOXLEY_NO_TWINS", "1");
        let said = stdout(all)?;
        fs::write(&beside, &said)
            .map_err(|error| format!("cannot write {}: {error}", beside.display()))?;
        Ok(said)
    }

    /// `model NAME: N executions, complete` and `site NAME FILE:LINE ORDER`.
    fn note(&mut self, line: &str) {
        if let Some(at) = line.find("model ") {
            let counted = line[at + "model ".len()..].split_once(": ");
            let counted =
                counted.and_then(|(name, rest)| Some((name, rest.split_once(" executions, ")?)));
            // Models of what is built on the core are left out.
            let counted = counted.filter(|(name, _)| !name.starts_with("sync::"));
            if let Some((name, (count, _))) = counted {
                self.by_cost
                    .push((count.parse().unwrap_or(u64::MAX), name.into()));
            }
        }
        let mut words = line.strip_prefix("site ").unwrap_or_default().split(' ');
        let (Some(name), Some(place)) = (words.next(), words.next()) else {
            return;
        };
        let place = place
            .strip_prefix(CORE)
            .and_then(|place| place.strip_prefix('/'));
        if let Some((file, line)) = place.and_then(|place| place.split_once(':')) {
            let place = (file.to_owned(), line.parse().unwrap_or(0));
            self.passed.entry(place).or_default().insert(name.into());
        }
    }

    /// Which model notices.
    fn weaken(
        &self,
        file: &str,
        site: &Site,
        weaker: &str,
        rounds: &[u64],
    ) -> Result<String, String> {
        let Some(passing) = self.passed.get(&(file.to_owned(), site.line)) else {
            return Ok("no model comes here".into());
        };
        let how = match weaker {
            "none" | "Relaxed" => "Weaken",
            half => half,
        };
        let fault = format!("src/{file}:{}:{how}", site.line);
        let names = self.by_cost.iter().map(|(_, name)| name);
        let mut open: Vec<&String> = names.filter(|name| passing.contains(*name)).collect();
        let all = open.len();
        for most in rounds {
            let mut cut_off = Vec::new();
            for name in open {
                match self.ask(name, &fault, *most)? {
                    Said::Fails => return Ok(format!("{name} fails")),
                    Said::CutOff => cut_off.push(name),
                    Said::Nothing => {}
                }
            }
            open = cut_off;
        }
        Ok(match (open.len(), rounds.last()) {
            (cut @ 1.., Some(most)) => format!(
                "{all} models notice nothing, {cut} of them in their first {most} executions"
            ),
            _ => format!("{all} models notice nothing"),
        })
    }

    /// One model with a fault.
    fn ask(&self, name: &str, fault: &str, most: u64) -> Result<Said, String> {
        let mut model = self.program(most);
        model.args(["--exact", name]).env("LOXLEY_FAULT", fault);
        let output = model
            .output()
            .map_err(|error| format!("cannot run the model {name}: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        Ok(match (output.status.success(), text.contains("cut off")) {
            (false, _) => Said::Fails,
            (true, true) => Said::CutOff,
            (true, false) => Said::Nothing,
        })
    }
}

/// What a model says of a fault.
enum Said {
    Fails,
    CutOff,
    Nothing,
}

/// What is written down.
#[derive(Debug, Default, PartialEq)]
struct Results {
    commit: String,
    /// By file: the hash of its code when it was looked at, and what was said of each place.
    files: BTreeMap<String, (String, Vec<(String, String)>)>,
}

impl Results {
    fn parse(text: &str) -> Self {
        let mut results = Self::default();
        let commit = text
            .lines()
            .find_map(|line| line.strip_prefix("# At commit "));
        results.commit = commit.unwrap_or_default().trim_end_matches('.').into();
        let mut file = String::new();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            if let Some((name, hash)) = line
                .strip_prefix('[')
                .and_then(|line| line.split_once("] "))
            {
                file = name.into();
                results
                    .files
                    .insert(file.clone(), (hash.into(), Vec::new()));
            } else if let (Some((name, said)), Some((_, lines))) =
                (line.split_once(": "), results.files.get_mut(&file))
            {
                lines.push((name.into(), said.into()));
            }
        }
        results
    }

    /// Begins with a file; what was said of it while it was another one is forgotten.
    fn open(&mut self, file: &str, hash: &str, again: bool) {
        let (known, lines) = self.files.entry(file.into()).or_default();
        if again || known != hash {
            *known = hash.into();
            lines.clear();
        }
    }

    fn has(&self, file: &str, name: &str) -> bool {
        let lines = self.files.get(file).map(|(_, lines)| lines);
        lines.is_some_and(|lines| lines.iter().any(|(known, _)| known == name))
    }

    fn enter(&mut self, file: &str, name: &str, said: String) {
        let (_, lines) = self.files.entry(file.into()).or_default();
        lines.push((name.into(), said));
    }

    fn text(&self) -> String {
        let mut text = format!(
            "# What the models say when one ordering of the core is weaker; `cargo xtask orderings` writes this file.\n\
             # Per file its name and a hash of its code; then the function, what stands there, what stood there instead.\n\
             # At commit {}.\n",
            self.commit
        );
        for (file, (hash, lines)) in self
            .files
            .iter()
            .filter(|(_, (_, lines))| !lines.is_empty())
        {
            text.push_str(&format!("[{file}] {hash}\n"));
            for (name, said) in lines {
                text.push_str(&format!("{name}: {said}\n"));
            }
        }
        text
    }

    fn write(&self) -> Result<(), String> {
        fs::write(root().join(RESULTS), self.text())
            .map_err(|error| format!("cannot write {RESULTS}: {error}"))
    }

    fn sum(&self) -> String {
        let said = self.files.values().flat_map(|(_, lines)| lines);
        let (noticed, survived): (Vec<_>, Vec<_>) =
            said.partition(|(_, said)| said.ends_with(" fails"));
        format!(
            "{} weakenings noticed, {} explained",
            noticed.len(),
            survived.len()
        )
    }

    /// Survivors that no comment beside them speaks of.
    fn unexcused(&self, files: &[String]) -> Result<Vec<String>, String> {
        let mut unexcused = Vec::new();
        for (file, (_, lines)) in &self.files {
            if !(files.is_empty() || files.contains(file)) || lines.is_empty() {
                continue;
            }
            let text = read(&format!("{CORE}/{file}"))?;
            let sites = sites(&text);
            for (name, said) in lines.iter().filter(|(_, said)| !said.ends_with(" fails")) {
                let is_it = |site: &&Site| weaker(site).iter().any(|it| site.named(it) == *name);
                let site = sites.iter().find(is_it);
                if site.is_some_and(|site| !is_excused(&text, site.line)) {
                    unexcused.push(format!("{file} {name}: {said}"));
                }
            }
        }
        Ok(unexcused)
    }
}

/// True if a comment beside the line speaks of loom.
fn is_excused(text: &str, line: usize) -> bool {
    let first = line.saturating_sub(BESIDE);
    let beside = text.lines().skip(first).take(line - first + 2);
    beside
        .filter_map(|line| line.split_once("//"))
        .any(|(_, comment)| comment.contains("loom"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "#[cfg(test)]\nmod tests;\n\
        fn f() {\n\
        // Relaxed is enough, which loom cannot see.\n\
        self.word.swap(1, Ordering::AcqRel);\n\
        let x = a.load(Ordering::Relaxed);\n\n\n\n\n\n\n\n\
        self.word\n\
            .compare_exchange(\n1,\n2,\nOrdering::Release,\nOrdering::Acquire)\n\
        fence(Ordering::SeqCst); // SeqCst\n\
        fence(Ordering::SeqCst);\n\
        }\n\
        #[cfg(test)]\nmod tests { fn g() { b.load(Ordering::Acquire) } }\n";

    #[test]
    fn sites_are_found_where_the_method_is_named() {
        let found = sites(SOURCE);
        let names: Vec<_> = found
            .iter()
            .map(|site| (site.line, site.named("x")))
            .collect();
        let expected = [
            (5, "f swap AcqRel -> x"),
            (15, "f compare_exchange Release -> x"),
            (20, "f fence SeqCst -> x"),
            (21, "f fence SeqCst #2 -> x"),
        ];
        assert_eq!(names, expected.map(|(line, name)| (line, name.into())));
        assert_eq!(weaker(&found[0]), ["Acquire", "Release"]);
        assert_eq!(weaker(&found[1]), ["Relaxed"]);
        assert_eq!(weaker(&found[2]), ["none", "AcqRel"]);
    }

    #[test]
    fn a_comment_changes_no_hash_and_code_does() {
        let commented = SOURCE.replace("Relaxed is enough", "It needs no more");
        assert_eq!(hash(SOURCE), hash(&commented));
        assert_ne!(hash(SOURCE), hash(&SOURCE.replace("AcqRel", "SeqCst")));
        assert_eq!(function("pub(crate) const fn of<T>(x: T)"), Some("of"));
        assert_eq!(function("    fn wake(&self)"), Some("wake"));
        assert_eq!(function("let fnord = f();"), None);
    }

    #[test]
    fn a_survivor_is_excused_by_a_comment_beside_it() {
        assert!(is_excused(SOURCE, 5));
        assert!(!is_excused(SOURCE, 15));
    }

    #[test]
    fn results_are_read_as_they_were_written() {
        let mut results = Results {
            commit: "0123".into(),
            ..Results::default()
        };
        results.open("idle.rs", "hash", false);
        results.enter("idle.rs", "f fence SeqCst -> none", "idle::a fails".into());
        let mut read = Results::parse(&results.text());
        assert_eq!(read, results);
        assert!(read.has("idle.rs", "f fence SeqCst -> none"));
        read.open("idle.rs", "another", false);
        assert!(!read.has("idle.rs", "f fence SeqCst -> none"));
    }

    #[test]
    fn what_models_pass_is_noted() {
        let mut models = Models {
            program: PathBuf::new(),
            by_cost: Vec::new(),
            passed: BTreeMap::new(),
        };
        models.note("test a::b ... model a::b: 12 executions, complete");
        models.note("site a::b crates/loxley-core/src/idle.rs:101 SeqCst");
        models.note("site a::b loom-tests/tests/idle.rs:7 SeqCst");
        assert_eq!(models.by_cost, [(12, "a::b".into())]);
        assert_eq!(models.passed.len(), 1);
        assert!(models.passed[&("idle.rs".into(), 101)].contains("a::b"));
    }
}
