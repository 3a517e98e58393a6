//! A random program of everything at once, whose own counts must add up.
//!
//! Each operation of [`OPERATIONS`] is drawn by a task or by one of two threads outside. A task is counted when it is
//! spawned and when it goes: completed, aborted, panicked, or dropped at shutdown. Whoever waits is woken by somebody
//! who certainly comes, so a lost wake hangs the program, and the watchdog says so.
//!
//! A program is not shrunk when it fails: its threads draw while they run, so that a shorter one is another one.
//! `LOXLEY_TEST_SEED`, which is printed, draws the same again, although threads may meet elsewhere; `task_programs.rs` is what
//! repeats exactly and shrinks.
//!
//! The short form runs with the other tests. Ten million operations, with debug assertions:
//!
//! ```text
//! LOXLEY_STRESS_OPS=10000000 LOXLEY_TEST_LIMIT=3600 CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true \
//!     cargo test --release -p loxley-core --test stress -- --nocapture
//! ```
#![cfg(target_os = "linux")]

#[path = "support/census.rs"]
mod census;
#[path = "support/gate.rs"]
mod gate;
#[path = "support/random.rs"]
mod random;
#[path = "support/until.rs"]
mod until;
#[path = "support/watch.rs"]
mod watch;
#[path = "stress/world.rs"]
mod world;

use std::future::{Future, pending, poll_fn};
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::{Duration, Instant};

use census::{descriptors, threads_named};
use gate::Gate;
use loxley_core::io::{Interest, Source};
use loxley_core::runtime::{Builder, Handle, Runtime};
use loxley_core::task::{JoinHandle, yield_now};
use loxley_core::time::Sleep;
use loxley_core::{block_in_place, spawn, spawn_blocking};
use random::Random;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};
use until::until;
use watch::watched;
use world::{Job, Life, Operation, World};

/// What a program draws from, with weights.
const OPERATIONS: &[(Operation, u64)] = &[
    (Operation::Spawn, 110),
    (Operation::Join, 60),
    (Operation::WaitForTask, 50),
    (Operation::WaitForOutside, 20),
    (Operation::Wake, 180),
    (Operation::Publish, 120),
    (Operation::Abort, 40),
    (Operation::Sleep, 40),
    (Operation::CancelSleep, 90),
    (Operation::ResetSleep, 20),
    (Operation::Select, 30),
    (Operation::Yield, 190),
    (Operation::Connect, 16),
    (Operation::Pair, 25),
    (Operation::Blocking, 8),
    (Operation::InPlace, 4),
    (Operation::Panic, 10),
    (Operation::Linger, 7),
];

/// Tasks that are alive at the same time, about.
const CROWD: u64 = 300;

fn draw(random: &mut Random) -> Operation {
    let total = OPERATIONS.iter().map(|(_, weight)| weight).sum();
    let mut left = random.below(total);
    for (operation, weight) in OPERATIONS {
        if left < *weight {
            return *operation;
        }
        left -= weight;
    }
    unreachable!("the weights add up");
}

/// Spawns a task of the program here.
fn spawn_life(
    world: &Arc<World>,
    future: impl Future<Output = ()> + Send + 'static,
) -> JoinHandle<()> {
    spawn_as(Life::new(world), future)
}

fn spawn_as(mut life: Life, future: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
    // On the heap: the type of an actor would otherwise contain itself.
    let future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(future);
    spawn(async move {
        future.await;
        life.completed();
    })
}

fn spawn_actor(world: &Arc<World>, random: &mut Random) -> JoinHandle<()> {
    let (its_world, its_random) = (world.clone(), Random::from(random.next()));
    let task = spawn_life(world, actor(its_world, its_random));
    if random.below(4) == 0 {
        world.offer_abort(random, task.abort_handle());
    }
    task
}

async fn actor(world: Arc<World>, mut random: Random) {
    for _ in 0..=random.below(20) {
        let operation = draw(&mut random);
        if !world.take(operation) {
            return;
        }
        perform(&world, &mut random, operation).await;
    }
}

async fn perform(world: &Arc<World>, random: &mut Random, operation: Operation) {
    match operation {
        Operation::Spawn if world.crowd() < CROWD => drop(spawn_actor(world, random)),
        Operation::Join if world.crowd() < CROWD => {
            // Cancelled or panicked is as good as done.
            let _ = spawn_actor(world, random).await;
        }
        Operation::Spawn | Operation::Join | Operation::Yield => yield_now().await,
        Operation::WaitForTask => wait_for_task(world, random).await,
        Operation::WaitForOutside => {
            let gate = Gate::default();
            if world.ask_outside(gate.clone()) {
                gate.await;
            }
        }
        Operation::Wake => wake(world, random),
        Operation::Publish => publish(world, random).await,
        Operation::Abort => world.abort(random),
        Operation::Sleep => sleep(random).await,
        Operation::CancelSleep => poll_once(pin!(sleep(random))).await,
        Operation::ResetSleep => {
            let mut sleep = pin!(sleep(random));
            poll_once(sleep.as_mut()).await;
            sleep.as_mut().reset(Instant::now() + microseconds(random));
            sleep.await;
        }
        Operation::Select => select(world, random).await,
        Operation::Connect => {
            let done = connect(world, random).await;
            world.expect_io(done);
        }
        Operation::Pair => {
            let done = pair(world, random).await;
            world.expect_io(done);
        }
        Operation::Blocking => blocking(world, random).await,
        Operation::InPlace => in_place(world, random),
        // Without the panic hook, which would print.
        Operation::Panic => std::panic::resume_unwind(Box::new("stress")),
        Operation::Linger if world.may_linger() => {
            let task = spawn_as(Life::that_lingers(world), pending());
            world.offer_abort(random, task.abort_handle());
        }
        Operation::Linger => {}
    }
}

/// Opens its gate when it goes, in whichever way.
struct Opens(Gate);

impl Drop for Opens {
    fn drop(&mut self) {
        self.0.open();
    }
}

async fn wait_for_task(world: &Arc<World>, random: &mut Random) {
    let gate = Gate::default();
    let opens = Opens(gate.clone());
    let yields = random.below(3);
    let task = spawn_life(world, async move {
        let _opens = opens;
        for _ in 0..yields {
            yield_now().await;
        }
    });
    if random.below(4) == 0 {
        task.abort();
    }
    gate.await;
}

fn wake(world: &World, random: &mut Random) {
    let Some(waker) = world.take_waker(random) else {
        return;
    };
    match random.below(4) {
        0 => waker.wake(),
        1 => drop(waker),
        2 => {
            waker.wake_by_ref();
            world.offer_waker(random, waker);
        }
        _ => {
            let twin = waker.clone();
            waker.wake();
            twin.wake();
        }
    }
}

/// Leaves a waker for the others, who use it now or long after this task is gone.
async fn publish(world: &World, random: &mut Random) {
    poll_fn(|cx| {
        world.offer_waker(random, cx.waker().clone());
        Poll::Ready(())
    })
    .await;
    yield_now().await;
}

fn microseconds(random: &mut Random) -> Duration {
    let most = if random.below(100) == 0 { 10_000 } else { 200 };
    Duration::from_micros(random.below(most))
}

fn sleep(random: &mut Random) -> Sleep {
    Sleep::after(microseconds(random))
}

async fn poll_once<F: Future<Output = ()>>(mut future: Pin<&mut F>) {
    poll_fn(|cx| {
        let _ = future.as_mut().poll(cx);
        Poll::Ready(())
    })
    .await;
}

/// A task or a timer, whichever comes first; the other is dropped where it stands.
async fn select(world: &Arc<World>, random: &mut Random) {
    let mut sleep = pin!(sleep(random));
    let yields = random.below(3);
    let mut task = spawn_life(world, async move {
        for _ in 0..yields {
            yield_now().await;
        }
    });
    poll_fn(|cx| {
        let slept = sleep.as_mut().poll(cx).is_ready();
        if slept || Pin::new(&mut task).poll(cx).is_ready() {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    if random.below(2) == 0 {
        task.abort();
    }
}

async fn write_all<T: AsFd>(source: &Source<T>, mut bytes: &[u8]) -> io::Result<()>
where
    for<'a> &'a T: Write,
{
    while !bytes.is_empty() {
        let written = source
            .async_io(Interest::WRITABLE, |mut io| io.write(bytes))
            .await?;
        bytes = &bytes[written..];
    }
    Ok(())
}

async fn read_exact<T: AsFd>(source: &Source<T>, bytes: &mut [u8]) -> io::Result<()>
where
    for<'a> &'a T: Read,
{
    let mut filled = 0;
    while filled < bytes.len() {
        let rest = &mut bytes[filled..];
        match source
            .async_io(Interest::READABLE, |mut io| io.read(rest))
            .await?
        {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => filled += read,
        }
    }
    Ok(())
}

/// Sends a number and expects it back.
async fn exchange<T: AsFd>(source: &Source<T>, number: u64) -> io::Result<()>
where
    for<'a> &'a T: Read + Write,
{
    write_all(source, &number.to_ne_bytes()).await?;
    let mut answer = [0; 8];
    read_exact(source, &mut answer).await?;
    assert_eq!(u64::from_ne_bytes(answer), number, "somebody else's answer");
    Ok(())
}

/// Answers one number, and waits for the other side to go.
async fn answer<T: AsFd>(source: Source<T>) -> io::Result<()>
where
    for<'a> &'a T: Read + Write,
{
    let mut number = [0; 8];
    read_exact(&source, &mut number).await?;
    write_all(&source, &number).await?;
    source
        .async_io(Interest::READABLE, |mut io| io.read(&mut number))
        .await
        .map(|_| ())
}

fn place<T: AsFd>(world: &World, random: &mut Random, io: T) -> io::Result<Source<T>> {
    match random.below(3) {
        0 => Source::new(io),
        1 => Source::spread(io),
        _ => Source::on_worker(io, random.below(world.workers as u64) as usize),
    }
}

async fn connect(world: &World, random: &mut Random) -> io::Result<()> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    // Reset instead of TIME_WAIT: ports would run out.
    sockopt::set_socket_linger(&socket, Some(Duration::ZERO))?;
    match rustix::net::connect(&socket, &world.address) {
        Ok(()) | Err(rustix::io::Errno::INPROGRESS) => {}
        Err(error) => return Err(error.into()),
    }
    let source = Source::connecting(TcpStream::from(socket))?;
    source.ready(Interest::WRITABLE).await?;
    if let Some(error) = source.get_ref().take_error()? {
        return Err(error);
    }
    exchange(&source, random.next()).await
}

async fn accept(world: Arc<World>, listener: TcpListener) {
    let listener = Source::new(listener).unwrap();
    loop {
        let accepted = listener
            .async_io(Interest::READABLE, |listener| listener.accept())
            .await;
        let (stream, _) = match accepted {
            Ok(accepted) => accepted,
            // The client has gone already, or the runtime.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
            Err(error) => return world.expect_io(Err(error)),
        };
        stream.set_nonblocking(true).unwrap();
        let source = Source::spread(stream).unwrap();
        spawn_life(&world, async move {
            // The client may be aborted at any time, which resets the connection.
            let _ = answer(source).await;
        });
    }
}

async fn pair(world: &Arc<World>, random: &mut Random) -> io::Result<()> {
    let (near, far) = UnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let near = place(world, random, near)?;
    let far = place(world, random, far)?;
    spawn_life(world, async move {
        let _ = answer(far).await;
    });
    exchange(&near, random.next()).await
}

async fn blocking(world: &Arc<World>, random: &mut Random) {
    let mut job = Job::new(world);
    let task = spawn_blocking(move || job.ran());
    match random.below(4) {
        0 => drop(task),
        1 => {
            task.abort();
            let _ = task.await;
        }
        _ => drop(task.await),
    }
}

fn in_place(world: &Arc<World>, random: &mut Random) {
    if world.current_thread {
        return;
    }
    block_in_place(|| {
        if random.below(2) == 0 {
            return thread::yield_now();
        }
        // Somebody else has to run it.
        let task = spawn_life(world, yield_now());
        let _ = Handle::current().block_on(task);
    });
}

/// One of the threads outside: opens the gates that it is asked to, and meddles.
fn outside(world: &Arc<World>, handle: &Handle, gates: &Receiver<Gate>, mut random: Random) {
    let _guard = handle.enter();
    while !world.over.load(Ordering::SeqCst) {
        if let Ok(gate) = gates.recv_timeout(Duration::from_micros(100)) {
            gate.open();
        }
        let operation = match random.below(6) {
            0 => Operation::Spawn,
            1 => Operation::Join,
            2 => Operation::Abort,
            _ => Operation::Wake,
        };
        if !world.take(operation) {
            continue;
        }
        match operation {
            Operation::Spawn => drop(spawn_actor(world, &mut random)),
            Operation::Join => {
                // Not an actor: it might wait for this very thread.
                let _ = handle.block_on(spawn_life(world, yield_now()));
            }
            Operation::Abort => world.abort(&mut random),
            _ => wake(world, &mut random),
        }
    }
    // Nobody is left who could ask.
    while let Ok(gate) = gates.try_recv() {
        gate.open();
    }
}

#[derive(Clone, Copy, Debug)]
struct Program {
    /// 0: a current-thread runtime.
    workers: usize,
    /// The runtime is shut down in the middle of everything.
    sudden: bool,
    operations: u64,
}

const NAME: &str = "stress-test";

fn build(program: Program) -> Runtime {
    let mut builder = match program.workers {
        0 => Builder::new_current_thread(),
        workers => {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(workers);
            builder
        }
    };
    builder.thread_name(NAME).enable_all().build().unwrap()
}

/// The root: keeps the crowd large until the operations are used up, then waits for it.
async fn root(world: Arc<World>, listener: TcpListener, mut random: Random, program: Program) {
    spawn_as(Life::that_lingers(&world), accept(world.clone(), listener));
    let stop = if program.sudden {
        program.operations / 4
    } else {
        0
    };
    while world.left() > stop {
        if world.crowd() < CROWD / 2 {
            spawn_actor(&world, &mut random);
        } else {
            Sleep::after(Duration::from_micros(50)).await;
        }
        yield_now().await;
    }
    while !program.sudden && world.crowd() > 0 {
        Sleep::after(Duration::from_micros(500)).await;
    }
}

fn run(program: Program, mut random: Random) {
    let started = Instant::now();
    let base = descriptors();
    let runtime = build(program);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let (ask, asked) = channel();
    let (ask_also, asked_also) = channel();
    let address = listener.local_addr().unwrap();
    let world = World::new(
        program.workers,
        program.operations,
        address,
        vec![ask, ask_also],
    );
    let outsiders = [asked, asked_also].map(|gates| {
        let (world, handle) = (world.clone(), runtime.handle().clone());
        let random = Random::from(random.next());
        thread::spawn(move || outside(&world, &handle, &gates, random))
    });
    runtime.block_on(root(
        world.clone(),
        listener,
        Random::from(random.next()),
        program,
    ));
    let metrics = runtime.metrics();
    world.ending.store(true, Ordering::SeqCst);
    drop(runtime);
    world.over.store(true, Ordering::SeqCst);
    for outsider in outsiders {
        outsider.join().unwrap();
    }
    let _: Vec<Waker> = world.clear();
    world.assert_adds_up();
    assert_eq!(metrics.spawned_tasks_count(), world.spawned());
    assert_eq!(metrics.completed_tasks_count(), world.spawned());
    assert_eq!(metrics.recheck_found_count(), 0, "a wake was lost");
    drop(metrics);
    until(|| threads_named(NAME) == 0 && descriptors() == base);
    println!("{program:?}: {:.1?}, {world}", started.elapsed());
}

/// Both tests count descriptors and threads of the whole process.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_counts_of_many_small_programs_add_up_one_after_the_other() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let mut random = Random::from_environment("many small programs");
    for _ in 0..60 {
        let program = Program {
            // One, a few, and more than most machines have cores.
            workers: [0, 1, 2, 3, 8, 17][random.below(6) as usize],
            sudden: random.below(2) == 0,
            operations: random.below(600),
        };
        let random = Random::from(random.next());
        watched(move || run(program, random));
    }
}

#[test]
fn the_counts_of_a_random_program_add_up() {
    let _alone = ALONE.lock().unwrap_or_else(|poison| poison.into_inner());
    let operations = match std::env::var("LOXLEY_STRESS_OPS") {
        Ok(text) => text.parse().expect("LOXLEY_STRESS_OPS is a number"),
        Err(_) => 800_000,
    };
    let mut random = Random::from_environment("stress");
    let programs = [
        (0, false),
        (1, false),
        (2, false),
        (4, false),
        (0, true),
        (1, true),
        (2, true),
        (4, true),
    ];
    let share = operations / programs.len() as u64;
    for (workers, sudden) in programs {
        let program = Program {
            workers,
            sudden,
            // A sudden end leaves a quarter undone.
            operations: if sudden { share * 4 / 3 } else { share },
        };
        let random = Random::from(random.next());
        watched(move || run(program, random));
    }
}
