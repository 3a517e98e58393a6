//! A stand-in for a worker that blocks in place does not queue up behind jobs that block.

use std::sync::mpsc::channel;
use std::time::Duration;

use loxley_core::runtime::Builder;

const HANG: Duration = Duration::from_secs(60);

#[test]
fn a_full_blocking_pool_keeps_no_stand_in_away() {
    let mut builder = Builder::new_multi_thread();
    // Without rescue nobody else would come either.
    let runtime = builder
        .worker_threads(1)
        .max_blocking_threads(1)
        .rescue(false)
        .enable_all()
        .build()
        .unwrap();
    let (end_job, job_ends) = channel();
    let job = runtime.spawn_blocking(move || job_ends.recv_timeout(HANG).unwrap());
    let blocked = runtime.spawn(async move {
        let (send, receive) = channel();
        loxley_core::spawn(async move { send.send(()).unwrap() });
        loxley_core::block_in_place(|| receive.recv_timeout(HANG).expect("no stand-in came"));
        end_job.send(()).unwrap();
    });
    runtime.block_on(blocked).unwrap();
    runtime.block_on(job).unwrap();
}
