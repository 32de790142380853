//! What lasts for longer than a moment, and is announced then, and once more when it is over.

use std::time::{Duration, Instant};

/// What is over after fewer periods is in the status only: a minute, if nothing else is set.
const MOMENT: u32 = 4;

/// What may last.
#[derive(Debug, Default)]
pub(super) struct Lasting {
    since: Option<Instant>,
    is_announced: bool,
}

/// What there is to announce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Announcement {
    /// It has lasted for longer than a moment.
    Began,
    /// It is over.
    Ended,
}

impl Lasting {
    /// Takes what is so now. None: it is unknown.
    pub(super) fn observe(&mut self, is_so: Option<bool>, now: Instant) {
        match is_so {
            Some(true) => {
                self.since.get_or_insert(now);
            }
            Some(false) => self.since = None,
            None => {}
        }
    }

    /// What is to be announced, and hasn't been yet.
    pub(super) fn due(&self, now: Instant, period: Duration) -> Option<Announcement> {
        match self.since {
            Some(since) if !self.is_announced => {
                let has_lasted = now.saturating_duration_since(since) > period * MOMENT;
                has_lasted.then_some(Announcement::Began)
            }
            None if self.is_announced => Some(Announcement::Ended),
            Some(_) | None => None,
        }
    }

    /// The same, once.
    pub(super) fn announce(&mut self, now: Instant, period: Duration) -> Option<Announcement> {
        let due = self.due(now, period)?;
        self.is_announced = due == Announcement::Began;
        Some(due)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lasts_is_announced_once_and_its_end_too() {
        let begin = Instant::now();
        let at = |seconds| begin + Duration::from_secs(seconds);
        let mut lasting = Lasting::default();
        let mut then = |seconds, is_so| {
            lasting.observe(is_so, at(seconds));
            lasting.announce(at(seconds), Duration::from_secs(15))
        };
        assert_eq!(then(0, Some(false)), None);
        assert_eq!(then(15, Some(true)), None);
        assert_eq!(then(75, Some(true)), None);
        assert_eq!(then(76, Some(true)), Some(Announcement::Began));
        assert_eq!(then(91, Some(true)), None);
        assert_eq!(then(106, None), None, "nobody has answered");
        assert_eq!(then(121, Some(false)), Some(Announcement::Ended));
        assert_eq!(then(136, Some(false)), None);
        // A moment is nothing to talk about.
        assert_eq!(then(151, Some(true)), None);
        assert_eq!(then(166, Some(false)), None);
        assert_eq!(then(300, Some(true)), None, "it begins anew");
    }
}
