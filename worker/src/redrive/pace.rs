//! How fast tasks are moved, and how often queues are listed.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// How far moves may be late and yet be made up for: a timer's tick and a slow call, not a pause.
const MADE_UP: Duration = Duration::from_millis(100);
/// Google allows 600 a minute in a region, for everybody.
const LISTS: usize = 120;
const LISTS_WITHIN: Duration = Duration::from_mins(1);

/// Lets so many moves begin a second, evenly.
#[derive(Debug)]
pub(super) struct Pace {
    between: Duration,
    next: Instant,
}

/// Lets so many list calls begin a minute.
#[derive(Debug, Default)]
pub(super) struct ListBudget {
    calls: VecDeque<Instant>,
}

impl Pace {
    /// `rate` moves a second, from now on.
    pub(super) fn new(rate: f64, now: Instant) -> Self {
        // A rate so low that its seconds don't fit is never.
        let between = Duration::try_from_secs_f64(1.0 / rate).unwrap_or(Duration::MAX);
        Self { between, next: now }
    }

    /// When the next move may begin.
    pub(super) fn next(&self) -> Instant {
        self.next
    }

    /// One has begun.
    pub(super) fn begun(&mut self, now: Instant) {
        let earliest = now.checked_sub(MADE_UP).unwrap_or(now);
        let next = self.next.max(earliest).checked_add(self.between);
        self.next = next.unwrap_or_else(|| now + Duration::from_hours(24 * 365));
    }

    /// None begins before this time.
    pub(super) fn hold(&mut self, until: Instant) {
        self.next = self.next.max(until);
    }
}

impl ListBudget {
    /// When the next call may begin.
    pub(super) fn next(&self, now: Instant) -> Instant {
        match self.calls.front() {
            Some(first) if self.calls.len() >= LISTS => *first + LISTS_WITHIN,
            _ => now,
        }
    }

    /// One has begun.
    pub(super) fn begun(&mut self, now: Instant) {
        self.calls.push_back(now);
        if self.calls.len() > LISTS {
            self.calls.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// The moves within this time after `now`.
    fn moves(pace: &mut Pace, now: Instant, time: Duration) -> u32 {
        let mut moves = 0;
        while pace.next() < now + time {
            let at = pace.next().max(now);
            pace.begun(at);
            moves += 1;
        }
        moves
    }

    #[test]
    fn so_many_moves_begin_a_second_without_a_burst() {
        let now = Instant::now();
        for (rate, seconds, expected) in [(100.0, 10, 1000), (0.5, 10, 5), (333.3, 3, 1000)] {
            let mut pace = Pace::new(rate, now);
            let begun = moves(&mut pace, now, SECOND * seconds);
            assert_eq!(begun, expected, "{rate}");
        }

        // After a pause of a minute, a tenth of a second is made up for.
        let mut pace = Pace::new(100.0, now);
        pace.begun(now);
        let later = now + SECOND * 60;
        let begun = moves(&mut pace, later, SECOND);
        assert!((100..=111).contains(&begun), "{begun}");

        let mut pace = Pace::new(100.0, now);
        pace.hold(now + SECOND);
        assert_eq!(moves(&mut pace, now, SECOND), 0);
        assert_eq!(moves(&mut pace, now + SECOND, SECOND), 100);

        // A rate that is as good as none is no panic.
        let mut pace = Pace::new(f64::MIN_POSITIVE, now);
        assert_eq!(moves(&mut pace, now, SECOND), 1);
    }

    #[test]
    fn so_many_lists_begin_a_minute() {
        let now = Instant::now();
        let mut budget = ListBudget::default();
        let mut calls = Vec::new();
        for _ in 0..3 * LISTS {
            let last = calls.last().copied().unwrap_or(now);
            let at = budget.next(last);
            budget.begun(at);
            calls.push(at);
        }
        assert_eq!(calls[LISTS - 1], now, "the first don't wait");
        for (earlier, later) in calls.iter().zip(&calls[LISTS..]) {
            assert!(*later >= *earlier + LISTS_WITHIN);
        }
        assert_eq!(*calls.last().unwrap(), now + LISTS_WITHIN * 2);
    }
}
