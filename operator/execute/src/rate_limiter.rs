//! The rate limiter: when the next call to Cloud Tasks may start. It does no I/O, and takes the time as
//! an argument.
//!
//! A token bucket, one token a call. Google counts admin calls in quotas of a project, which other
//! programs use too, so the rate that is left is unknown: additive increase, multiplicative decrease.

use std::collections::VecDeque;
use std::str::FromStr;
use std::time::{Duration, Instant};

#[cfg(test)]
mod tests;

/// How many seconds' calls the bucket holds: an edit of a long chain need not wait.
const BURST_SECS: f64 = 2.0;
/// The lowest rate, however often a quota is exhausted: an edit must get through.
const MIN_RATE: f64 = 1.0;
/// From the lowest to the full rate: Google counts quotas by the minute.
const RECOVERY_SECS: f64 = 60.0;
/// An error so soon after the rate was halved answers a call that was made before it.
const SAME_EVENT: Duration = Duration::from_secs(1);
/// How many urgent calls in a row may overtake a normal one: normal calls get at least a fifth of the
/// rate.
const MAX_OVERTAKES: u32 = 4;

/// The most calls a second: from 1 to 1000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate(f64);

impl FromStr for Rate {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse() {
            Ok(rate) if (1.0..=1000.0).contains(&rate) => Ok(Self(rate)),
            Ok(_) | Err(_) => Err("write a number of calls a second, from 1 to 1000".to_owned()),
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

/// A token bucket for calls that are skipped rather than delayed.
#[derive(Debug)]
pub struct TokenBucket {
    rate: f64,
    most: f64,
    tokens: f64,
    since: Instant,
}

impl TokenBucket {
    /// Starts full, and refills by `rate` tokens a second.
    pub fn full(rate: f64, most: f64, now: Instant) -> Self {
        Self {
            rate,
            most,
            tokens: most,
            since: now,
        }
    }

    /// Takes a token if one is left.
    pub fn take(&mut self, now: Instant) -> bool {
        let elapsed = now.saturating_duration_since(self.since).as_secs_f64();
        self.tokens = (self.tokens + elapsed * self.rate).min(self.most);
        self.since = now;
        let has = self.tokens >= 1.0;
        if has {
            self.tokens -= 1.0;
        }
        has
    }
}

/// Which call is made first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Changes an existing queue: an edit in an incident.
    Urgent,
    /// Creates, deletes or reads queues.
    Normal,
}

/// One waiting call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// The bucket, and the calls that wait for it.
#[derive(Debug)]
pub struct RateLimiter {
    most: f64,
    rate: f64,
    tokens: f64,
    at: Instant,
    halved: Option<Instant>,
    urgent: VecDeque<Ticket>,
    normal: VecDeque<Ticket>,
    overtakes: u32,
    issued: u64,
}

impl RateLimiter {
    /// Starts with a full bucket.
    pub fn new(most: Rate, now: Instant) -> Self {
        Self {
            most: most.0,
            rate: most.0,
            tokens: most.0 * BURST_SECS,
            at: now,
            halved: None,
            urgent: VecDeque::new(),
            normal: VecDeque::new(),
            overtakes: 0,
            issued: 0,
        }
    }

    /// The current rate, in calls a second.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// Adds a waiting call, which then asks with [`try_acquire`](Self::try_acquire), or gives up with
    /// [`cancel`](Self::cancel).
    pub fn enqueue(&mut self, priority: Priority) -> Ticket {
        let ticket = Ticket(self.issued);
        self.issued += 1;
        match priority {
            Priority::Urgent => self.urgent.push_back(ticket),
            Priority::Normal => self.normal.push_back(ticket),
        }
        ticket
    }

    /// `None`: the call may start. Else how long to wait, unless the queue changes meanwhile.
    pub fn try_acquire(&mut self, ticket: Ticket, now: Instant) -> Option<Duration> {
        self.advance(now);
        let place = self.place(ticket);
        let missing = place - self.tokens;
        // Rounding may leave a sum of refills just below a whole token.
        if missing > 1e-6 {
            return Some(Duration::from_secs_f64(missing / self.rate));
        }
        if place > 1.0 {
            // A token is left for this call once the calls before it have taken theirs.
            return Some(Duration::from_secs_f64(1.0 / self.rate));
        }
        self.tokens = (self.tokens - 1.0).max(0.0);
        if self.urgent.contains(&ticket) {
            self.overtakes = if self.normal.is_empty() {
                0
            } else {
                self.overtakes + 1
            };
        } else {
            self.overtakes = 0;
        }
        self.cancel(ticket);
        None
    }

    /// Takes a token for a call that is skipped rather than delayed, and that must delay no other: only if
    /// none waits, and half of the bucket stays for an edit.
    pub fn take_spare(&mut self, now: Instant) -> bool {
        self.advance(now);
        let is_spare = self.urgent.is_empty()
            && self.normal.is_empty()
            && self.tokens - 1.0 >= self.burst() / 2.0;
        if is_spare {
            self.tokens -= 1.0;
        }
        is_spare
    }

    /// Removes a waiting call.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.urgent.retain(|it| *it != ticket);
        self.normal.retain(|it| *it != ticket);
    }

    /// A quota is exhausted: halves the rate, and empties the bucket.
    pub fn quota_exhausted(&mut self, now: Instant) {
        self.advance(now);
        self.tokens = 0.0;
        let is_same = |halved: Instant| now.saturating_duration_since(halved) < SAME_EVENT;
        if self.halved.is_some_and(is_same) {
            return;
        }
        self.halved = Some(now);
        self.rate = (self.rate / 2.0).max(MIN_RATE);
    }

    /// The call's place in the queue: 1 is next.
    fn place(&self, ticket: Ticket) -> f64 {
        let (mut urgent, mut normal) = (self.urgent.iter(), self.normal.iter().peekable());
        let mut overtakes = self.overtakes;
        let mut place = 0.0;
        loop {
            place += 1.0;
            let is_due = overtakes >= MAX_OVERTAKES && normal.peek().is_some();
            let next = if is_due { None } else { urgent.next() };
            overtakes = if next.is_some() { overtakes + 1 } else { 0 };
            match next.or_else(|| normal.next()) {
                Some(next) if *next == ticket => return place,
                Some(_) => {}
                // It was canceled, and asks all the same: last.
                None => return place,
            }
        }
    }

    /// How many tokens the bucket holds.
    fn burst(&self) -> f64 {
        (self.rate * BURST_SECS).max(1.0)
    }

    fn advance(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.at).as_secs_f64();
        self.at = self.at.max(now);
        self.tokens = (self.tokens + self.rate * elapsed).min(self.burst());
        self.rate = (self.rate + self.most / RECOVERY_SECS * elapsed).min(self.most);
    }
}
