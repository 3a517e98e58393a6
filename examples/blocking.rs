//! Work that blocks its thread: on a thread of its own, or declared in place.
//!
//! Each blocking piece waits for a message that only a task can send. If it held up the tasks, the program
//! would stand still instead of ending.
//!
//! `cargo run -p examples --example blocking`

use std::sync::mpsc::channel;

use loxley::task::{block_in_place, spawn_blocking};

#[loxley::main]
async fn main() {
    // On a thread of the blocking pool.
    let (send, receive) = channel();
    let blocking = spawn_blocking(move || receive.recv());
    loxley::spawn(async move { send.send("from a task to a blocking thread") });
    let message = blocking.await.expect("it does not panic");
    println!("{}", message.expect("the task sends"));

    // On this very thread: whatever else its worker holds is served by another meanwhile.
    let waits = loxley::spawn(async {
        let (send, receive) = channel();
        loxley::spawn(async move { send.send("from a task to one that blocks in place") });
        block_in_place(|| receive.recv())
    });
    let message = waits.await.expect("it does not panic");
    println!("{}", message.expect("the task sends"));
}
