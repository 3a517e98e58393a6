//! The list of gates, in the order in which `check` runs them: what is cheap and says most comes first.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::{
    api, both, counts, deps, doors, ecosystem, examples, faults, features, floors, idle, loom,
    moving, msrv, museum, rust, tour, tree, unsafe_count,
};

/// What the command line may change.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Options {
    /// Write the checked-in list instead of comparing with it.
    pub(crate) bless: bool,
    /// `loom`: the long form.
    pub(crate) long: bool,
}

/// How a gate ended when it did not fail.
#[derive(Debug)]
pub(crate) enum Verdict {
    /// It holds; a line on what was seen.
    Passed(String),
    /// It could not be tried on this machine, and why.
    Skipped(String),
}

/// A failure is a message for the person who has to mend it.
pub(crate) type Outcome = Result<Verdict, String>;

pub(crate) struct Gate {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    run: fn(&Options) -> Outcome,
}

pub(crate) const GATES: &[Gate] = &[
    Gate {
        name: "fmt",
        what: "every file is formatted",
        run: rust::fmt,
    },
    Gate {
        name: "doors",
        what: "in the core only the doors name synchronisation and system calls",
        run: doors::gate,
    },
    Gate {
        name: "cycles",
        what: "imports in the core point down the floors of docs/architecture.md",
        run: floors::gate,
    },
    Gate {
        name: "unsafe",
        what: "`unsafe` per file is what xtask/unsafe-count.txt says",
        run: unsafe_count::gate,
    },
    Gate {
        name: "museum",
        what: "every row of the pages on bugs, faults and laws names a test that exists, or a reason",
        run: museum::gate,
    },
    Gate {
        name: "numbers",
        what: "the tables of times show what docs/measured/rivals.txt says",
        run: crate::numbers::gate,
    },
    Gate {
        name: "tree",
        what: "no tokio below loxley-core, nor below loxley with default features",
        run: tree::gate,
    },
    Gate {
        name: "deps",
        what: "no dependency needs a newer Rust than we state",
        run: deps::gate,
    },
    Gate {
        name: "supply",
        what: "licences, versions and sources are what deny.toml says, and no dependency is unused",
        run: crate::supply::gate,
    },
    Gate {
        name: "msrv",
        what: "what people depend on compiles with the Rust version that we state",
        run: msrv::gate,
    },
    Gate {
        name: "minimal",
        what: "what people depend on compiles with the oldest dependencies that our manifests allow",
        run: crate::minimal::gate,
    },
    Gate {
        name: "clippy",
        what: "clippy with warnings denied, all targets, with and without `hyper`",
        run: rust::clippy,
    },
    Gate {
        name: "test",
        what: "cargo test --workspace",
        run: rust::test,
    },
    Gate {
        name: "faults",
        what: "injected faults: what lacks a right is listed, and not all of it may (strace, iproute2, iptables)",
        run: faults::gate,
    },
    Gate {
        name: "portable",
        what: "the core's tests with LOXLEY_PORTABLE=1",
        run: rust::test_portable,
    },
    Gate {
        name: "release",
        what: "the core's tests in release",
        run: rust::test_release,
    },
    Gate {
        name: "replay",
        what: "every input that a fuzz target has kept, and random ones",
        run: crate::fuzz::gate,
    },
    Gate {
        name: "examples",
        what: "every example runs to its end",
        run: examples::gate,
    },
    Gate {
        name: "ecosystem",
        what: "programs on crates made for tokio run on our workers, by the patch of docs/drop-in.md",
        run: ecosystem::gate,
    },
    Gate {
        name: "docs",
        what: "the documentation, private items too, has no broken link",
        run: rust::docs,
    },
    Gate {
        name: "api",
        what: "docs/tokio.md says of everything in tokio what loxley has instead, with the reason",
        run: api::gate,
    },
    Gate {
        name: "both",
        what: "the examples of our documentation hold for tokio too, wherever it has what they are about",
        run: both::gate,
    },
    Gate {
        name: "features",
        what: "each feature of loxley alone, none, and all compile without a warning",
        run: features::gate,
    },
    Gate {
        name: "moving",
        what: "a program written for tokio runs under loxley's name, an alias and a renamed package",
        run: moving::gate,
    },
    Gate {
        name: "tour",
        what: "the tour's short form prints both tables",
        run: tour::gate,
    },
    Gate {
        name: "idle",
        what: "an idle runtime makes no system call (needs strace)",
        run: idle::gate,
    },
    Gate {
        name: "leaks",
        what: "starting and stopping runtimes loses no byte (needs valgrind)",
        run: crate::leaks::gate,
    },
    Gate {
        name: "counts",
        what: "instructions and allocations per operation are within 3 % of benches/counts.txt (needs valgrind)",
        run: counts::gate,
    },
    Gate {
        name: "loom",
        what: "every protocol model runs to completion, two preemptions",
        run: loom::gate,
    },
    // After `loom`, whose program and whose findings it takes.
    Gate {
        name: "orderings",
        what: "each ordering of the core that was weakened is needed by a model, or says why loom cannot see it (the record)",
        run: crate::orderings::gate,
    },
    Gate {
        name: "mutants",
        what: "of the mutants that were made most are caught, and a survivor has a reason (the record)",
        run: crate::mutants::gate,
    },
];

/// Runs the gates one after another; a failure does not stop the others.
pub(crate) fn run_all(names: &[&str], options: &Options) -> ExitCode {
    let mut lines = Vec::new();
    let mut failures = Vec::new();
    let begin = Instant::now();
    for gate in names.iter().filter_map(|name| find(name)) {
        eprintln!("== {}: {}", gate.name, gate.what);
        let begin = Instant::now();
        let outcome = (gate.run)(options);
        let line = report(gate.name, &outcome, begin.elapsed());
        eprintln!("-- {line}\n");
        lines.push(line);
        if let Err(message) = outcome {
            failures.push((gate.name, message));
        }
    }
    if lines.len() > 1 {
        for line in &lines {
            println!("{line}");
        }
        println!("{:>6} min  all", minutes(begin.elapsed()));
    }
    for (name, message) in &failures {
        eprintln!("\nxtask: gate `{name}` failed: {message}");
    }
    if failures.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn find(name: &str) -> Option<&'static Gate> {
    GATES.iter().find(|gate| gate.name == name)
}

fn report(name: &str, outcome: &Outcome, took: Duration) -> String {
    let end = match outcome {
        Ok(Verdict::Passed(seen)) => format!("ok       {seen}"),
        Ok(Verdict::Skipped(why)) => format!("skipped: {why}"),
        Err(message) => {
            let first: Vec<&str> = message.lines().take(2).collect();
            format!("FAILED   {}", first.join(" "))
        }
    };
    format!("{:>6} min  {name:<9} {end}", minutes(took))
}

fn minutes(took: Duration) -> String {
    format!("{:.1}", took.as_secs_f64() / 60.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_so_that_skip_means_one_gate() {
        for gate in GATES {
            assert_eq!(
                GATES.iter().filter(|other| other.name == gate.name).count(),
                1
            );
        }
    }

    #[test]
    fn a_report_gives_minutes_and_the_begin_of_the_failure() {
        let line = report(
            "tree",
            &Err("found:\na.rs\nb.rs".into()),
            Duration::from_secs(90),
        );
        assert_eq!(line, "   1.5 min  tree      FAILED   found: a.rs");
        let line = report(
            "idle",
            &Ok(Verdict::Skipped("no strace".into())),
            Duration::ZERO,
        );
        assert!(line.ends_with("skipped: no strace"));
    }
}
