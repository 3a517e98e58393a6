//! The end of a runtime: every future is dropped, wherever it stands.
//!
//! `cargo run -p examples --example shutdown`

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use loxley::runtime::Runtime;
use loxley::time::sleep;

/// Counts the futures that hold one and are gone.
struct Guard(Arc<AtomicUsize>);

impl Drop for Guard {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn main() -> io::Result<()> {
    let dropped = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new()?;
    for number in 0..100 {
        let guard = Guard(dropped.clone());
        runtime.spawn(async move {
            let _guard = guard;
            if number % 2 == 0 {
                pending::<()>().await;
            } else {
                sleep(Duration::from_secs(3600)).await;
            }
        });
    }
    let metrics = runtime.handle().metrics();
    println!(
        "{} tasks, none of which will ever end",
        metrics.num_alive_tasks()
    );

    runtime.shutdown_timeout(Duration::from_secs(10));
    let dropped = dropped.load(Ordering::Relaxed);
    println!("the runtime is gone, and {dropped} futures with it");
    assert_eq!(dropped, 100);
    Ok(())
}
