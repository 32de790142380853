//! The account: a few bytes for each task, kept outside of everything under test.

use std::fmt;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use crate::chain::{STAGES, Stage};

const SUCCEEDED: u8 = 1;
const FAILED: u8 = 2;
/// A handler has answered 2xx.
const DONE: u8 = 4;

/// A number that only rises.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// One more.
    pub fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// How many.
    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What became of each task, and what was done to them all.
#[derive(Debug)]
pub struct Account {
    ends: Vec<AtomicU8>,
    runs: Vec<[AtomicU8; STAGES.len()]>,
    /// Tasks sent: the numbers below this.
    pub sent: Count,
    /// Requests to the handler.
    pub handled: Count,
    /// Pushes that came from Cloud Tasks.
    pub pushes: Count,
    /// Workers killed.
    pub kills: Count,
    /// Spells without Cloud Tasks.
    pub spells: Count,
    /// Pushes that the workers got twice.
    pub duplicates: Count,
    /// Answers that Cloud Tasks got, or didn't get, in a worker's place.
    pub foreign: Count,
    /// Notifications, repeated ones included.
    pub told: Count,
}

impl Account {
    /// An account of so many tasks.
    pub fn new(tasks: usize) -> Self {
        Self {
            ends: (0..tasks).map(|_| AtomicU8::default()).collect(),
            runs: (0..tasks).map(|_| Default::default()).collect(),
            sent: Count::default(),
            handled: Count::default(),
            pushes: Count::default(),
            kills: Count::default(),
            spells: Count::default(),
            duplicates: Count::default(),
            foreign: Count::default(),
            told: Count::default(),
        }
    }

    /// The handler begins a run.
    pub fn runs(&self, task: usize, stage: &Stage) {
        self.handled.add();
        if let Some(runs) = self.runs.get(task) {
            let _ = runs[stage.index].fetch_update(Ordering::Relaxed, Ordering::Relaxed, |runs| {
                runs.checked_add(1)
            });
        }
    }

    /// The handler is about to answer 2xx.
    pub fn done(&self, task: usize) {
        self.mark(task, DONE);
    }

    /// A notification came.
    pub fn ended(&self, task: usize, succeeded: bool) {
        self.told.add();
        self.mark(task, if succeeded { SUCCEEDED } else { FAILED });
    }

    fn mark(&self, task: usize, mark: u8) {
        if let Some(ends) = self.ends.get(task) {
            ends.fetch_or(mark, Ordering::Relaxed);
        }
    }

    /// Everything that rises while anything moves.
    pub fn movement(&self) -> (u64, u64, u64, u64) {
        (
            self.sent.get(),
            self.pushes.get(),
            self.handled.get(),
            self.told.get(),
        )
    }

    /// The sum.
    pub fn sum(&self, took: Duration, left: usize) -> Sum {
        let sent = usize::try_from(self.sent.get()).unwrap_or(usize::MAX);
        let mut sum = Sum {
            sent,
            succeeded: 0,
            failed: 0,
            lost: Vec::new(),
            contradictory: Vec::new(),
            beyond: [0; STAGES.len()],
            runs: self.handled.get(),
            pushes: self.pushes.get(),
            kills: self.kills.get(),
            spells: self.spells.get(),
            duplicates: self.duplicates.get(),
            foreign: self.foreign.get(),
            left,
            took,
        };
        for (task, (ends, runs)) in self.ends.iter().zip(&self.runs).enumerate().take(sent) {
            let runs = [0, 1, 2].map(|stage: usize| runs[stage].load(Ordering::Relaxed));
            let ends = ends.load(Ordering::Relaxed);
            sum.count(task, ends, runs);
        }
        sum
    }
}

/// The result of one run.
#[derive(Debug)]
pub struct Sum {
    sent: usize,
    succeeded: usize,
    failed: usize,
    /// Tasks without an end.
    pub lost: Vec<usize>,
    /// Tasks with two ends, or with one that the handler's runs don't bear out.
    pub contradictory: Vec<usize>,
    beyond: [u64; STAGES.len()],
    runs: u64,
    pushes: u64,
    kills: u64,
    spells: u64,
    duplicates: u64,
    foreign: u64,
    /// Tasks that queues still held when time was up.
    pub left: usize,
    took: Duration,
}

impl Sum {
    fn count(&mut self, task: usize, ends: u8, runs: [u8; STAGES.len()]) {
        let (succeeded, failed) = (ends & SUCCEEDED != 0, ends & FAILED != 0);
        // No success without a handler that said so, no failure before the last stage's handler
        // had its turn.
        let borne_out = if succeeded {
            ends & DONE != 0
        } else {
            runs.iter().all(|runs| *runs > 0)
        };
        match (succeeded, failed) {
            (false, false) => self.lost.push(task),
            (true, true) => self.contradictory.push(task),
            _ if !borne_out => self.contradictory.push(task),
            (true, false) => self.succeeded += 1,
            (false, true) => self.failed += 1,
        }
        for (stage, runs) in STAGES.iter().zip(runs) {
            self.beyond[stage.index] += u64::from(runs.saturating_sub(stage.attempts));
        }
    }

    /// Whether each task has one end, and the right one.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.contradictory.is_empty() && self.left == 0
    }
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let beyond: Vec<String> = STAGES
            .iter()
            .map(|stage| format!("{} {}", stage.name, self.beyond[stage.index]))
            .collect();
        writeln!(f, "  sent           {}", self.sent)?;
        writeln!(f, "  succeeded      {}", self.succeeded)?;
        writeln!(f, "  failed         {}", self.failed)?;
        writeln!(f, "  lost           {}", self.lost.len())?;
        writeln!(f, "  contradictory  {}", self.contradictory.len())?;
        writeln!(f, "  beyond N       {}", beyond.join(", "))?;
        writeln!(f, "  handler runs   {}, pushes {}", self.runs, self.pushes)?;
        writeln!(f, "  kills          {}, spells {}", self.kills, self.spells)?;
        writeln!(
            f,
            "  duplicates     {}, foreign answers {}",
            self.duplicates, self.foreign
        )?;
        if self.left > 0 {
            writeln!(f, "  never ending   {}", self.left)?;
        }
        write!(f, "  took           {:.1} s", self.took.as_secs_f64())
    }
}
