//! A queue is paused: by the spec, by the operator, outside the operator, or for several reasons.

use crate::scenario::{Action, Condition, Hand, Pods, Scenario, WELL, scenario, when};

const PAUSED: (&str, &str) = ("queue: incoming-2", "queue: incoming-2, paused: true");
const NO_WORKER: Condition = "WorkersReady=False PodsNotReady: fast";
const SO_NOT_READY: Condition = "Ready=False PodsNotReady: fast";

const END: Action =
    Action::Kubectl(r#"patch chainoverride inc-42 --type=merge -p {"spec":{"ended":true}}"#);

pub const SCENARIOS: &[Scenario] = &[
    scenario("paused by the spec").acts(&[
        when(&[Action::Apply(&[PAUSED])]).then(&["Paused=True PausedBySpec: incoming-2"]),
        when(&[Action::Apply(&[])]).then(WELL),
    ]),
    scenario("paused by an override").acts(&[
        when(&[Action::Override("paused: true")]).then(&[
            "Paused=True PausedByOverride: incoming",
            "Overridden=True OverrideInForce: fast: paused isn't set, overridden with paused until",
        ]),
        when(&[END]).then(WELL),
    ]),
    scenario("throttled by an override").acts(&[
        when(&[Action::Override("rateLimits: {maxDispatchesPerSecond: 5, maxConcurrentDispatches: 3}")]).then(&[
            "Overridden=True OverrideInForce: fast: 400/s, overridden with 5/s; 200 at once, overridden with 3 at once until",
        ]),
        when(&[END]).then(WELL),
    ]),
    scenario("paused by hand, and then by an override, which doesn't lift it").acts(&[
        when(&[
            Action::Queue("incoming", Hand::Pause),
            Action::Until("Paused", "True"),
            Action::Override("paused: true"),
        ])
        .then(&[
            "Paused=True PausedOutside: incoming",
            "Overridden=True OverrideInForce: fast: paused isn't set, overridden with paused until",
        ]),
        when(&[END]).then(&["Paused=True PausedOutside: incoming"]),
    ]),
    scenario("paused by hand").acts(&[
        when(&[Action::Queue("incoming-2", Hand::Pause)])
            .then(&["Paused=True PausedOutside: incoming-2"]),
        when(&[Action::Queue("incoming-2", Hand::Resume)]).then(WELL),
    ]),
    scenario("the notifier's queue paused by hand").acts(&[
        when(&[Action::Queue("orders-notifier", Hand::Pause)])
            .then(&["Paused=True PausedOutside: orders-notifier"]),
        when(&[Action::Queue("orders-notifier", Hand::Resume)]).then(WELL),
    ]),
    scenario("paused by the operator, because no worker is ready").acts(&[
        when(&[Action::Pods("fast", Pods::UNREADY)]).then(&[
            SO_NOT_READY,
            NO_WORKER,
            "Paused=True PausedByOperator: ready: incoming",
        ]),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("three queues paused for three reasons").acts(&[
        when(&[
            Action::Pods("fast", Pods::UNREADY),
            Action::Queue("incoming-3", Hand::Pause),
            Action::Apply(&[PAUSED]),
        ])
        .then(&[
            SO_NOT_READY,
            NO_WORKER,
            "Paused=True PausedOutside: incoming-3 | ready: incoming \
                | spec: incoming-2",
        ]),
        when(&[
            Action::Pods("fast", Pods::Ready),
            Action::Queue("incoming-3", Hand::Resume),
            Action::Apply(&[]),
        ])
        .then(WELL),
    ]),
    scenario("paused by hand, and then without a worker").acts(&[
        when(&[
            Action::Queue("incoming", Hand::Pause),
            Action::Until("Paused", "True"),
            Action::Pods("fast", Pods::UNREADY),
        ])
        .then(&[
            SO_NOT_READY,
            NO_WORKER,
            "Paused=True PausedOutside: incoming",
        ]),
        when(&[Action::Pods("fast", Pods::Ready)]).then(&["Paused=True PausedOutside: incoming"]),
        when(&[Action::Queue("incoming", Hand::Resume)]).then(WELL),
    ]),
    scenario("paused by hand while it is paused by the operator").acts(&[
        when(&[
            Action::Pods("fast", Pods::UNREADY),
            Action::Until("Paused", "True"),
            Action::Queue("incoming", Hand::Pause),
        ])
        .then(
            // A pause of what is paused leaves no trace.
            &[
                SO_NOT_READY,
                NO_WORKER,
                "Paused=True PausedByOperator: incoming",
            ],
        ),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("resumed by hand while the spec pauses it").acts(&[
        when(&[
            Action::Apply(&[PAUSED]),
            Action::Until("Paused", "True"),
            Action::Queue("incoming-2", Hand::Resume),
        ])
        .then(&["Paused=True PausedBySpec: incoming-2"]),
        when(&[Action::Apply(&[])]).then(WELL),
    ]),
];
