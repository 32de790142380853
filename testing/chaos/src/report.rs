//! The result of one run.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use oracle::{TaskResult, TaskResults};

use crate::chain::STAGES;
use crate::evidence::{Misparked, OVERLAPPED, POISON, Task};
use crate::tracker::Tracker;

type Each = [u64; STAGES.len()];

#[derive(Debug)]
pub struct Report {
    tracker: Arc<Tracker>,
    pub results: TaskResults,
    /// Failed tasks that a stage's handler never began to run, as far as anybody has seen.
    unseen: usize,
    parked: Parked,
    poison: u64,
    poison_runs: Each,
    beyond: Each,
    /// Tasks that queues still held when time was up.
    pub left: usize,
    took: Duration,
}

/// What is parked, and what is wrong with that.
#[derive(Debug, Default)]
struct Parked {
    tasks: usize,
    /// Failed, and not parked.
    never: usize,
    more_than_once: usize,
    /// Succeeded, and parked.
    succeeded: usize,
    /// The same, of tasks whose pushes did not overlap.
    succeeded_alone: usize,
}

impl Parked {
    fn count(&mut self, task: Task) {
        self.tasks += usize::from(task.parked > 0);
        match task.misparked() {
            None => {}
            Some(Misparked::Never) => self.never += 1,
            Some(Misparked::MoreThanOnce) => self.more_than_once += 1,
            Some(Misparked::Succeeded) => {
                self.succeeded += 1;
                self.succeeded_alone += usize::from(!task.is(OVERLAPPED));
            }
        }
    }

    fn is_clean(&self) -> bool {
        self.never + self.more_than_once + self.succeeded_alone == 0
    }
}

impl Report {
    /// The report on a run that took so long and left tasks in the queues.
    pub fn of(tracker: &Arc<Tracker>, took: Duration, left: usize) -> Self {
        let mut report = Self {
            tracker: Arc::clone(tracker),
            results: TaskResults::default(),
            unseen: 0,
            parked: Parked::default(),
            poison: 0,
            poison_runs: Each::default(),
            beyond: Each::default(),
            left,
            took,
        };
        for (number, task) in tracker.tasks().enumerate() {
            report.count(number, task);
        }
        report
    }

    fn count(&mut self, number: usize, task: Task) {
        let result = task.evidence().result();
        self.results.add(number, result);
        self.parked.count(task);
        self.unseen += usize::from(result == TaskResult::Failed && task.runs.contains(&0));
        let poison = task.is(POISON);
        self.poison += u64::from(poison);
        for (stage, runs) in STAGES.iter().zip(task.runs) {
            self.beyond[stage.index] += u64::from(runs.saturating_sub(stage.attempts));
            if poison {
                self.poison_runs[stage.index] += u64::from(runs);
            }
        }
    }

    /// How many workers had ended before they were killed. Without them nobody knows who had the pushes.
    pub fn ended(&self) -> u64 {
        self.tracker.ended.get()
    }

    pub fn is_clean(&self) -> bool {
        self.results.is_clean() && self.parked.is_clean() && self.left == 0
    }
}

fn by_stage(counts: Each) -> String {
    let each = STAGES.iter().zip(counts);
    let texts: Vec<String> = each
        .map(|(stage, count)| format!("{} {count}", stage.name))
        .collect();
    texts.join(", ")
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let found = &self.results;
        let (lost, contradictory) = (found.lost.len(), found.contradictory.len());
        let (poison_runs, beyond) = (by_stage(self.poison_runs), by_stage(self.beyond));
        let Tracker {
            sent,
            handled,
            pushes,
            kills,
            deaths,
            outages,
            duplicates,
            foreign,
            put_off,
            isolated,
            ..
        } = &*self.tracker;
        let Self { unseen, poison, .. } = self;
        let Parked {
            tasks: parked,
            never,
            more_than_once,
            succeeded,
            succeeded_alone,
        } = self.parked;
        write!(
            f,
            "  sent           {sent}
  succeeded      {}
  failed         {}, unseen {unseen}
  lost           {lost}
  contradictory  {contradictory}
  parked         {parked}, failed and not parked {never}, more than once {more_than_once}
                 succeeded and parked {succeeded}, {succeeded_alone} of them without overlapping pushes
  poison         {poison}, runs {poison_runs}
  beyond N       {beyond}
  handler runs   {handled}, pushes {pushes}
  kills          {kills}, handlers died {deaths}, outages {outages}
  duplicates     {duplicates}, foreign answers {foreign}
  later          {put_off}, isolated {isolated}
",
            found.succeeded, found.failed,
        )?;
        if self.left > 0 {
            writeln!(f, "  not ended      {}", self.left)?;
        }
        write!(f, "  took           {:.1} s", self.took.as_secs_f64())
    }
}
