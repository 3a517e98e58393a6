//! `#[loxley::main]` and `#[loxley::test]` as programs use them. Their mistakes are tested in `loxley-macros`.
#![cfg(feature = "macros")]

use loxley as renamed;
use loxley::runtime::{Handle, RuntimeFlavor};

fn flavor() -> RuntimeFlavor {
    Handle::current().runtime_flavor()
}

fn workers() -> usize {
    Handle::current().metrics().num_workers()
}

#[loxley::test]
async fn a_test_runs_on_the_current_thread() {
    assert_eq!(flavor(), RuntimeFlavor::CurrentThread);
}

#[loxley::test(flavor = "multi_thread", worker_threads = 3)]
async fn a_test_may_ask_for_workers() {
    assert_eq!((flavor(), workers()), (RuntimeFlavor::MultiThread, 3));
}

#[loxley::test(flavor = "local", name = "robin")]
async fn a_test_may_stay_on_its_thread() {
    assert_eq!(flavor(), RuntimeFlavor::CurrentThread);
    assert_eq!(Handle::current().name(), Some("robin"));
    let five = std::rc::Rc::new(5);
    let task = loxley::task::spawn_local(async move { *five });
    assert_eq!(task.await.unwrap(), 5);
}

#[test]
#[should_panic(expected = "on purpose")]
fn main_may_end_with_its_first_panic() {
    #[loxley::main(
        flavor = "local",
        unhandled_panic = "shutdown_runtime",
        start_paused = true
    )]
    async fn main() {
        loxley::spawn(async { panic!("on purpose") });
        std::future::pending().await
    }
    main();
}

#[test]
fn main_runs_on_many_threads() {
    #[loxley::main]
    async fn main() -> RuntimeFlavor {
        flavor()
    }
    assert_eq!(main(), RuntimeFlavor::MultiThread);
}

#[test]
fn the_crate_may_have_another_name() {
    #[renamed::main(flavor = "current_thread", crate = "renamed")]
    async fn main() -> RuntimeFlavor {
        flavor()
    }
    assert_eq!(main(), RuntimeFlavor::CurrentThread);
}

#[test]
fn a_function_that_is_not_main_keeps_its_arguments_and_its_result() {
    struct Adder(u8);
    impl Adder {
        #[loxley::main(worker_threads = 1)]
        async fn add<T: Into<u8>>(self, number: T) -> Result<u8, std::num::TryFromIntError> {
            let sum = loxley::spawn(async move { u16::from(self.0) + 200 })
                .await
                .expect("no panic");
            Ok(u8::try_from(sum)?.saturating_add(number.into()))
        }
    }
    assert_eq!(Adder(5).add(1).unwrap(), 206);
    assert!(Adder(100).add(1).is_err());
}

#[loxley::test]
#[should_panic(expected = "as it should")]
async fn attributes_of_a_test_stay() {
    panic!("as it should");
}

#[loxley::test]
async fn a_test_may_give_a_result() -> std::io::Result<()> {
    loxley::net::TcpListener::bind("127.0.0.1:0").await?;
    Ok(())
}
