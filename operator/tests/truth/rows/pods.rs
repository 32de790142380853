//! Pods are missing, too few, old, or not told of.

use super::RATE;
use crate::row::{Act, Deed, PLAIN, Pods, Row, Tells, WELL};

const ATTEMPTS: Deed = Deed::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]);
const FAST_IS_BEHIND: Tells = Tells::WellBut(&[
    ("Ready", "False", "PodsNotReady", &["fast"]),
    ("WorkersReady", "False", "PodsNotReady", &["fast"]),
]);

const fn some(all: i32, new: i32, ready: i32) -> Deed {
    Deed::Pods("fast", Pods::Some { all, new, ready })
}

pub const ROWS: &[Row] = &[
    Row {
        name: "no pod is ready, and the queue is left running",
        args: &["--gate-after=0s"],
        acts: &[
            Act::new(&[some(2, 2, 0)], FAST_IS_BEHIND),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "fewer pods than replicas",
        acts: &[
            Act::new(&[some(2, 2, 1)], FAST_IS_BEHIND),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "former pods beside the new ones",
        acts: &[
            Act::new(&[some(3, 1, 3), ATTEMPTS], FAST_IS_BEHIND),
            // All new ones are there, and a former one still takes pushes.
            Act::new(&[some(3, 2, 3)], FAST_IS_BEHIND),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "the Deployment's status is of an older generation",
        acts: &[
            Act::new(
                &[Deed::Pods("fast", Pods::Asleep), ATTEMPTS],
                FAST_IS_BEHIND,
            ),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "rate and replicas raised together, and the new pods are not ready",
        acts: &[
            Act::new(
                &[
                    some(4, 4, 2),
                    Deed::Apply(&[
                        (RATE, "maxDispatchesPerSecond: 450"),
                        ("replicas: 2", "replicas: 4"),
                    ]),
                ],
                Tells::WellBut(&[
                    ("Ready", "False", "Progressing", &["gets rate 450/s once"]),
                    (
                        "QueuesReady",
                        "False",
                        "Progressing",
                        &["queue incoming gets rate 450/s once stage fast has 4 ready workers"],
                    ),
                    ("WorkersReady", "False", "PodsNotReady", &["fast"]),
                ]),
            ),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "scaled to zero by hand, and the spec sets no replicas",
        acts: &[
            Act::new(
                &[Deed::Kubectl(&[
                    "scale",
                    "deployment/orders-middle",
                    "--replicas=0",
                ])],
                Tells::WellBut(&[
                    ("Paused", "True", "PausedByOperator", &["incoming-2"]),
                    (
                        "Undersized",
                        "True",
                        "TooFewPlaces",
                        &["incoming-2 dispatches 100 tasks at once, and its workers run 0 × 100"],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::Kubectl(&[
                    "scale",
                    "deployment/orders-middle",
                    "--replicas=1",
                ])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "scaled by hand, and the spec sets replicas",
        acts: &[Act::new(
            &[Deed::Kubectl(&[
                "scale",
                "deployment/orders-fast",
                "--replicas=1",
            ])],
            WELL,
        )],
        ..PLAIN
    },
];
