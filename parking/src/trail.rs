//! Where the task of a life is: on the stage that it began on, or wherever the workers have taken it since.
//!
//! A worker creates the next task before it lets the present one end. So a task that has ended, and none of
//! whose next ones exists or existed, has ended for good.

use cloudtasks::{QueuePath, TaskPath};
use decide::RootId;

/// How far a life has been followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trail {
    root: RootId,
    queue: QueuePath,
    hop: u32,
    later: u32,
}

/// What a worker may have created before it let a task end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The task on another stage.
    HandedOver(TaskPath),
    /// The task on the same stage, for later.
    PutOff(TaskPath),
    /// The task in the parking queue: it ended without a success.
    Parked(TaskPath),
}

impl Step {
    /// The task.
    pub fn path(&self) -> &TaskPath {
        match self {
            Self::HandedOver(path) | Self::PutOff(path) | Self::Parked(path) => path,
        }
    }
}

impl Trail {
    /// A life that begins on this queue.
    pub fn new(root: RootId, queue: QueuePath) -> Self {
        Self {
            root,
            queue,
            hop: 1,
            later: 0,
        }
    }

    /// Whether nobody has seen more of it than its first task.
    pub fn is_at_first(&self) -> bool {
        self.hop == 1 && self.later == 0
    }

    /// The task that was the present one when it was followed last.
    pub fn here(&self) -> TaskPath {
        let Self {
            root,
            queue,
            hop,
            later,
        } = self;
        queue.task(match later {
            0 => root.task(*hop),
            later => root.later(*hop, *later),
        })
    }

    /// What may have come after it.
    pub fn next(&self, stages: &[QueuePath], parked: &QueuePath) -> Vec<Step> {
        let later = self.root.later(self.hop, self.later.saturating_add(1));
        let handed_over = self.root.task(self.hop.saturating_add(1));
        let mut steps = vec![
            Step::Parked(parked.task(self.root.parked())),
            Step::PutOff(self.queue.task(later)),
        ];
        let stages = stages.iter();
        steps.extend(stages.map(|stage| Step::HandedOver(stage.task(handed_over.clone()))));
        steps
    }

    /// The life after this step, or none if it has ended.
    pub fn after(self, step: Step) -> Option<Self> {
        match step {
            Step::HandedOver(path) => Some(Self {
                queue: path.queue,
                hop: self.hop.saturating_add(1),
                later: 0,
                ..self
            }),
            Step::PutOff(_) => Some(Self {
                later: self.later.saturating_add(1),
                ..self
            }),
            Step::Parked(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use decide::{Ledger, StageRecord};
    use jiff::Timestamp;

    use super::*;

    fn queue(id: &str) -> QueuePath {
        let path = format!("projects/p/locations/l/queues/{id}");
        path.parse().unwrap()
    }

    #[test]
    fn a_life_is_followed_by_the_ids_that_workers_give_its_tasks() {
        let first = queue("fast").task("order-1".parse().unwrap());
        let redrive = "one".parse().unwrap();
        let mut ledger = Ledger::first(&first, Timestamp::UNIX_EPOCH).redriven(redrive);
        let (stages, parked) = ([queue("fast"), queue("slow")], queue("parked"));
        let trail = Trail::new(ledger.root.clone(), queue("fast"));
        assert!(trail.is_at_first());
        assert_eq!(trail.here(), queue("fast").task(ledger.own_task()));

        // Put off twice.
        let mut trail = trail;
        for _ in 0..2 {
            let later = queue("fast").task(ledger.later_task());
            let step = Step::PutOff(later.clone());
            assert!(trail.next(&stages, &parked).contains(&step));
            trail = trail.after(step).unwrap();
            assert_eq!(trail.here(), later);
            ledger = ledger.put_off(1, 1, Timestamp::UNIX_EPOCH);
        }
        assert!(!trail.is_at_first());
        // Then handed over.
        let next = queue("slow").task(ledger.next_task());
        let step = Step::HandedOver(next.clone());
        assert!(trail.next(&stages, &parked).contains(&step));
        trail = trail.after(step).unwrap();
        assert_eq!(trail.here(), next);
        let record = StageRecord {
            stage: "fast".parse().unwrap(),
            attempts: 1,
            dispatches: 1,
            since: Timestamp::UNIX_EPOCH,
            until: Timestamp::UNIX_EPOCH,
            status: None,
            reason: "status".parse().unwrap(),
        };
        ledger = ledger.with(record).next_hop();
        assert_eq!(trail.here().id, ledger.own_task());
        // And parked.
        let step = Step::Parked(parked.task(ledger.root.parked()));
        assert!(trail.next(&stages, &parked).contains(&step));
        assert_eq!(trail.after(step), None);
    }
}
