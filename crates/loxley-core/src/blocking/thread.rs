//! The life of one thread of the pool; the steps are those of `blocking.rs`.

use super::{BlockingPool, Job};
use crate::park::{How, NEVER, Park, Prepared};
use crate::primitive::Arc;
use crate::primitive::atomic::{Ordering, fence};

/// From the first instruction of a thread to its last.
pub(super) fn live(pool: &Arc<BlockingPool>, id: u64) {
    let config = &pool.config;
    (config.enter)(&mut || {
        if let Some(hook) = &config.on_start {
            pool.catch(|| hook());
        }
        work(pool);
        if let Some(hook) = &config.on_stop {
            pool.catch(|| hook());
        }
    });
    pool.roster.retire(id); // X4
}

fn work(pool: &BlockingPool) {
    let park = Arc::new(Park::futex_only());
    loop {
        while let Some(job) = pool.pop() {
            serve(pool, job);
        }
        if (pool.is_closed() || !rest(pool, &park)) && leave(pool) {
            return;
        }
    }
}

fn serve(pool: &BlockingPool, job: Box<dyn Job>) {
    if pool.is_closed() {
        pool.catch(|| job.cancel());
    } else {
        pool.catch(|| job.run());
    }
}

/// I1 to I5; false if nobody came in time.
fn rest(pool: &BlockingPool, park: &Arc<Park>) -> bool {
    {
        let mut sleepers = pool.sleepers.lock();
        sleepers.push(park.clone());
        pool.idle.store(sleepers.len(), Ordering::Relaxed); // I1
    }
    let mut woken = park.prepare(How::Futex, NEVER) == Prepared::Notified; // I2
    if !woken {
        // Relaxed: ordered by the fence of I2, which pairs with B1 and C2.
        let again = !pool.queue.is_empty() || pool.is_closed(); // I3
        let patience = pool.config.keep_alive;
        // No patience at all: the time is up at once. Models use it, for they have no clock.
        if !again && !patience.is_zero() {
            park.sleep(Some(patience)); // I4
        }
        woken = park.finish() || again;
    }
    let mut sleepers = pool.sleepers.lock(); // I5
    let Some(place) = sleepers.iter().rposition(|other| Arc::ptr_eq(other, park)) else {
        return true;
    };
    sleepers.remove(place);
    pool.idle.store(sleepers.len(), Ordering::Relaxed);
    woken
}

/// X1 to X3; false if there is a job after all.
fn leave(pool: &BlockingPool) -> bool {
    pool.roster.leave(); // X1
    fence(Ordering::SeqCst); // X2, pairs with B1
    if pool.queue.is_empty() || pool.is_closed() {
        return true; // a closed pool's queue is emptied by C3 and B2
    }
    !pool.roster.come_back() // X3
}
