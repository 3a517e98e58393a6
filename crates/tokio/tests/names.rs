//! What a program writes for tokio means the same under the other roof.

#![deny(unused_must_use)]

/// The attribute finds its runtime although the program has no package called loxley.
#[tokio::test]
async fn a_test_attribute_runs_the_body_on_our_runtime() {
    let handle = tokio::runtime::Handle::current();
    assert_eq!(
        handle.runtime_flavor(),
        tokio::runtime::RuntimeFlavor::CurrentThread
    );
    assert_eq!(tokio::spawn(async { 6 * 7 }).await.unwrap(), 42);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn its_arguments_are_tokios() {
    let metrics = tokio::runtime::Handle::current().metrics();
    assert_eq!(metrics.num_workers(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_goes_on_by_itself() {
    let before = tokio::time::Instant::now();
    tokio::time::sleep(tokio::time::Duration::from_secs(3600)).await;
    assert!(before.elapsed().as_secs() >= 3600);
}

#[test]
fn a_main_attribute_builds_a_pool() {
    #[tokio::main(worker_threads = 2)]
    async fn main() -> usize {
        tokio::runtime::Handle::current().metrics().num_workers()
    }
    assert_eq!(main(), 2);
}

tokio::task_local! {
    static NAME: &'static str;
}

#[tokio::test]
async fn every_macro_is_there() {
    let (one, two) = tokio::join!(async { 1 }, async { 2 });
    assert_eq!((one, two), (1, 2));
    let both = tokio::try_join!(async { Ok::<_, ()>(1) }, async { Err::<u8, _>(()) });
    assert_eq!(both, Err(()));
    let first = tokio::select! {
        biased;
        value = async { 5 } => value,
        () = std::future::pending() => unreachable!(),
    };
    assert_eq!(first, 5);
    let name = NAME.scope("robin", async { NAME.get() });
    tokio::pin!(name);
    assert_eq!(name.await, "robin");
}

/// Programs that deny warnings compile as before.
#[tokio::test]
async fn what_tokio_lets_one_drop_is_dropped_without_a_word() {
    fn send() -> tokio::sync::oneshot::Receiver<u8> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        sender.send(1).unwrap();
        receiver
    }
    send();
    tokio::spawn(async {});
    tokio::task::spawn_blocking(|| ());
}
