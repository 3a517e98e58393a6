//! Commands: how a gate starts another program, always from the root of the workspace.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    let manifest =
        env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let manifest = PathBuf::from(manifest);
    manifest.parent().map(Path::to_path_buf).unwrap_or(manifest)
}

/// The text of a file, named from the root.
pub(crate) fn read(path: &str) -> Result<String, String> {
    fs::read_to_string(root().join(path)).map_err(|error| format!("cannot read {path}: {error}"))
}

/// The cargo that runs us, with these arguments.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    program_in_root(program, args)
}

/// Some other program with these arguments.
pub(crate) fn program_in_root(program: impl AsRef<OsStr>, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root());
    command
}

/// Runs it with our own output; an exit code other than 0 is a failure.
pub(crate) fn run(mut command: Command) -> Result<(), String> {
    eprintln!("$ {}", shown(&command));
    let status = command
        .status()
        .map_err(|error| format!("cannot start `{}`: {error}", shown(&command)))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{}` ended with {status}", shown(&command)))
    }
}

/// Runs it and gives its standard output; an exit code other than 0 is a failure.
pub(crate) fn stdout(command: Command) -> Result<String, String> {
    collect(command, |_| {})
}

/// The same, and every line is also shown when it comes.
pub(crate) fn echoed(command: Command) -> Result<String, String> {
    collect(command, |line| eprintln!("{line}"))
}

/// Runs it, gives each line to `each`, and all of them in the end.
pub(crate) fn collect(mut command: Command, mut each: impl FnMut(&str)) -> Result<String, String> {
    let name = shown(&command);
    eprintln!("$ {name}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("cannot start `{name}`: {error}"))?;
    let mut text = String::new();
    if let Some(pipe) = child.stdout.take() {
        for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line);
            each(&line);
            text.push_str(&line);
            text.push('\n');
        }
    }
    let status = child
        .wait()
        .map_err(|error| format!("cannot wait for `{name}`: {error}"))?;
    if status.success() {
        Ok(text)
    } else {
        Err(format!("`{name}` ended with {status}\n{}", gist(&text)))
    }
}

/// What matters of a long text: the tests that failed or, if it is not about tests, its last lines.
fn gist(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let failed = |line: &&str| line.starts_with("test ") && line.ends_with("FAILED");
    let mut gist: Vec<&str> = lines.iter().copied().filter(failed).collect();
    if gist.is_empty() {
        gist = lines[lines.len().saturating_sub(20)..].to_vec();
    }
    gist.join("\n")
}

/// Where cargo puts what it builds.
pub(crate) fn target_directory() -> Result<PathBuf, String> {
    let metadata = stdout(cargo(&["metadata", "--format-version=1", "--no-deps"]))?;
    serde_json::from_str::<serde_json::Value>(&metadata)
        .ok()
        .and_then(|metadata| Some(PathBuf::from(metadata["target_directory"].as_str()?)))
        .ok_or_else(|| "`cargo metadata` names no target directory".into())
}

/// Builds a program and gives its path.
pub(crate) fn build_program(args: &[&str]) -> Result<PathBuf, String> {
    let build = [
        "build",
        "--release",
        "--message-format=json-render-diagnostics",
    ];
    let messages = stdout(cargo(&[&build, args].concat()))?;
    executable(&messages).ok_or_else(|| format!("cargo built no program for `{}`", args.join(" ")))
}

/// The last program among cargo's messages.
pub(crate) fn executable(messages: &str) -> Option<PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
        .next_back()
}

/// The command as one would type it, with the variables it sets.
fn shown(command: &Command) -> String {
    let mut text = String::new();
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            text.push_str(&format!("{}={value:?} ", name.to_string_lossy()));
        }
    }
    let program = Path::new(command.get_program());
    let program = program.file_name().unwrap_or(command.get_program());
    text.push_str(&program.to_string_lossy());
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_fails_the_gate() {
        assert!(run(program_in_root("false", &[])).is_err());
        assert!(run(program_in_root("true", &[])).is_ok());
        assert!(stdout(program_in_root("false", &[])).is_err());
        assert!(run(program_in_root("no-such-program-anywhere", &[])).is_err());
    }

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = program_in_root("/usr/bin/cargo", &["test", "-p", "x"]);
        command.env("LOXLEY_PORTABLE", "1");
        assert_eq!(shown(&command), "LOXLEY_PORTABLE=\"1\" cargo test -p x");
    }

    #[test]
    fn of_a_failed_run_the_failed_tests_are_told() {
        let text = "test a ... ok\ntest b ... FAILED\ntest c ... ok\n";
        assert_eq!(gist(text), "test b ... FAILED");
        assert_eq!(gist("one\ntwo\n"), "one\ntwo");
        let long = "line\n".repeat(100);
        assert_eq!(gist(&long).lines().count(), 20);
    }

    #[test]
    fn the_program_is_read_from_the_messages() {
        let messages = "{\"reason\":\"compiler-artifact\",\"executable\":null}\n\
                        {\"executable\":\"/t/idle\"}\n{\"reason\":\"build-finished\"}\n";
        assert_eq!(executable(messages), Some(PathBuf::from("/t/idle")));
        assert_eq!(executable("{\"reason\":\"build-finished\"}"), None);
    }
}
