//! The programs of `cargo test --workspace`, for gates that run some of them in another way.
//!
//! `cargo test -p PACKAGE` would choose other features for what the package stands on, and build all of it anew.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::command::{cargo, echoed, program_in_root, root, stdout};

/// What a program is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Kind {
    Test,
    Example,
}

/// One program.
#[derive(Debug, PartialEq)]
pub(crate) struct Program {
    pub(crate) name: String,
    path: PathBuf,
    /// Its package's, where cargo would run it.
    directory: PathBuf,
}

impl Program {
    pub(crate) fn command(&self) -> Command {
        let mut command = program_in_root(&self.path, &[]);
        command.current_dir(&self.directory);
        command
    }
}

/// Builds what is not built yet, and gives the programs of the package in this directory.
pub(crate) fn programs(package: &str, kind: Kind) -> Result<Vec<Program>, String> {
    let format = "--message-format=json-render-diagnostics";
    let messages = stdout(cargo(&["test", "--workspace", "--no-run", format]))?;
    let programs = parse(&messages, &root().join(package), kind);
    match programs.is_empty() {
        true => Err(format!("cargo built no {kind:?} of {package}")),
        false => Ok(programs),
    }
}

fn parse(messages: &str, directory: &Path, kind: Kind) -> Vec<Program> {
    let messages = messages.lines();
    let messages = messages.filter_map(|line| serde_json::from_str::<Value>(line).ok());
    messages
        .filter(|it| {
            it["manifest_path"].as_str().map(Path::new) == Some(&directory.join("Cargo.toml"))
        })
        .filter(|it| match kind {
            Kind::Test => it["profile"]["test"] == true,
            Kind::Example => it["target"]["kind"][0] == "example" && it["profile"]["test"] == false,
        })
        .filter_map(|it| {
            Some(Program {
                name: it["target"]["name"].as_str()?.into(),
                path: it["executable"].as_str()?.into(),
                directory: directory.into(),
            })
        })
        .collect()
}

/// Runs tests one program after the other, all of them although one fails; gives what they say.
pub(crate) fn test(programs: &[Program], variables: &[(&str, &str)]) -> Result<String, String> {
    let (mut said, mut failed) = (String::new(), Vec::new());
    for program in programs {
        let mut command = program.command();
        command.envs(variables.iter().copied());
        match echoed(command) {
            Ok(text) => said.push_str(&text),
            Err(message) => failed.push(message),
        }
    }
    match failed.is_empty() {
        true => Ok(said),
        false => Err(failed.join("\n")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_of_one_package_and_kind_are_chosen() {
        let artifact = |package: &str, kind: &str, name: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","manifest_path":"/w/{package}/Cargo.toml","executable":"/t/{name}","#
            ) + &format!(
                r#""target":{{"kind":["{kind}"],"name":"{name}"}},"profile":{{"test":{test}}}}}"#
            )
        };
        let messages = [
            artifact("a", "test", "one", true),
            artifact("a", "lib", "a", true),
            artifact("a", "example", "show", false),
            artifact("b", "test", "two", true),
            r#"{"reason":"build-finished"}"#.to_owned(),
        ];
        let messages = messages.join("\n");
        let names = |kind| {
            let programs = parse(&messages, Path::new("/w/a"), kind);
            programs.into_iter().map(|it| it.name).collect::<Vec<_>>()
        };
        assert_eq!(names(Kind::Test), ["one", "a"]);
        assert_eq!(names(Kind::Example), ["show"]);
        let program = &parse(&messages, Path::new("/w/b"), Kind::Test)[0];
        assert_eq!(program.command().get_current_dir(), Some(Path::new("/w/b")));
    }

    #[test]
    fn one_program_that_fails_fails_all_and_the_others_run() {
        let program = |path: &str| Program {
            name: path.into(),
            path: path.into(),
            directory: "/".into(),
        };
        let message = test(&[program("false"), program("true")], &[]).unwrap_err();
        assert!(message.starts_with("`false` ended"), "{message}");
        assert_eq!(test(&[program("true")], &[]), Ok(String::new()));
    }
}
