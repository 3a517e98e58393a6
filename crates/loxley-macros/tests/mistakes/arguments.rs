#[loxley::main(threads = 2)]
async fn unknown() {}

#[loxley::main(current_thread)]
async fn a_flavor_alone() {}

#[loxley::main(flavor = "fast")]
async fn no_such_flavor() {}

#[loxley::main(worker_threads = 0)]
async fn no_workers() {}

#[loxley::main(flavor = "current_thread", worker_threads = 2)]
async fn workers_of_one_thread() {}

#[loxley::main(start_paused = true)]
async fn a_paused_pool() {}

#[loxley::main(name)]
async fn no_value() {}

#[loxley::test(worker_threads = 2)]
async fn workers_of_a_test() {}

#[loxley::test]
async fn a_test_with_arguments(_number: u8) {}

#[loxley::test]
#[test]
async fn a_test_twice() {}

fn main() {}
