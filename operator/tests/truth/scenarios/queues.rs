//! A queue isn't what the spec says, or isn't there.

use super::{MIDDLE, PROJECT, RATE};
use crate::scenario::{Action, Condition, Hand, Scenario, Signal, WELL, scenario, when};

const REPORT: (&str, &str) = (PROJECT, "  project: demo\n  driftPolicy: Report\n");
const BY_HAND: Action = Action::Queue("incoming", Hand::Rate(7.0));
const RATE_DRIFTED: &[Condition] = &[
    "Ready=False QueueChanged: see the condition Drifted",
    "QueuesReady=False QueueChanged: see the condition Drifted",
    "Drifted=True QueueChanged: incoming has rate 7/s, the spec says rate 400/s \
        | stay as they are",
];

pub const SCENARIOS: &[Scenario] = &[
    scenario("a queue that can't be created, because its name is blocked")
        .chain(&[(MIDDLE, "")])
        .acts(&[
            when(&[
                Action::Queue("incoming-2", Hand::Create),
                Action::Queue("incoming-2", Hand::Delete),
                Action::Apply(&[]),
            ])
            .then(&[
                "Ready=False QueueNameBlocked: incoming-2",
                "QueuesReady=False QueueMissing: incoming-2",
                "WorkersReady=False Progressing: middle \
                    | stage fast hands tasks over as the spec says once",
            ]),
            when(&[Action::Apply(&[(
                "name: middle, queue: incoming-2",
                "name: between, queue: other",
            )])])
            .then(WELL),
        ]),
    scenario("a rate changed outside the operator, with driftPolicy Report")
        .chain(&[REPORT])
        .acts(&[
            when(&[BY_HAND]).then(RATE_DRIFTED),
            when(&[Action::Queue("incoming", Hand::Rate(400.0))]).then(WELL),
        ]),
    scenario("the same, and another operator starts")
        .chain(&[REPORT])
        .acts(&[
            when(&[
                BY_HAND,
                Action::Operator(Signal::Kill),
                Action::Operator(Signal::Start),
            ])
            .then(RATE_DRIFTED),
            when(&[Action::Apply(&[
                REPORT,
                (RATE, "maxDispatchesPerSecond: 300"),
            ])])
            .then(WELL),
        ]),
    scenario("finite attempts set outside the operator, corrected").acts(&[when(&[
        Action::Queue("incoming", Hand::Attempts(5)),
    ])
    .passing(&["Drifted=True QueueChanged: incoming has | 5"])
    .then(WELL)]),
    scenario("a stage's queue deleted outside the operator").acts(&[
        when(&[Action::Queue("incoming-2", Hand::Delete)]).then(&[
            "Ready=False QueueNameBlocked: incoming-2",
            "QueuesReady=False QueueMissing: incoming-2",
            "Drifted=True QueueChanged: incoming-2 was deleted",
        ]),
        when(&[Action::Apply(&[(
            "name: middle, queue: incoming-2",
            "name: between, queue: other",
        )])])
        .then(WELL),
    ]),
    scenario("the notifier's queue deleted outside the operator").acts(&[
        when(&[Action::Queue("orders-notifier", Hand::Delete)]).then(&[
            "Ready=False QueueNameBlocked: orders-notifier",
            "QueuesReady=False QueueMissing: orders-notifier",
            "Drifted=True QueueChanged: orders-notifier was deleted",
        ]),
        when(&[Action::Apply(&[("queue: orders-notifier", "queue: ends")])]).then(WELL),
    ]),
    scenario("more concurrent dispatches than capacity").acts(&[
        when(&[Action::Apply(&[(
            "maxConcurrentDispatches: 200",
            "maxConcurrentDispatches: 1000",
        )])])
        .then(&[
            "Undersized=True TooFewPlaces: incoming dispatches 1000 tasks at once, and \
                its workers run 2 × 100",
        ]),
        when(&[Action::Apply(&[
            (
                "maxConcurrentDispatches: 200",
                "maxConcurrentDispatches: 1000",
            ),
            ("replicas: 2", "replicas: 2, concurrency: 500"),
        ])])
        .then(WELL),
    ]),
    scenario("ten edits back and forth, faster than reconciles").acts(&[
        when(&[Action::Edits(10)]).then(WELL),
        when(&[Action::Apply(&[]), Action::Edits(3), Action::Apply(&[])]).then(WELL),
    ]),
];
