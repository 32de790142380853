//! Cloud Tasks is away, or says no to everything.

use testkit::Way;

use super::RATE;
use crate::row::{Act, Deed, PLAIN, Row, Signal, Tells, WELL};

const BACK: Act = Act::new(&[Deed::CloudTasks(Way::Open)], WELL);

pub const ROWS: &[Row] = &[
    Row {
        name: "Cloud Tasks is unavailable",
        acts: &[
            Act::new(
                &[Deed::CloudTasks(Way::Closed)],
                Tells::Nothing("CloudTasksAway", &[]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "Cloud Tasks is unavailable, and the chain is edited",
        acts: &[
            Act::new(
                &[
                    Deed::CloudTasks(Way::Closed),
                    Deed::Apply(&[(RATE, "maxDispatchesPerSecond: 300")]),
                ],
                Tells::Nothing("CloudTasksAway", &[]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "Cloud Tasks doesn't answer",
        acts: &[
            Act::new(
                &[Deed::CloudTasks(Way::Silent)],
                Tells::Nothing("CloudTasksAway", &[]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "Cloud Tasks is unavailable when an operator starts",
        acts: &[
            Act::new(
                &[
                    Deed::Operator(Signal::Kill),
                    Deed::CloudTasks(Way::Closed),
                    Deed::Operator(Signal::Start),
                ],
                Tells::Nothing("CloudTasksAway", &[]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "a quota is exhausted",
        acts: &[
            Act::new(
                &[Deed::Refuses(8, "Quota exceeded for queue management")],
                Tells::Nothing("QuotaExceeded", &["Quota exceeded for queue management"]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "the project doesn't exist",
        acts: &[
            Act::new(
                &[Deed::Refuses(5, "The requested project was not found")],
                Tells::Nothing("ProjectNotFound", &["The requested project was not found"]),
            ),
            BACK,
        ],
        ..PLAIN
    },
    Row {
        name: "no permission in Cloud Tasks",
        acts: &[
            Act::new(
                &[Deed::Refuses(
                    7,
                    "The principal lacks cloudtasks.queues.list",
                )],
                Tells::Nothing("PermissionDenied", &["lacks cloudtasks.queues.list"]),
            ),
            BACK,
        ],
        ..PLAIN
    },
];
