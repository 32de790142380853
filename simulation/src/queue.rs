//! A queue of Cloud Tasks: when it dispatches which task.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

/// How long a failed task waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The shortest wait.
    pub min: Duration,
    /// The longest wait.
    pub max: Duration,
    /// How often it doubles before it grows by addition.
    pub doublings: u32,
}

/// What bounds a queue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limits {
    /// Dispatches a second.
    pub rate: f64,
    /// Dispatches under way at once.
    pub concurrency: u32,
    /// How long a failed task waits.
    pub backoff: Backoff,
}

impl Default for Backoff {
    /// What Cloud Tasks gives a queue that says nothing.
    fn default() -> Self {
        Self {
            min: Duration::from_millis(100),
            max: Duration::from_hours(1),
            doublings: 16,
        }
    }
}

impl Backoff {
    /// The wait after so many dispatches, from 1: Cloud Tasks counts those that were no attempt too.
    pub fn after(&self, dispatches: u32) -> Duration {
        let doublings = dispatches.saturating_sub(1).min(self.doublings);
        let doubled = self.min.saturating_mul(2_u32.saturating_pow(doublings));
        let wait = doubled.saturating_mul(dispatches.max(1) - doublings);
        wait.min(self.max)
    }
}

impl Limits {
    /// Dispatches that a queue which has rested makes at once.
    pub fn burst(&self) -> f64 {
        (self.rate / 5.0).floor().max(10.0)
    }
}

/// A queue. The tasks are known by their numbers.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    is_paused: bool,
    /// What one of its tasks takes of its rate and its concurrency: it may stand for several.
    weight: u32,
    tokens: f64,
    refilled: Duration,
    under_way: u32,
    /// By when they are due, then in the order in which they came.
    waiting: BinaryHeap<Reverse<(Duration, u64, usize)>>,
    added: u64,
}

impl Queue {
    /// An empty one that has rested.
    pub fn new(limits: Limits) -> Self {
        Self::of_weight(limits, 1)
    }

    /// One whose tasks stand for so many each.
    pub fn of_weight(limits: Limits, weight: u32) -> Self {
        Self {
            limits,
            is_paused: false,
            weight,
            tokens: limits.burst(),
            refilled: Duration::ZERO,
            under_way: 0,
            waiting: BinaryHeap::new(),
            added: 0,
        }
    }

    /// These are its limits from now on.
    pub fn limit(&mut self, limits: Limits, now: Duration) {
        // What has passed was at the old rate.
        self.refill(now);
        self.limits = limits;
        self.tokens = self.tokens.min(limits.burst());
    }

    /// Pauses or resumes it.
    pub fn pause(&mut self, is_paused: bool) {
        self.is_paused = is_paused;
    }

    /// A dispatch was under way before anything else happened.
    pub fn begin_under_way(&mut self) {
        self.under_way += self.weight;
    }

    /// How many tasks it has, with those under way.
    pub fn tasks(&self) -> usize {
        let under_way = self.under_way / self.weight;
        self.waiting.len() + usize::try_from(under_way).unwrap_or(usize::MAX)
    }

    /// Since when the first task is due.
    pub fn first_due(&self) -> Option<Duration> {
        self.waiting.peek().map(|Reverse((due, _, _))| *due)
    }

    fn refill(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.refilled).as_secs_f64();
        self.tokens = (self.tokens + passed * self.limits.rate).min(self.limits.burst());
        self.refilled = now;
    }

    /// A task that is due at this time.
    pub fn add(&mut self, task: usize, due: Duration) {
        self.waiting.push(Reverse((due, self.added, task)));
        self.added += 1;
    }

    /// The task that is dispatched now, if one may be, and when it was due. Its dispatch is under way
    /// until [`Queue::answered`].
    pub fn dispatch(&mut self, now: Duration) -> Option<(usize, Duration)> {
        self.refill(now);
        let Reverse((due, _, task)) = *self.waiting.peek()?;
        if self.is_paused
            || due > now
            || self.under_way >= self.limits.concurrency
            || self.tokens < 1.0
        {
            return None;
        }
        self.waiting.pop();
        // Into debt, if the task stands for several: their tokens are waited for before the next.
        self.tokens -= f64::from(self.weight);
        self.under_way += self.weight;
        Some((task, due))
    }

    /// When the next dispatch may come, after [`Queue::dispatch`] gave none; `None` if an answer, a new
    /// task, or an edit has to come first.
    pub fn next(&self) -> Option<Duration> {
        let Reverse((due, _, _)) = self.waiting.peek()?;
        if self.is_paused || self.under_way >= self.limits.concurrency {
            return None;
        }
        let missing = (1.0 - self.tokens).max(0.0) / self.limits.rate;
        // Rounded up: a wait of nothing would come back for ever.
        let token = self.refilled + Duration::from_secs_f64(missing) + Duration::from_nanos(1);
        Some(token.max(*due))
    }

    /// A dispatch has ended.
    pub fn answered(&mut self) {
        self.under_way -= self.weight;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn waits_are_those_that_cloud_tasks_documents() {
        let table = |min, max, doublings, wanted: &[u64]| {
            let backoff = Backoff {
                min: Duration::from_secs(min),
                max: Duration::from_secs(max),
                doublings,
            };
            let found: Vec<u64> = (1..)
                .map(|it| backoff.after(it).as_secs())
                .take(wanted.len())
                .collect();
            assert_eq!(found, wanted);
        };
        table(10, 300, 3, &[10, 20, 40, 80, 160, 240, 300, 300]);
        table(1, 7, 1, &[1, 2, 4, 6, 7, 7]);
    }

    /// A queue of so many tasks, all due at the begin.
    fn full(tasks: usize, rate: f64, concurrency: u32) -> Queue {
        let mut queue = Queue::new(Limits {
            rate,
            concurrency,
            backoff: Backoff::default(),
        });
        for task in 0..tasks {
            queue.add(task, Duration::ZERO);
        }
        queue
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let mut queue = full(600, 500.0, 1000);
        let mut now = Duration::ZERO;
        let mut starts = Vec::new();
        loop {
            while let Some((task, _)) = queue.dispatch(now) {
                starts.push((task, now));
            }
            let Some(next) = queue.next() else { break };
            now = next;
        }
        assert_eq!(starts.len(), 600);
        assert!(starts.iter().enumerate().all(|(place, it)| place == it.0));
        assert_eq!(starts[99].1, Duration::ZERO);
        // 500 are left, at 500 a second.
        let last = starts[599].1.as_secs_f64();
        assert!((last - 1.0).abs() < 0.001, "{last}");
    }

    #[test]
    fn a_paused_one_dispatches_nothing() {
        let mut queue = full(5, 500.0, 5);
        queue.pause(true);
        assert_eq!((queue.dispatch(SECOND), queue.next()), (None, None));
        queue.pause(false);
        assert_eq!(queue.dispatch(SECOND), Some((0, Duration::ZERO)));
    }

    #[test]
    fn a_new_rate_holds_from_the_edit_on() {
        let mut queue = full(1000, 500.0, 1000);
        while queue.dispatch(Duration::ZERO).is_some() {}
        let limits = Limits {
            rate: 2.0,
            concurrency: 1000,
            backoff: Backoff::default(),
        };
        // 50 have come by then, of which the new rate keeps 10.
        let edited = SECOND / 10;
        queue.limit(limits, edited);
        let mut dispatches = 0;
        while queue.dispatch(edited).is_some() {
            dispatches += 1;
        }
        assert_eq!(dispatches, 10);
        let next = queue
            .next()
            .map(|it| it.saturating_sub(edited).as_secs_f64());
        assert!(next.is_some_and(|it| (it - 0.5).abs() < 1e-6), "{next:?}");
    }

    #[test]
    fn tasks_that_stand_for_several_take_as_much_in_all() {
        let limits = Limits {
            rate: 500.0,
            concurrency: 1000,
            backoff: Backoff::default(),
        };
        let mut queue = Queue::of_weight(limits, 7);
        for task in 0..1000 {
            queue.add(task, Duration::ZERO);
        }
        let (mut now, mut dispatches) = (Duration::ZERO, 0);
        while now < SECOND {
            while queue.dispatch(now).is_some() {
                dispatches += 7;
                queue.answered();
            }
            now = queue.next().unwrap();
        }
        // The burst and a second's rate.
        assert!((600..614).contains(&dispatches), "{dispatches}");
    }

    #[test]
    fn no_more_under_way_than_allowed() {
        let mut queue = full(5, 500.0, 2);
        let now = Duration::ZERO;
        assert_eq!(
            [queue.dispatch(now), queue.dispatch(now)],
            [Some((0, now)), Some((1, now))]
        );
        assert_eq!((queue.dispatch(now), queue.next()), (None, None));
        queue.answered();
        assert_eq!(queue.dispatch(now), Some((2, now)));
    }
}
