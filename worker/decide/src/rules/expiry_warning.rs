//! Whether a task that stays on its queue is about to expire (A4).

use std::time::Duration;

use super::arrival::TaskAge;
use crate::stage::StagePolicy;
use crate::values::Answer;

/// A day is enough to notice, and to repair what keeps the tasks from running.
const SOON: Duration = Duration::from_hours(24);

/// Whether a task that was pushed without a result will expire within a day, if its pushes go on like
/// that. `age` is what [`on_arrival`](super::on_arrival) has asked for: A4 asks only about tasks with many
/// unanswered dispatches, and no other expires.
///
/// Not with 477, which is progress, nor with 596 and 597: rules before A4 take those tasks.
pub fn expires_soon(policy: &StagePolicy, age: Option<TaskAge>, answer: Answer) -> bool {
    let has_no_result = match answer {
        Answer::Unknown | Answer::NoCapacity | Answer::Held => true,
        Answer::Done
        | Answer::Failed
        | Answer::HandOverPending
        | Answer::NotificationPending
        | Answer::TooLarge => false,
    };
    has_no_result && age.is_some_and(|age| age.after(SOON).exceeds(policy.give_up_after))
}
