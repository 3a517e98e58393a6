//! What does a timeout cost that never fires?
//!
//! The workload of `rivals timer_cancel` on loxley alone, with a thousand timeouts armed at a time.

use std::time::Instant;

use bench_rows::harness::Runtime;
use bench_rows::rows::timers;
use bench_rows::runtimes::Loxley;
use criterion::{Criterion, Throughput};

fn timer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("timer");
    group.throughput(Throughput::Elements(1));
    let runtime = Loxley::start(1);
    group.bench_function("created and cancelled", |bencher| {
        bencher.iter_custom(|ops| {
            runtime.run(async move {
                let start = Instant::now();
                timers::cancel::<Loxley>(ops).await;
                start.elapsed()
            })
        });
    });
    group.finish();
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    timer(&mut criterion);
    criterion.final_summary();
}
