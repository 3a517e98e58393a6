//! Random numbers from a seed that a failure can be repeated with.

/// splitmix64: small, and every seed is good.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The seed in `LOXLEY_TEST_SEED`, or one from the clock; printed.
    pub fn from_environment(what: &str) -> Self {
        let seed = match std::env::var("LOXLEY_TEST_SEED") {
            Ok(text) => text.parse().expect("LOXLEY_TEST_SEED is a number"),
            Err(_) => {
                let now = std::time::SystemTime::now();
                let since = now.duration_since(std::time::UNIX_EPOCH).unwrap();
                since.as_nanos() as u64
            }
        };
        println!("{what}: LOXLEY_TEST_SEED={seed}");
        Self(seed)
    }

    /// Any number.
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `limit`.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }
}

impl From<u64> for Random {
    /// A generator of its own, for somebody else.
    fn from(seed: u64) -> Self {
        Self(seed)
    }
}
