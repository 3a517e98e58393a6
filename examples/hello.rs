//! A task, and somebody who waits for it.
//!
//! `cargo run -p examples --example hello`

#[loxley::main]
async fn main() {
    let task = loxley::spawn(async { "hello from a task" });
    let words = task.await.expect("it does not panic");
    println!("{words}");
    assert_eq!(words, "hello from a task");
}
