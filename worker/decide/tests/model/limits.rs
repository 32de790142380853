//! What the rules can't promise: a worker of the release before an edit looks up successors only on the
//! queues that it knows. If a new worker has handed the task over to a new queue, and Cloud Tasks did not
//! get the answer, the old worker starts the task over. No task is lost by that, none ends
//! twice, and all other promises hold.

use crate::faults::{ALL, Fault};
use crate::promises::{NOT_LATE, ONE_STAGE};
use crate::real::hold;
use crate::rules::Real;
use crate::search::broken;
use crate::setting::Setting;
use crate::settings;

/// The faults after which Cloud Tasks doesn't know of a hand-over.
const UNHEARD: [Fault; 3] = [Fault::Killed, Fault::HungUp, Fault::Reply];

fn edits() -> [Setting; 2] {
    [settings::appended(), settings::inserted()].map(|edit| Setting {
        name: edit.name.clone() + "; strictly",
        strict: true,
        budget: 1,
        ..edit
    })
}

#[test]
fn an_old_worker_starts_a_task_over_if_its_hand_over_to_a_new_queue_was_not_confirmed() {
    for edit in edits() {
        for fault in UNHEARD {
            let setting = edit.clone().faults(&[fault]);
            let story = broken(Real, &setting, NOT_LATE).expect("it can't see the new queue");
            println!("{fault:?} breaks: {NOT_LATE}\n{}\n{story}", setting.name);
        }
        let setting = edit.faults(&[Fault::Killed]);
        assert!(broken(Real, &setting, ONE_STAGE).is_some());
    }
}

#[test]
fn no_other_fault_makes_an_old_worker_start_a_task_over() {
    let heard = ALL.into_iter().filter(|fault| !UNHEARD.contains(fault));
    let heard: Vec<Fault> = heard.collect();
    for edit in edits() {
        hold(&edit.faults(&heard));
    }
}
