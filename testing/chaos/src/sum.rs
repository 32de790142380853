//! The result of one run.

use std::fmt;
use std::time::Duration;

use crate::account::{Account, Known, POISON};
use crate::chain::STAGES;
use crate::judge::{Judgement, judge};

/// A number for each stage.
type Each = [u64; STAGES.len()];

/// The result of one run.
#[derive(Debug)]
pub struct Sum {
    sent: u64,
    succeeded: usize,
    failed: usize,
    /// Tasks without an end.
    pub lost: Vec<usize>,
    /// Tasks with two ends, or with one that the handlers' runs don't bear out.
    pub contradictory: Vec<usize>,
    /// Failed tasks that a stage's handler never began to run, as far as anybody has seen.
    unseen: usize,
    poison: u64,
    poison_runs: Each,
    beyond: Each,
    runs: u64,
    pushes: u64,
    kills: u64,
    deaths: u64,
    spells: u64,
    duplicates: u64,
    foreign: u64,
    /// Tasks that queues still held when time was up.
    pub left: usize,
    took: Duration,
}

impl Sum {
    /// The sum of an account and its tasks.
    pub fn of(
        account: &Account,
        tasks: impl Iterator<Item = Known>,
        took: Duration,
        left: usize,
    ) -> Self {
        let mut sum = Self {
            sent: account.sent.get(),
            succeeded: 0,
            failed: 0,
            lost: Vec::new(),
            contradictory: Vec::new(),
            unseen: 0,
            poison: 0,
            poison_runs: Each::default(),
            beyond: Each::default(),
            runs: account.handled.get(),
            pushes: account.pushes.get(),
            kills: account.kills.get(),
            deaths: account.deaths.get(),
            spells: account.spells.get(),
            duplicates: account.duplicates.get(),
            foreign: account.foreign.get(),
            left,
            took,
        };
        for (number, task) in tasks.enumerate() {
            sum.count(number, task);
        }
        sum
    }

    fn count(&mut self, number: usize, task: Known) {
        match judge(task) {
            Judgement::Lost => self.lost.push(number),
            Judgement::Contradictory => self.contradictory.push(number),
            Judgement::Succeeded => self.succeeded += 1,
            Judgement::Failed => {
                self.failed += 1;
                self.unseen += usize::from(task.runs.contains(&0));
            }
        }
        let poison = task.marks & POISON != 0;
        self.poison += u64::from(poison);
        for (stage, runs) in STAGES.iter().zip(task.runs) {
            self.beyond[stage.index] += u64::from(runs.saturating_sub(stage.attempts));
            if poison {
                self.poison_runs[stage.index] += u64::from(runs);
            }
        }
    }

    /// Whether each task has one end, and the right one.
    pub fn is_clean(&self) -> bool {
        self.lost.is_empty() && self.contradictory.is_empty() && self.left == 0
    }
}

fn by_stage(counts: Each) -> String {
    let each = STAGES.iter().zip(counts);
    let texts: Vec<String> = each
        .map(|(stage, count)| format!("{} {count}", stage.name))
        .collect();
    texts.join(", ")
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  sent           {}", self.sent)?;
        writeln!(f, "  succeeded      {}", self.succeeded)?;
        writeln!(
            f,
            "  failed         {}, unseen {}",
            self.failed, self.unseen
        )?;
        writeln!(f, "  lost           {}", self.lost.len())?;
        writeln!(f, "  contradictory  {}", self.contradictory.len())?;
        writeln!(
            f,
            "  poison         {}, runs {}",
            self.poison,
            by_stage(self.poison_runs)
        )?;
        writeln!(f, "  beyond N       {}", by_stage(self.beyond))?;
        writeln!(f, "  handler runs   {}, pushes {}", self.runs, self.pushes)?;
        writeln!(
            f,
            "  kills          {}, handlers died {}, spells {}",
            self.kills, self.deaths, self.spells
        )?;
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
