//! The lines of a request's head.

use memchr::memchr;

/// The lines of a head, counted as its bytes come.
#[derive(Debug, Default)]
pub(super) struct HeadLines {
    count: usize,
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
            let line = &rest[..end.unwrap_or(rest.len())];
            self.has_text |= line.iter().any(|byte| *byte != b'\r');
            let Some(end) = end else { break };
            rest = &rest[end + 1..];
            // Empty lines before a head are skipped.
            if self.has_text {
                self.count += 1;
            } else {
                self.is_complete = self.count > 0;
            }
            self.has_text = false;
        }
        self.count
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
        ] {
            assert_eq!(HeadLines::default().add(text.as_bytes()), lines, "{text:?}");
            let mut one_by_one = HeadLines::default();
            let last = text.bytes().map(|byte| one_by_one.add(&[byte])).last();
            assert_eq!(last.unwrap_or(0), lines, "{text:?}");
        }
    }
}
