//! `tour`: the program that a newcomer starts first, in its short form, as it ships.

use std::time::{Duration, Instant};

use crate::command::{build_program, program_in_root, stdout};
use crate::gate::{Options, Outcome, Verdict};

/// The short form says that it takes 5 seconds; a loaded machine may need a little longer.
const LIMIT: Duration = Duration::from_secs(10);

/// `tour`
pub(crate) fn gate(_: &Options) -> Outcome {
    let program = build_program(&[])?;
    let begin = Instant::now();
    let text = stdout(program_in_root(program, &["--short"]))?;
    let took = begin.elapsed();
    check(&text, took)?;
    print!("{text}");
    Ok(Verdict::Passed(format!(
        "both tables in {:.1} s",
        took.as_secs_f64()
    )))
}

fn check(text: &str, took: Duration) -> Result<(), String> {
    if took > LIMIT {
        return Err(format!("the short form took {:.1} s", took.as_secs_f64()));
    }
    // One table per act, each with both services and with the workers below.
    for (word, times) in [("p99.9", 2), ("echo ", 2), ("http ", 2), ("steals", 2)] {
        let seen = text.lines().filter(|line| line.contains(word)).count();
        if seen < times {
            return Err(format!(
                "the tour printed `{}` {seen} times, not {times}:\n{text}",
                word.trim()
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "service p50 p99 p99.9\necho 1\nhttp 2\nworker polls steals\n";

    #[test]
    fn a_missing_table_and_a_slow_tour_fail() {
        let both = format!("{TABLE}{TABLE}");
        assert!(check(&both, Duration::from_secs(5)).is_ok());
        assert!(check(TABLE, Duration::from_secs(5)).is_err());
        assert!(check("", Duration::ZERO).is_err());
        assert!(check(&both, Duration::from_secs(60)).is_err());
    }
}
