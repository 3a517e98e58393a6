//! Random numbers, all of a runtime from one seed.
//!
//! # Words
//!
//! *Stream*: the numbers that one generator gives. Each worker has one for its own choices (victims), and one for the
//! code that it runs (`select!`); each `block_on` has one for its root. A stream's seed is drawn from the runtime's by
//! the number of its worker and by how often that seat was taken, never by time or address: with the same seed, what
//! runs on one thread draws the same numbers again.
//!
//! They are for choices that must not favour anybody, and no secrets.

use std::cell::Cell;
use std::hash::{BuildHasher, RandomState};

use crate::primitive::global::thread_local;

thread_local! {
    /// The stream of the code that runs on this thread; 0: none yet.
    static STREAM: Cell<u64> = const { Cell::new(0) };
}

/// A seed that differs from one call to the next.
pub fn any_seed() -> u64 {
    RandomState::new().hash_one(0_u8)
}

/// The seed of one of many streams (splitmix64): neighbours have nothing in common.
pub fn derive(seed: u64, stream: u64) -> u64 {
    let mut z = seed.wrapping_add(stream.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    // No generator here may stand at 0 (tokio #8078).
    (z ^ (z >> 31)).max(1)
}

/// The number after `state`, which becomes the next state: xorshift64, never 0, full period.
fn next(state: u64) -> u64 {
    let mut next = state;
    next ^= next << 13;
    next ^= next >> 7;
    next ^= next << 17;
    next
}

/// A generator of its own.
#[derive(Debug)]
pub struct Random(Cell<u64>);

impl Random {
    /// Begins a stream.
    pub fn new(seed: u64) -> Self {
        Self(Cell::new(seed.max(1)))
    }

    /// A number below `limit`.
    pub fn below(&self, limit: usize) -> usize {
        let state = next(self.0.get());
        self.0.set(state);
        // The upper half is multiplied: no division, and hardly any bias.
        (((state >> 32) * limit as u64) >> 32) as usize
    }
}

/// A number below `limit` from this thread's stream; a thread that is ending gets 0.
pub fn below(limit: u32) -> u32 {
    let drawn = STREAM.try_with(|stream| {
        let state = match stream.get() {
            0 => any_seed().max(1),
            state => state,
        };
        let random = Random::new(state);
        let drawn = random.below(limit as usize);
        stream.set(random.0.get());
        drawn as u32
    });
    drawn.unwrap_or(0)
}

/// Runs `body` with a stream of this seed on this thread; the one before goes on afterwards, also on a panic.
pub fn with_stream<R>(seed: u64, body: impl FnOnce() -> R) -> R {
    struct Restore(u64);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = STREAM.try_with(|stream| stream.set(self.0));
        }
    }
    let _restore = Restore(STREAM.replace(seed.max(1)));
    body()
}

#[cfg(all(test, not(loxley_loom)))]
mod tests {
    use super::*;

    fn draws(count: usize) -> Vec<u32> {
        (0..count).map(|_| below(1000)).collect()
    }

    #[test]
    fn the_same_seed_gives_the_same_numbers_and_another_one_others() {
        let first = with_stream(7, || draws(50));
        assert_eq!(with_stream(7, || draws(50)), first);
        assert_ne!(with_stream(8, || draws(50)), first);
        let whole = with_stream(7, || {
            let mut all = draws(20);
            // A stream within the stream disturbs nothing.
            with_stream(9, || draws(5));
            all.extend(draws(30));
            all
        });
        assert_eq!(whole, first);
    }

    #[test]
    fn every_seed_is_good() {
        for seed in [
            0,
            1,
            u64::MAX,
            u64::MAX - 1,
            derive(0, 0),
            derive(u64::MAX, u64::MAX),
        ] {
            let numbers = with_stream(seed, || draws(200));
            let halves = numbers.iter().filter(|&&number| number < 500).count();
            assert!((50..150).contains(&halves), "seed {seed}: {halves} of 200");
            assert!(numbers.iter().all(|&number| number < 1000));
        }
    }
}
