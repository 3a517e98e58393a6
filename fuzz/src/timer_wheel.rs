//! The timer wheel beside a sorted map of (deadline, insertion).

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use loxley_core::doors::{Clock, END_OF_TIME, Entry, Here, Timers, WakeList};

use crate::Input;

const BUCKET: u64 = 1 << 16;
const DAY: u64 = 86_400_000_000_000;
const NEVER: u64 = u64::MAX;

/// Where the clock begins: zero, long uptimes, just before each level rolls, the end of time.
const STARTS: [u64; 14] = [
    0,
    12 * DAY,
    25 * DAY,
    50 * DAY,
    730 * DAY,
    (BUCKET << 6) - 3 * BUCKET,
    (BUCKET << 12) - 3 * BUCKET,
    (BUCKET << 18) - 3 * BUCKET,
    (BUCKET << 24) - 3 * BUCKET,
    (BUCKET << 30) - 3 * BUCKET,
    (BUCKET << 36) - 3 * BUCKET,
    u64::MAX / 2,
    u64::MAX - DAY,
    u64::MAX - BUCKET,
];

thread_local!(static WOKEN: RefCell<Vec<usize>> = const { RefCell::new(Vec::new()) });

struct Named(usize);

impl Wake for Named {
    fn wake(self: Arc<Self>) {
        WOKEN.with_borrow_mut(|woken| woken.push(self.0));
    }
}

struct World {
    timers: Arc<Timers>,
    now: u64,
    /// (deadline, insertion) → name.
    expected: BTreeMap<(u64, usize), usize>,
    live: BTreeMap<usize, (Pin<Box<Entry>>, (u64, usize))>,
    inserted: usize,
}

impl World {
    fn expect(&mut self, name: usize, at: u64) -> (u64, usize) {
        let key = (at, self.inserted);
        self.inserted += 1;
        self.expected.insert(key, name);
        key
    }

    fn insert(&mut self, at: u64) {
        let name = self.inserted;
        let waker = Waker::from(Arc::new(Named(name)));
        let mut entry = Box::pin(Entry::new(self.timers.clone()));
        let here = Here {
            timers: &self.timers,
            own: true,
        };
        let polled = entry
            .as_mut()
            .poll(&mut Context::from_waker(&waker), Some(here), at);
        assert!(polled.is_pending());
        let key = self.expect(name, at);
        self.live.insert(name, (entry, key));
    }

    fn pick(&self, at: usize) -> Option<usize> {
        let len = self.live.len();
        (len > 0).then(|| *self.live.keys().nth(at % len).expect("below its length"))
    }

    fn cancel(&mut self, name: usize) {
        let (_, key) = self.live.remove(&name).expect("it lives");
        self.expected.remove(&key);
    }

    fn reset(&mut self, name: usize, at: u64) {
        let (mut entry, key) = self.live.remove(&name).expect("it lives");
        self.expected.remove(&key);
        let here = Here {
            timers: &self.timers,
            own: true,
        };
        entry.as_mut().reset(Some(here), at);
        let key = self.expect(name, at);
        self.live.insert(name, (entry, key));
    }

    fn advance(&mut self, to: u64) {
        self.now = self.now.max(to).min(END_OF_TIME);
        let last = self.now.min(END_OF_TIME - 1);
        let due: Vec<_> = self
            .expected
            .range(..=(last, usize::MAX))
            .map(|(key, name)| (*key, *name))
            .collect();
        let mut wakes = WakeList::new();
        let fired = self.timers.expire(self.now, &mut wakes);
        wakes.wake_all(|_| true, || {});
        let names: Vec<_> = due.iter().map(|(_, name)| *name).collect();
        assert_eq!(WOKEN.take(), names, "at {}", self.now);
        assert_eq!(fired, names.len());
        for (key, name) in due {
            self.expected.remove(&key);
            let (mut entry, _) = self.live.remove(&name).expect("it lives");
            let cx = &mut Context::from_waker(Waker::noop());
            assert_eq!(entry.as_mut().poll(cx, None, 0), Poll::Ready(Ok(())));
        }
        let next = self.timers.next_deadline();
        assert!(next > self.now, "no progress: {next} at {}", self.now);
    }

    fn check(&self) {
        let earliest = self.expected.keys().next().map_or(NEVER, |key| key.0);
        let known = if earliest < END_OF_TIME {
            earliest
        } else {
            NEVER
        };
        let next = self.timers.next_deadline();
        assert!(next <= known, "next is {next}, the earliest {known}");
        if self.expected.is_empty() {
            assert_eq!(next, NEVER);
        }
    }
}

pub fn run(data: &[u8]) {
    let _ = operations(&mut Input(data));
    WOKEN.take();
}

fn operations(input: &mut Input<'_>) -> Option<()> {
    let start = STARTS[input.below(STARTS.len())?];
    let mut world = World {
        timers: Arc::new(Timers::new(Clock::manual(start))),
        now: start,
        expected: BTreeMap::new(),
        live: BTreeMap::new(),
        inserted: 0,
    };
    loop {
        match input.below(8)? {
            0..3 => {
                let at = world.now.saturating_add(input.number()?);
                world.insert(at);
            }
            3 => {
                let at = world.now.saturating_sub(input.number()?);
                world.insert(at);
            }
            4 => {
                if let Some(name) = world.pick(input.byte()?.into()) {
                    world.cancel(name);
                }
            }
            5 => {
                let at = world.now.saturating_add(input.number()?);
                if let Some(name) = world.pick(input.byte()?.into()) {
                    world.reset(name, at);
                }
            }
            6 => {
                let next = world.timers.next_deadline();
                let early = u64::from(input.byte()? & 1);
                if next != NEVER {
                    world.advance(next.saturating_sub(early));
                }
            }
            _ => {
                let to = world.now.saturating_add(input.number()?);
                world.advance(to);
            }
        }
        world.check();
    }
}
