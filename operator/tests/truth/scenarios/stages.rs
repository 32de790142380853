//! Stages come, and get other names, and their pods never get ready.

use super::MIDDLE;
use crate::scenario::{Action, Pods, Scenario, Spec, WELL, scenario, when};

const ON_BAD_DAYS: Spec = &[(
    "maxAttempts: 3",
    "maxAttempts: 3, holdOnOutage: 30m, isolate: [{by: {header: X-Tenant}, failures: {}}]",
)];

pub const SCENARIOS: &[Scenario] = &[
    scenario("a new stage that never becomes ready, and no stage hands over to it").chain(&[(MIDDLE, "")]).acts(&[
            when(&[Action::Pods("middle", Pods::UNREADY), Action::Apply(&[])]).then(&[
                    "Ready=False Progressing: middle",
                    "WorkersReady=False Progressing: middle \
                        | stage fast hands tasks over as the spec says once a worker of stage middle is ready",
                    "Paused=True PausedByOperator: incoming-2",
                ]),
            when(&[Action::Pods("middle", Pods::Ready)]).then(WELL),
        ]),
    scenario("a renamed stage whose new pods never become ready").acts(&[
            when(&[
                    Action::Pods("quick", Pods::UNREADY),
                    Action::Apply(&[("name: fast", "name: quick")]),
                ]).then(&[
                    "Ready=False Progressing: incoming",
                    "QueuesReady=False Progressing: queue incoming pushes to stage quick once \
                        its workers are ready",
                    "WorkersReady=False PodsNotReady: quick",
                    "Draining=True StageRemoved: renamed | orders-fast",
                ]),
            when(&[Action::Pods("quick", Pods::Ready)]).then(WELL),
        ]),
    // The pods that there are have no address.
    scenario("a stage holds and isolates, and then no longer").acts(&[
        when(&[Action::Apply(ON_BAD_DAYS)]).then(&[
            "Held=Unknown WorkersNotAsked: fast",
            "Isolating=Unknown WorkersNotAsked: fast",
        ]),
        when(&[Action::Apply(&[])]).then(WELL),
    ]),
];
