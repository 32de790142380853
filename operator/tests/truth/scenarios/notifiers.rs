//! A notifier's queue that chains of two namespaces share.

use super::PROJECT;
use crate::scenario::{Action, Condition, Operator, Scenario, Spec, WELL, scenario, when};

const LIMITS: &str = ", rateLimits: {maxDispatchesPerSecond: 100}";
const NAME: (&str, &str) = ("name: orders}", "name: parcels}");
const QUEUES: (&str, &str) = ("queue: incoming", "queue: parcels");
const THROTTLE: (&str, &str) = (
    "maxDispatchesPerSecond: 100",
    "maxDispatchesPerSecond: 0.25",
);

/// Another chain, elsewhere, that throttles the notifier's queue of the orders.
const PARCELS: Spec = &[NAME, QUEUES, THROTTLE];
const ORPHAN: (&str, &str) = (PROJECT, "  project: demo\n  deletionPolicy: Orphan\n");

/// The orders, before they use that queue.
const BEFORE: Spec = &[("queue: orders-notifier", "queue: ends")];
/// And as soon as they do.
const NOW: Action = Action::Apply(&[]);
const THROTTLED: &[Condition] = &[
    "Ready=False QueueOwnedByAnother: /parcels (cluster/namespace/name)",
    "QueuesReady=False QueueOwnedByAnother: orders-notifier | /parcels (cluster/namespace/name)",
];

pub const SCENARIOS: &[Scenario] = &[
    scenario("a chain elsewhere throttles a notifier's queue in use")
        .operator(Operator::OfTwoNamespaces)
        .chain(&[(LIMITS, "")])
        .acts(&[when(&[
            Action::ApplyElsewhere(PARCELS),
            Action::UntilElsewhere("parcels", "QueuesReady=False QueueOwnedByAnother: /orders"),
            Action::HasRate("orders-notifier", 500.0),
        ])
        .then(WELL)]),
    scenario("the chain that sets a notifier's limits is deleted")
        .operator(Operator::OfTwoNamespaces)
        .chain(BEFORE)
        .acts(&[
            when(&[
                Action::ApplyElsewhere(PARCELS),
                Action::UntilQueue("orders-notifier"),
                NOW,
            ])
            .then(THROTTLED),
            // In the end it is as the spec says.
            when(&[Action::DeleteElsewhere("parcels")]).then(WELL),
        ]),
    scenario("the chain that sets a notifier's limits moves to another queue")
        .operator(Operator::OfTwoNamespaces)
        .chain(BEFORE)
        .acts(&[
            when(&[
                Action::ApplyElsewhere(PARCELS),
                Action::UntilQueue("orders-notifier"),
                NOW,
            ])
            .then(THROTTLED),
            when(&[Action::ApplyElsewhere(&[
                NAME,
                QUEUES,
                THROTTLE,
                ("queue: orders-notifier", "queue: their-notifier"),
            ])])
            .then(WELL),
        ]),
    scenario("the chain that sets a notifier's limits is deleted as an orphan")
        .operator(Operator::OfTwoNamespaces)
        .chain(BEFORE)
        .acts(&[
            when(&[
                Action::ApplyElsewhere(&[NAME, QUEUES, THROTTLE, ORPHAN]),
                Action::UntilQueue("orders-notifier"),
                NOW,
            ])
            .then(THROTTLED),
            when(&[Action::DeleteElsewhere("parcels")]).then(WELL),
        ]),
];
