//! What tokio's documentation states of its parts, as laws that hold for both crates.
//!
//! `both!` writes each law twice, once with `rt` as tokio and once as loxley, and runs it on the current thread, with one
//! worker and with four. A law that fails in one crate only is a difference between the two.

#[path = "../../loxley-core/tests/support/watch.rs"]
mod watch;

use std::future::{Future, pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use watch::watched;

macro_rules! both {
    ($($(#[$attribute:meta])* async fn $law:ident() $body:block)*) => {
        mod on_tokio {
            use ::tokio as rt;
            both!(@ $($(#[$attribute])* $law $body)*);
        }
        mod on_loxley {
            use ::loxley as rt;
            both!(@ $($(#[$attribute])* $law $body)*);
        }
    };
    (@ $($(#[$attribute:meta])* $law:ident $body:block)*) => {
        use super::*;

        /// Runs a law as a task of each kind of runtime.
        fn each<F: Future<Output = ()> + Send + 'static>(law: impl Fn() -> F) {
            let current = rt::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            let pool = |workers| {
                let mut builder = rt::runtime::Builder::new_multi_thread();
                builder.worker_threads(workers).enable_all().build().unwrap()
            };
            for runtime in [current, pool(1), pool(4)] {
                let task = runtime.spawn(law());
                watched(move || {
                    if let Err(error) = runtime.block_on(task) {
                        std::panic::resume_unwind(error.into_panic());
                    }
                });
            }
        }

        $(
            $(#[$attribute])*
            #[test]
            fn $law() {
                async fn law() $body
                each(law);
            }
        )*
    };
}

/// Polls once; true if it waits.
async fn waits<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
}

const SOON: Duration = Duration::from_millis(1);
const NEVER: Duration = Duration::from_secs(3600);

both! {
    async fn a_bounded_channel_makes_the_sender_wait_for_a_place() {
        let (sender, mut receiver) = rt::sync::mpsc::channel(1);
        sender.send(1).await.unwrap();
        let mut second = pin!(sender.send(2));
        assert!(waits(second.as_mut()).await);
        assert_eq!(receiver.recv().await, Some(1));
        second.await.unwrap();
        assert_eq!(receiver.recv().await, Some(2));
    }

    async fn what_is_in_a_channel_comes_out_after_the_last_sender_has_gone() {
        let (sender, mut receiver) = rt::sync::mpsc::channel(4);
        sender.send(1).await.unwrap();
        sender.send(2).await.unwrap();
        drop(sender);
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(receiver.recv().await, Some(2));
        assert_eq!(receiver.recv().await, None);
        assert_eq!(receiver.try_recv(), Err(rt::sync::mpsc::error::TryRecvError::Disconnected));
    }

    async fn a_closed_receiver_gives_what_was_sent_and_takes_nothing_new() {
        let (sender, mut receiver) = rt::sync::mpsc::channel(4);
        sender.send(1).await.unwrap();
        let permit = sender.reserve().await.unwrap();
        receiver.close();
        assert_eq!(sender.send(2).await.unwrap_err().0, 2);
        permit.send(3);
        assert_eq!(receiver.recv().await, Some(1));
        assert_eq!(receiver.recv().await, Some(3));
        assert_eq!(receiver.recv().await, None);
    }

    async fn an_empty_channel_is_told_from_an_ended_one() {
        use rt::sync::mpsc::error::TryRecvError;
        let (sender, mut receiver) = rt::sync::mpsc::unbounded_channel::<u8>();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Disconnected));
    }

    async fn a_weak_sender_does_not_keep_the_channel_open() {
        let (sender, mut receiver) = rt::sync::mpsc::channel::<u8>(1);
        let weak = sender.downgrade();
        assert!(weak.upgrade().is_some());
        drop(sender);
        assert!(weak.upgrade().is_none());
        assert_eq!(receiver.recv().await, None);
    }

    async fn a_dropped_permit_gives_its_place_back() {
        let (sender, _receiver) = rt::sync::mpsc::channel::<u8>(2);
        let permits = sender.reserve_many(2).await.unwrap();
        assert_eq!((permits.len(), sender.capacity()), (2, 0));
        assert!(sender.try_reserve().is_err());
        drop(permits);
        assert_eq!((sender.capacity(), sender.max_capacity()), (2, 2));
    }

    async fn many_messages_are_received_at_once_up_to_the_limit() {
        let (sender, mut receiver) = rt::sync::mpsc::channel(8);
        for number in 0..5 {
            sender.send(number).await.unwrap();
        }
        let mut numbers = Vec::new();
        assert_eq!(receiver.recv_many(&mut numbers, 3).await, 3);
        assert_eq!(receiver.recv_many(&mut numbers, 3).await, 2);
        drop(sender);
        assert_eq!(receiver.recv_many(&mut numbers, 3).await, 0);
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    async fn a_send_that_runs_out_of_time_gives_the_message_back() {
        use rt::sync::mpsc::error::SendTimeoutError;
        let (sender, _receiver) = rt::sync::mpsc::channel(1);
        sender.send(1).await.unwrap();
        match sender.send_timeout(2, SOON).await {
            Err(SendTimeoutError::Timeout(message)) => assert_eq!(message, 2),
            other => panic!("{other:?}"),
        }
    }

    async fn a_oneshot_gives_the_value_back_if_nobody_waits() {
        let (sender, receiver) = rt::sync::oneshot::channel();
        assert!(!sender.is_closed());
        drop(receiver);
        assert!(sender.is_closed());
        assert_eq!(sender.send(5), Err(5));
    }

    async fn a_oneshot_whose_sender_has_gone_is_an_error() {
        use rt::sync::oneshot::error::TryRecvError;
        let (sender, mut receiver) = rt::sync::oneshot::channel::<u8>();
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(sender);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        let (sender, receiver) = rt::sync::oneshot::channel::<u8>();
        drop(sender);
        assert!(receiver.await.is_err());
    }

    async fn a_closed_oneshot_still_gives_what_was_sent_before() {
        let (sender, mut receiver) = rt::sync::oneshot::channel();
        sender.send(5).unwrap();
        receiver.close();
        assert_eq!(receiver.try_recv(), Ok(5));
    }

    async fn the_sender_of_a_oneshot_learns_that_the_receiver_closed() {
        let (mut sender, mut receiver) = rt::sync::oneshot::channel::<u8>();
        {
            let mut closed = pin!(sender.closed());
            assert!(waits(closed.as_mut()).await);
            receiver.close();
            closed.await;
        }
        assert_eq!(sender.send(1), Err(1));
    }

    async fn a_broadcast_reaches_each_receiver_that_was_there() {
        let (sender, mut first) = rt::sync::broadcast::channel(4);
        sender.send(1).unwrap();
        let mut second = sender.subscribe();
        assert_eq!(sender.send(2).unwrap(), 2);
        assert_eq!(first.recv().await, Ok(1));
        assert_eq!(first.recv().await, Ok(2));
        assert_eq!(second.recv().await, Ok(2));
        drop(sender);
        assert_eq!(second.recv().await, Err(rt::sync::broadcast::error::RecvError::Closed));
    }

    async fn a_lagging_receiver_learns_how_many_it_missed() {
        use rt::sync::broadcast::error::RecvError;
        let (sender, mut receiver) = rt::sync::broadcast::channel(2);
        for number in 0..5 {
            sender.send(number).unwrap();
        }
        assert_eq!(receiver.recv().await, Err(RecvError::Lagged(3)));
        assert_eq!(receiver.recv().await, Ok(3));
        assert_eq!(receiver.recv().await, Ok(4));
    }

    async fn a_broadcast_without_receivers_is_an_error_with_the_value() {
        let (sender, receiver) = rt::sync::broadcast::channel(2);
        drop(receiver);
        assert_eq!(sender.send(7).unwrap_err().0, 7);
        let mut later = sender.subscribe();
        assert!(sender.send(8).is_ok());
        assert_eq!(later.recv().await, Ok(8));
    }

    async fn a_watch_shows_only_the_last_value() {
        let (sender, mut receiver) = rt::sync::watch::channel(0);
        assert!(!receiver.has_changed().unwrap());
        sender.send(1).unwrap();
        sender.send(2).unwrap();
        receiver.changed().await.unwrap();
        assert_eq!(*receiver.borrow_and_update(), 2);
        let mut changed = pin!(receiver.changed());
        assert!(waits(changed.as_mut()).await);
        drop(sender);
        assert!(changed.await.is_err());
    }

    async fn a_watch_that_was_not_modified_wakes_nobody() {
        let (sender, mut receiver) = rt::sync::watch::channel(1);
        assert!(!sender.send_if_modified(|value| { *value = 2; false }));
        assert!(!receiver.has_changed().unwrap());
        sender.send_modify(|value| *value += 1);
        assert_eq!(*receiver.wait_for(|value| *value == 3).await.unwrap(), 3);
    }

    async fn a_mutex_is_given_to_those_who_wait_in_their_order() {
        let mutex = rt::sync::Mutex::new(Vec::new());
        let guard = mutex.lock().await;
        let mut first = pin!(mutex.lock());
        let mut second = pin!(mutex.lock());
        assert!(waits(first.as_mut()).await);
        assert!(waits(second.as_mut()).await);
        assert!(mutex.try_lock().is_err());
        drop(guard);
        assert!(waits(second.as_mut()).await);
        first.await.push(1);
        second.await.push(2);
        assert_eq!(*mutex.lock().await, [1, 2]);
    }

    async fn a_dropped_lock_future_lets_the_next_one_have_the_mutex() {
        let mutex = rt::sync::Mutex::new(());
        let guard = mutex.lock().await;
        let mut second = Box::pin(mutex.lock());
        let mut third = pin!(mutex.lock());
        assert!(waits(second.as_mut()).await);
        assert!(waits(third.as_mut()).await);
        drop(guard);
        drop(second);
        drop(third.await);
    }

    async fn readers_share_and_a_waiting_writer_keeps_new_readers_out() {
        let lock = rt::sync::RwLock::new(1);
        let (one, two) = (lock.read().await, lock.read().await);
        assert_eq!(*one + *two, 2);
        let mut writer = pin!(lock.write());
        assert!(waits(writer.as_mut()).await);
        let mut reader = pin!(lock.read());
        assert!(waits(reader.as_mut()).await);
        drop((one, two));
        let mut guard = writer.await;
        *guard = 5;
        let down = guard.downgrade();
        assert_eq!((*down, *reader.await), (5, 5));
    }

    async fn a_semaphore_serves_a_large_wish_before_a_later_small_one() {
        let semaphore = rt::sync::Semaphore::new(1);
        let mut large = pin!(semaphore.acquire_many(2));
        let mut small = pin!(semaphore.acquire());
        assert!(waits(large.as_mut()).await);
        assert!(waits(small.as_mut()).await);
        semaphore.add_permits(1);
        let permits = large.await.unwrap();
        assert!(waits(small.as_mut()).await);
        drop(permits);
        small.await.unwrap().forget();
        assert_eq!(semaphore.available_permits(), 1);
    }

    async fn a_closed_semaphore_turns_everybody_away() {
        let semaphore = Arc::new(rt::sync::Semaphore::new(0));
        let mut waiting = pin!(semaphore.acquire());
        assert!(waits(waiting.as_mut()).await);
        semaphore.close();
        assert!(waiting.await.is_err());
        assert!(semaphore.is_closed());
        assert!(semaphore.clone().acquire_owned().await.is_err());
        assert_eq!(semaphore.try_acquire().unwrap_err(), rt::sync::TryAcquireError::Closed);
    }

    async fn an_acquire_that_was_dropped_loses_no_permit() {
        let semaphore = rt::sync::Semaphore::new(0);
        {
            let mut waiting = pin!(semaphore.acquire());
            assert!(waits(waiting.as_mut()).await);
            semaphore.add_permits(1);
        }
        assert_eq!(semaphore.available_permits(), 1);
    }

    async fn one_notification_is_kept_for_who_comes_later() {
        let notify = rt::sync::Notify::new();
        notify.notify_one();
        notify.notify_one();
        notify.notified().await;
        let mut second = pin!(notify.notified());
        assert!(waits(second.as_mut()).await);
    }

    async fn notifying_all_reaches_those_who_wait_and_is_not_kept() {
        let notify = rt::sync::Notify::new();
        let mut one = pin!(notify.notified());
        let mut two = pin!(notify.notified());
        assert!(waits(one.as_mut()).await);
        two.as_mut().enable();
        notify.notify_waiters();
        one.await;
        two.await;
        let mut late = pin!(notify.notified());
        assert!(waits(late.as_mut()).await);
    }

    async fn a_notification_nobody_looked_at_goes_to_the_next() {
        let notify = rt::sync::Notify::new();
        let mut one = Box::pin(notify.notified());
        let mut two = pin!(notify.notified());
        assert!(waits(one.as_mut()).await);
        assert!(waits(two.as_mut()).await);
        notify.notify_one();
        drop(one);
        two.await;
    }

    async fn a_barrier_has_one_leader_each_time() {
        let barrier = Arc::new(rt::sync::Barrier::new(3));
        for _ in 0..2 {
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let barrier = barrier.clone();
                    rt::spawn(async move { barrier.wait().await.is_leader() })
                })
                .collect();
            let mut leaders = 0;
            for task in waiting {
                leaders += usize::from(task.await.unwrap());
            }
            assert_eq!(leaders, 1);
        }
    }

    async fn a_cell_whose_making_failed_is_made_by_the_next() {
        let cell = rt::sync::OnceCell::new();
        assert_eq!(cell.get_or_try_init(|| async { Err::<u8, _>("no") }).await, Err("no"));
        assert!(!cell.initialized());
        assert_eq!(*cell.get_or_init(|| async { 5 }).await, 5);
        assert_eq!(*cell.get_or_init(|| async { 6 }).await, 5);
        assert!(cell.set(7).is_err());
    }

    async fn an_aborted_task_is_cancelled_and_dropped() {
        let held = Arc::new(());
        let inside = held.clone();
        let task = rt::spawn(async move {
            pending::<()>().await;
            drop(inside);
        });
        let abort = task.abort_handle();
        abort.abort();
        let error = task.await.unwrap_err();
        assert!(error.is_cancelled() && !error.is_panic());
        assert!(abort.is_finished());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    async fn a_panic_ends_its_task_alone_and_is_handed_over() {
        let task = rt::spawn(async { panic!("told") });
        let error = task.await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(error.into_panic().downcast_ref::<&str>(), Some(&"told"));
    }

    async fn a_task_whose_handle_is_dropped_runs_on() {
        let (sender, receiver) = rt::sync::oneshot::channel();
        drop(rt::spawn(async move { sender.send(5) }));
        assert_eq!(receiver.await, Ok(5));
    }

    async fn a_dropped_set_aborts_its_tasks() {
        let held = Arc::new(());
        let mut set = rt::task::JoinSet::new();
        for _ in 0..3 {
            let held = held.clone();
            set.spawn(async move {
                pending::<()>().await;
                drop(held);
            });
        }
        assert_eq!(set.len(), 3);
        set.shutdown().await;
        assert!(set.is_empty() && set.join_next().await.is_none());
        assert_eq!(Arc::strong_count(&held), 1);
    }

    async fn a_set_gives_each_output_once_with_its_id() {
        let mut set = rt::task::JoinSet::new();
        let mut expected = Vec::new();
        for number in 0..10 {
            expected.push((set.spawn(async move { number }).id(), number));
        }
        let mut seen = Vec::new();
        while let Some(output) = set.join_next_with_id().await {
            seen.push(output.unwrap());
        }
        seen.sort_by_key(|(_, number)| *number);
        assert_eq!(seen, expected);
    }

    async fn a_blocking_closure_gives_its_value() {
        assert_eq!(rt::task::spawn_blocking(|| 6 * 7).await.unwrap(), 42);
    }

    async fn a_task_has_its_own_local_and_children_have_none() {
        rt::task_local! {
            static NAME: u8;
        }
        assert!(NAME.try_with(|_| ()).is_err());
        NAME.scope(1, async {
            assert_eq!(NAME.get(), 1);
            NAME.sync_scope(2, || assert_eq!(NAME.get(), 2));
            rt::task::yield_now().await;
            assert_eq!(NAME.get(), 1);
            let child = rt::spawn(async { NAME.try_with(|_| ()).is_err() });
            assert!(child.await.unwrap());
        })
        .await;
    }

    async fn a_biased_select_takes_the_first_branch_that_is_ready() {
        let taken = rt::select! {
            biased;
            () = pending() => 0,
            number = async { 1 } => number,
            number = async { 2 } => number,
        };
        assert_eq!(taken, 1);
    }

    async fn a_branch_whose_pattern_fails_is_left_out() {
        let mut numbers = Vec::new();
        for value in [Some(1), None] {
            numbers.push(rt::select! {
                Some(number) = async { value } => number,
                else => 0,
            });
        }
        assert_eq!(numbers, [1, 0]);
    }

    async fn a_branch_whose_condition_is_false_is_not_polled() {
        let polls = AtomicUsize::new(0);
        let taken = rt::select! {
            _ = poll_fn(|_| { polls.fetch_add(1, Ordering::SeqCst); Poll::Ready(()) }), if false => 1,
            () = async {} => 2,
        };
        assert_eq!((taken, polls.into_inner()), (2, 0));
    }

    async fn join_waits_for_all_and_try_join_for_the_first_error() {
        let (sender, receiver) = rt::sync::oneshot::channel();
        let (received, sent) = rt::join!(receiver, async { sender.send(1) });
        assert_eq!((received, sent), (Ok(1), Ok(())));
        let failed = rt::try_join!(pending::<Result<(), _>>(), async { Err::<(), _>("no") });
        assert_eq!(failed, Err("no"));
    }

    async fn a_timeout_ends_what_is_late_and_passes_on_what_is_not() {
        assert!(rt::time::timeout(SOON, pending::<()>()).await.is_err());
        assert_eq!(rt::time::timeout(NEVER, async { 5 }).await.unwrap(), 5);
        assert_eq!(rt::time::timeout(Duration::ZERO, async { 5 }).await.unwrap(), 5);
    }

    async fn a_sleep_is_over_at_its_deadline_and_not_before() {
        let start = rt::time::Instant::now();
        let mut sleep = pin!(rt::time::sleep(NEVER));
        assert!(waits(sleep.as_mut()).await && !sleep.is_elapsed());
        sleep.as_mut().reset(start + SOON);
        assert_eq!(sleep.deadline(), start + SOON);
        sleep.as_mut().await;
        assert!(sleep.is_elapsed() && start.elapsed() >= SOON);
    }

    async fn an_interval_ticks_at_once_and_then_by_its_period() {
        let mut interval = rt::time::interval(SOON);
        let first = interval.tick().await;
        let second = interval.tick().await;
        assert_eq!(second - first, SOON);
        assert_eq!(interval.period(), SOON);
    }

    async fn a_reader_gets_the_end_when_the_writer_shuts_down() {
        use rt::io::{AsyncReadExt, AsyncWriteExt};
        let (mut near, mut far) = rt::io::duplex(16);
        near.write_all(b"word").await.unwrap();
        near.shutdown().await.unwrap();
        let mut text = String::new();
        far.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "word");
        assert_eq!(far.read(&mut [0; 4]).await.unwrap(), 0);
    }

    async fn a_duplex_holds_no_more_than_its_limit() {
        use rt::io::{AsyncReadExt, AsyncWriteExt};
        let (mut near, mut far) = rt::io::duplex(4);
        assert_eq!(near.write(b"123456").await.unwrap(), 4);
        {
            let mut more = pin!(near.write_all(b"56"));
            assert!(waits(more.as_mut()).await);
            let mut four = [0; 4];
            far.read_exact(&mut four).await.unwrap();
            assert_eq!(&four, b"1234");
            more.await.unwrap();
        }
        drop(far);
        let error = near.write_all(b"x").await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
    }

    async fn reading_exactly_more_than_there_is_says_so() {
        use rt::io::AsyncReadExt;
        let mut bytes: &[u8] = &[1, 2];
        let error = bytes.read_exact(&mut [0; 3]).await.unwrap_err();
        assert_eq!(error.kind(), std::io::ErrorKind::UnexpectedEof);
        let mut bytes: &[u8] = &[1, 2, 3];
        assert_eq!(bytes.read_u16().await.unwrap(), 0x0102);
        assert!(bytes.read_u16().await.is_err());
    }

    async fn lines_leave_out_their_ends_and_keep_the_last_without_one() {
        use rt::io::AsyncBufReadExt;
        let mut lines = b"one\r\ntwo\n\nlast".lines();
        let mut seen = Vec::new();
        while let Some(line) = lines.next_line().await.unwrap() {
            seen.push(line);
        }
        assert_eq!(seen, ["one", "two", "", "last"]);
    }

    async fn a_chain_reads_one_after_the_other_and_take_stops() {
        use rt::io::AsyncReadExt;
        let one: &[u8] = b"abc";
        let two: &[u8] = b"def";
        let mut text = String::new();
        one.chain(two).take(5).read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "abcde");
    }

    async fn a_buffered_writer_writes_when_it_is_flushed() {
        use rt::io::AsyncWriteExt;
        let mut writer = rt::io::BufWriter::new(Vec::new());
        writer.write_all(b"word").await.unwrap();
        assert!(writer.get_ref().is_empty());
        writer.flush().await.unwrap();
        assert_eq!(writer.into_inner(), b"word");
    }

    async fn copying_both_ways_counts_each() {
        use rt::io::{AsyncReadExt, AsyncWriteExt};
        let (mut client, mut a) = rt::io::duplex(16);
        let (mut server, mut b) = rt::io::duplex(16);
        let copying = rt::spawn(async move { rt::io::copy_bidirectional(&mut a, &mut b).await });
        client.write_all(b"ask").await.unwrap();
        client.shutdown().await.unwrap();
        let mut ask = String::new();
        server.read_to_string(&mut ask).await.unwrap();
        server.write_all(b"answer").await.unwrap();
        server.shutdown().await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert_eq!((&*ask, &*answer), ("ask", "answer"));
        assert_eq!(copying.await.unwrap().unwrap(), (3, 6));
    }

    async fn a_peek_leaves_the_bytes_and_a_shutdown_ends_one_way() {
        use rt::io::{AsyncReadExt, AsyncWriteExt};
        let listener = rt::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (near, far) = rt::join!(rt::net::TcpStream::connect(address), listener.accept());
        let (mut near, (mut far, from)) = (near.unwrap(), far.unwrap());
        assert_eq!(from, near.local_addr().unwrap());
        near.write_all(b"hi").await.unwrap();
        let mut two = [0; 2];
        assert_eq!(far.peek(&mut two[..1]).await.unwrap(), 1);
        far.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"hi");
        near.shutdown().await.unwrap();
        assert_eq!(far.read(&mut two).await.unwrap(), 0);
        far.write_all(b"yo").await.unwrap();
        near.read_exact(&mut two).await.unwrap();
        assert_eq!(&two, b"yo");
    }

    async fn halves_of_two_streams_do_not_go_together() {
        let (one, two) = rt::net::UnixStream::pair().unwrap();
        let (read, write) = one.into_split();
        let (other, _keep) = two.into_split();
        assert!(other.reunite(write).is_err());
        drop(read);
    }

    async fn a_datagram_that_does_not_fit_is_cut() {
        let one = rt::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let two = rt::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
        one.send_to(b"12345", two.local_addr().unwrap()).await.unwrap();
        let mut three = [0; 3];
        let (len, from) = two.recv_from(&mut three).await.unwrap();
        assert_eq!((len, from), (3, one.local_addr().unwrap()));
        assert_eq!(&three, b"123");
    }

    async fn a_child_tells_its_exit_and_what_it_wrote() {
        let mut command = rt::process::Command::new("sh");
        let output = command.args(["-c", "echo out; exit 3"]).output().await.unwrap();
        assert_eq!((output.status.code(), &*output.stdout), (Some(3), &b"out\n"[..]));
    }

    async fn a_file_is_what_was_written_to_it() {
        use rt::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
        let name = format!("both-{}-{:?}", std::process::id(), std::thread::current().id());
        let path = std::env::temp_dir().join(name.replace(['(', ')'], ""));
        let mut options = rt::fs::OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(true);
        let mut file = options.open(&path).await.unwrap();
        file.write_all(b"words").await.unwrap();
        file.rewind().await.unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "words");
        assert_eq!(rt::fs::metadata(&path).await.unwrap().len(), 5);
        rt::fs::remove_file(&path).await.unwrap();
        assert!(!rt::fs::try_exists(&path).await.unwrap());
    }
}
