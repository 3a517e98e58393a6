//! How much does the scheduler add to a task that does nothing?
//!
//! The workloads of `rivals`, on loxley alone, for the loop of change and measure: `cargo bench -p benches`. One worker
//! shows the path of the instructions, two show what sharing costs. Compare with the rivals by `rivals`, not here.

use std::future::Future;
use std::time::Instant;

use bench_rows::harness::Runtime;
use bench_rows::rows::{channels, spawn, yields};
use bench_rows::runtimes::Loxley;
use criterion::{Criterion, Throughput};

fn workload<F>(criterion: &mut Criterion, name: &str, work: fn(u64) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut group = criterion.benchmark_group(name);
    group.throughput(Throughput::Elements(1));
    for workers in [1, 2] {
        let runtime = Loxley::start(workers);
        group.bench_function(format!("{workers} workers"), |bencher| {
            bencher.iter_custom(|ops| {
                runtime.run(async move {
                    let start = Instant::now();
                    work(ops).await;
                    start.elapsed()
                })
            });
        });
    }
    group.finish();
}

fn scheduler(criterion: &mut Criterion) {
    workload(criterion, "spawn_local", spawn::local::<Loxley>);
    workload(criterion, "spawn_one", spawn::one_by_one::<Loxley>);
    workload(criterion, "chained_spawn", spawn::chain::<Loxley>);
    workload(criterion, "yield_many", yields::many::<Loxley>);
    workload(criterion, "yield_self", yields::alone::<Loxley>);
    workload(criterion, "ping_pong", channels::ping_pong::<Loxley>);
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    scheduler(&mut criterion);
    criterion.final_summary();
}
