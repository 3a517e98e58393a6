//! `moving`: a program that was written for tokio, moved in each way there is.
//!
//! `xtask/moving/program.rs` is built as three packages below the target directory: with loxley's name in the text, with
//! `use loxley as tokio`, and unchanged with `tokio = { package = "loxley" }` in the manifest. Each is run, and its tests too.

use crate::command::{cargo, read, root, stdout};
use crate::gate::{Options, Outcome, Verdict};
use crate::rust::passed;
use crate::scratch;

const PROGRAM: &str = "xtask/moving/program.rs";
const ENDS_WITH: &str = "all is well\n";

/// A way to move.
struct Way {
    name: &'static str,
    dependency: &'static str,
    text: fn(&str) -> String,
}

const WAYS: [Way; 3] = [
    Way {
        name: "own-name",
        dependency: "loxley = { ",
        text: |program| program.replace("tokio::", "loxley::"),
    },
    Way {
        name: "alias",
        dependency: "loxley = { ",
        text: |program| {
            program
                .replacen("use tokio::io", "use loxley as tokio;\nuse tokio::io", 1)
                .replace("mod tests {", "mod tests {\n    use loxley as tokio;")
        },
    },
    Way {
        name: "renamed",
        dependency: "tokio = { package = \"loxley\", ",
        text: str::to_owned,
    },
];

/// `moving`
pub(crate) fn gate(_: &Options) -> Outcome {
    let program = read(PROGRAM)?;
    let loxley = root().join("crates/loxley");
    let loxley = loxley.to_string_lossy();
    let mut files = vec![("Cargo.toml".to_owned(), workspace())];
    for way in &WAYS {
        files.push((format!("{}/Cargo.toml", way.name), manifest(way, &loxley)));
        files.push((format!("{}/src/main.rs", way.name), (way.text)(&program)));
    }
    let files: Vec<(&str, String)> = files
        .iter()
        .map(|(path, text)| (&**path, text.clone()))
        .collect();
    let directory = scratch::prepare("moving", &files)?;
    for way in &WAYS {
        let begin = |verb: &'static str| {
            let mut command = cargo(&[verb, "--quiet", "--offline", "-p", way.name]);
            command
                .current_dir(&directory)
                .arg("--target-dir")
                .arg(directory.join("target"));
            command
        };
        let printed = stdout(begin("run"))?;
        if printed != ENDS_WITH {
            return Err(format!("as {} the program printed {printed:?}", way.name));
        }
        let tests = passed(&stdout(begin("test"))?);
        if tests != 2 {
            return Err(format!("as {} {tests} of 2 tests ran", way.name));
        }
    }
    Ok(Verdict::Passed(format!(
        "{} ways, a program and its tests",
        WAYS.len()
    )))
}

fn workspace() -> String {
    let members: Vec<String> = WAYS.iter().map(|way| format!("{:?}", way.name)).collect();
    format!(
        "[workspace]\nresolver = \"3\"\nmembers = [{}]\n",
        members.join(", ")
    )
}

fn manifest(way: &Way, loxley: &str) -> String {
    format!(
        "[package]\nname = {:?}\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\n{}path = {loxley:?}, features = [\"full\"] }}\n",
        way.name, way.dependency
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_renamed_package_has_the_program_as_it_is() {
        let program = read(PROGRAM).unwrap();
        let texts: Vec<String> = WAYS.iter().map(|way| (way.text)(&program)).collect();
        assert!(!texts[0].contains("tokio::") && texts[0].contains("loxley::select!"));
        assert!(texts[1].contains("use loxley as tokio;") && texts[1].contains("tokio::select!"));
        assert_eq!(texts[2], program);
        assert!(manifest(&WAYS[2], "/x").contains("tokio = { package = \"loxley\", path = \"/x\""));
    }
}
