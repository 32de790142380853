//! The chain is deleted, and can't go yet.

use testkit::Way;

use super::PROJECT;
use crate::row::{Act, Deed, Hand, PLAIN, Row, Tells};

const DELETE: Deed = Deed::Kubectl(&["delete", "chain", "orders", "--wait=false"]);
const DRAIN: (&str, &str) = (PROJECT, "  project: demo\n  deletionPolicy: Drain\n");

pub const ROWS: &[Row] = &[
    Row {
        name: "a deleted chain that drains",
        chain: &[DRAIN],
        acts: &[
            Act::new(
                &[Deed::Task("incoming-2"), DELETE],
                Tells::WellBut(&[(
                    "Draining",
                    "True",
                    "ChainFinishes",
                    &[
                        "incoming-2 has fewer than 10 tasks",
                        "incoming has fewer than 10 tasks",
                    ],
                )]),
            ),
            Act::new(&[Deed::TaskEnds("incoming-2")], Tells::Gone),
        ],
        ..PLAIN
    },
    Row {
        name: "the same, with its queue paused by hand",
        chain: &[DRAIN],
        acts: &[
            Act::new(
                &[
                    Deed::Task("incoming-2"),
                    DELETE,
                    Deed::Queue("incoming-2", Hand::Pause),
                ],
                Tells::WellBut(&[
                    (
                        "Draining",
                        "True",
                        "ChainFinishes",
                        &["incoming-2 has fewer than 10 tasks and is paused"],
                    ),
                    ("Paused", "True", "PausedOutside", &["incoming-2"]),
                ]),
            ),
            Act::new(&[Deed::TaskEnds("incoming-2")], Tells::Gone),
        ],
        ..PLAIN
    },
    Row {
        name: "a chain that is deleted while Cloud Tasks is unavailable",
        acts: &[
            Act::new(
                &[Deed::CloudTasks(Way::Closed), DELETE],
                Tells::Nothing("CloudTasksAway", &["could not be carried out"]),
            ),
            Act::new(&[Deed::CloudTasks(Way::Open)], Tells::Gone),
        ],
        ..PLAIN
    },
];
