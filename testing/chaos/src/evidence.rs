//! What is known of a task, and the ends that this allows.

use oracle::{Ends, Evidence};

use crate::chain::STAGES;

/// The client was notified of success.
pub const SUCCEEDED: u8 = 1;
/// The client was notified of failure.
pub const FAILED: u8 = 2;
/// A handler has answered 2xx.
pub const ANSWERED: u8 = 4;
pub const POISON: u8 = 8;
/// Two pushes may have been at workers at once.
pub const OVERLAPPED: u8 = 16;

pub type ByStage = [u8; STAGES.len()];

/// A task, when nothing moves any more.
#[derive(Debug, Clone, Copy, Default)]
pub struct Task {
    pub marks: u8,
    /// How often the task is in the parking queue.
    pub parked: u8,
    /// Runs that a handler began.
    pub runs: ByStage,
    /// Pushes under which the handler died, perhaps before it had read the request.
    pub hit: ByStage,
    /// Attempts that the rules may count without a run: [`Task::hit`], and foreign answers.
    pub excused: ByStage,
    /// The stages that it left because its category was isolated.
    pub isolated: [bool; STAGES.len()],
}

/// What is wrong with a task's parking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misparked {
    /// Failed was notified, and the task is not parked.
    Never,
    MoreThanOnce,
    /// Succeeded was notified, and the task is parked.
    Succeeded,
}

impl Task {
    pub fn misparked(&self) -> Option<Misparked> {
        match self.parked {
            0 if self.is(FAILED) => Some(Misparked::Never),
            1 if self.is(SUCCEEDED) => Some(Misparked::Succeeded),
            0 | 1 => None,
            _ => Some(Misparked::MoreThanOnce),
        }
    }

    pub fn is(&self, mark: u8) -> bool {
        self.marks & mark != 0
    }

    pub fn evidence(&self) -> Evidence {
        Evidence {
            notified: Ends {
                succeeded: self.is(SUCCEEDED),
                failed: self.is(FAILED),
            },
            allowed: Ends {
                succeeded: self.is(ANSWERED),
                failed: self.had_its_attempts(),
            },
        }
    }

    /// On each stage that didn't isolate its category the handler had its N attempts, but for those that the
    /// rules count without a run; and one at least was a run. A success that a worker took to its grave
    /// changes nothing: Failed means that none was recorded.
    fn had_its_attempts(&self) -> bool {
        STAGES.iter().all(|stage| {
            let of = |count: ByStage| u16::from(count[stage.index]);
            let (runs, hit, excused) = (of(self.runs), of(self.hit), of(self.excused));
            let had_them = runs + hit > 0 && runs + excused >= u16::from(stage.attempts);
            had_them || self.isolated[stage.index]
        })
    }
}

#[cfg(test)]
mod tests {
    use oracle::TaskResult::{self, Contradictory, Failed, Lost, Succeeded};

    use super::*;

    const FULL: ByStage = [3, 2, 1];

    fn task(marks: u8, runs: ByStage) -> Task {
        Task {
            marks,
            runs,
            ..Task::default()
        }
    }

    #[test]
    fn a_failed_task_is_parked_once_and_no_other_is() {
        let parked = |marks, parked| Task {
            parked,
            ..task(marks, FULL)
        };
        let rows = [
            (parked(FAILED, 0), Some(Misparked::Never)),
            (parked(FAILED, 1), None),
            (parked(FAILED, 2), Some(Misparked::MoreThanOnce)),
            (parked(SUCCEEDED | ANSWERED, 0), None),
            (parked(SUCCEEDED | ANSWERED, 1), Some(Misparked::Succeeded)),
        ];
        for (task, wrong) in rows {
            assert_eq!(task.misparked(), wrong, "{task:?}");
        }
    }

    #[test]
    fn an_end_needs_the_runs_that_allow_it() {
        let short = task(FAILED, [2, 2, 1]);
        let excused = Task {
            excused: [1, 0, 0],
            ..short
        };
        // A foreign answer alone is no attempt, but a handler's death may be one.
        let foreign = Task {
            excused: [0, 0, 1],
            ..task(FAILED, [3, 2, 0])
        };
        let hit = Task {
            hit: [0, 0, 1],
            ..foreign
        };
        let isolated = Task {
            isolated: [true, false, false],
            ..task(FAILED, [0, 2, 1])
        };
        let isolated_elsewhere = Task {
            isolated: [false, true, false],
            ..isolated
        };
        let rows: [(Task, TaskResult); 12] = [
            (isolated, Failed),
            (isolated_elsewhere, Contradictory),
            (task(ANSWERED, FULL), Lost),
            (task(SUCCEEDED | FAILED | ANSWERED, FULL), Contradictory),
            (task(SUCCEEDED, FULL), Contradictory),
            (task(SUCCEEDED | ANSWERED, [1, 0, 0]), Succeeded),
            (task(FAILED, FULL), Failed),
            (task(FAILED | ANSWERED, FULL), Failed),
            (short, Contradictory),
            (excused, Failed),
            (foreign, Contradictory),
            (hit, Failed),
        ];
        for (task, result) in rows {
            assert_eq!(task.evidence().result(), result, "{task:?}");
        }
    }
}
