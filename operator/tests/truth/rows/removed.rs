//! A stage is removed, and something of it is left.

use super::MIDDLE;
use crate::row::{Act, Deed, PLAIN, Pods, Row, Tells, Told, WELL};

const REMOVE: Deed = Deed::Apply(&[(MIDDLE, "")]);
const BACK: Deed = Deed::Apply(&[]);
const TASK: Deed = Deed::Task("incoming-2");
const LEFT: Told = (
    "Draining",
    "True",
    "StageRemoved",
    &["incoming-2 has fewer than 10 tasks left"],
);
const DRAINED: Tells = Tells::WellBut(&[(
    "Draining",
    "False",
    "NothingDrains",
    &["queues of removed stages, empty and paused: incoming-2"],
)]);

pub const ROWS: &[Row] = &[
    Row {
        name: "a removed stage that a former pod may still hand tasks to",
        acts: &[
            Act::new(
                &[Deed::FormerPod, REMOVE],
                Tells::WellBut(&[(
                    "Draining",
                    "True",
                    "StageRemoved",
                    &["incoming-2 drains once no other worker can hand tasks over to it"],
                )]),
            ),
            Act::new(&[Deed::FormerPodEnds], DRAINED),
        ],
        ..PLAIN
    },
    Row {
        name: "a removed stage with tasks left",
        acts: &[
            Act::new(&[TASK, REMOVE], Tells::WellBut(&[LEFT])),
            Act::new(&[Deed::TaskEnds("incoming-2")], DRAINED),
        ],
        ..PLAIN
    },
    Row {
        name: "a removed stage whose workers were deleted outside the operator",
        acts: &[
            Act::new(
                &[
                    TASK,
                    REMOVE,
                    Deed::Until("Draining", "True"),
                    Deed::Kubectl(&["delete", "deployment", "orders-middle"]),
                ],
                Tells::WellBut(&[
                    (
                        "Draining",
                        "True",
                        "StageRemoved",
                        &["incoming-2 has tasks and no workers"],
                    ),
                    ("Paused", "True", "PausedByOperator", &["incoming-2"]),
                ]),
            ),
            Act::new(&[BACK], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "a stage that is added again while it drains",
        acts: &[
            Act::new(&[TASK, REMOVE], Tells::WellBut(&[LEFT])),
            Act::new(&[BACK], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "a stage that is added again when it has drained, and its pods don't become ready",
        args: &["--gate-after=0s"],
        acts: &[
            Act::new(&[REMOVE], DRAINED),
            Act::new(
                &[Deed::Pods("middle", Pods::UNREADY), BACK],
                Tells::WellBut(&[
                    ("Ready", "False", "Progressing", &["incoming-2"]),
                    (
                        "QueuesReady",
                        "False",
                        "Progressing",
                        &["queue incoming-2 is resumed once a worker of stage middle is ready"],
                    ),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &["middle", "once a worker of stage middle is ready"],
                    ),
                    ("Paused", "True", "PausedByOperator", &["incoming-2"]),
                ]),
            ),
            Act::new(&[Deed::Pods("middle", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
];
