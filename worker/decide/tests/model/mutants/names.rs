//! Ids that are made of something else.

use cloudtasks::{QueuePath, TaskId, TaskPath};
use decide::{Ledger, Outcome, StagePolicy};

use crate::rules::{Real, Rules};

/// The next task's id holds the stage that it goes to, in place of the hop.
#[derive(Clone, Copy)]
pub struct TaskHoldsStage;

impl Rules for TaskHoldsStage {
    fn next_task(&self, ledger: &Ledger, to: &QueuePath) -> TaskId {
        format!("{}-{}", ledger.root, to.id).parse().unwrap()
    }

    fn successor_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        let next = ledger.next_task();
        let mut paths = Real.successor_tasks(policy, ledger);
        // On its own queue that is the task's own name.
        paths.retain(|path| path.queue != policy.queue);
        for path in paths.iter_mut().filter(|path| path.id == next) {
            path.id = self.next_task(ledger, &path.queue);
        }
        paths
    }
}

#[derive(Clone, Copy)]
pub struct EndHoldsOutcome;

impl Rules for EndHoldsOutcome {
    fn notification(&self, ledger: &Ledger, outcome: Outcome) -> TaskId {
        let end = ledger.root.notification();
        format!("{end}-{}", outcome.as_str()).parse().unwrap()
    }

    fn successor_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        renamed(self, policy, ledger)
    }
}

#[derive(Clone, Copy)]
pub struct EndHoldsHop;

impl Rules for EndHoldsHop {
    fn notification(&self, ledger: &Ledger, _outcome: Outcome) -> TaskId {
        let end = ledger.root.notification();
        format!("{end}-{}", ledger.hop).parse().unwrap()
    }

    fn successor_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        renamed(self, policy, ledger)
    }
}

/// The real names, with the mutant's notifications in place of the real one.
fn renamed(mutant: &impl Rules, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
    let end = ledger.root.notification();
    let (ends, mut paths): (Vec<_>, Vec<_>) = Real
        .successor_tasks(policy, ledger)
        .into_iter()
        .partition(|path| path.id == end);
    for TaskPath { queue, .. } in ends {
        for outcome in [Outcome::Succeeded, Outcome::Failed] {
            paths.push(queue.task(mutant.notification(ledger, outcome)));
        }
    }
    paths
}
