//! The laws of `select!`, `join!`, `try_join!`, `pin!`.

mod support;

use std::future::{pending, poll_fn, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;

use loxley::sync::{Semaphore, mpsc, oneshot};
use loxley::task::yield_now;
use support::{assert_send_sync, each, panic_of, probe};

#[test]
fn the_first_that_is_ready_is_taken() {
    each(|| async {
        let (sender, receiver) = oneshot::channel();
        loxley::spawn(async move { sender.send(5) });
        let got = loxley::select! {
            number = receiver => number.unwrap(),
            _ = pending::<()>() => 0,
        };
        assert_eq!(got, 5);
    });
}

#[test]
fn an_output_that_does_not_match_disables_its_branch() {
    each(|| async {
        let got = loxley::select! {
            biased;
            Some(number) = async { None::<u8> } => number,
            Ok(number) = async { yield_now().await; Err::<u8, ()>(()) } => number,
            (1, number) | (number, 1) = async { yield_now().await; (7, 1) } => number,
        };
        assert_eq!(got, 7);
        let got = loxley::select! {
            Some(number) = async { None::<u8> } => number,
            else => 9,
        };
        assert_eq!(got, 9);
    });
}

#[test]
fn a_condition_disables_its_branch_and_its_future_is_made_all_the_same() {
    let made = AtomicUsize::new(0);
    let make = |number: usize| {
        made.fetch_add(1, Ordering::SeqCst);
        ready(number)
    };
    let mut selecting = probe(async {
        loxley::select! {
            one = make(1), if false => one,
            two = make(2), if { 1 + 1 == 2 } => { two }
            three = make(3), if false => { three },
        }
    });
    assert_eq!(selecting.ready(), 2);
    assert_eq!(made.load(Ordering::SeqCst), 3);
}

#[test]
fn without_a_branch_that_can_be_there_is_else_or_a_panic() {
    let value = probe(async {
        loxley::select! {
            _ = pending::<()>(), if false => 1,
            else => { 2 }
        }
    })
    .ready();
    assert_eq!(value, 2);
    let message = panic_of(|| {
        probe(async {
            loxley::select! {
                _ = pending::<()>(), if false => {}
            }
        })
        .ready();
    });
    assert!(message.contains("no else branch"), "{message}");
    assert_eq!(
        probe(async {
            loxley::select! { else => 3 }
        })
        .ready(),
        3
    );
}

#[test]
fn the_others_are_dropped_and_borrowed_ones_go_on() {
    let alive = Arc::new(());
    let held = alive.clone();
    let semaphore = Semaphore::new(0);
    let mut selecting = probe(async {
        let mut slow = std::pin::pin!(semaphore.acquire());
        let first = loxley::select! {
            _ = async move { let _held = held; pending::<()>().await } => 0,
            _ = &mut slow => 1,
            _ = ready(()) => 2,
        };
        assert_eq!(Arc::strong_count(&alive), 1);
        slow.await.unwrap().forget();
        first
    });
    selecting.pending();
    semaphore.add_permits(1);
    assert_eq!(selecting.ready(), 2);
}

#[test]
fn handlers_belong_to_the_function_around() {
    async fn returns() -> Result<u8, String> {
        let mut turns = 0;
        let mut found = Vec::new();
        loop {
            turns += 1;
            loxley::select! {
                biased;
                _ = ready(()), if turns == 1 => continue,
                _ = ready(()), if turns == 2 => {
                    yield_now().await;
                    found.push(turns);
                }
                number = ready("7".parse::<u8>()), if turns == 3 => found.push(number.map_err(|_| "no")?),
                _ = ready(()), if turns == 4 => break,
                _ = ready(()) => return Err(format!("turn {turns}")),
            }
        }
        assert_eq!(found, [2, 7]);
        Err("end"
            .parse::<u8>()
            .map_err(|error| error.to_string())
            .unwrap_err())
    }
    each(|| async {
        assert!(returns().await.unwrap_err().contains("invalid digit"));
    });
}

#[test]
fn patterns_bind_as_they_say() {
    struct Point {
        x: String,
        y: Option<u8>,
    }
    let mut selecting = probe(async {
        let text = String::from("text");
        loxley::select! {
            Point { x: mut name, y: Some(ref inner) } = ready(Point { x: text, y: Some(1) }) => {
                name.push_str(&inner.to_string());
                name
            }
        }
    });
    assert_eq!(selecting.ready(), "text1");
    let numbers = [1, 2];
    let mut selecting = probe(async {
        loxley::select! {
            Some(&number) = ready(numbers.last()) => number,
            else => 0,
        }
    });
    assert_eq!(selecting.ready(), 2);
    let mut value = 5;
    probe(async {
        loxley::select! {
            Some(&mut ref mut place) = ready(Some(&mut value)) => *place += 1,
        }
    })
    .ready();
    assert_eq!(value, 6);
}

#[test]
fn biased_goes_from_above_and_otherwise_chance_decides() {
    let mut counts = [0; 3];
    for _ in 0..3000 {
        let mut selecting = probe(async {
            loxley::select! {
                _ = ready(()) => 0,
                _ = ready(()) => 1,
                _ = ready(()) => 2,
            }
        });
        counts[selecting.ready()] += 1;
        let mut selecting = probe(async {
            loxley::select! {
                biased;
                _ = pending::<()>() => 0,
                _ = ready(()) => 1,
                _ = ready(()) => 2,
            }
        });
        assert_eq!(selecting.ready(), 1);
    }
    assert!(
        counts.iter().all(|count| (700..1300).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn a_loop_over_what_is_always_ready_yields() {
    each(|| async {
        let mut rounds = 0;
        let mut looping = std::pin::pin!(async {
            loop {
                rounds += 1;
                if rounds == 10_000 {
                    break;
                }
                loxley::select! {
                    _ = loxley::task::consume_budget() => {}
                }
            }
        });
        let mut polls = 0;
        poll_fn(|cx| {
            polls += 1;
            looping.as_mut().poll(cx)
        })
        .await;
        assert!(polls > 10, "{polls} polls");
    });
}

#[test]
fn a_selecting_future_crosses_threads() {
    let (sender, mut receiver) = mpsc::channel::<String>(1);
    let future = async move {
        loxley::select! {
            Some(text) = receiver.recv() => { yield_now().await; text.len() }
            permit = sender.reserve() => { drop(permit); 0 }
        }
    };
    assert_send_sync(&future);
    drop(future);
}

#[test]
fn sixty_four_branches_are_not_too_many() {
    macro_rules! many {
        ($($number:literal)*) => {
            loxley::select! {
                $(number = ready($number), if $number == 63 => number,)*
            }
        };
    }
    let mut selecting = probe(async {
        many!(0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32
              33 34 35 36 37 38 39 40 41 42 43 44 45 46 47 48 49 50 51 52 53 54 55 56 57 58 59 60 61 62 63)
    });
    assert_eq!(selecting.ready(), 63);
}

/// Names that the expansion uses are the caller's to use too.
#[test]
fn names_of_the_caller_stay_his() {
    const BRANCHES: usize = 7;
    #[derive(Debug, PartialEq)]
    struct Ready(usize);
    let (disabled, branches, future, outputs, start) = (1, 2, 3, 4, 5);
    let mut selecting = probe(async {
        let got = loxley::select! {
            sum = ready(disabled + branches + future + outputs + start + BRANCHES) => Ready(sum),
        };
        let (one, two) = loxley::join!(ready(Ready(1)), ready(future));
        (got, one, two)
    });
    assert_eq!(selecting.ready(), (Ready(22), Ready(1), 3));
}

#[test]
fn join_waits_for_all_and_keeps_their_order() {
    each(|| async {
        let (sender, receiver) = oneshot::channel();
        let (got, (), three) = loxley::join!(
            receiver,
            async {
                yield_now().await;
                sender.send(1).unwrap();
            },
            async { 3 },
        );
        assert_eq!((got, three), (Ok(1), 3));
        loxley::join!();
        assert_eq!(loxley::join!(biased; async { 5 }), (5,));
    });
}

#[test]
fn join_polls_each_until_it_is_ready_and_not_after() {
    let semaphore = Semaphore::new(0);
    let polls = AtomicUsize::new(0);
    let mut joining = probe(async {
        loxley::join!(
            async { semaphore.acquire().await.map(|permit| permit.forget()) },
            poll_fn(|_| {
                polls.fetch_add(1, Ordering::SeqCst);
                Poll::Ready(7)
            }),
        )
    });
    joining.pending();
    joining.pending();
    semaphore.add_permits(1);
    assert_eq!(joining.ready().1, 7);
    assert_eq!(polls.load(Ordering::SeqCst), 1);
}

#[test]
fn join_begins_with_another_each_time() {
    let order = std::sync::Mutex::new(Vec::new());
    let note = |name: char| {
        let order = &order;
        poll_fn(move |_| {
            order.lock().unwrap().push(name);
            Poll::<()>::Pending
        })
    };
    let mut joining = probe(async { loxley::join!(note('a'), note('b')) });
    joining.pending();
    joining.pending();
    let mut joining = probe(async { loxley::join!(biased; note('c'), note('d')) });
    joining.pending();
    joining.pending();
    let order: String = order.lock().unwrap().iter().collect();
    assert_eq!(order, "abbacdcd");
}

#[test]
fn try_join_ends_with_the_first_error() {
    each(|| async {
        let both = loxley::try_join!(async { Ok::<_, String>(1) }, async { Ok(2) });
        assert_eq!(both, Ok((1, 2)));
        let alive = Arc::new(());
        let held = alive.clone();
        let failed = loxley::try_join!(
            async move {
                let _held = held;
                pending::<Result<(), &str>>().await
            },
            async {
                yield_now().await;
                Err::<u8, _>("no")
            },
        );
        assert_eq!(failed, Err("no"));
        assert_eq!(Arc::strong_count(&alive), 1);
        let nothing: Result<(), ()> = loxley::try_join!();
        assert_eq!(nothing, Ok(()));
        assert_eq!(
            loxley::try_join!(biased; async { Ok::<_, ()>(5) }),
            Ok((5,))
        );
    });
}

#[test]
fn pinned_variables_can_be_awaited_by_reference() {
    let mut pinning = probe(async {
        let one = async { 1 };
        let two = async { 2 };
        loxley::pin!(one, two);
        loxley::pin! {
            let three = async { 3 };
        }
        one.as_mut().await + two.await + three.await
    });
    assert_eq!(pinning.ready(), 6);
}
