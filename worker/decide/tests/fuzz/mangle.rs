//! The ways in which a header gets broken.

use cloudtasks::TaskId;
use fastrand::Rng;

/// What a parser of JSON, numbers and names may stumble over.
const WORDS: [&[u8]; 28] = [
    b"0",
    b"-1",
    b"4294967295",
    b"4294967296",
    b"18446744073709551616",
    b"1e999",
    b"null",
    b"true",
    b"{}",
    b"[]",
    b"{\"v\":",
    b"\"v\":2",
    b"\"v\":3",
    b"\"later\":0",
    b"\"later\":4294967295",
    b"\"stay\":null,",
    b"\"v\":1,",
    b"\"hop\":",
    b"\"hop\":1",
    b"\"stages\":[",
    b"\\u0000",
    b"\\ud800",
    b"\"",
    b",",
    b" ",
    b"\xff",
    b"\xc3\xa9",
    b"1970-01-01T00:00:00Z",
];

/// Breaks `bytes` once, or a few times.
pub fn mangle(bytes: &mut Vec<u8>, corpus: &[(TaskId, String)], rng: &mut Rng) {
    for _ in 0..=rng.u8(..4) {
        once(bytes, corpus, rng);
    }
}

fn once(bytes: &mut Vec<u8>, corpus: &[(TaskId, String)], rng: &mut Rng) {
    let at = rng.usize(..=bytes.len());
    let end = rng.usize(at..=bytes.len());
    match rng.u8(..8) {
        // Cut off.
        0 => bytes.truncate(at),
        // A part is missing.
        1 => drop(bytes.drain(at..end)),
        // A part comes twice.
        2 => {
            let part = bytes[at..end.min(at + 64)].to_vec();
            bytes.splice(at..at, part);
        }
        // One byte is another.
        3 => {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = rng.u8(..);
            }
        }
        // One digit is another, so that it stays well formed.
        4 => {
            let digits = (0..bytes.len()).filter(|index| bytes[*index].is_ascii_hexdigit());
            let digits: Vec<usize> = digits.collect();
            if let Some(index) = rng.choice(digits) {
                bytes[index] = b"0123456789abcdef"[rng.usize(..16)];
            }
        }
        // A token is inserted.
        5 => {
            let word = rng.choice(WORDS).unwrap_or_default();
            bytes.splice(at..at, word.iter().copied());
        }
        // A token replaces a part.
        6 => {
            let word = rng.choice(WORDS).unwrap_or_default();
            bytes.splice(at..end.min(at + 16), word.iter().copied());
        }
        // Another task's.
        _ => {
            let (_, ledger) = &corpus[rng.usize(..corpus.len())];
            *bytes = ledger.as_bytes().to_vec();
        }
    }
}
