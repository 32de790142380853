//! Dispatches, as the emulator's log tells of them: a line each, with what came back.

use std::path::PathBuf;

/// The emulator's log.
#[derive(Debug)]
pub struct Dispatches(pub PathBuf);

/// How they went.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Count {
    pub all: usize,
    /// A worker had no room, was leaving, or wasn't connected yet.
    pub turned_away: usize,
    /// Nobody answered: refused, cut off, or no such name.
    pub unanswered: usize,
}

impl Dispatches {
    /// So far.
    pub fn count(&self) -> anyhow::Result<Count> {
        let text = std::fs::read_to_string(&self.0)?;
        Ok(count(&text))
    }
}

fn count(text: &str) -> Count {
    let mut count = Count::default();
    let ends = text
        .lines()
        .filter(|line| line.contains("/queues/incoming"))
        .filter_map(|line| line.rsplit_once(": "));
    for (_, end) in ends {
        count.all += 1;
        match end.split(' ').next().and_then(|it| it.parse::<u16>().ok()) {
            Some(503) => count.turned_away += 1,
            Some(_) => {}
            None => count.unanswered += 1,
        }
    }
    count
}
