//! The command line, as a user and the driver meet it: one process, one line.

use std::process::{Command, Output};

use bench_rows::meter::Sample;
use bench_rows::rows;

fn benches(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_benches"))
        .args(arguments)
        .output()
        .expect("the program starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn every_socket_row_prints_one_sample_line_on_every_runtime() {
    for row in rows::echo::ROWS.iter().chain(rows::http::ROWS) {
        for (runtime, _) in row.forms {
            let output = benches(&["one", row.name, runtime, "--amount", "20"]);
            let said = text(&output.stdout);
            let sample: Result<Sample, String> = said.trim().parse();
            assert!(
                output.status.success() && sample.is_ok(),
                "{} on {runtime}: {sample:?} {}",
                row.name,
                text(&output.stderr)
            );
        }
    }
}

#[test]
fn a_table_has_the_machine_the_rivals_and_their_ratios() {
    let output = benches(&[
        "rivals",
        "spawn_one",
        "--runs",
        "2",
        "--amount",
        "2000",
        "--only",
        "tokio,smol",
    ]);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{said}{}", text(&output.stderr));
    for word in [
        "commit",
        "rustc",
        "cores",
        "tokio 1.",
        "spawn_one",
        "kops/s",
        "CPU ns/op",
        "ratio",
    ] {
        assert!(said.contains(word), "no {word} in\n{said}");
    }
}

#[test]
fn a_wrong_word_is_refused_with_a_sentence() {
    let cases: [(&[&str], &str); 4] = [
        (&["one", "spawn", "tokio"], "no row spawn"),
        (&["one", "spawn_one", "go"], "does not run on go"),
        (&["rivals", "--fast"], "no such flag: --fast"),
        (&["rivals", "--runs"], "wants a value"),
    ];
    for (arguments, sentence) in cases {
        let output = benches(arguments);
        assert!(!output.status.success());
        assert!(
            text(&output.stderr).contains(sentence),
            "{}",
            text(&output.stderr)
        );
    }
}
