//! A queue is paused: by the spec, by the operator, outside the operator, or for several reasons.

use crate::row::{Act, Deed, Hand, PLAIN, Pods, Row, Tells, Told, WELL};

const PAUSED: (&str, &str) = ("queue: incoming-2", "queue: incoming-2, paused: true");
const NO_WORKER: Told = ("WorkersReady", "False", "PodsNotReady", &["fast"]);
const SO_NOT_READY: Told = ("Ready", "False", "PodsNotReady", &["fast"]);

pub const ROWS: &[Row] = &[
    Row {
        name: "paused by the spec",
        acts: &[
            Act::new(
                &[Deed::Apply(&[PAUSED])],
                Tells::WellBut(&[("Paused", "True", "PausedBySpec", &["incoming-2"])]),
            ),
            Act::new(&[Deed::Apply(&[])], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "paused by hand",
        acts: &[
            Act::new(
                &[Deed::Queue("incoming-2", Hand::Pause)],
                Tells::WellBut(&[("Paused", "True", "PausedOutside", &["incoming-2"])]),
            ),
            Act::new(&[Deed::Queue("incoming-2", Hand::Resume)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "the notifier's queue paused by hand",
        acts: &[
            Act::new(
                &[Deed::Queue("orders-notifier", Hand::Pause)],
                Tells::WellBut(&[("Paused", "True", "PausedOutside", &["orders-notifier"])]),
            ),
            Act::new(&[Deed::Queue("orders-notifier", Hand::Resume)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "paused by the operator, because no worker is ready",
        acts: &[
            Act::new(
                &[Deed::Pods("fast", Pods::UNREADY)],
                Tells::WellBut(&[
                    SO_NOT_READY,
                    NO_WORKER,
                    ("Paused", "True", "PausedByOperator", &["ready: incoming"]),
                ]),
            ),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "three queues paused for three reasons",
        acts: &[
            Act::new(
                &[
                    Deed::Pods("fast", Pods::UNREADY),
                    Deed::Queue("incoming-3", Hand::Pause),
                    Deed::Apply(&[PAUSED]),
                ],
                Tells::WellBut(&[
                    SO_NOT_READY,
                    NO_WORKER,
                    (
                        "Paused",
                        "True",
                        "PausedOutside",
                        &[
                            "paused: false: incoming-3",
                            "ready: incoming",
                            "spec: incoming-2",
                        ],
                    ),
                ]),
            ),
            Act::new(
                &[
                    Deed::Pods("fast", Pods::Ready),
                    Deed::Queue("incoming-3", Hand::Resume),
                    Deed::Apply(&[]),
                ],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "paused by hand, and then without a worker",
        acts: &[
            Act::new(
                &[
                    Deed::Queue("incoming", Hand::Pause),
                    Deed::Until("Paused", "True"),
                    Deed::Pods("fast", Pods::UNREADY),
                ],
                Tells::WellBut(&[
                    SO_NOT_READY,
                    NO_WORKER,
                    ("Paused", "True", "PausedOutside", &["incoming"]),
                ]),
            ),
            Act::new(
                &[Deed::Pods("fast", Pods::Ready)],
                Tells::WellBut(&[("Paused", "True", "PausedOutside", &["incoming"])]),
            ),
            Act::new(&[Deed::Queue("incoming", Hand::Resume)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "paused by hand while it is paused by the operator",
        acts: &[
            Act::new(
                &[
                    Deed::Pods("fast", Pods::UNREADY),
                    Deed::Until("Paused", "True"),
                    Deed::Queue("incoming", Hand::Pause),
                ],
                // A pause of what is paused leaves no trace.
                Tells::WellBut(&[
                    SO_NOT_READY,
                    NO_WORKER,
                    ("Paused", "True", "PausedByOperator", &["incoming"]),
                ]),
            ),
            Act::new(&[Deed::Pods("fast", Pods::Ready)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "resumed by hand while the spec pauses it",
        chain: &[],
        acts: &[
            Act::new(
                &[
                    Deed::Apply(&[PAUSED]),
                    Deed::Until("Paused", "True"),
                    Deed::Queue("incoming-2", Hand::Resume),
                ],
                Tells::WellBut(&[("Paused", "True", "PausedBySpec", &["incoming-2"])]),
            ),
            Act::new(&[Deed::Apply(&[])], WELL),
        ],
        ..PLAIN
    },
];
