//! Stages come, and get other names, and their pods never get ready.

use super::MIDDLE;
use crate::row::{Act, Deed, PLAIN, Pods, Row, Tells, WELL};

pub const ROWS: &[Row] = &[
    Row {
        name: "a new stage that never becomes ready, and no stage hands over to it",
        chain: &[(MIDDLE, "")],
        acts: &[
            Act::new(
                &[Deed::Pods("middle", Pods::UNREADY), Deed::Apply(&[])],
                Tells::WellBut(&[
                    ("Ready", "False", "Progressing", &["middle"]),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &[
                            "middle",
                            "stage fast hands tasks over as the spec says once a worker of stage middle is ready",
                        ],
                    ),
                    ("Paused", "True", "PausedByOperator", &["incoming-2"]),
                ]),
            ),
            Act::new(&[Deed::Pods("middle", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "a renamed stage whose new pods never become ready",
        acts: &[
            Act::new(
                &[
                    Deed::Pods("quick", Pods::UNREADY),
                    Deed::Apply(&[("name: fast", "name: quick")]),
                ],
                Tells::WellBut(&[
                    ("Ready", "False", "Progressing", &["incoming"]),
                    (
                        "QueuesReady",
                        "False",
                        "Progressing",
                        &["queue incoming pushes to stage quick once its workers are ready"],
                    ),
                    ("WorkersReady", "False", "PodsNotReady", &["quick"]),
                    (
                        "Draining",
                        "True",
                        "StageRemoved",
                        &["renamed", "orders-fast"],
                    ),
                ]),
            ),
            Act::new(&[Deed::Pods("quick", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
];
