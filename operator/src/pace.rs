//! Pace: when the next call to Cloud Tasks may go. Values in, values out; the clock's reading is an
//! argument.
//!
//! A bucket of tokens, one a call. Google counts administration in quotas of a project, which other
//! programs use too, so the rate that is left is not known beforehand: it is halved when a quota is
//! used up, and grows again by addition. That is how many who share one line find their shares.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// The bucket holds the calls of so many seconds: an edit of a long chain goes at once.
const BURST_SECS: f64 = 2.0;
/// However often a quota is used up: an edit must get through.
const LEAST: f64 = 1.0;
/// From the least to the full rate it takes so long: Google's quotas are counted by the minute.
const RECOVERY_SECS: f64 = 60.0;
/// Answers that come so soon after a halving are about calls that were made before it.
const SAME_EVENT: Duration = Duration::from_secs(1);
/// When so many urgent calls in a row have passed an ordinary one, that goes: a fifth of the rate is
/// always for them.
const PASSED: u32 = 4;

/// The most calls a second: from 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(rate) if (1.0..=1000.0).contains(&rate) => Ok(Self(rate)),
            Ok(_) | Err(_) => Err("give a number of calls a second from 1 to 1000".to_owned()),
        }
    }
}

impl Default for Rate {
    fn default() -> Self {
        Self(50.0)
    }
}

impl std::fmt::Display for Rate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// A bucket of tokens for those who would rather not go than wait.
#[derive(Debug)]
pub struct Bucket {
    rate: f64,
    most: f64,
    tokens: f64,
    since: Instant,
}

impl Bucket {
    /// A full one, which fills again by `rate` a second.
    pub fn full(rate: f64, most: f64, now: Instant) -> Self {
        Self {
            rate,
            most,
            tokens: most,
            since: now,
        }
    }

    /// Takes a token, if there is one.
    pub fn take(&mut self, now: Instant) -> bool {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.tokens = (self.tokens + passed * self.rate).min(self.most);
        self.since = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

/// Who goes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// It changes a queue that is there: an edit in an incident.
    Urgent,
    /// It makes, removes or looks at queues.
    Ordinary,
}

/// Whoever waits to call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// The bucket, and who waits for it.
#[derive(Debug)]
pub struct Pace {
    most: f64,
    rate: f64,
    tokens: f64,
    at: Instant,
    halved: Option<Instant>,
    urgent: VecDeque<Ticket>,
    ordinary: VecDeque<Ticket>,
    passed: u32,
    issued: u64,
}

impl Pace {
    /// A full bucket.
    pub fn new(most: Rate, now: Instant) -> Self {
        Self {
            most: most.0,
            rate: most.0,
            tokens: most.0 * BURST_SECS,
            at: now,
            halved: None,
            urgent: VecDeque::new(),
            ordinary: VecDeque::new(),
            passed: 0,
            issued: 0,
        }
    }

    /// Calls a second, at present.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Joins those who wait. Whoever has a ticket asks for his [`turn`](Self::turn), or
    /// [`leaves`](Self::leave).
    pub fn join(&mut self, urgency: Urgency) -> Ticket {
        let ticket = Ticket(self.issued);
        self.issued += 1;
        match urgency {
            Urgency::Urgent => self.urgent.push_back(ticket),
            Urgency::Ordinary => self.ordinary.push_back(ticket),
        }
        ticket
    }

    /// Whether the call may go now. If not, how long to wait, if nobody joins or leaves meanwhile.
    pub fn turn(&mut self, ticket: Ticket, now: Instant) -> Option<Duration> {
        self.advance(now);
        let place = self.place(ticket);
        let missing = place - self.tokens;
        // The sum of what trickled in may miss a whole token by its rounding.
        if missing > 1e-6 {
            return Some(Duration::from_secs_f64(missing / self.rate));
        }
        if place > 1.0 {
            // There is one for him too, when those before him have taken theirs.
            return Some(Duration::from_secs_f64(1.0 / self.rate));
        }
        self.tokens = (self.tokens - 1.0).max(0.0);
        if self.urgent.contains(&ticket) {
            self.passed = if self.ordinary.is_empty() {
                0
            } else {
                self.passed + 1
            };
        } else {
            self.passed = 0;
        }
        self.leave(ticket);
        None
    }

    /// Waits no longer.
    pub fn leave(&mut self, ticket: Ticket) {
        self.urgent.retain(|it| *it != ticket);
        self.ordinary.retain(|it| *it != ticket);
    }

    /// A quota was used up: half the rate, and nothing is saved up.
    pub fn used_up(&mut self, now: Instant) {
        self.advance(now);
        self.tokens = 0.0;
        let is_same = |halved: Instant| now.saturating_duration_since(halved) < SAME_EVENT;
        if self.halved.is_some_and(is_same) {
            return;
        }
        self.halved = Some(now);
        self.rate = (self.rate / 2.0).max(LEAST);
    }

    /// How many tokens it takes until the ticket's call goes: 1 is the next.
    fn place(&self, ticket: Ticket) -> f64 {
        let (mut urgent, mut ordinary) = (self.urgent.iter(), self.ordinary.iter().peekable());
        let mut passed = self.passed;
        let mut place = 0.0;
        loop {
            place += 1.0;
            let is_due = passed >= PASSED && ordinary.peek().is_some();
            let next = if is_due { None } else { urgent.next() };
            passed = if next.is_some() { passed + 1 } else { 0 };
            match next.or_else(|| ordinary.next()) {
                Some(next) if *next == ticket => return place,
                Some(_) => {}
                // He has left, and asks all the same: last.
                None => return place,
            }
        }
    }

    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        let burst = (self.rate * BURST_SECS).max(1.0);
        self.tokens = (self.tokens + self.rate * passed).min(burst);
        self.rate = (self.rate + self.most / RECOVERY_SECS * passed).min(self.most);
    }
}
