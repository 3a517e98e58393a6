//! What child processes promise; all of it once more by SIGCHLD, in a process of its own.

mod kit;

use std::io::ErrorKind;
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;

use kit::{Folder, current_thread, on_every_runtime, poll_once};
use loxley::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use loxley::process::{Child, Command};
use rustix::process::{Pid, test_kill_process};

fn shell(script: &str) -> Command {
    let mut command = Command::new("sh");
    command.arg("-c").arg(script);
    command
}

/// Runs until its input ends.
fn waits() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().unwrap()
}

fn exists(pid: u32) -> bool {
    test_kill_process(Pid::from_raw(pid as i32).unwrap()).is_ok()
}

#[test]
fn the_end_of_a_child_is_told_as_often_as_asked() {
    on_every_runtime(|| async {
        let mut child = shell("exit 7").spawn().unwrap();
        assert!(child.id().is_some());
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.wait().await.unwrap().code(), Some(7));
        assert_eq!(child.try_wait().unwrap().unwrap().code(), Some(7));
        assert_eq!(child.id(), None);
        assert_eq!(
            child.start_kill().unwrap_err().kind(),
            ErrorKind::InvalidInput
        );
    });
}

#[test]
fn pipes_carry_what_is_said_in_both_directions() {
    on_every_runtime(|| async {
        let mut child = waits();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        for line in ["one", "two"] {
            input
                .write_all(format!("{line}\n").as_bytes())
                .await
                .unwrap();
            assert_eq!(lines.next_line().await.unwrap().as_deref(), Some(line));
        }
        assert_eq!(child.try_wait().unwrap(), None);
        drop(input);
        assert_eq!(lines.next_line().await.unwrap(), None);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn waiting_closes_the_input_first() {
    on_every_runtime(|| async {
        assert!(waits().wait().await.unwrap().success());
    });
}

#[test]
fn output_is_collected_from_both_pipes_however_much_there_is() {
    on_every_runtime(|| async {
        let script = "head -c 300000 /dev/zero; head -c 300000 /dev/zero >&2; exit 3";
        let output = shell(script).output().await.unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert_eq!(
            (output.stdout.len(), output.stderr.len()),
            (300_000, 300_000)
        );
        let status = shell("exit 4").status().await.unwrap();
        assert_eq!(status.code(), Some(4));
    });
}

#[test]
fn a_killed_child_says_by_which_signal() {
    on_every_runtime(|| async {
        let mut child = waits();
        child.kill().await.unwrap();
        assert_eq!(child.wait().await.unwrap().signal(), Some(9));
    });
}

#[test]
fn many_children_are_waited_for_at_a_time() {
    on_every_runtime(|| async {
        let tasks: Vec<_> = (0..16)
            .map(|code| {
                loxley::spawn(async move {
                    let status = shell(&format!("exit {code}")).status().await.unwrap();
                    status.code() == Some(code)
                })
            })
            .collect();
        for task in tasks {
            assert!(task.await.unwrap());
        }
    });
}

#[test]
fn a_dropped_wait_can_be_repeated() {
    on_every_runtime(|| async {
        let mut child = waits();
        let input = child.stdin.take();
        assert!(poll_once(child.wait()).is_pending());
        drop(input);
        assert!(child.wait().await.unwrap().success());
    });
}

#[test]
fn a_child_that_cannot_start_is_an_error() {
    on_every_runtime(|| async {
        let nothing = Command::new("/no/such/program").spawn().unwrap_err();
        assert_eq!(nothing.kind(), ErrorKind::NotFound);
        let folder = Folder::new();
        std::fs::write(folder.join("file"), b"text").unwrap();
        let not_executable = Command::new(folder.join("file"))
            .status()
            .await
            .unwrap_err();
        assert_eq!(not_executable.kind(), ErrorKind::PermissionDenied);
        let mut elsewhere = Command::new("true");
        assert!(
            elsewhere
                .current_dir(folder.join("nothing"))
                .output()
                .await
                .is_err()
        );
    });
}

#[test]
fn dropping_kills_only_if_asked_to_and_leaves_no_zombie() {
    on_every_runtime(|| async {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).kill_on_drop(true);
        assert!(command.get_kill_on_drop());
        let mut child = command.spawn().unwrap();
        // Its input stays open: only a signal ends it.
        let input = child.stdin.take();
        let killed = child.id().unwrap();
        drop(child);
        while exists(killed) {
            loxley::task::yield_now().await;
        }
        drop(input);

        let mut child = waits();
        let (input, mut output) = (child.stdin.take(), child.stdout.take().unwrap());
        let left = child.id().unwrap();
        drop(child);
        let mut input = input.unwrap();
        input.write_all(b"alive").await.unwrap();
        let mut word = [0; 5];
        output.read_exact(&mut word).await.unwrap();
        assert_eq!(&word, b"alive");
        drop(input);
        while exists(left) {
            loxley::task::yield_now().await;
        }
    });
}

#[test]
fn orphans_of_a_runtime_that_is_gone_are_taken_in_later() {
    let runtime = current_thread();
    let (pid, input) = runtime.block_on(async {
        let mut child = waits();
        (child.id().unwrap(), child.stdin.take())
    });
    drop(runtime);
    assert!(exists(pid));
    drop(input);
    current_thread().block_on(async {
        while exists(pid) {
            // Every spawn looks after orphans.
            shell("exit 0").status().await.unwrap();
        }
    });
}

#[test]
fn a_pipe_of_one_child_feeds_another() {
    on_every_runtime(|| async {
        let mut first = shell("printf hello")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let pipe: Stdio = first.stdout.take().unwrap().try_into().unwrap();
        let output = Command::new("cat").stdin(pipe).output().await.unwrap();
        assert_eq!(output.stdout, b"hello");
        first.wait().await.unwrap();
    });
}

#[test]
fn choices_reach_the_process() {
    on_every_runtime(|| async {
        let mut command = shell("printf \"$0 $NAME $OTHER\"; pwd");
        command
            .env_clear()
            .envs([("NAME", "value"), ("OTHER", "x")])
            .env_remove("OTHER");
        command
            .env("PATH", std::env::var_os("PATH").unwrap())
            .current_dir("/");
        command.process_group(0).arg("zero");
        // SAFETY: it does nothing.
        unsafe { command.pre_exec(|| Ok(())) };
        let output = command.output().await.unwrap();
        assert_eq!(output.stdout, b"zero value /\n");
        let std = Command::from(std::process::Command::new("true")).into_std();
        assert_eq!(std.get_program(), "true");
    });
}

#[test]
#[should_panic(expected = "there is no runtime here")]
fn spawning_outside_a_runtime_panics() {
    let _ = Command::new("true").spawn();
}

/// Where there is no pidfd.
#[test]
fn all_of_this_is_so_with_signals_too() {
    const PORTABLE: &str = "LOXLEY_PORTABLE";
    if std::env::var_os(PORTABLE).is_some() {
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .env(PORTABLE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
}
