//! What does it cost to wake somebody for a message?
//!
//! The channels are the same code on every runtime (`futures-channel`, `async-channel`), so that only the
//! scheduler differs; with one worker `mpsc_1_1` must read alike everywhere, which checks the harness itself.
//!
//! - `ping_pong`: a task spawns another, they answer each other once over two oneshots, 1000 such pairs at a time.
//!   Waking an idle worker for 200 ns of work is the mistake that this row punishes.
//! - `mpsc_1_1`, `mpsc_64_1`: one or 64 senders to one receiver over a bounded channel of 1000.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_channel::Sender;
use futures_channel::oneshot;

use crate::harness::{Amount, CPU_NS, RATE, Row, Runtime, timed};
use crate::runtimes::forms;

/// Pairs that play at the same time.
const PAIRS: u64 = 1_000;
/// Messages that the channel holds.
const ROOM: usize = 1_000;

/// The rows of this family.
pub const ROWS: &[Row] = &[
    Row {
        name: "ping_pong",
        question: "what do two tasks and a oneshot each way cost?",
        amount: Amount::Ops(1_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, ping_pong::<R>)),
    },
    Row {
        name: "mpsc_1_1",
        question: "what does a message cost, one sender to one receiver?",
        amount: Amount::Ops(10_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, |ops| mpsc::<R>(ops, 1))),
    },
    Row {
        name: "mpsc_64_1",
        question: "what does a message cost, 64 senders to one receiver?",
        amount: Amount::Ops(10_000_000),
        workers: None,
        metrics: &[RATE, CPU_NS],
        forms: forms!(R => |plan| timed::<R, _, _>(plan, |ops| mpsc::<R>(ops, 64))),
    },
];

/// Plays so many pairs, a thousand at a time.
pub async fn ping_pong<R: Runtime>(ops: u64) {
    let mut left = ops;
    while left > 0 {
        let pairs = left.min(PAIRS);
        let (done, finished) = oneshot::channel();
        let done = Arc::new(std::sync::Mutex::new(Some(done)));
        let playing = Arc::new(AtomicU64::new(pairs));
        for _ in 0..pairs {
            let (playing, done) = (Arc::clone(&playing), Arc::clone(&done));
            R::detach(R::spawn(async move {
                play::<R>().await;
                // Relaxed: nothing but the count itself is passed on.
                if playing.fetch_sub(1, Ordering::Relaxed) == 1 {
                    let done = done.lock().expect("nobody panics with it").take();
                    done.expect("one pair is last")
                        .send(())
                        .expect("the pairs are waited for");
                }
            }));
        }
        finished.await.expect("the last pair reports");
        left -= pairs;
    }
}

async fn play<R: Runtime>() {
    let (ping, pinged) = oneshot::channel::<()>();
    let (pong, ponged) = oneshot::channel::<()>();
    R::detach(R::spawn(async move {
        pinged.await.expect("the other one pings");
        pong.send(()).expect("the other one waits");
    }));
    ping.send(()).expect("the other one waits");
    ponged.await.expect("the other one answers");
}

async fn mpsc<R: Runtime>(ops: u64, senders: u64) {
    let (sender, receiver) = async_channel::bounded::<u64>(ROOM);
    for _ in 0..senders {
        R::detach(R::spawn(send_all(sender.clone(), ops / senders)));
    }
    drop(sender);
    let receiving = R::spawn(async move {
        let mut sum = 0_u64;
        while let Ok(number) = receiver.recv().await {
            sum = sum.wrapping_add(number);
        }
        sum
    });
    let each = ops / senders;
    assert_eq!(
        R::join(receiving).await,
        senders * (each * each.saturating_sub(1) / 2)
    );
}

async fn send_all(sender: Sender<u64>, count: u64) {
    for number in 0..count {
        sender.send(number).await.expect("the receiver lives");
    }
}
