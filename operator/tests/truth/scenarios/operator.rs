//! The operator is killed, and another goes on.

use super::{MIDDLE, RATE};
use crate::scenario::{Action, Operator, Scenario, Signal, WELL, scenario, when};

const KILL: Action = Action::Operator(Signal::Kill);
const START: Action = Action::Operator(Signal::Start);

pub const SCENARIOS: &[Scenario] = &[
    scenario("the leader is killed, and no operator runs when the chain is edited")
        .operator(Operator::Elected)
        .acts(&[
            when(&[
                KILL,
                Action::Apply(&[(RATE, "maxDispatchesPerSecond: 300")]),
                // It was Ready, and says so still.
                Action::NotKubectl("wait --for=condition=Ready chain/orders --timeout=1s"),
            ])
            .old(),
            when(&[START]).then(WELL),
        ]),
    scenario("the operator is killed in the middle of an edit")
        .chain(&[(MIDDLE, "")])
        .acts(&[when(&[
            Action::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]),
            Action::UntilQueue("incoming-2"),
            KILL,
            START,
        ])
        .then(WELL)]),
];
