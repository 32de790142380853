//! What is printed, and where.

use std::io::{IsTerminal, Write};

use serde::Serialize;
use terminal_size::{Height, Width, terminal_size};

use super::seen::Seen;

/// The columns of `top` that only the operator can fill.
const LIVE_COLUMNS: &str = "RATE, IN FLIGHT, BACKLOG, LATE, FAILING, P50/P95, HANDED OVER, OLDEST";

/// Columns where there is no terminal: all.
pub const UNLIMITED: usize = 1000;

/// The size of the terminal. `None` if standard output is none.
pub fn size() -> Option<(usize, usize)> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let (Width(columns), Height(lines)) = terminal_size()?;
    Some((columns.into(), lines.into()))
}

/// Prints to standard output. `false` if it is closed, as after `| head`.
pub fn print(text: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let put = out.write_all(clean(text).as_bytes());
    put.and_then(|()| out.flush()).is_ok()
}

/// Prints why numbers are missing, to standard error.
pub fn warn(program: &str, seen: &Seen) {
    for line in gaps(seen) {
        eprintln!("{program}: {}", clean(&line));
    }
}

/// Why numbers or chains are missing.
pub fn gaps(seen: &Seen) -> Vec<String> {
    let mut lines: Vec<String> = seen.gaps.iter().map(ToString::to_string).collect();
    if seen.lacks_a_right() {
        lines.push("the chart's value rbac.viewers gives this right".to_owned());
    }
    if seen.lacks_an_operator() {
        lines.push(format!("so these columns are unknown: {LIVE_COLUMNS}"));
    }
    lines
}

/// What replaces the screen: as many lines as fit, and the number of the others.
pub fn screen(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    // The last line stays free: a line feed there would scroll.
    let fitting = lines.saturating_sub(1).max(1);
    let hidden = (all.len() + 1).saturating_sub(fitting);
    let more = format!("… {hidden} more lines: make the terminal taller, or choose a namespace");
    let shown = if all.len() > fitting {
        let first = all.iter().take(fitting - 1);
        first.copied().chain([&*more]).collect()
    } else {
        all
    };
    // To the first column and line; each line wiped to its end, and what is below.
    let mut screen = "\x1b[H".to_owned();
    for line in shown {
        screen.push_str(&clean(line));
        screen.push_str("\x1b[K\n");
    }
    screen.push_str("\x1b[J");
    screen
}

/// Puts a screen.
pub fn put(screen: &str) -> bool {
    let mut out = std::io::stdout().lock();
    let put = out.write_all(screen.as_bytes());
    put.and_then(|()| out.flush()).is_ok()
}

/// As JSON.
pub fn json(value: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    let mut text = text.expect("chains have text as keys, and no number that JSON lacks");
    text.push('\n');
    text
}

/// The text without control characters: reasons and messages come from handlers and other programs, and
/// must not move the cursor.
pub(crate) fn clean(text: &str) -> String {
    text.chars()
        .map(|it| {
            if it.is_control() && it != '\n' {
                '\u{fffd}'
            } else {
                it
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_screen_has_as_many_lines_as_fit() {
        assert_eq!(screen("a\nb\n", 3), "\x1b[Ha\x1b[K\nb\x1b[K\n\x1b[J");
        let cut = screen("a\nb\nc\nd\n", 3);
        assert!(cut.starts_with("\x1b[Ha\x1b[K\n… 3 more lines"), "{cut:?}");
        assert_eq!(cut.lines().count(), 3);
    }

    #[test]
    fn foreign_text_does_not_move_the_cursor() {
        assert_eq!(clean("a\x1b[2Jb\r\nc"), "a\u{fffd}[2Jb\u{fffd}\nc");
    }
}
