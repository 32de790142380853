//! What becomes of each task: its runs, and what its client is told.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Instant;

use oracle::{Lives, Notification, TaskResult, task_number};
use parking_lot::Mutex;

/// What the ids of tasks begin with; their numbers follow.
pub const PREFIX: &str = "t-";
/// The reason of the half that is redriven.
pub const REDRIVEN: &str = "no-stock";
/// The reason of the other half.
pub const OTHER: &str = "no-address";

/// What becomes of each task.
#[derive(Debug, Default)]
pub struct Tale {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    is_fixed: bool,
    /// Runs by task, before and after the handler was fixed.
    runs: HashMap<String, [u32; 2]>,
    /// When each second life began to run.
    begun: Vec<Instant>,
    lives: Lives,
}

/// The runs of all tasks.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// Of all of them.
    pub all: u64,
    /// Of the one with the fewest.
    pub fewest: u32,
    /// Of the one with the most.
    pub most: u32,
}

/// What became of the tasks that were redriven.
#[derive(Debug, Clone, Copy)]
pub struct SecondLives {
    /// Those whose client was told Failed once, and then Succeeded once, of a second life.
    pub told: usize,
    /// Those with other events, or more.
    pub twice: usize,
    /// Runs in second lives.
    pub runs: u64,
}

impl Tale {
    /// Whether the task is of the half that is redriven.
    pub fn is_redriven(task: &str) -> bool {
        task_number(task, PREFIX).is_some_and(|number| number.is_multiple_of(2))
    }

    /// Runs a task: the reason why it fails, if it does.
    pub fn run(&self, task: &str) -> Option<&'static str> {
        let mut inner = self.inner.lock();
        let is_fixed = inner.is_fixed;
        let runs = inner.runs.entry(task.to_owned()).or_default();
        let runs = &mut runs[usize::from(is_fixed)];
        *runs += 1;
        if *runs == 1 && is_fixed {
            inner.begun.push(Instant::now());
        }
        if is_fixed {
            None
        } else if Self::is_redriven(task) {
            Some(REDRIVEN)
        } else {
            Some(OTHER)
        }
    }

    /// From now on all runs succeed.
    pub fn fix(&self) {
        self.inner.lock().is_fixed = true;
    }

    /// The client gets an event.
    pub fn notified(&self, event: &Notification) {
        self.inner.lock().lives.notified(event);
    }

    /// The tasks whose client was told Failed.
    pub fn told_failed(&self) -> usize {
        self.told(TaskResult::Failed)
    }

    /// Those whose client was told Succeeded.
    pub fn told_succeeded(&self) -> usize {
        self.told(TaskResult::Succeeded)
    }

    fn told(&self, end: TaskResult) -> usize {
        let lives = &self.inner.lock().lives;
        let told = lives.tasks().filter(|task| lives.of(*task).contains(&end));
        told.count()
    }

    /// The runs before the handler was fixed.
    pub fn runs(&self) -> Runs {
        let inner = self.inner.lock();
        let runs = || inner.runs.values().map(|[before, _]| *before);
        Runs {
            all: runs().map(u64::from).sum(),
            fewest: runs().min().unwrap_or_default(),
            most: runs().max().unwrap_or_default(),
        }
    }

    /// What became of those that were redriven.
    pub fn second_lives(&self) -> SecondLives {
        use TaskResult::{Failed, Succeeded};
        let inner = self.inner.lock();
        let lives = |task| inner.lives.of(task);
        let is_told = |task: &usize| lives(*task) == [Failed, Succeeded];
        let is_wrong = |task: &usize| !is_told(task) && lives(*task) != [Failed];
        let runs = inner.runs.values();
        SecondLives {
            told: inner.lives.tasks().filter(is_told).count(),
            twice: inner.lives.tasks().filter(is_wrong).count(),
            runs: runs.map(|[_, after]| u64::from(*after)).sum(),
        }
    }

    /// How many second lives began in the median second in which any did. While the mover is dead, none does.
    pub fn rate(&self) -> f64 {
        let mut seconds: BTreeMap<u64, u32> = BTreeMap::new();
        let inner = self.inner.lock();
        let Some(first) = inner.begun.first() else {
            return 0.0;
        };
        for begun in &inner.begun {
            *seconds
                .entry(begun.duration_since(*first).as_secs())
                .or_default() += 1;
        }
        let mut counts: Vec<u32> = seconds.into_values().collect();
        counts.sort_unstable();
        counts.get(counts.len() / 2).copied().map_or(0.0, f64::from)
    }

    /// The same over all the time from the first to the last.
    pub fn mean_rate(&self) -> f64 {
        let inner = self.inner.lock();
        let (Some(first), Some(last)) = (inner.begun.first(), inner.begun.last()) else {
            return 0.0;
        };
        let begun = u32::try_from(inner.begun.len()).unwrap_or(u32::MAX);
        f64::from(begun) / last.duration_since(*first).as_secs_f64()
    }

    /// In one line.
    pub fn counts(&self) -> String {
        let (failed, succeeded) = (self.told_failed(), self.told_succeeded());
        format!(
            "told Failed {failed}, told Succeeded {succeeded}, {}",
            self.runs()
        )
    }
}

impl fmt::Display for Runs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { all, fewest, most } = self;
        write!(f, "{all} runs, {fewest} to {most} a task")
    }
}
