//! Each program runs to its end, and proves that it ran on loxley.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// Only a hang takes so long; the programs' own limits are shorter and say more.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs a program and gives what it printed.
fn run(program: &str) -> String {
    let mut child = Command::new(program)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("cannot start {program}: {error}"));
    let mut output = child.stdout.take().expect("it is piped");
    let (done, end) = mpsc::channel();
    thread::spawn(move || {
        let mut text = String::new();
        let read = output.read_to_string(&mut text);
        let _ = done.send(read.map(|_| text));
    });
    let text = end.recv_timeout(PATIENCE);
    let Ok(text) = text else {
        kill(child);
        panic!("{program} hangs");
    };
    let text = text.expect("programs print text");
    let status = child.wait().expect("it was started");
    assert!(status.success(), "{program} ended with {status}:\n{text}");
    print!("{text}");
    text
}

fn kill(mut child: Child) {
    let _ = child.kill();
    let _ = child.wait();
}

/// The program ran, all of it, on our workers.
fn proven(program: &str) -> String {
    let text = run(program);
    let last = text.lines().last().unwrap_or_default();
    assert!(last.starts_with("proof: "), "{program} ends with {last:?}");
    text
}

#[test]
fn axum_serves_reqwest() {
    let text = proven(env!("CARGO_BIN_EXE_web"));
    assert!(text.contains("2,000 requests"), "{text}");
}

#[test]
fn hyper_util_tells_the_versions_apart() {
    proven(env!("CARGO_BIN_EXE_auto_server"));
}

#[test]
fn tokio_rustls_echoes() {
    ten_laws(&proven(env!("CARGO_BIN_EXE_tls_echo")), "tls: ");
}

#[test]
fn tower_limits() {
    proven(env!("CARGO_BIN_EXE_middleware"));
}

#[test]
fn tokio_util_and_tokio_stream_frame_and_cancel() {
    proven(env!("CARGO_BIN_EXE_framing"));
}

#[test]
fn tokio_tungstenite_talks() {
    ten_laws(&proven(env!("CARGO_BIN_EXE_websocket")), "websocket: ");
}

/// The program says of each law who keeps it: the fetcher, or the client library.
#[test]
fn reqwest_fetches_by_the_laws() {
    let text = proven(env!("CARGO_BIN_EXE_fetch"));
    for law in [24, 29, 30, 31, 32, 33, 36, 37, 38, 39, 40, 41, 42] {
        assert!(
            text.contains(&format!("\nC{law} (")) || text.starts_with(&format!("C{law} (")),
            "C{law} is missing"
        );
    }
}

#[test]
fn tonic_streams() {
    ten_laws(&proven(env!("CARGO_BIN_EXE_grpc")), "grpc: ");
}

#[test]
fn sqlx_keeps_rows_in_sqlite() {
    ten_laws(&proven(env!("CARGO_BIN_EXE_sqlite")), "sqlite: ");
}

#[test]
fn quinn_multiplexes() {
    ten_laws(&proven(env!("CARGO_BIN_EXE_quic")), "quic: ");
}

#[test]
fn redis_answers_many() {
    proven_or_skipped(env!("CARGO_BIN_EXE_cache"), "redis: ");
}

#[test]
fn tokio_postgres_pipelines() {
    proven_or_skipped(env!("CARGO_BIN_EXE_postgres"), "postgres: ");
}

/// What a program shows of a crate that brings no tests of its own, or that we know best by our own.
fn ten_laws(text: &str, word: &str) {
    let laws = text.lines().filter(|line| line.starts_with(word)).count();
    assert!(laws >= 10, "{laws} laws are not ten:\n{text}");
}

/// Ten laws, proven, of a program that needs a server of the system's; where that is not installed it says so.
fn proven_or_skipped(program: &str, word: &str) {
    let text = run(program);
    let last = text.lines().last().unwrap_or_default();
    if last.starts_with("skipped: ") {
        return;
    }
    assert!(last.starts_with("proof: "), "{program} ends with {last:?}");
    ten_laws(&text, word);
}
