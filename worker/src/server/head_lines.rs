//! The lines of a request's head.

use memchr::memchr;

/// What the first line of a head ends with.
const VERSIONS: [&[u8]; 2] = [b" HTTP/1.1", b" HTTP/1.0"];
/// The bytes of [`VERSIONS`].
const VERSION_BYTES: usize = 9;

/// The lines of a head, counted as its bytes come. What comes before its first line is none of it: the rest of the
/// body of a request that was answered unread.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    count: usize,
    /// The last bytes of the present line, without its end.
    end: [u8; VERSION_BYTES],
    /// Whether the present line has a byte other than its end.
    has_text: bool,
    is_complete: bool,
}

impl HeadLines {
    /// Takes the next bytes, and returns the number of lines so far. What follows the head isn't counted.
    pub(super) fn add(&mut self, bytes: &[u8]) -> usize {
        let mut rest = bytes;
        while !self.is_complete {
            let end = memchr(b'\n', rest);
            self.add_to_line(&rest[..end.unwrap_or(rest.len())]);
            let Some(end) = end else { break };
            rest = &rest[end + 1..];
            self.end_line();
        }
        self.count
    }

    fn add_to_line(&mut self, bytes: &[u8]) {
        let text = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        self.has_text |= !text.is_empty();
        // Only before the first line, so that the lines of a head cost no more.
        if self.count == 0 {
            let kept = &text[text.len().saturating_sub(VERSION_BYTES)..];
            self.end.rotate_left(kept.len());
            self.end[VERSION_BYTES - kept.len()..].copy_from_slice(kept);
        }
    }

    fn end_line(&mut self) {
        let begins = self.count == 0 && VERSIONS.contains(&&self.end[..]);
        // Empty lines before a head are skipped.
        if self.count == 0 {
            self.count = usize::from(begins);
        } else if self.has_text {
            self.count += 1;
        } else {
            self.is_complete = true;
        }
        self.has_text = false;
        self.end = [0; VERSION_BYTES];
    }
}

#[cfg(test)]
mod tests {
    use super::HeadLines;

    #[test]
    fn the_lines_of_a_head_are_counted_however_its_bytes_come() {
        for (text, lines) in [
            ("", 0),
            ("POST / HTTP/1.1", 0),
            ("POST / HTTP/1.1\r\n", 1),
            ("POST / HTTP/1.1\r\na: b\r\n", 2),
            ("\r\nPOST / HTTP/1.1\r\na: b\r\n\r\n", 2),
            ("POST / HTTP/1.1\na: b\n\n", 2),
            ("POST / HTTP/1.1\r\na: b\r\n\r\nbody\nbody\n\nbody\n", 2),
            ("POST / HTTP/1.0\r\na: b\r\nc: d\r\n", 3),
            ("body\nbody\n\nbody\n", 0),
            ("body\n\nPOST / HTTP/1.1\r\na: b\r\n\r\n", 2),
        ] {
            assert_eq!(HeadLines::default().add(text.as_bytes()), lines, "{text:?}");
            let mut one_by_one = HeadLines::default();
            let last = text.bytes().map(|byte| one_by_one.add(&[byte])).last();
            assert_eq!(last.unwrap_or(0), lines, "{text:?}");
        }
    }
}
