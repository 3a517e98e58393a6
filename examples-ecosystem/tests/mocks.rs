//! tokio-test, which looks at futures from outside: mocks, tasks that are polled by hand, and the paused clock.

use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{self, Instant};
use tokio_stream::StreamExt;
use tokio_test::{
    assert_pending, assert_ready, assert_ready_eq, assert_ready_ok, io,
    stream_mock::StreamMockBuilder, task,
};

#[tokio::test]
async fn a_mock_says_and_hears_what_was_agreed() {
    let mut mock = io::Builder::new().write(b"hello?").read(b"hello!").build();
    mock.write_all(b"hello?").await.unwrap();
    let mut answer = [0; 6];
    mock.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"hello!");
}

#[tokio::test]
async fn a_mock_fails_as_agreed() {
    let error = std::io::Error::from(ErrorKind::ConnectionReset);
    let mut mock = io::Builder::new().read_error(error).build();
    let error = mock.read_u8().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
}

#[tokio::test(start_paused = true)]
async fn a_mock_waits_on_the_paused_clock() {
    let hour = Duration::from_secs(3600);
    let mut mock = io::Builder::new().wait(hour).read(b"x").build();
    let before = Instant::now();
    assert_eq!(mock.read_u8().await.unwrap(), b'x');
    assert!(before.elapsed() >= hour);
}

#[test]
fn a_receiver_is_woken_by_its_sender() {
    let (sender, receiver) = oneshot::channel();
    let mut receiver = task::spawn(receiver);
    assert_pending!(receiver.poll());
    sender.send(5).unwrap();
    assert!(receiver.is_woken());
    assert_eq!(assert_ready_ok!(receiver.poll()), 5);
}

#[test]
fn a_permit_is_given_first_come_first_served() {
    let door = Semaphore::new(0);
    let mut one = task::spawn(door.acquire());
    let mut two = task::spawn(door.acquire());
    assert_pending!(one.poll());
    assert_pending!(two.poll());
    door.add_permits(1);
    assert!(one.is_woken() && !two.is_woken());
    drop(assert_ready_ok!(one.poll()));
    assert!(two.is_woken());
}

#[test]
fn a_stream_ends_when_its_senders_are_gone() {
    let (sender, receiver) = mpsc::channel::<u8>(1);
    let mut receiver = task::spawn(tokio_stream::wrappers::ReceiverStream::new(receiver));
    assert_pending!(receiver.poll_next());
    drop(sender);
    assert!(receiver.is_woken());
    assert_ready_eq!(receiver.poll_next(), None);
}

#[tokio::test(start_paused = true)]
async fn a_mocked_stream_keeps_its_pauses() {
    let stream = StreamMockBuilder::new()
        .next(1)
        .wait(Duration::from_secs(60))
        .next(2)
        .build();
    let before = Instant::now();
    let all: Vec<i32> = stream.collect().await;
    assert_eq!(all, [1, 2]);
    assert!(before.elapsed() >= Duration::from_secs(60));
}

#[test]
fn a_future_without_a_runtime_is_blocked_on() {
    assert_eq!(
        tokio_test::block_on(async { tokio::spawn(async { 7 }).await.unwrap() }),
        7
    );
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_ready_when_the_clock_has_been_advanced() {
    let mut sleep = task::spawn(time::sleep(Duration::from_millis(100)));
    assert_pending!(sleep.poll());
    time::advance(Duration::from_millis(99)).await;
    assert_pending!(sleep.poll());
    time::advance(Duration::from_millis(2)).await;
    assert!(sleep.is_woken());
    assert_ready!(sleep.poll());
}

#[tokio::test]
async fn a_select_takes_the_branch_that_is_ready() {
    let (_held, never) = oneshot::channel::<()>();
    let got = tokio::select! {
        _ = never => "never",
        value = async { "now" } => value,
    };
    assert_eq!(got, "now");
}
