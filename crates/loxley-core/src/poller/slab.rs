//! Where sources live: slots in pages that are never freed while the poller lives.
//!
//! # Words
//!
//! *Slot*: the readiness word, two waker slots and the waiter list of one source. *Token*: what the kernel
//! gives back with an event: slot index and generation, never a pointer (RUSTSEC-2024-0019). *Stale*: a token
//! whose generation is no longer its slot's.
//!
//! # Protocol
//!
//! - L1 A page, once there, stays where it is. So an index is turned into a slot without a lock, by the owner
//!   and by whoever harvests.
//! - L2 Taking and giving back an index happens under the lock. Giving back first moves the generation, so that
//!   an event still in flight is stale before the next owner can exist.
//! - L3 `close` sets `closed` under the lock and then marks every slot ever used: a slot is either marked, or
//!   never given out again.
//! - L4 Whoever delivers an event may, after its exchange, lose the race against a change of owner and take
//!   the *next* owner's wakers. Those tasks wake for nothing and register again.
//!
//! # Rejected
//!
//! One `Arc` per source: an allocation for each connection, and a count that is touched for each event.
//! Freeing empty pages (tokio #3019: an off-by-one there freed a page in use).
//!
//! Memory: the most sources that ever lived at the same time, rounded up to less than twice of it.

use crate::poller::interest::{Direction, Ready};
use crate::poller::readiness::Readiness;
use crate::poller::waiters::Waiters;
use crate::primitive::{Mutex, OnceLock};
use crate::task::{WakeList, WakerSlot};

/// Slots of the first page; each page is as large as all before it together.
const FIRST: usize = if cfg!(loxley_loom) { 1 } else { 64 };
const INDEX_BITS: u32 = usize::BITS / 8 * 5;
const GENERATION_MASK: u32 = ((1_u64 << (usize::BITS - INDEX_BITS)) - 1) as u32;
/// The last index is left to the reserved tokens.
const MAX_SLOTS: usize = (1 << INDEX_BITS) - 1;
const PAGES: usize = INDEX_BITS as usize;

const _: () = assert!(
    GENERATION_MASK >= 0xfff,
    "a generation does not come back soon"
);

/// Names one owner of one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    pub index: usize,
    pub generation: u32,
}

impl Token {
    /// Reserved: the poller's own wake-up.
    pub const KICK: usize = usize::MAX;
    /// Reserved: the poller's own timer.
    pub const TIMER: usize = usize::MAX - (1 << INDEX_BITS);

    pub fn to_raw(self) -> usize {
        ((self.generation as usize) << INDEX_BITS) | self.index
    }

    pub fn from_raw(raw: usize) -> Self {
        Self {
            index: raw & MAX_SLOTS,
            generation: (raw >> INDEX_BITS) as u32,
        }
    }
}

/// One source's place.
#[derive(Debug)]
pub struct Slot {
    pub word: Readiness,
    pub reader: WakerSlot,
    pub writer: WakerSlot,
    pub waiters: Waiters,
}

impl Slot {
    fn new() -> Self {
        Self {
            word: Readiness::new(),
            reader: WakerSlot::new(),
            writer: WakerSlot::new(),
            waiters: Waiters::default(),
        }
    }

    /// The waker slot of one half.
    pub fn half(&self, direction: Direction) -> &WakerSlot {
        match direction {
            Direction::Read => &self.reader,
            Direction::Write => &self.writer,
        }
    }

    /// R1: delivers an event and takes the wakers it is for; false if the token was stale.
    pub fn deliver(&self, generation: u32, ready: Ready, wakes: &mut WakeList) -> bool {
        let Some(before) = self.word.set_ready(generation, ready) else {
            return false;
        };
        if ready.is_readable() {
            take(&self.reader, wakes);
        }
        if ready.is_writable() {
            take(&self.writer, wakes);
        }
        if before.is_awaited() {
            self.waiters.take(&self.word, ready, wakes);
        }
        true
    }

    /// Takes every waker, whatever it waits for.
    pub fn take_all(&self, wakes: &mut WakeList) {
        take(&self.reader, wakes);
        take(&self.writer, wakes);
        self.waiters.take(&self.word, Ready::ALL, wakes);
    }
}

fn take(slot: &WakerSlot, wakes: &mut WakeList) {
    if let Some(waker) = slot.take() {
        wakes.push(waker);
    }
}

#[derive(Debug, Default)]
struct Indices {
    /// Given back; the last one is the next to be taken, because it is warm.
    free: Vec<usize>,
    /// Indices below this have been used.
    used: usize,
    closed: bool,
}

/// All slots of a poller.
#[derive(Debug)]
pub struct Slab {
    /// L1: page `n` holds the indices whose highest bit, in units of `FIRST`, is bit `n - 1`.
    pages: [OnceLock<Box<[Slot]>>; PAGES],
    indices: Mutex<Indices>,
}

impl Slab {
    pub fn new() -> Self {
        Self {
            pages: [const { OnceLock::new() }; PAGES],
            indices: Mutex::new(Indices::default()),
        }
    }

    /// A slot for a new owner; `None` once the poller is closed, or if there is no room at all.
    pub fn insert(&self) -> Option<Token> {
        let mut indices = self.indices.lock();
        if indices.closed {
            return None;
        }
        let index = match indices.free.pop() {
            Some(index) => index,
            None if indices.used == MAX_SLOTS => return None,
            None => {
                indices.used += 1;
                indices.used - 1
            }
        };
        let (page, offset) = locate(index);
        let slots = self.pages[page].get_or_init(|| {
            let len = FIRST << page.saturating_sub(1);
            (0..len).map(|_| Slot::new()).collect()
        });
        Some(Token {
            index,
            generation: slots[offset].word.load().generation(),
        })
    }

    /// L2: gives a slot back. The wakers of its last owner are put into `left`, to be dropped without a lock.
    pub fn remove(&self, token: Token, left: &mut WakeList) {
        if let Some(slot) = self.get(token.index) {
            slot.word.next_generation(GENERATION_MASK);
            slot.take_all(left);
            self.indices.lock().free.push(token.index);
        }
    }

    /// L1: no lock.
    #[inline]
    pub fn get(&self, index: usize) -> Option<&Slot> {
        let (page, offset) = locate(index);
        self.pages.get(page)?.get()?.get(offset)
    }

    /// L3: no slot is given out any more, and everybody who waits is woken to see it.
    pub fn close(&self, wakes: &mut WakeList) {
        let used = {
            let mut indices = self.indices.lock();
            indices.closed = true;
            indices.used
        };
        for slot in (0..used).filter_map(|index| self.get(index)) {
            slot.word.set_shut_down();
            slot.take_all(wakes);
        }
    }
}

/// Page and offset of an index.
#[inline]
fn locate(index: usize) -> (usize, usize) {
    let unit = index / FIRST;
    if unit == 0 {
        return (0, index);
    }
    let bit = unit.ilog2();
    (bit as usize + 1, index - (FIRST << bit))
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_index_has_a_place_of_its_own() {
        let mut expected = (0, 0);
        for index in 0..FIRST * 40 {
            assert_eq!(locate(index), expected, "index {index}");
            let len = FIRST << expected.0.saturating_sub(1);
            expected = match expected {
                (page, offset) if offset + 1 == len => (page + 1, 0),
                (page, offset) => (page, offset + 1),
            };
        }
        assert!(locate(MAX_SLOTS).0 < PAGES);
    }

    #[test]
    fn tokens_survive_the_kernel_and_never_meet_the_reserved_ones() {
        for index in [0, 1, FIRST, MAX_SLOTS - 1] {
            for generation in [0, 1, GENERATION_MASK] {
                let token = Token { index, generation };
                assert_eq!(Token::from_raw(token.to_raw()), token);
                assert!(![Token::KICK, Token::TIMER].contains(&token.to_raw()));
            }
        }
    }

    #[test]
    fn a_slot_is_used_again_under_a_new_generation() {
        let (slab, mut wakes) = (Slab::new(), WakeList::new());
        let first = slab.insert().unwrap();
        slab.remove(first, &mut wakes);
        let second = slab.insert().unwrap();
        assert_eq!(first.index, second.index);
        assert_ne!(first.generation, second.generation);
        let slot = slab.get(first.index).unwrap();
        assert!(!slot.deliver(first.generation, Ready::READABLE, &mut wakes));
        assert!(slot.deliver(second.generation, Ready::READABLE, &mut wakes));
    }

    #[test]
    fn unknown_indices_have_no_slot() {
        let slab = Slab::new();
        assert!(slab.get(0).is_none());
        let _ = slab.insert();
        assert!(slab.get(0).is_some());
        assert!(slab.get(FIRST).is_none() && slab.get(MAX_SLOTS).is_none());
    }

    #[test]
    fn many_owners_have_many_slots() {
        let (slab, mut wakes) = (Slab::new(), WakeList::new());
        let tokens: Vec<Token> = (0..FIRST * 5).filter_map(|_| slab.insert()).collect();
        for (index, token) in tokens.iter().enumerate() {
            assert_eq!(token.index, index);
            assert!(slab.get(index).is_some());
        }
        for token in &tokens {
            slab.remove(*token, &mut wakes);
        }
        assert_eq!(slab.insert().unwrap().index, FIRST * 5 - 1);
    }

    #[test]
    fn a_closed_slab_gives_nothing_out() {
        let (slab, mut wakes) = (Slab::new(), WakeList::new());
        let before = slab.insert().unwrap();
        slab.get(0)
            .unwrap()
            .reader
            .register(std::task::Waker::noop());
        slab.close(&mut wakes);
        assert_eq!(wakes.len(), 1);
        assert!(slab.get(before.index).unwrap().word.load().is_shut_down());
        assert!(slab.insert().is_none());
        slab.remove(before, &mut wakes);
        assert!(slab.insert().is_none());
    }
}
