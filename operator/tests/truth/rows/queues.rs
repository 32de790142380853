//! A queue isn't what the spec says, or isn't there.

use super::{MIDDLE, PROJECT, RATE};
use crate::row::{Act, Deed, Hand, PLAIN, Row, Signal, Tells, WELL};

const REPORT: (&str, &str) = (PROJECT, "  project: demo\n  driftPolicy: Report\n");
const BY_HAND: Deed = Deed::Queue("incoming", Hand::Rate(7.0));
const RATE_DRIFTED: Tells = Tells::WellBut(&[
    (
        "Ready",
        "False",
        "QueueChanged",
        &["see the condition Drifted"],
    ),
    (
        "QueuesReady",
        "False",
        "QueueChanged",
        &["see the condition Drifted"],
    ),
    (
        "Drifted",
        "True",
        "QueueChanged",
        &[
            "incoming has rate 7/s, the spec says rate 400/s",
            "stay as they are",
        ],
    ),
]);

pub const ROWS: &[Row] = &[
    Row {
        name: "a queue that can't be created, because its name is blocked",
        chain: &[(MIDDLE, "")],
        acts: &[
            Act::new(
                &[
                    Deed::Queue("incoming-2", Hand::Create),
                    Deed::Queue("incoming-2", Hand::Delete),
                    Deed::Apply(&[]),
                ],
                Tells::WellBut(&[
                    ("Ready", "False", "QueueNameBlocked", &["incoming-2"]),
                    ("QueuesReady", "False", "QueueMissing", &["incoming-2"]),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &[
                            "middle",
                            "stage fast hands tasks over as the spec says once",
                        ],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::Apply(&[(
                    "name: middle, queue: incoming-2",
                    "name: between, queue: other",
                )])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "a rate changed outside the operator, with driftPolicy Report",
        chain: &[REPORT],
        acts: &[
            Act::new(&[BY_HAND], RATE_DRIFTED),
            Act::new(&[Deed::Queue("incoming", Hand::Rate(400.0))], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "the same, and another operator starts",
        chain: &[REPORT],
        acts: &[
            Act::new(
                &[
                    BY_HAND,
                    Deed::Operator(Signal::Kill),
                    Deed::Operator(Signal::Start),
                ],
                RATE_DRIFTED,
            ),
            Act::new(
                &[Deed::Apply(&[
                    REPORT,
                    (RATE, "maxDispatchesPerSecond: 300"),
                ])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "finite attempts set outside the operator, corrected",
        acts: &[Act {
            done: &[Deed::Queue("incoming", Hand::Attempts(5))],
            passing: &[("Drifted", "True", "QueueChanged", &["incoming has", "5"])],
            told: WELL,
        }],
        ..PLAIN
    },
    Row {
        name: "a stage's queue deleted outside the operator",
        acts: &[
            Act::new(
                &[Deed::Queue("incoming-2", Hand::Delete)],
                Tells::WellBut(&[
                    ("Ready", "False", "QueueNameBlocked", &["incoming-2"]),
                    ("QueuesReady", "False", "QueueMissing", &["incoming-2"]),
                    (
                        "Drifted",
                        "True",
                        "QueueChanged",
                        &["incoming-2 was deleted"],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::Apply(&[(
                    "name: middle, queue: incoming-2",
                    "name: between, queue: other",
                )])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "the notifier's queue deleted outside the operator",
        acts: &[
            Act::new(
                &[Deed::Queue("orders-notifier", Hand::Delete)],
                Tells::WellBut(&[
                    ("Ready", "False", "QueueNameBlocked", &["orders-notifier"]),
                    ("QueuesReady", "False", "QueueMissing", &["orders-notifier"]),
                    (
                        "Drifted",
                        "True",
                        "QueueChanged",
                        &["orders-notifier was deleted"],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::Apply(&[("queue: orders-notifier", "queue: ends")])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "more concurrent dispatches than capacity",
        acts: &[
            Act::new(
                &[Deed::Apply(&[(
                    "maxConcurrentDispatches: 200",
                    "maxConcurrentDispatches: 1000",
                )])],
                Tells::WellBut(&[(
                    "Undersized",
                    "True",
                    "TooFewPlaces",
                    &["incoming dispatches 1000 tasks at once, and its workers run 2 × 100"],
                )]),
            ),
            Act::new(
                &[Deed::Apply(&[
                    (
                        "maxConcurrentDispatches: 200",
                        "maxConcurrentDispatches: 1000",
                    ),
                    ("replicas: 2", "replicas: 2, concurrency: 500"),
                ])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "ten edits back and forth, faster than reconciles",
        acts: &[
            Act::new(&[Deed::Edits(10)], WELL),
            Act::new(&[Deed::Apply(&[]), Deed::Edits(3), Deed::Apply(&[])], WELL),
        ],
        ..PLAIN
    },
];
