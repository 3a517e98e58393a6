//! The table of rows, one module per family.
//!
//! A row's question stands in its own words in the table; how it is asked stands at the head of its module.

pub mod channels;
pub mod echo;
pub mod fs;
pub mod http;
pub mod memory;
pub mod rescue;
pub mod spawn;
pub mod sync;
pub mod timers;
pub mod wake;
pub mod yields;

use crate::harness::Row;

/// Every row of `rivals`, in the order in which they are run.
pub fn all() -> impl Iterator<Item = &'static Row> {
    [
        spawn::ROWS,
        yields::ROWS,
        channels::ROWS,
        sync::ROWS,
        timers::ROWS,
        wake::ROWS,
        memory::ROWS,
        fs::ROWS,
        echo::ROWS,
        http::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// The row of that name, the cases of `rescue` included.
#[must_use]
pub fn named(name: &str) -> Option<&'static Row> {
    all().chain(rescue::rows()).find(|row| row.name == name)
}

#[cfg(test)]
mod row_table {
    use super::*;
    use crate::harness::Plan;

    #[test]
    fn names_are_unique_and_every_row_has_a_question_a_figure_and_a_rival() {
        let every = || all().chain(rescue::rows());
        let mut names: Vec<_> = every().map(|row| row.name).collect();
        names.sort_unstable();
        let count = names.len();
        names.dedup();
        assert_eq!(names.len(), count);
        for row in every() {
            assert!(row.question.ends_with('?'), "{} asks nothing", row.name);
            assert!(!row.metrics.is_empty(), "{} shows nothing", row.name);
            assert!(row.form("tokio").is_some(), "{} has no rival", row.name);
        }
    }

    #[test]
    fn every_scheduler_row_gives_a_sample_on_every_runtime() {
        let families = [
            spawn::ROWS,
            yields::ROWS,
            channels::ROWS,
            sync::ROWS,
            timers::ROWS,
            wake::ROWS,
            memory::ROWS,
            fs::ROWS,
        ];
        for row in families.into_iter().flatten() {
            for (runtime, form) in row.forms {
                let sample = form(&Plan {
                    workers: 2,
                    amount: 200,
                    warm_up: false,
                });
                for metric in row.metrics {
                    assert!(
                        metric.of(&sample).is_some(),
                        "{} on {runtime} lacks {}",
                        row.name,
                        metric.label
                    );
                }
            }
        }
    }
}
