//! Which pushes count as pushes of tasks that are about to expire.

use std::time::Duration;

use crate::chain::policy;
use decide::Answer::{
    Done, Failed, HandOverPending, NoCapacity, NotificationPending, TooLarge, Unknown,
};
use decide::{StagePolicy, TaskAge, expires_soon};

const HOUR: u64 = 3600;
const DAY: u64 = 24 * HOUR;

fn age(created: u64, dispatched: u64) -> TaskAge {
    TaskAge::Known {
        created: Duration::from_secs(created),
        dispatched: Duration::from_secs(dispatched),
    }
}

#[test]
fn a_push_without_a_result_counts_on_the_last_day_of_its_task() {
    // Twenty days, as without the variable.
    let policy = StagePolicy {
        give_up_after: Duration::from_secs(20 * DAY),
        ..policy(3)
    };
    let old = Some(age(19 * DAY + 1, 19 * DAY + 1));
    #[rustfmt::skip]
    let rows = [
        ("the handler accepts no connection, or no slot is free", old, NoCapacity, true),
        ("its state is unknown", old, Unknown, true),
        ("its time is over, and it gets one more try", Some(age(21 * DAY, 21 * DAY)), NoCapacity, true),
        ("a day is left", Some(age(19 * DAY, 19 * DAY)), NoCapacity, false),
        ("it was scheduled for later, and is young", Some(age(25 * DAY, HOUR)), NoCapacity, false),
        ("Google deletes it soon", Some(age(29 * DAY + 12 * HOUR + 1, HOUR)), NoCapacity, true),
        ("not in a day", Some(age(29 * DAY + 12 * HOUR, HOUR)), NoCapacity, false),
        ("its age was not asked for", None, NoCapacity, false),
        ("its age is unknown", Some(TaskAge::Unknown), NoCapacity, false),
        ("it has left", old, Done, false),
        ("it has run", old, Failed, false),
        ("it is handed over next", old, HandOverPending, false),
        ("it has succeeded", old, NotificationPending, false),
        ("it is no task", old, TooLarge, false),
    ];
    for (name, age, answer, wanted) in rows {
        assert_eq!(expires_soon(&policy, age, answer), wanted, "{name}");
    }
}
