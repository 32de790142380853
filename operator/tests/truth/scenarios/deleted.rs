//! The chain is deleted, and can't go yet.

use testkit::Way;

use super::PROJECT;
use crate::scenario::{Act, Action, Hand, Operator, Scenario, Signal, scenario, when};

const DELETE: Action = Action::Kubectl("delete chain orders --wait=false");
const DRAIN: (&str, &str) = (PROJECT, "  project: demo\n  deletionPolicy: Drain\n");

const ARE_PAUSED: Act = when(&[
    Action::IsPaused("incoming"),
    Action::IsPaused("incoming-2"),
    Action::IsPaused("incoming-3"),
])
.gone();

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
        ARE_PAUSED,
    ]),
    scenario("a chain that is deleted while no operator runs, and then Cloud Tasks doesn't answer")
        .acts(&[
            when(&[
                Action::Operator(Signal::Kill),
                DELETE,
                Action::Refuses(4, "Deadline Exceeded"),
                Action::Operator(Signal::Start),
            ])
            .unknown("CloudTasksAway: could not be carried out"),
            when(&[Action::CloudTasks(Way::Open)]).gone(),
            ARE_PAUSED,
        ]),
    scenario("a deleted chain that can't be served, and whose workers are gone")
        .operator(Operator::WithALaxCrd)
        .acts(&[
            when(&[Action::Apply(&[("https://api.", "https://{env}.")])]).unknown("InvalidSpec"),
            when(&[
                Action::Kubectl("delete deployments,services --all"),
                Action::Kubectl("delete chain orders"),
            ])
            .gone(),
            ARE_PAUSED,
        ]),
    scenario("a deleted chain that drains, and a list that lacks its queue")
        .chain(&[DRAIN])
        .acts(&[
            when(&[
                Action::ListsLack("incoming-2"),
                Action::Task("incoming-2"),
                DELETE,
            ])
            .then(&["Draining=True ChainFinishes: incoming-2 has fewer than 10 tasks"]),
            when(&[Action::TaskEnds("incoming-2")]).gone(),
            ARE_PAUSED,
        ]),
];
