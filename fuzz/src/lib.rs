//! What the fuzzer drives: small machines of ours beside models of them that are too simple to be wrong.
//!
//! Each module has one function, `run`, which reads operations out of bytes, does them on both sides, and panics where the
//! two differ. An operation that the contract forbids is left out. `corpus/` holds inputs that together reach all
//! that was ever reached; `docs/proof/fuzz.txt` says how long each target ran.

pub mod bounded_stream;
pub mod read_buf;
#[cfg(loxley_fuzz)]
pub mod readiness;
#[cfg(loxley_fuzz)]
pub mod task_state;
#[cfg(loxley_fuzz)]
pub mod timer_wheel;

/// The bytes of an input, read from the front; nothing is left when it says `None`.
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// One byte.
    pub fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    /// A number below `limit`, which is at most 256.
    pub fn below(&mut self, limit: usize) -> Option<usize> {
        Some(usize::from(self.byte()?) % limit)
    }

    /// Two bytes.
    pub fn short(&mut self) -> Option<u16> {
        Some(u16::from_le_bytes([self.byte()?, self.byte()?]))
    }

    /// A number of any size, small ones more often.
    pub fn number(&mut self) -> Option<u64> {
        let shift = self.byte()? % 49;
        Some(u64::from(self.short()?) << shift)
    }

    /// At most `most` bytes.
    pub fn bytes(&mut self, most: usize) -> Option<&'a [u8]> {
        let len = self.below(most + 1)?.min(self.0.len());
        let (bytes, rest) = self.0.split_at(len);
        self.0 = rest;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Random inputs for each target; `LOXLEY_FUZZ_INPUTS` says otherwise.
    const INPUTS: u64 = 50_000;

    /// Gives a target what the fuzzer has kept, and bytes that it never saw.
    fn each(name: &str, run: fn(&[u8])) {
        let directory = format!("{}/corpus/{name}", env!("CARGO_MANIFEST_DIR"));
        let kept = std::fs::read_dir(&directory).expect(&directory);
        let mut executions = 0;
        for file in kept {
            run(&std::fs::read(file.unwrap().path()).unwrap());
            executions += 1;
        }
        assert!(executions > 0, "{directory} is empty");
        let inputs = std::env::var("LOXLEY_FUZZ_INPUTS").ok();
        let inputs = inputs.map_or(INPUTS, |text| text.parse().expect("a number of inputs"));
        let seed = std::env::var("LOXLEY_TEST_SEED").ok();
        let mut random: u64 = seed.map_or(0x5eed, |text| text.parse().expect("a seed"));
        println!("{name}: LOXLEY_TEST_SEED={random}");
        let mut bytes = vec![0; 400];
        for _ in 0..inputs {
            for byte in &mut bytes {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                *byte = (random >> 56) as u8;
            }
            run(&bytes);
            executions += 1;
        }
        println!("{name}: {executions} executions");
    }

    #[test]
    fn a_bounded_stream_agrees_with_its_model() {
        each("bounded_stream", bounded_stream::run);
    }

    #[test]
    fn a_read_buf_agrees_with_its_model() {
        each("read_buf", read_buf::run);
    }

    #[cfg(loxley_fuzz)]
    #[test]
    fn the_readiness_word_agrees_with_its_model() {
        each("readiness", readiness::run);
    }

    #[cfg(loxley_fuzz)]
    #[test]
    fn the_state_word_agrees_with_its_table() {
        each("task_state", task_state::run);
    }

    #[cfg(loxley_fuzz)]
    #[test]
    fn the_timer_wheel_agrees_with_a_sorted_map() {
        each("timer_wheel", timer_wheel::run);
    }
}
