//! The API server refuses, or holds what can't be served.

use super::{MIDDLE, PROJECT};
use crate::scenario::{Action, Operator, Scenario, WELL, scenario, when};

const LOOK: &[&str] = &["get", "list", "watch"];

pub const SCENARIOS: &[Scenario] = &[
    scenario("the queues are created, and a Deployment is refused")
        .chain(&[(MIDDLE, "")])
        .acts(&[
            when(&[Action::Policy(Some("orders-middle")), Action::Apply(&[])]).then(&[
                "Ready=False KubernetesError: apply Deployment orders-middle \
                    | no more of these here",
                "WorkersReady=False Progressing: middle \
                    | stage fast hands tasks over as the spec says once",
                "Paused=True PausedByOperator: incoming-2",
            ]),
            when(&[Action::Policy(None)]).then(WELL),
        ]),
    scenario("no permission to change Deployments")
        .operator(Operator::ServiceAccount)
        .acts(&[
            when(&[
                Action::Rights(LOOK),
                Action::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]),
            ])
            .then(&[
                "Ready=False KubernetesError: apply Deployment orders-fast | forbidden",
                "WorkersReady=False PodsNotReady: fast",
            ]),
            when(&[Action::Rights(&["*"])]).then(WELL),
        ]),
    scenario("workers reconfigured outside the operator, which can't be corrected")
        .operator(Operator::ServiceAccount)
        .acts(&[
            when(&[
                Action::Rights(LOOK),
                Action::Kubectl("set env deployment/orders-fast MAX_ATTEMPTS=9"),
            ])
            .then(&[
                "Ready=False KubernetesError: apply Deployment orders-fast | forbidden",
                "WorkersReady=False PodsNotReady: fast",
            ]),
            when(&[Action::Rights(&["*"])]).then(WELL),
        ]),
    scenario("a spec that can't be parsed")
        .operator(Operator::WithALaxCrd)
        .acts(&[
            when(&[Action::Apply(&[(
                PROJECT,
                "  project: demo\n  drainDelay: a while\n",
            )])])
            .unknown("InvalidSpec: can't be parsed | a while"),
            when(&[Action::Apply(&[])]).then(WELL),
        ]),
    scenario("a spec that passes the schema and can't be served").acts(&[
        when(&[Action::Apply(&[("https://api", "https://{env}")])])
            .unknown("InvalidSpec: notifier.url"),
        when(&[Action::Apply(&[])]).then(WELL),
    ]),
];
