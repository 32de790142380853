//! Dispatches, as the emulator's log has them: a line each, with the answer.

use std::path::PathBuf;

#[derive(Debug)]
pub struct Dispatches(pub PathBuf);

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    pub all: usize,
    /// A worker had no capacity, was leaving, or wasn't connected yet.
    pub turned_away: usize,
    /// Nobody answered: refused, cut off, or no such name.
    pub unanswered: usize,
}

impl Dispatches {
    pub fn count(&self) -> anyhow::Result<Counts> {
        let text = std::fs::read_to_string(&self.0)?;
        Ok(count(&text))
    }
}

fn count(text: &str) -> Counts {
    let mut count = Counts::default();
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
