//! The workloads, for the library that the module above calls `lib`.

use std::sync::Arc;

use super::lib::spawn;
use super::lib::sync::{
    Barrier, Mutex, Notify, RwLock, Semaphore, broadcast, mpsc, oneshot, watch,
};
use super::lib::task::{JoinSet, yield_now};

/// What is in flight at a time where a row has no other number.
const AT_ONCE: u64 = 1_000;
/// Messages that a bounded channel holds.
const ROOM: usize = 1_000;

pub async fn oneshot_pairs(ops: u64) {
    let mut left = ops;
    while left > 0 {
        let pairs = left.min(AT_ONCE);
        let (done, mut finished) = mpsc::channel::<()>(1);
        for _ in 0..pairs {
            let done = done.clone();
            spawn(async move {
                let (ping, pinged) = oneshot::channel::<()>();
                let (pong, ponged) = oneshot::channel::<()>();
                spawn(async move {
                    pinged.await.expect("the other one pings");
                    pong.send(()).expect("the other one waits");
                });
                ping.send(()).expect("the other one waits");
                ponged.await.expect("the other one answers");
                drop(done);
            });
        }
        drop(done);
        // The end of the channel: all pairs have played.
        assert!(finished.recv().await.is_none());
        left -= pairs;
    }
}

pub async fn bounded(ops: u64, senders: u64) {
    let (sender, mut receiver) = mpsc::channel::<u64>(ROOM);
    for _ in 0..senders {
        let sender = sender.clone();
        spawn(async move {
            for number in 0..ops / senders {
                sender.send(number).await.expect("the receiver lives");
            }
        });
    }
    drop(sender);
    let receiving = spawn(async move {
        let mut sum = 0_u64;
        while let Some(number) = receiver.recv().await {
            sum = sum.wrapping_add(number);
        }
        sum
    });
    check_sum(receiving.await.expect("nobody panics"), ops, senders);
}

pub async fn unbounded(ops: u64, senders: u64) {
    let (sender, mut receiver) = mpsc::unbounded_channel::<u64>();
    for _ in 0..senders {
        let sender = sender.clone();
        spawn(async move {
            for number in 0..ops / senders {
                sender.send(number).expect("the receiver lives");
                if number % 64 == 0 {
                    yield_now().await;
                }
            }
        });
    }
    drop(sender);
    let receiving = spawn(async move {
        let mut sum = 0_u64;
        while let Some(number) = receiver.recv().await {
            sum = sum.wrapping_add(number);
        }
        sum
    });
    check_sum(receiving.await.expect("nobody panics"), ops, senders);
}

fn check_sum(sum: u64, ops: u64, senders: u64) {
    let each = ops / senders;
    assert_eq!(sum, senders * (each * each.saturating_sub(1) / 2));
}

pub async fn mutex(ops: u64, tasks: u64) {
    let lock = Arc::new(Mutex::new(0_u64));
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let lock = lock.clone();
        set.spawn(async move {
            for turn in 0..ops / tasks {
                *lock.lock().await += 1;
                if tasks > 1 && turn % 16 == 0 {
                    yield_now().await;
                }
            }
        });
    }
    while set.join_next().await.is_some() {}
    assert_eq!(*lock.lock().await, ops / tasks * tasks);
}

pub async fn mutex_held(ops: u64, tasks: u64) {
    let lock = Arc::new(Mutex::new(0_u64));
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let lock = lock.clone();
        set.spawn(async move {
            for _ in 0..ops / tasks {
                let mut value = lock.lock().await;
                yield_now().await;
                *value += 1;
            }
        });
    }
    while set.join_next().await.is_some() {}
    assert_eq!(*lock.lock().await, ops / tasks * tasks);
}

pub async fn rwlock(ops: u64, tasks: u64) {
    let lock = Arc::new(RwLock::new(0_u64));
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let lock = lock.clone();
        set.spawn(async move {
            let mut last = 0;
            for turn in 0..ops / tasks {
                if turn % 16 == 15 {
                    *lock.write().await += 1;
                    yield_now().await;
                } else {
                    let now = *lock.read().await;
                    assert!(now >= last, "it only grows");
                    last = now;
                }
            }
        });
    }
    while set.join_next().await.is_some() {}
    assert_eq!(*lock.read().await, ops / tasks / 16 * tasks);
}

pub async fn semaphore(ops: u64, tasks: u64) {
    let semaphore = Arc::new(Semaphore::new(8));
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let semaphore = semaphore.clone();
        set.spawn(async move {
            for _ in 0..ops / tasks {
                let _permit = semaphore.acquire().await.expect("it is open");
                yield_now().await;
            }
        });
    }
    while set.join_next().await.is_some() {}
    assert_eq!(semaphore.available_permits(), 8);
}

pub async fn notify(ops: u64) {
    let (there, back) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let other = spawn({
        let (there, back) = (there.clone(), back.clone());
        async move {
            for _ in 0..ops {
                there.notified().await;
                back.notify_one();
            }
        }
    });
    for _ in 0..ops {
        there.notify_one();
        back.notified().await;
    }
    other.await.expect("nobody panics");
}

pub async fn broadcast(ops: u64, receivers: u64) {
    let (sender, _) = broadcast::channel::<u64>(16);
    let values = (ops / receivers).max(1);
    let barrier = Arc::new(Barrier::new(receivers as usize + 1));
    let mut set = JoinSet::new();
    for _ in 0..receivers {
        let (mut receiver, barrier) = (sender.subscribe(), barrier.clone());
        set.spawn(async move {
            for value in 0..values {
                assert_eq!(receiver.recv().await, Ok(value));
                barrier.wait().await;
            }
        });
    }
    for value in 0..values {
        sender.send(value).expect("there are receivers");
        barrier.wait().await;
    }
    while set.join_next().await.is_some() {}
}

pub async fn watch(ops: u64, receivers: u64) {
    let (sender, receiver) = watch::channel(0_u64);
    let changes = (ops / receivers).max(1);
    let barrier = Arc::new(Barrier::new(receivers as usize + 1));
    let mut set = JoinSet::new();
    for _ in 0..receivers {
        let (mut receiver, barrier) = (receiver.clone(), barrier.clone());
        set.spawn(async move {
            for value in 1..=changes {
                receiver.changed().await.expect("the sender lives");
                assert_eq!(*receiver.borrow_and_update(), value);
                barrier.wait().await;
            }
        });
    }
    for value in 1..=changes {
        sender.send(value).expect("there are receivers");
        barrier.wait().await;
    }
    while set.join_next().await.is_some() {}
}

pub async fn join_set(ops: u64) {
    let mut left = ops;
    let mut set = JoinSet::new();
    while left > 0 {
        let tasks = left.min(AT_ONCE);
        for _ in 0..tasks {
            set.spawn(async {});
        }
        while set.join_next().await.is_some() {}
        left -= tasks;
    }
}
