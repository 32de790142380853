//! Cloud Tasks is away, or says no to everything.

use testkit::Way;

use super::RATE;
use crate::scenario::{Act, Action, Scenario, Signal, WELL, scenario, when};

const BACK: Act = when(&[Action::CloudTasks(Way::Open)]).then(WELL);

pub const SCENARIOS: &[Scenario] = &[
    scenario("Cloud Tasks is unavailable").acts(&[
        when(&[Action::CloudTasks(Way::Closed)]).unknown("CloudTasksAway"),
        BACK,
    ]),
    scenario("Cloud Tasks is unavailable, and the chain is edited").acts(&[
        when(&[
            Action::CloudTasks(Way::Closed),
            Action::Apply(&[(RATE, "maxDispatchesPerSecond: 300")]),
        ])
        .unknown("CloudTasksAway"),
        BACK,
    ]),
    scenario("Cloud Tasks doesn't answer").acts(&[
        when(&[Action::CloudTasks(Way::Silent)]).unknown("CloudTasksAway"),
        BACK,
    ]),
    scenario("Cloud Tasks is unavailable when an operator starts").acts(&[
        when(&[
            Action::Operator(Signal::Kill),
            Action::CloudTasks(Way::Closed),
            Action::Operator(Signal::Start),
        ])
        .unknown("CloudTasksAway"),
        BACK,
    ]),
    scenario("a quota is exhausted").acts(&[
        when(&[Action::Refuses(8, "Quota exceeded for queue management")])
            .unknown("QuotaExceeded: Quota exceeded for queue management"),
        BACK,
    ]),
    scenario("the project doesn't exist").acts(&[
        when(&[Action::Refuses(5, "The requested project was not found")])
            .unknown("ProjectNotFound: The requested project was not found"),
        BACK,
    ]),
    scenario("no permission in Cloud Tasks").acts(&[
        when(&[Action::Refuses(
            7,
            "The principal lacks cloudtasks.queues.list",
        )])
        .unknown("PermissionDenied: lacks cloudtasks.queues.list"),
        BACK,
    ]),
];
