//! The chain is deleted, and can't go yet.

use testkit::Way;

use super::PROJECT;
use crate::scenario::{Action, Hand, Scenario, scenario, when};

const DELETE: Action = Action::Kubectl("delete chain orders --wait=false");
const DRAIN: (&str, &str) = (PROJECT, "  project: demo\n  deletionPolicy: Drain\n");

pub const SCENARIOS: &[Scenario] = &[
    scenario("a deleted chain that drains")
        .chain(&[DRAIN])
        .acts(&[
            when(&[Action::Task("incoming-2"), DELETE]).then(&[
                "Draining=True ChainFinishes: incoming-2 has fewer than 10 tasks \
                    | incoming has fewer than 10 tasks",
            ]),
            when(&[Action::TaskEnds("incoming-2")]).gone(),
        ]),
    scenario("the same, with its queue paused by hand")
        .chain(&[DRAIN])
        .acts(&[
            when(&[
                Action::Task("incoming-2"),
                DELETE,
                Action::Queue("incoming-2", Hand::Pause),
            ])
            .then(&[
                "Draining=True ChainFinishes: incoming-2 has fewer than 10 tasks and is \
                    paused",
                "Paused=True PausedOutside: incoming-2",
            ]),
            when(&[Action::TaskEnds("incoming-2")]).gone(),
        ]),
    scenario("a chain that is deleted while Cloud Tasks is unavailable").acts(&[
        when(&[Action::CloudTasks(Way::Closed), DELETE])
            .unknown("CloudTasksAway: could not be carried out"),
        when(&[Action::CloudTasks(Way::Open)]).gone(),
    ]),
];
