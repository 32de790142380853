//! The API server refuses, or holds what can't be served.

use super::{MIDDLE, PROJECT};
use crate::row::{Act, Deed, Operator, PLAIN, Row, Tells, WELL};

const LOOK: &[&str] = &["get", "list", "watch"];

pub const ROWS: &[Row] = &[
    Row {
        name: "the queues are created, and a Deployment is refused",
        chain: &[(MIDDLE, "")],
        acts: &[
            Act::new(
                &[Deed::Policy(Some("orders-middle")), Deed::Apply(&[])],
                Tells::WellBut(&[
                    (
                        "Ready",
                        "False",
                        "KubernetesError",
                        &["apply Deployment orders-middle", "no more of these here"],
                    ),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &[
                            "middle",
                            "stage fast hands tasks over as the spec says once",
                        ],
                    ),
                    ("Paused", "True", "PausedByOperator", &["incoming-2"]),
                ]),
            ),
            Act::new(&[Deed::Policy(None)], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "no permission to change Deployments",
        operator: Operator::ServiceAccount,
        acts: &[
            Act::new(
                &[
                    Deed::Rights(LOOK),
                    Deed::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]),
                ],
                Tells::WellBut(&[
                    (
                        "Ready",
                        "False",
                        "KubernetesError",
                        &["apply Deployment orders-fast", "forbidden"],
                    ),
                    ("WorkersReady", "False", "PodsNotReady", &["fast"]),
                ]),
            ),
            Act::new(&[Deed::Rights(&["*"])], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "workers reconfigured outside the operator, which can't be corrected",
        operator: Operator::ServiceAccount,
        acts: &[
            Act::new(
                &[
                    Deed::Rights(LOOK),
                    Deed::Kubectl(&["set", "env", "deployment/orders-fast", "MAX_ATTEMPTS=9"]),
                ],
                Tells::WellBut(&[
                    (
                        "Ready",
                        "False",
                        "KubernetesError",
                        &["apply Deployment orders-fast", "forbidden"],
                    ),
                    ("WorkersReady", "False", "PodsNotReady", &["fast"]),
                ]),
            ),
            Act::new(&[Deed::Rights(&["*"])], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "a spec that can't be parsed",
        operator: Operator::WithALaxCrd,
        acts: &[
            Act::new(
                &[Deed::Apply(&[(
                    PROJECT,
                    "  project: demo\n  drainDelay: a while\n",
                )])],
                Tells::Nothing("InvalidSpec", &["can't be parsed", "a while"]),
            ),
            Act::new(&[Deed::Apply(&[])], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "a spec that passes the schema and can't be served",
        acts: &[
            Act::new(
                &[Deed::Apply(&[("https://api", "https://{env}")])],
                Tells::Nothing("InvalidSpec", &["notifier.url"]),
            ),
            Act::new(&[Deed::Apply(&[])], WELL),
        ],
        ..PLAIN
    },
];
