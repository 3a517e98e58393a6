//! The program as a person meets it: exit codes, messages, tables.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

fn tour(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tour"));
    command.args(args).stdin(Stdio::null());
    command
}

fn output(args: &[&str]) -> Output {
    tour(args).output().expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Starts the HTTP service and reads where it listens.
fn serving() -> (Child, String) {
    let mut child = tour(&["--serve", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut line = String::new();
    let pipe = child.stdout.as_mut().expect("a pipe");
    BufReader::new(pipe).read_line(&mut line).expect("a line");
    let address = line
        .split("http://")
        .nth(1)
        .and_then(|rest| rest.split('/').next());
    let address = address
        .unwrap_or_else(|| panic!("no address in {line:?}"))
        .to_string();
    (child, address)
}

/// Asks it to end, as Ctrl-C does, and waits.
fn interrupt(mut child: Child) -> Output {
    let pid = i32::try_from(child.id())
        .ok()
        .and_then(rustix::process::Pid::from_raw);
    let pid = pid.expect("a process has an id");
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is ours");
    let limit = Instant::now() + Duration::from_secs(20);
    while child.try_wait().expect("it is ours").is_none() {
        if Instant::now() > limit {
            let _ = child.kill();
            panic!("the program did not end after Ctrl-C");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().expect("it has ended")
}

#[test]
fn the_short_form_prints_both_tables_and_ends_well() {
    let begin = Instant::now();
    let output = output(&["--short"]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{out}{err}");
    assert!(
        begin.elapsed() < Duration::from_secs(60),
        "it took {:?}",
        begin.elapsed()
    );
    for (act, next) in [("act 1", Some("act 2")), ("act 2", None)] {
        let from = out.find(act).unwrap_or_else(|| panic!("no {act} in {out}"));
        let to = next.and_then(|next| out.rfind(next)).unwrap_or(out.len());
        for word in [
            "requests/s",
            "p50",
            "p99.9",
            "echo",
            "http",
            "polls",
            "steals",
            "parks",
            "events",
        ] {
            assert!(out[from..to].contains(word), "{act} has no {word}: {out}");
        }
    }
    assert!(
        err.contains("act 1: ") && err.contains("answers"),
        "no progress in {err}"
    );
}

#[test]
fn a_taken_port_is_an_error_that_names_it_and_says_what_to_do() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = holder.local_addr().expect("it is bound").to_string();
    let output = output(&["--serve", &address]);
    let err = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{err}");
    assert!(
        err.contains(&address) && err.contains("Choose another port"),
        "{err}"
    );
    assert!(!err.contains("panicked"), "{err}");
}

#[test]
fn help_goes_to_standard_output() {
    let output = output(&["--help"]);
    assert!(output.status.success());
    for word in ["--short", "--serve ADDR", "LOXLEY_WORKER_THREADS"] {
        assert!(text(&output.stdout).contains(word));
    }
}

#[test]
fn an_unknown_argument_is_refused_by_name() {
    let output = output(&["--shrot"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("`--shrot`") && output.stdout.is_empty());
}

#[test]
fn serve_answers_a_client_and_ends_cleanly_on_interrupt() {
    let (child, address) = serving();
    let mut stream = TcpStream::connect(&address).expect("it listens");
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .expect("a time limit");
    write!(
        stream,
        "GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("hello from loxley\n"),
        "{answer}"
    );
    let output = interrupt(child);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
}

#[test]
fn interrupt_ends_the_tour_without_half_a_table() {
    let mut child = tour(&[])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    // The first line on standard error comes after the signal is listened for.
    let mut line = String::new();
    let mut progress = BufReader::new(child.stderr.take().expect("a pipe"));
    progress.read_line(&mut line).expect("a line");
    let drain = std::thread::spawn(move || std::io::copy(&mut progress, &mut std::io::sink()));
    let output = interrupt(child);
    let _ = drain.join();
    assert_eq!(output.status.code(), Some(130));
    assert!(!text(&output.stdout).contains("act 2"));
}
