//! What goes wrong, drawn from the seed: the same seed, task and attempt draw the same.

use std::time::Duration;

#[derive(Debug, Clone, Copy)]
pub struct Seed(pub u64);

impl Seed {
    /// A seed for one matter, given by its words and numbers.
    pub fn of(self, what: &str, text: &str, number: u64) -> Self {
        let mut state = mix(self.0);
        for byte in what.bytes().chain([0]).chain(text.bytes()) {
            state = mix(state ^ u64::from(byte));
        }
        Self(mix(state ^ number))
    }

    /// A number from 0 to 999.
    pub fn of_1000(self) -> u64 {
        mix(self.0) % 1000
    }

    /// A duration between the two, in whole milliseconds.
    pub fn between(self, least: u64, most: u64) -> Duration {
        Duration::from_millis(least + mix(self.0 ^ 1) % (most - least + 1))
    }

    pub fn one_of(self, count: usize) -> usize {
        let count = u64::try_from(count).unwrap_or(1).max(1);
        usize::try_from(mix(self.0 ^ 2) % count).unwrap_or(0)
    }
}

/// Splitmix64's finish: every bit of the input moves every bit of the output.
fn mix(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
