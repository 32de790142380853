//! What is right: a task's end is held against what its handlers did.

use crate::account::{DONE, FAILED, Known, SUCCEEDED};
use crate::chain::STAGES;

/// How a task has fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judgement {
    /// No end was told.
    Lost,
    /// Two ends were told, or one that the handlers' runs don't bear out.
    Contradictory,
    /// As was told.
    Succeeded,
    /// As was told.
    Failed,
}

/// Judges a task.
pub fn judge(task: Known) -> Judgement {
    let marked = |mark| task.marks & mark != 0;
    match (marked(SUCCEEDED), marked(FAILED)) {
        (false, false) => Judgement::Lost,
        (true, true) => Judgement::Contradictory,
        // No success without a handler that said so.
        (true, false) if !marked(DONE) => Judgement::Contradictory,
        (true, false) => Judgement::Succeeded,
        (false, true) if !had_its_turns(task) => Judgement::Contradictory,
        (false, true) => Judgement::Failed,
    }
}

/// On each stage the handler had its N turns, but for attempts that the rules count without a run;
/// and one turn at least was its own. A success that a worker took to its grave changes nothing:
/// Failed means that none was recorded.
fn had_its_turns(task: Known) -> bool {
    STAGES.iter().all(|stage| {
        let of = |count: [u8; STAGES.len()]| u16::from(count[stage.index]);
        let (runs, hit, excused) = (of(task.runs), of(task.hit), of(task.excused));
        runs + hit > 0 && runs + excused >= u16::from(stage.attempts)
    })
}

#[cfg(test)]
mod tests {
    use super::Judgement::{Contradictory, Failed, Lost, Succeeded};
    use super::*;

    const FULL: [u8; STAGES.len()] = [3, 2, 1];

    fn task(marks: u8, runs: [u8; STAGES.len()]) -> Known {
        Known {
            marks,
            runs,
            hit: [0; STAGES.len()],
            excused: [0; STAGES.len()],
        }
    }

    #[test]
    fn every_task_has_one_end() {
        assert_eq!(judge(task(DONE, FULL)), Lost);
        assert_eq!(judge(task(SUCCEEDED | FAILED | DONE, FULL)), Contradictory);
    }

    #[test]
    fn a_success_needs_a_handler_that_said_so() {
        assert_eq!(judge(task(SUCCEEDED, FULL)), Contradictory);
        assert_eq!(judge(task(SUCCEEDED | DONE, [1, 0, 0])), Succeeded);
    }

    #[test]
    fn a_failure_needs_n_turns_on_each_stage() {
        assert_eq!(judge(task(FAILED, FULL)), Failed);
        assert_eq!(judge(task(FAILED | DONE, FULL)), Failed);
        assert_eq!(judge(task(FAILED, [2, 2, 1])), Contradictory);
        let excused = Known {
            excused: [1, 0, 0],
            ..task(FAILED, [2, 2, 1])
        };
        assert_eq!(judge(excused), Failed);
    }

    #[test]
    fn a_foreign_answer_alone_is_no_turn_but_a_handlers_death_may_be_one() {
        let foreign = Known {
            excused: [0, 0, 1],
            ..task(FAILED, [3, 2, 0])
        };
        assert_eq!(judge(foreign), Contradictory);
        let hit = Known {
            hit: [0, 0, 1],
            ..foreign
        };
        assert_eq!(judge(hit), Failed);
    }
}
