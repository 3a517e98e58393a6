//! Futures that have no name are `Send`, `Sync`, `Unpin`, `UnwindSafe` and `RefUnwindSafe` wherever tokio's are; they may be more.
//! `cargo xtask api` compares the answers of all types that have a name.

use std::marker::PhantomData;
use std::time::Duration;

const NAMES: [&str; 5] = ["Send", "Sync", "Unpin", "UnwindSafe", "RefUnwindSafe"];

/// Where tokio's say yes and ours no, and why that is well.
const DIFFERENT: &[(&str, &str)] = &[
    (r#"rt::net::TcpListener::bind("x:1"): UnwindSafe"#, ALONE),
    (r#"rt::net::TcpListener::bind("x:1"): RefUnwindSafe"#, ALONE),
    (r#"rt::net::UnixStream::connect("x"): UnwindSafe"#, ALONE),
    (r#"rt::net::UnixStream::connect("x"): RefUnwindSafe"#, ALONE),
];

const ALONE: &str = "nothing else looks into the future, and after a panic it is not polled again";

struct Probe<T>(PhantomData<T>);

/// The type of a value that nobody makes.
fn probe<T>(_: impl FnOnce() -> T) -> Probe<T> {
    Probe(PhantomData)
}

fn any<T>() -> T {
    unreachable!("types alone matter")
}

/// The inherent method counts if its bound holds, else that of the trait.
macro_rules! questions {
    ($($question:ident $no:ident $bound:path;)*) => {$(
        impl<T: $bound> Probe<T> {
            fn $question(&self) -> bool {
                true
            }
        }
        #[expect(non_camel_case_types, reason = "named after its question")]
        trait $no {
            fn $question(&self) -> bool;
        }
        impl<T> $no for &Probe<T> {
            fn $question(&self) -> bool {
                false
            }
        }
    )*};
}

questions! {
    is_send no_send Send;
    is_sync no_sync Sync;
    is_unpin no_unpin Unpin;
    is_unwind_safe no_unwind_safe std::panic::UnwindSafe;
    is_ref_unwind_safe no_ref_unwind_safe std::panic::RefUnwindSafe;
}

macro_rules! answers {
    ($($value:expr;)*) => {
        mod on_tokio {
            use ::tokio as rt;
            answers!(@ $($value;)*);
        }
        mod on_loxley {
            use ::loxley as rt;
            answers!(@ $($value;)*);
        }
    };
    (@ $($value:expr;)*) => {
        use super::*;
        use rt::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncSeekExt as _, AsyncWriteExt as _};

        type Reader = &'static mut &'static [u8];
        type Writer = &'static mut Vec<u8>;

        pub fn table() -> Vec<(&'static str, [bool; 5])> {
            vec![$({
                let probe = &probe(|| $value);
                let answers = [
                    probe.is_send(),
                    probe.is_sync(),
                    probe.is_unpin(),
                    probe.is_unwind_safe(),
                    probe.is_ref_unwind_safe(),
                ];
                (stringify!($value), answers)
            }),*]
        }
    };
}

answers! {
    rt::time::sleep(Duration::ZERO);
    rt::time::timeout(Duration::ZERO, std::future::ready(5));
    rt::time::timeout(Duration::ZERO, rt::time::sleep(Duration::ZERO));
    any::<&'static mut rt::time::Interval>().tick();
    rt::task::unconstrained(std::future::ready(5));
    rt::task::unconstrained(rt::time::sleep(Duration::ZERO));
    rt::task::coop::cooperative(std::future::ready(5));
    rt::task::consume_budget();
    rt::task::yield_now();
    any::<&'static mut rt::task::JoinSet<u8>>().join_next();
    any::<&'static mut rt::task::JoinSet<u8>>().shutdown();
    any::<rt::task::JoinSet<u8>>().join_all();
    any::<&'static rt::sync::Mutex<u8>>().lock();
    any::<std::sync::Arc<rt::sync::Mutex<u8>>>().lock_owned();
    any::<&'static rt::sync::RwLock<u8>>().read();
    any::<&'static rt::sync::RwLock<u8>>().write();
    any::<std::sync::Arc<rt::sync::RwLock<u8>>>().read_owned();
    any::<std::sync::Arc<rt::sync::RwLock<u8>>>().write_owned();
    any::<&'static rt::sync::Semaphore>().acquire();
    any::<&'static rt::sync::Semaphore>().acquire_many(2);
    any::<std::sync::Arc<rt::sync::Semaphore>>().acquire_owned();
    any::<&'static rt::sync::Notify>().notified();
    any::<std::sync::Arc<rt::sync::Notify>>().notified_owned();
    any::<&'static rt::sync::Barrier>().wait();
    any::<&'static rt::sync::OnceCell<u8>>().get_or_init(|| std::future::ready(5));
    any::<&'static rt::sync::SetOnce<u8>>().wait();
    any::<&'static rt::sync::mpsc::Sender<u8>>().send(5);
    any::<&'static rt::sync::mpsc::Sender<u8>>().reserve();
    any::<rt::sync::mpsc::Sender<u8>>().reserve_owned();
    any::<&'static rt::sync::mpsc::Sender<u8>>().closed();
    any::<&'static rt::sync::mpsc::Sender<u8>>().send_timeout(5, Duration::ZERO);
    any::<&'static mut rt::sync::mpsc::Receiver<u8>>().recv();
    any::<&'static mut rt::sync::mpsc::Receiver<u8>>().recv_many(any(), 5);
    any::<&'static mut rt::sync::mpsc::UnboundedReceiver<u8>>().recv();
    any::<&'static mut rt::sync::oneshot::Sender<u8>>().closed();
    any::<&'static mut rt::sync::broadcast::Receiver<u8>>().recv();
    any::<&'static mut rt::sync::watch::Receiver<u8>>().changed();
    any::<&'static mut rt::sync::watch::Receiver<u8>>().wait_for(|_| true);
    any::<&'static rt::sync::watch::Sender<u8>>().closed();
    any::<Reader>().read(any());
    any::<Reader>().read_buf(any::<&'static mut Vec<u8>>());
    any::<Reader>().read_exact(any());
    any::<Reader>().read_to_end(any());
    any::<Reader>().read_to_string(any());
    any::<Reader>().read_u32();
    any::<Reader>().read_f64_le();
    any::<Reader>().read_until(0, any());
    any::<Reader>().read_line(any());
    any::<Reader>().fill_buf();
    any::<Reader>().lines();
    any::<Reader>().split(0);
    any::<Reader>().take(5);
    any::<Reader>().chain(any::<Reader>());
    any::<Writer>().write(any());
    any::<Writer>().write_all(any());
    any::<Writer>().write_u32(5);
    any::<Writer>().flush();
    any::<Writer>().shutdown();
    any::<&'static mut rt::fs::File>().seek(std::io::SeekFrom::Start(0));
    rt::io::copy(any::<&'static mut Reader>(), any::<&'static mut Writer>());
    rt::io::copy_bidirectional(
        any::<&'static mut rt::io::DuplexStream>(),
        any::<&'static mut rt::io::DuplexStream>(),
    );
    rt::fs::read("x");
    rt::fs::read_to_string("x");
    rt::fs::write("x", "y");
    rt::fs::metadata("x");
    rt::fs::read_dir("x");
    rt::fs::File::open("x");
    any::<&'static mut rt::fs::ReadDir>().next_entry();
    rt::net::TcpListener::bind("x:1");
    rt::net::TcpStream::connect("x:1");
    rt::net::lookup_host("x:1");
    any::<&'static rt::net::TcpListener>().accept();
    any::<&'static rt::net::TcpStream>().readable();
    any::<&'static rt::net::TcpStream>().peek(any());
    any::<&'static rt::net::UdpSocket>().send_to(any(), "x:1");
    any::<&'static rt::net::UdpSocket>().recv_from(any());
    rt::net::UnixStream::connect("x");
    any::<&'static rt::net::UnixListener>().accept();
    any::<&'static mut rt::process::Child>().wait();
    any::<rt::process::Child>().wait_with_output();
    any::<&'static mut rt::process::Command>().output();
    any::<&'static mut rt::process::Command>().status();
    rt::signal::ctrl_c();
    any::<&'static mut rt::signal::unix::Signal>().recv();
}

#[test]
fn futures_are_at_least_what_those_of_tokio_are() {
    let mut wrong = Vec::new();
    let mut excused: Vec<&str> = DIFFERENT.iter().map(|(name, _)| *name).collect();
    let ours = on_loxley::table();
    for ((name, theirs), (_, ours)) in on_tokio::table().into_iter().zip(ours) {
        for at in (0..NAMES.len()).filter(|at| theirs[*at] && !ours[*at]) {
            let what = format!("{name}: {}", NAMES[at]);
            match excused.iter().position(|it| *it == what) {
                Some(at) => drop(excused.swap_remove(at)),
                None => wrong.push(format!("{what} holds for tokio's alone")),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(excused.is_empty(), "no difference any more: {excused:?}");
}

/// `Send`, `Sync`, `Unpin`, `UnwindSafe`, `RefUnwindSafe`.
type Answers = [bool; 5];
const ALL: Answers = [true; 5];
/// Futures, resolvers or sources of errors whose unwind safety nobody knows.
const HOLDS_FOREIGN_CODE: Answers = [true, true, true, false, false];
/// Of an `async fn`.
const FUTURE: Answers = [true, true, false, false, false];

#[test]
fn what_tokio_does_not_have_answers_as_is_written_here() {
    use loxley::io::{BoundedError, BoundedStream};
    use loxley::net::TcpStream;
    use loxley::net::connect::{
        Attempt, BlockingResolver, ConnectError, Connector, Phase, StaticResolver,
    };
    use loxley::runtime::{Dump, LongPoll, LongPollKind, TaskPanic, dump};
    use loxley::signal::unix::DumpOn;
    use loxley::signal::{Notifications, Notifier};
    use loxley::task::{AsCompleted, GroupError, MapConcurrent, TaskGroup};
    use std::future::Ready;

    type Futures = AsCompleted<Ready<u8>>;
    type Mapped = MapConcurrent<std::vec::IntoIter<u8>, fn(u8) -> Ready<u8>, Ready<u8>>;
    let mut wrong = Vec::new();
    macro_rules! answers {
        ($($value:expr => $expected:expr;)*) => {$({
            let probe = &probe(|| $value);
            let answers = [
                probe.is_send(),
                probe.is_sync(),
                probe.is_unpin(),
                probe.is_unwind_safe(),
                probe.is_ref_unwind_safe(),
            ];
            if answers != $expected {
                wrong.push(format!("{}: {answers:?}", stringify!($value)));
            }
        })*};
    }
    answers! {
        any::<BoundedStream<TcpStream>>() => [true, true, true, true, false];
        any::<BoundedError>() => HOLDS_FOREIGN_CODE;
        any::<&'static BoundedStream<TcpStream>>().read_until(b"x") => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().search(b"x") => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().read_exact(5) => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().read(5) => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().write_all(b"x") => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().flush() => FUTURE;
        any::<&'static BoundedStream<TcpStream>>().shutdown() => FUTURE;
        any::<Connector>() => HOLDS_FOREIGN_CODE;
        any::<ConnectError>() => HOLDS_FOREIGN_CODE;
        any::<Attempt>() => HOLDS_FOREIGN_CODE;
        any::<Phase>() => ALL;
        any::<BlockingResolver>() => HOLDS_FOREIGN_CODE;
        any::<StaticResolver<BlockingResolver>>() => HOLDS_FOREIGN_CODE;
        any::<&'static Connector>().connect("x", 1) => FUTURE;
        any::<Notifier>() => ALL;
        any::<Notifications>() => ALL;
        any::<&'static mut Notifications>().recv() => [true, true, false, false, true];
        any::<DumpOn>() => ALL;
        any::<TaskGroup<u8, u8>>() => HOLDS_FOREIGN_CODE;
        any::<GroupError<u8>>() => ALL;
        any::<TaskGroup<u8, u8>>().join() => FUTURE;
        any::<&'static mut TaskGroup<u8, u8>>().join_next() => FUTURE;
        any::<&'static mut TaskGroup<u8, u8>>().cancel() => FUTURE;
        any::<Futures>() => HOLDS_FOREIGN_CODE;
        any::<&'static mut Futures>().next() => FUTURE;
        any::<Mapped>() => HOLDS_FOREIGN_CODE;
        any::<&'static mut Mapped>().next() => FUTURE;
        any::<LongPoll>() => ALL;
        any::<LongPollKind>() => ALL;
        any::<TaskPanic<'static>>() => [false, false, true, false, false];
        any::<Dump>() => ALL;
        any::<dump::Wait>() => ALL;
        any::<dump::TaskState>() => ALL;
        any::<loxley::compat::Tokio<Vec<u8>>>() => ALL;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_probe_tells_yes_from_no() {
    let probe = &probe(any::<std::rc::Rc<std::cell::Cell<u8>>>);
    assert!(!probe.is_send() && !probe.is_sync() && probe.is_unpin());
    assert!(!probe.is_unwind_safe() && !probe.is_ref_unwind_safe());
}
