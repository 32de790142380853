//! The operator is killed, and another goes on.

use super::{MIDDLE, RATE};
use crate::row::{Act, Deed, Operator, PLAIN, Row, Signal, Tells, WELL};

const KILL: Deed = Deed::Operator(Signal::Kill);
const START: Deed = Deed::Operator(Signal::Start);

pub const ROWS: &[Row] = &[
    Row {
        name: "the leader is killed, and no operator runs when the chain is edited",
        operator: Operator::Elected,
        acts: &[
            Act::new(
                &[
                    KILL,
                    Deed::Apply(&[(RATE, "maxDispatchesPerSecond: 300")]),
                    // It was Ready, and says so still.
                    Deed::NotKubectl(&[
                        "wait",
                        "--for=condition=Ready",
                        "chain/orders",
                        "--timeout=1s",
                    ]),
                ],
                Tells::Old,
            ),
            Act::new(&[START], WELL),
        ],
        ..PLAIN
    },
    Row {
        name: "the operator is killed in the middle of an edit",
        chain: &[(MIDDLE, "")],
        acts: &[Act::new(
            &[
                Deed::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]),
                Deed::UntilQueue("incoming-2"),
                KILL,
                START,
            ],
            WELL,
        )],
        ..PLAIN
    },
];
