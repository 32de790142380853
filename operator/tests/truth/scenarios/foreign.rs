//! Objects that are not the chain's, and changes of the chain's objects outside the operator.

use super::MIDDLE;
use crate::scenario::{Action, Hand, Scenario, WELL, scenario, when};

const ADD: Action = Action::Apply(&[]);
const FORGERY: &str = r#"[
    {"op": "replace", "path": "/status/conditions/0/status", "value": "False"},
    {"op": "replace", "path": "/status/conditions/0/reason", "value": "Forged"},
    {"op": "replace", "path": "/status/stages/0/maxDispatchesPerSecond", "value": 1},
    {"op": "add", "path": "/status/paused", "value": "incoming"},
    {"op": "remove", "path": "/status/observedGeneration"}
]"#;

pub const SCENARIOS: &[Scenario] = &[
    scenario("a queue of another chain")
        .chain(&[(MIDDLE, "")])
        .acts(&[
            when(&[
                Action::Queue("incoming-2", Hand::Create),
                Action::Queue(
                    "incoming-2",
                    Hand::Header("executor-owner", "other/shop/first"),
                ),
                ADD,
            ])
            .then(&[
                "Ready=False QueueOwnedByAnother: other/shop/first",
                "QueuesReady=False QueueOwnedByAnother: incoming-2 | other/shop/first",
                "WorkersReady=False PodsNotReady: middle",
            ]),
            when(&[Action::Queue(
                "incoming-2",
                Hand::Header("executor-owner", ""),
            )])
            .then(WELL),
        ]),
    scenario("an edit that the operator's tenants don't allow")
        .args(&[r#"--tenants={"*": {"queuePrefixes": ["incoming", "orders-"]}}"#])
        .chain(&[(MIDDLE, "")])
        .acts(&[
            when(&[Action::Apply(&[("queue: incoming-2", "queue: theirs")])])
                .unknown("NotAllowed: queue theirs of stage middle | incoming, orders-"),
            when(&[Action::Apply(&[(MIDDLE, "")])]).then(WELL),
        ]),
    scenario("another chain sets the notifier's limits").acts(&[
        when(&[
            Action::Queue(
                "orders-notifier",
                Hand::Header("executor-notifier", "other/shop/first"),
            ),
            Action::Queue("orders-notifier", Hand::Rate(7.0)),
        ])
        .then(&[
            "Ready=False QueueOwnedByAnother: other/shop/first",
            "QueuesReady=False QueueOwnedByAnother: orders-notifier | other/shop/first",
        ]),
        when(&[Action::Queue(
            "orders-notifier",
            Hand::Header("executor-notifier", "shared"),
        )])
        .then(WELL),
    ]),
    scenario("a foreign Deployment has a stage's name")
        .chain(&[(MIDDLE, "")])
        .acts(&[
            when(&[
                Action::Kubectl("create deployment orders-middle --image=theirs:1"),
                ADD,
            ])
            .then(&[
                "Ready=False NameTaken: Deployment orders-middle",
                "QueuesReady=False QueueMissing: incoming-2",
                "WorkersReady=False PodsNotReady: middle",
            ]),
            when(&[Action::Kubectl("delete deployment orders-middle")]).then(WELL),
        ]),
    scenario("workers reconfigured outside the operator, corrected").acts(&[when(&[
        Action::Kubectl("set env deployment/orders-fast MAX_ATTEMPTS=9"),
    ])
    .then(WELL)]),
    scenario("a Deployment and a Service deleted outside the operator").acts(&[when(&[
        Action::Kubectl("delete deployment/orders-fast service/orders-slow"),
    ])
    .then(WELL)]),
    scenario("a status written outside the operator").acts(&[
        when(&[Action::PatchStatus("json", FORGERY)])
            .passing(&["Ready=False Forged"])
            .then(WELL),
        when(&[Action::PatchStatus("merge", r#"{"status": null}"#)]).then(WELL),
    ]),
];
