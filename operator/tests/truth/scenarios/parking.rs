//! Tasks are parked, and the parking queue comes and goes.

use super::PROJECT;
use crate::scenario::{Action, Condition, Hand, Scenario, scenario, when};

const PARK: Action = Action::Apply(&[(
    PROJECT,
    "  project: demo
  parking: {queue: orders-parked}
",
)]);
const REMOVE: Action = Action::Apply(&[]);
const PARKED: Condition = "Parked=True TasksParked: queue orders-parked keeps 1-9 tasks";
const EMPTY: Condition = "Parked=False NothingParked: queue orders-parked keeps no parked task";
const FORMER: Condition = "Parked=True ParkingRemoved: the former parking queue orders-parked \
    stays paused, and keeps | set it as parking.queue again, or delete it with its tasks";

pub const SCENARIOS: &[Scenario] = &[
    scenario("a queue with tasks is adopted as the parking queue, removed, and given back").acts(
        &[
            when(&[
                Action::Queue("orders-parked", Hand::Create),
                Action::Queue("orders-parked", Hand::Attempts(3)),
                Action::Queue("orders-parked", Hand::Pause),
                Action::Task("orders-parked"),
                PARK,
            ])
            .then(&[PARKED]),
            when(&[REMOVE]).then(&[FORMER]),
            when(&[PARK]).then(&[PARKED]),
        ],
    ),
    scenario("a former parking queue that is deleted by hand").acts(&[
        when(&[PARK]).then(&[EMPTY]),
        when(&[REMOVE]).then(&[FORMER]),
        when(&[Action::Queue("orders-parked", Hand::Delete)]),
    ]),
    scenario("a parking queue whose limit of attempts is changed outside the operator").acts(&[
        when(&[PARK]).then(&[EMPTY]),
        when(&[Action::Queue("orders-parked", Hand::Attempts(3))])
            .passing(&["Drifted=True QueueChanged: orders-parked has"])
            .then(&[EMPTY]),
    ]),
    scenario("a parking queue of another chain").acts(&[when(&[
        Action::Queue("orders-parked", Hand::Create),
        Action::Queue(
            "orders-parked",
            Hand::Header("executor-owner", "test/elsewhere/refunds"),
        ),
        PARK,
    ])
    .then(&[
        "Ready=False QueueOwnedByAnother: the parking queue orders-parked belongs to chain \
            test/elsewhere/refunds",
        "QueuesReady=False QueueOwnedByAnother",
        "WorkersReady=False PodsNotReady",
        "Parked=Unknown ParkedUnknown",
    ])]),
];
