//! Every gate of the project as one command: `cargo xtask GATE`.
//!
//! A gate is a function that passes, is skipped for a reason, or fails with a sentence that says what to do.
//! `check` runs all of them and goes on after a failure, so that one run tells everything; the minutes of each
//! gate are printed when it ends and once more at the end.
//!
//! A gate that cannot fail is a defect, so each parser and each search here is tested on a small bad input,
//! and a gate that found nothing to look at fails instead of passing.

mod api;
mod both;
mod built;
mod command;
mod counts;
mod deps;
mod doors;
mod ecosystem;
mod examples;
mod faults;
mod features;
mod floors;
mod fuzz;
mod gate;
mod idle;
mod leaks;
mod loom;
mod minimal;
mod moving;
mod msrv;
mod museum;
mod mutants;
mod numbers;
mod orderings;
mod paths;
mod proof;
mod rust;
mod sanitize;
mod scratch;
mod source;
mod supply;
mod tour;
mod tree;
mod unsafe_count;
mod verification;

use std::env;
use std::process::ExitCode;

use gate::{GATES, Options};

/// The gates that can write what they compare with.
const BLESSABLE: [&str; 7] = [
    "unsafe", "counts", "api", "loom", "replay", "leaks", "numbers",
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().skip(1).collect();
    match plan(&args) {
        Ok(Plan::Help) => {
            print!("{}", usage());
            ExitCode::SUCCESS
        }
        Ok(Plan::Run { gates, options }) => gate::run_all(&gates, &options),
        Ok(Plan::Orderings { files, again }) => orderings::command(&files, again),
        Ok(Plan::Mutants(files)) => mutants::command(&files),
        Ok(Plan::Sanitize(sanitizers)) => sanitize::command(&sanitizers),
        Ok(Plan::Fuzz(plan)) => fuzz::command(&plan),
        Ok(Plan::Verification) => verification::command(),
        Err(message) => {
            eprintln!("xtask: {message}\n");
            eprint!("{}", usage());
            ExitCode::FAILURE
        }
    }
}

/// What the arguments ask for.
#[derive(Debug, PartialEq)]
enum Plan {
    Help,
    Run {
        gates: Vec<&'static str>,
        options: Options,
    },
    Orderings {
        files: Vec<String>,
        again: bool,
    },
    Mutants(Vec<String>),
    Sanitize(Vec<sanitize::Sanitizer>),
    Fuzz(fuzz::Plan),
    Verification,
}

fn plan(args: &[String]) -> Result<Plan, String> {
    match args.split_first().map(|(name, rest)| (&**name, rest)) {
        // Alone they are commands; the gates of these names are among those of `check`.
        Some(("orderings", rest)) => {
            let (again, files) = rest
                .iter()
                .cloned()
                .partition::<Vec<_>, _>(|it| it == "--again");
            let again = !again.is_empty();
            return Ok(Plan::Orderings { files, again });
        }
        Some(("mutants", rest)) => return Ok(Plan::Mutants(rest.into())),
        Some(("sanitize", rest)) => return sanitize::named(rest).map(Plan::Sanitize),
        Some(("verification", [])) => return Ok(Plan::Verification),
        Some(("fuzz", rest)) => return fuzz::Plan::parse(rest).map(Plan::Fuzz),
        _ => {}
    }
    let mut gates = Vec::new();
    let mut skip = Vec::new();
    let mut options = Options::default();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "-h" | "--help" | "help" => return Ok(Plan::Help),
            "--bless" => options.bless = true,
            "--long" => options.long = true,
            "--skip" => {
                let name = args.next().ok_or("--skip needs the name of a gate")?;
                skip.push(known(name)?);
            }
            "check" => gates.extend(GATES.iter().map(|gate| gate.name)),
            name => gates.push(known(name)?),
        }
    }
    gates.retain(|name| !skip.contains(name));
    if gates.is_empty() {
        return Ok(Plan::Help);
    }
    if options.bless && !BLESSABLE.iter().any(|gate| gates == [*gate]) {
        return Err(format!(
            "--bless belongs to one gate alone: {}",
            BLESSABLE.join(", ")
        ));
    }
    if options.long && gates != ["loom"] {
        return Err("--long belongs to `loom` alone".into());
    }
    Ok(Plan::Run { gates, options })
}

fn known(name: &str) -> Result<&'static str, String> {
    GATES
        .iter()
        .map(|gate| gate.name)
        .find(|known| *known == name)
        .ok_or_else(|| format!("there is no gate `{name}`"))
}

fn usage() -> String {
    let mut text = String::from(
        "usage: cargo xtask GATE... [--skip GATE]... [--bless] [--long]\n\n  \
         check          all of the following, in this order\n",
    );
    for gate in GATES {
        text.push_str(&format!("  {:<14} {}\n", gate.name, gate.what));
    }
    text.push_str(
        "\n  orderings [--again] [FILE]...\n                 weakens each ordering of the core and expects a model to fail; takes long\n  \
         mutants [FILE]...\n                 makes the mutants of cargo-mutants and expects a test or a model to fail; takes long\n  \
         sanitize [address|leak|thread]...\n                 the core's tests under the compiler's sanitizers; takes long\n  \
         fuzz [--seconds N] [TARGET]...\n                 the targets of fuzz/, each for N seconds (60)\n  \
         verification   writes docs/verification.md out of what all the others have left\n",
    );
    text.push_str(&format!(
        "\n  --skip GATE    leave that one out\n  --bless        ({}) write the list, the record or the page instead of comparing\n  --long         (loom) the large models too, with three preemptions; hours, or LOOM_MAX_PREEMPTIONS=2 for a quarter of one\n",
        BLESSABLE.join(", ")
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan_of(args: &[&str]) -> Result<Plan, String> {
        plan(&args.iter().map(|arg| arg.to_string()).collect::<Vec<_>>())
    }

    #[test]
    fn an_unknown_gate_is_an_error_that_names_it() {
        assert!(plan_of(&["chekc"]).unwrap_err().contains("`chekc`"));
        assert!(
            plan_of(&["check", "--skip", "lom"])
                .unwrap_err()
                .contains("`lom`")
        );
    }

    #[test]
    fn check_runs_every_gate_but_the_skipped_ones() {
        let Ok(Plan::Run { gates, .. }) = plan_of(&["check", "--skip", "loom"]) else {
            panic!("check is a plan");
        };
        assert_eq!(gates.len(), GATES.len() - 1);
        assert!(!gates.contains(&"loom"));
    }

    #[test]
    fn counts_are_never_blessed_in_passing() {
        assert!(plan_of(&["check", "--bless"]).is_err());
        assert!(plan_of(&["unsafe", "counts", "--bless"]).is_err());
        assert!(plan_of(&["unsafe", "--bless"]).is_ok());
        assert!(plan_of(&["counts", "--bless"]).is_ok());
    }

    #[test]
    fn only_the_models_have_a_long_form() {
        assert!(plan_of(&["loom", "--long"]).is_ok());
        assert!(plan_of(&["check", "--long"]).is_err());
    }

    #[test]
    fn nothing_asked_for_prints_the_list() {
        assert_eq!(plan_of(&[]), Ok(Plan::Help));
        assert!(GATES.iter().all(|gate| usage().contains(gate.name)));
    }
}
