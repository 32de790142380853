//! Objects that are not the chain's, and changes of the chain's objects outside the operator.

use super::MIDDLE;
use crate::history::FORGED;
use crate::row::{Act, Deed, Hand, PLAIN, Row, Tells, WELL};

const ADD: Deed = Deed::Apply(&[]);

pub const ROWS: &[Row] = &[
    Row {
        name: "a queue of another chain",
        chain: &[(MIDDLE, "")],
        acts: &[
            Act::new(
                &[
                    Deed::Queue("incoming-2", Hand::Create),
                    Deed::Queue(
                        "incoming-2",
                        Hand::Header("executor-owner", "other/shop/first"),
                    ),
                    ADD,
                ],
                Tells::WellBut(&[
                    (
                        "Ready",
                        "False",
                        "QueueOwnedByAnother",
                        &["other/shop/first"],
                    ),
                    (
                        "QueuesReady",
                        "False",
                        "QueueOwnedByAnother",
                        &["incoming-2", "other/shop/first"],
                    ),
                    ("WorkersReady", "False", "PodsNotReady", &["middle"]),
                ]),
            ),
            Act::new(
                &[Deed::Queue(
                    "incoming-2",
                    Hand::Header("executor-owner", ""),
                )],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "another chain sets the notifier's limits",
        acts: &[
            Act::new(
                &[
                    Deed::Queue(
                        "orders-notifier",
                        Hand::Header("executor-notifier", "other/shop/first"),
                    ),
                    Deed::Queue("orders-notifier", Hand::Rate(7.0)),
                ],
                Tells::WellBut(&[
                    (
                        "Ready",
                        "False",
                        "QueueOwnedByAnother",
                        &["other/shop/first"],
                    ),
                    (
                        "QueuesReady",
                        "False",
                        "QueueOwnedByAnother",
                        &["orders-notifier", "other/shop/first"],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::Queue(
                    "orders-notifier",
                    Hand::Header("executor-notifier", "shared"),
                )],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "a foreign Deployment has a stage's name",
        chain: &[(MIDDLE, "")],
        acts: &[
            Act::new(
                &[
                    Deed::Kubectl(&["create", "deployment", "orders-middle", "--image=theirs:1"]),
                    ADD,
                ],
                Tells::WellBut(&[
                    ("Ready", "False", "NameTaken", &["Deployment orders-middle"]),
                    ("QueuesReady", "False", "QueueMissing", &["incoming-2"]),
                    ("WorkersReady", "False", "PodsNotReady", &["middle"]),
                ]),
            ),
            Act::new(
                &[Deed::Kubectl(&["delete", "deployment", "orders-middle"])],
                WELL,
            ),
        ],
        ..PLAIN
    },
    Row {
        name: "workers reconfigured outside the operator, corrected",
        acts: &[Act::new(
            &[Deed::Kubectl(&[
                "set",
                "env",
                "deployment/orders-fast",
                "MAX_ATTEMPTS=9",
            ])],
            WELL,
        )],
        ..PLAIN
    },
    Row {
        name: "a Deployment and a Service deleted outside the operator",
        acts: &[Act::new(
            &[Deed::Kubectl(&[
                "delete",
                "deployment/orders-fast",
                "service/orders-slow",
            ])],
            WELL,
        )],
        ..PLAIN
    },
    Row {
        name: "a status written outside the operator",
        acts: &[
            Act {
                done: &[Deed::Kubectl(&[
                    "patch",
                    "chain",
                    "orders",
                    "--subresource=status",
                    "--type=json",
                    r#"-p=[
                        {"op": "replace", "path": "/status/conditions/0/status", "value": "False"},
                        {"op": "replace", "path": "/status/conditions/0/reason", "value": "Forged"},
                        {"op": "replace", "path": "/status/stages/0/maxDispatchesPerSecond", "value": 1},
                        {"op": "add", "path": "/status/paused", "value": "incoming"},
                        {"op": "remove", "path": "/status/observedGeneration"}
                    ]"#,
                ])],
                passing: &[("Ready", "False", FORGED, &[])],
                told: WELL,
            },
            Act::new(
                &[Deed::Kubectl(&[
                    "patch",
                    "chain",
                    "orders",
                    "--subresource=status",
                    "--type=merge",
                    r#"-p={"status": null}"#,
                ])],
                WELL,
            ),
        ],
        ..PLAIN
    },
];
