//! A hierarchical wheel of intrusive lists: insert and cancel in O(1), no allocation, exact deadlines.
//!
//! # Words
//!
//! *Tick*: a deadline without its low 16 bits, so 65.5 µs; a *bucket* is one tick's list at level 0. A tick has 48
//! bits, eight *digits* of six bits; level `l` has one *slot* for each value of digit `l`. *Elapsed*: the tick up to
//! which everything has been served.
//!
//! An entry hangs at the level of the highest digit in which its tick differs from `elapsed`, in the slot of
//! that digit. So:
//!
//! - V1 Every `u64` has its slot, and no digit ever wraps: slots are compared as absolute ticks.
//! - V2 At level 0 no occupied slot lies before elapsed's digit, above that none at it either. All entries of
//!   a level come before all entries of the next, and the lowest bit of a level's map is its earliest slot.
//! - V3 Entries of one deadline are in one list at any time, in insertion order: their place depends on
//!   `elapsed` alone. Cascading moves a list from its head on, so it keeps that order.
//! - V4 A slot has two lower bounds, of its exact deadlines and of those that share. They become exact when the slot is
//!   filled by a cascade, served in part, or down to one entry. Being some entry's deadline, each lies inside the slot:
//!   after `expire(now)` every bound is above `now`.
//! - V5 A deadline before `elapsed` goes to the bucket of `elapsed`, the next to be served.
//! - V6 A deadline that *shares* waits for others if it is the first within [`SHARE`] after a firing: then somebody comes
//!   [`SHARE`] after it. Else he comes in time, so that a lone timer is exact. Whoever comes fires all that is due, in
//!   order, whether it shares or not.
//!
//! Time jumps from one occupied slot to the next, never tick by tick. Due entries of a bucket are sorted by
//! deadline (a stable merge; a walk that finds them in order, the usual case, sorts nothing).
//!
//! # Rules for the unsafe code
//!
//! - R1 A [`Node`] is made by `insert` alone, of a link that is pinned and in no list, and lives only in the
//!   lists of that wheel. A link that is dropped in a list, or while a wheel is at it, ends the process (it cannot happen:
//!   `Entry` withdraws first). So every node that a wheel can reach is alive.
//! - R2 A link's word names the wheel that holds it. Its `links` belong to whoever has `&mut` of that wheel,
//!   from `insert` to the store that ends its firing.
//! - R3 That store is the wheel's last touch: the owner, who reads it with Acquire, may free the link at once.
//!   The node's successor is read before.
//! - R4 The closure given to [`Node::links`] touches no other link, so no two of its references overlap.
//! - R5 `links` is the only part of a link that is not atomic, and R2 gives it to one thread at a time; a
//!   wheel's nodes go with it to the thread that has its lock.
//!
//! # Rejected
//!
//! Cascading nothing (Linux): far timers then fire late by an eighth of their delay. Hashed slots with turns:
//! a level wraps, which after twelve days of uptime broke tokio (#8334). Sorted buckets: insert is O(n). Deadlines rounded
//! up to ticks: a lone timer is then late for nothing, and equal deadlines lose their order if one of them is exact.
//! Searching a slot for its least deadline: cancelling the earliest of a million timers would walk them all.

use std::marker::PhantomPinned;
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::Waker;

use super::{Closed, Deadline, END_OF_TIME};
use crate::park::NEVER;
use crate::primitive::UnsafeCell;
use crate::primitive::atomic::{AtomicUsize, Ordering};
use crate::task::{WakeList, WakerSlot};

const BUCKET_BITS: u32 = 16;
const DIGIT_BITS: u32 = 6;
const SLOTS: usize = 1 << DIGIT_BITS;
const LEVELS: usize = 8;
/// V6, in nanoseconds.
const SHARE: u64 = 1_000_000;

const _: () = assert!(
    BUCKET_BITS + DIGIT_BITS * LEVELS as u32 == u64::BITS,
    "the digits cover every deadline exactly (V1)"
);

// The word of a link: one of these, or the address of the wheel that holds it.
const IDLE: usize = 0;
const FIRED: usize = 1;
const CLOSED: usize = 2;
/// Beside FIRED or CLOSED: the wheel is still at it.
const BUSY: usize = 4;

const _: () = assert!(
    align_of::<List>() > FIRED | CLOSED | BUSY,
    "an address is never taken for a mark"
);

/// What has become of a timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// In no wheel.
    Idle,
    /// In a wheel.
    Linked,
    /// Its time has come.
    Fired,
    /// Its wheel has been shut down.
    Closed,
}

/// What a wheel links.
pub struct Link {
    word: AtomicUsize,
    waker: WakerSlot,
    links: UnsafeCell<Links>,
    _pinned: PhantomPinned,
}

#[derive(Clone, Copy)]
struct Links {
    prev: Option<Node>,
    next: Option<Node>,
    deadline: Deadline,
    slot: u16,
}

// SAFETY: the atomics and the waker slot may go anywhere, and `links` is one thread's at a time (R2, R5).
unsafe impl Send for Link {}
// SAFETY: as above; `&Link` reaches nothing but the atomics and the waker slot (R5).
unsafe impl Sync for Link {}
// SAFETY: a wheel's nodes are links, which any thread may touch that has the wheel (R2, R5).
unsafe impl Send for Wheel {}

impl Link {
    /// A link in no list.
    pub fn new() -> Self {
        Self {
            word: AtomicUsize::new(IDLE),
            waker: WakerSlot::new(),
            links: UnsafeCell::new(Links {
                prev: None,
                next: None,
                deadline: Deadline::exact(0),
                slot: 0,
            }),
            _pinned: PhantomPinned,
        }
    }

    /// The waker of the task that waits.
    pub fn waker(&self) -> &WakerSlot {
        &self.waker
    }

    /// Puts a waker in and gives the one before, of a link that no wheel holds.
    #[inline]
    pub fn set_waker(self: Pin<&mut Self>, waker: Waker) -> Option<Waker> {
        debug_assert!(!self.is_held(), "others may be at its slot");
        // SAFETY: nothing is moved out of the link.
        unsafe { self.get_unchecked_mut() }.waker.set(waker)
    }

    /// What has become of the timer.
    #[inline]
    pub fn state(&self) -> State {
        // Relaxed: whoever has just registered a waker is ordered by the slot's word (T2), and nobody goes on
        // to the links without `is_held` or a lock.
        match self.word.load(Ordering::Relaxed) & !BUSY {
            IDLE => State::Idle,
            FIRED => State::Fired,
            CLOSED => State::Closed,
            _ => State::Linked,
        }
    }

    /// True while a wheel may touch this link; its lock alone tells when that has ended.
    #[inline]
    pub fn is_held(&self) -> bool {
        // Acquire: pairs with the Release in `Node::finish` (R3).
        self.word.load(Ordering::Acquire) & !(FIRED | CLOSED) != 0
    }

    /// Makes a fired or closed link idle again; one that a wheel holds is left alone.
    #[inline]
    pub fn rearm(self: Pin<&mut Self>) {
        if !self.is_held() {
            self.word.store(IDLE, Ordering::Relaxed); // whoever has `&mut` is alone with an unheld link
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.is_held() {
            std::process::abort(); // R1
        }
        self.links.with_mut(|_| {}); // freeing is a write: a model fails here if R3 does not order it last
    }
}

/// A link in a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Node(NonNull<Link>);

impl Node {
    /// Lends the links; the closure touches no other node (R4).
    #[inline(always)]
    fn links<R>(self, visit: impl FnOnce(&mut Links) -> R) -> R {
        // SAFETY: a node that the wheel can reach is alive (R1).
        let link = unsafe { self.0.as_ref() };
        // SAFETY: nodes are reached through `&mut Wheel` alone (R2), and one at a time (R4).
        link.links.with_mut(|links| visit(unsafe { &mut *links }))
    }

    fn next(self) -> Option<Node> {
        self.links(|links| links.next)
    }

    fn deadline(self) -> Deadline {
        self.links(|links| links.deadline)
    }

    /// T4 and T5: says what has become of it, and takes the waker. The node is gone after this (R3).
    fn finish(self, outcome: usize, wakes: &mut WakeList) {
        // SAFETY: alive (R1), and BUSY keeps the owner from freeing it until the last line (R3).
        let link = unsafe { self.0.as_ref() };
        // Relaxed: the read-modify-write in `take` publishes it to every later registration of a waker.
        link.word.store(outcome | BUSY, Ordering::Relaxed); // T4
        if let Some(waker) = link.waker.take() {
            wakes.push(waker);
        }
        // Release: pairs with the Acquire in `is_held` and `state`.
        link.word.store(outcome, Ordering::Release); // T5
    }
}

/// A slot's list, or one on its way out.
#[derive(Clone, Copy, Debug)]
struct List {
    head: Option<Node>,
    tail: Option<Node>,
    bounds: Bounds,
}

/// V4: lower bounds of the deadlines in a list, [`NEVER`] where there are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Bounds {
    exact: u64,
    sharing: u64,
}

impl Bounds {
    const NONE: Bounds = Bounds {
        exact: NEVER,
        sharing: NEVER,
    };

    #[inline]
    fn add(&mut self, deadline: Deadline) {
        let bound = match deadline.shares {
            true => &mut self.sharing,
            false => &mut self.exact,
        };
        *bound = deadline.at.min(*bound);
    }
}

impl List {
    const EMPTY: List = List {
        head: None,
        tail: None,
        bounds: Bounds::NONE,
    };

    /// Appends a node; `slot` is the number of the slot that the list is in.
    #[inline]
    fn push(&mut self, node: Node, deadline: Deadline, slot: u16) {
        let prev = self.tail.replace(node);
        node.links(|links| {
            *links = Links {
                prev,
                next: None,
                deadline,
                slot,
            }
        });
        match prev {
            Some(prev) => prev.links(|links| links.next = Some(node)),
            None => self.head = Some(node),
        }
        self.bounds.add(deadline);
    }

    /// Takes one node out; the bounds stay.
    #[inline]
    fn remove(&mut self, links: Links) {
        match links.prev {
            Some(prev) => prev.links(|before| before.next = links.next),
            None => self.head = links.next,
        }
        match links.next {
            Some(next) => next.links(|after| after.prev = links.prev),
            None => self.tail = links.prev,
        }
    }
}

/// The deadlines of one station; its owner puts it behind a lock.
pub struct Wheel {
    /// The tick up to which everything has been served.
    elapsed: u64,
    /// A bit for every level that is not empty.
    levels: u32,
    closed: bool,
    /// What [`Wheel::next`] answers.
    next: u64,
    /// V6: until when a deadline that shares waits for others.
    shared: u64,
    /// A bit for every slot that is not empty.
    occupied: [u64; LEVELS],
    /// Level by level. Boxed, so that its address is the wheel's name, and no big array crosses a stack.
    slots: Box<[List; LEVELS * SLOTS]>,
}

impl Wheel {
    /// An empty wheel for a clock that reads `start`.
    pub fn new(start: u64) -> Self {
        let slots = vec![List::EMPTY; LEVELS * SLOTS].into_boxed_slice();
        Self {
            elapsed: start >> BUCKET_BITS,
            levels: 0,
            closed: false,
            next: NEVER,
            shared: 0,
            occupied: [0; LEVELS],
            slots: slots.try_into().expect("the length is that of the type"),
        }
    }

    /// True if no entry is linked.
    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.levels == 0
    }

    /// Links an entry that no wheel holds; true if somebody has to come earlier for it.
    ///
    /// # Panics
    ///
    /// If a wheel holds it.
    #[inline]
    pub fn insert(&mut self, link: Pin<&mut Link>, deadline: Deadline) -> Result<bool, Closed> {
        assert!(!link.is_held(), "a timer is in one wheel at most");
        if self.closed {
            link.word.store(CLOSED, Ordering::Relaxed); // the caller is alone with it
            return Err(Closed);
        }
        // Relaxed: the lock publishes it to whoever fires, and the owner reads its own store.
        link.word.store(self.name(), Ordering::Relaxed);
        // R1: pinned and in no list.
        let node = Node(NonNull::from(link.as_ref().get_ref()));
        let deadline = Deadline {
            at: deadline.at.min(END_OF_TIME),
            ..deadline
        };
        self.place(node, deadline);
        // Nobody comes before a deadline, so one that is later than `next` does not change it.
        Ok(deadline.at < self.next && self.come_earlier(deadline))
    }

    /// Somebody has to come for this deadline, if he would come later else.
    #[inline(never)]
    fn come_earlier(&mut self, deadline: Deadline) -> bool {
        let due = match deadline.shares {
            true => self.wait_for_others(deadline.at),
            false => deadline.at,
        };
        // What is put off to the end of time comes never.
        let earlier = due < self.next && due < END_OF_TIME;
        if earlier {
            self.next = due;
        }
        earlier
    }

    /// Unlinks an entry; false if it is not in this wheel, because it has fired or was closed.
    #[inline]
    pub fn remove(&mut self, link: Pin<&mut Link>) -> bool {
        if link.word.load(Ordering::Relaxed) != self.name() {
            return false;
        }
        let links = Node(NonNull::from(link.as_ref().get_ref())).links(|links| *links);
        let slot = usize::from(links.slot) % self.slots.len();
        let list = &mut self.slots[slot];
        list.remove(links);
        // V4: a list of several keeps its bound, to spare the walk.
        if list.head == list.tail {
            self.tighten(slot);
        }
        link.word.store(IDLE, Ordering::Relaxed); // the caller is alone with it
        true
    }

    /// V4: a slot has come down to one entry, or to none.
    #[inline(never)]
    fn tighten(&mut self, slot: usize) {
        let list = &mut self.slots[slot];
        let before = mem::replace(&mut list.bounds, Bounds::NONE);
        match list.head {
            Some(only) => list.bounds.add(only.deadline()),
            None => self.vacate(slot),
        }
        if self.slots[slot].bounds != before && self.due(before) == self.next {
            self.next = self.search();
        }
    }

    /// When somebody has to come (V6), or a lower bound of it; [`NEVER`] if no deadline comes.
    #[inline]
    pub fn next(&self) -> u64 {
        self.next
    }

    /// Fires everything that is due at `now`, in order of (deadline, insertion); says how much that was.
    pub fn expire(&mut self, now: u64, wakes: &mut WakeList) -> usize {
        let now = now.min(END_OF_TIME - 1); // the end of time never comes
        // A peer with an older reading of the clock may come second: time stands still for it.
        let horizon = self.elapsed.max(now >> BUCKET_BITS);
        let mut fired = 0;
        while let Some(slot) = self.first() {
            let start = self.start(slot);
            if start > horizon {
                break;
            }
            debug_assert!(
                start >= self.elapsed,
                "{start} lies before {}",
                self.elapsed
            );
            self.elapsed = start;
            if slot >= SLOTS {
                self.cascade(slot);
                continue;
            }
            let mut due = self.take_due(slot, now);
            while let Some(node) = due {
                due = node.next(); // R3: before the last touch
                node.finish(FIRED, wakes);
                fired += 1;
            }
            if self.slots[slot].head.is_some() {
                break; // the bucket of `now`: what is left in it comes later
            }
        }
        self.elapsed = horizon;
        if fired > 0 {
            self.shared = self.shared.max(now.saturating_add(SHARE));
        }
        self.next = self.search();
        fired
    }

    /// Ends every timer, now and for ever.
    pub fn close(&mut self, wakes: &mut WakeList) {
        self.closed = true;
        while let Some(slot) = self.first() {
            let mut rest = self.take(slot).head;
            while let Some(node) = rest {
                rest = node.next(); // R3: before the last touch
                node.finish(CLOSED, wakes);
            }
        }
        self.next = NEVER;
    }

    /// What a link's word says while this wheel holds it.
    #[inline]
    fn name(&self) -> usize {
        self.slots.as_ptr().addr()
    }

    /// Hangs a node where its deadline belongs.
    #[inline]
    fn place(&mut self, node: Node, deadline: Deadline) {
        let tick = self.elapsed.max(deadline.at >> BUCKET_BITS); // V5
        let level = (63 - ((tick ^ self.elapsed) | 1).leading_zeros()) / DIGIT_BITS;
        let digit = (tick >> (level * DIGIT_BITS)) as usize % SLOTS;
        let level = level as usize % LEVELS; // it is below that anyhow, which the optimizer does not know
        let slot = level * SLOTS + digit;
        self.slots[slot].push(node, deadline, slot as u16);
        self.occupied[level] |= 1 << digit;
        self.levels |= 1 << level;
    }

    /// The earliest slot that is not empty (V2).
    #[inline]
    fn first(&self) -> Option<usize> {
        if self.levels == 0 {
            return None;
        }
        let level = self.levels.trailing_zeros() as usize % LEVELS;
        let digit = self.occupied[level].trailing_zeros() as usize % SLOTS;
        Some(level * SLOTS + digit)
    }

    /// V6: when somebody has to come for the first that shares.
    #[inline]
    fn wait_for_others(&self, first: u64) -> u64 {
        match first < self.shared {
            true => first.saturating_add(SHARE),
            false => first,
        }
    }

    #[inline]
    fn due(&self, bounds: Bounds) -> u64 {
        bounds.exact.min(self.wait_for_others(bounds.sharing))
    }

    /// When somebody has to come: for the first exact deadline, or the first that shares. Slots that begin later than
    /// what was found so far hold neither.
    fn search(&self) -> u64 {
        let (mut first, mut next) = (Bounds::NONE, NEVER);
        let mut levels = self.levels;
        while levels != 0 {
            let level = levels.trailing_zeros() as usize % LEVELS;
            levels &= levels - 1;
            let mut digits = self.occupied[level];
            while digits != 0 {
                let slot = level * SLOTS + digits.trailing_zeros() as usize % SLOTS;
                digits &= digits - 1;
                if next >> BUCKET_BITS < self.start(slot) {
                    return next;
                }
                let bounds = self.slots[slot].bounds;
                first.exact = first.exact.min(bounds.exact);
                first.sharing = first.sharing.min(bounds.sharing);
                next = self.due(first);
            }
        }
        match next < END_OF_TIME {
            true => next,
            false => NEVER, // the end of time never comes
        }
    }

    /// The first tick of a slot: elapsed's higher digits, the slot's own, zeros.
    fn start(&self, slot: usize) -> u64 {
        let shift = (slot / SLOTS) as u32 * DIGIT_BITS;
        let higher = self.elapsed >> (shift + DIGIT_BITS) << DIGIT_BITS;
        (higher | (slot % SLOTS) as u64) << shift
    }

    /// Clears the bits of an empty slot.
    #[inline]
    fn vacate(&mut self, slot: usize) {
        let level = slot / SLOTS;
        self.occupied[level] &= !(1 << (slot % SLOTS));
        if self.occupied[level] == 0 {
            self.levels &= !(1 << level);
        }
    }

    /// Empties a slot.
    fn take(&mut self, slot: usize) -> List {
        self.vacate(slot);
        mem::replace(&mut self.slots[slot], List::EMPTY)
    }

    /// Spreads a slot whose time has begun over the levels below, in order (V3).
    fn cascade(&mut self, slot: usize) {
        let mut rest = self.take(slot).head;
        while let Some(node) = rest {
            let Links { next, deadline, .. } = node.links(|links| *links);
            rest = next;
            self.place(node, deadline);
        }
    }

    /// Takes what is due out of a bucket, sorted; the rest stays, with an exact bound.
    fn take_due(&mut self, slot: usize, now: u64) -> Option<Node> {
        let mut due = List::EMPTY;
        let (mut sorted, mut latest) = (true, 0);
        let mut rest = self.take(slot).head;
        while let Some(node) = rest {
            let Links { next, deadline, .. } = node.links(|links| *links);
            rest = next;
            if deadline.at <= now {
                due.push(node, deadline, slot as u16);
                sorted &= latest <= deadline.at;
                latest = deadline.at;
            } else {
                self.place(node, deadline);
            }
        }
        if sorted { due.head } else { sort(due.head) }
    }
}

impl Drop for Wheel {
    fn drop(&mut self) {
        // Entries keep their wheel alive, so nobody is left; R1 holds even if somebody were.
        self.close(&mut WakeList::new());
    }
}

/// Sorts a chain of nodes by deadline, stably: bin `i` holds a sorted run of 2^i nodes, earlier ones than
/// all bins below it.
fn sort(mut rest: Option<Node>) -> Option<Node> {
    let mut bins: [Option<Node>; 48] = [None; 48];
    while let Some(node) = rest {
        rest = node.next();
        node.links(|links| links.next = None);
        let mut run = Some(node);
        for bin in &mut bins {
            if bin.is_none() {
                *bin = run;
                break;
            }
            run = merge(bin.take(), run);
        }
    }
    bins.into_iter().fold(None, |later, bin| merge(bin, later))
}

/// Merges two sorted chains; of equal deadlines, `earlier` comes first.
fn merge(mut earlier: Option<Node>, mut later: Option<Node>) -> Option<Node> {
    let mut head = None;
    let mut tail: Option<Node> = None;
    loop {
        let node = match (earlier, later) {
            (Some(one), Some(two)) if two.deadline().at < one.deadline().at => {
                later = two.next();
                two
            }
            (Some(one), Some(_)) => {
                earlier = one.next();
                one
            }
            (rest, None) | (None, rest) => {
                match tail {
                    Some(tail) => tail.links(|links| links.next = rest),
                    None => head = rest,
                }
                return head;
            }
        };
        match tail.replace(node) {
            Some(tail) => tail.links(|links| links.next = Some(node)),
            None => head = Some(node),
        }
    }
}
