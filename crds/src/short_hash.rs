//! A few hex digits that tell texts apart.

use sha2::{Digest, Sha256};

/// The first eight hex digits of a SHA-256.
pub fn hash(text: &str) -> String {
    digits(text, 8)
}

/// The first `count` hex digits of a SHA-256, which has 64.
pub fn digits(text: &str, count: usize) -> String {
    let digest = Sha256::digest(text.as_bytes());
    let mut hex = digest
        .iter()
        .fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    hex.truncate(count);
    hex
}
