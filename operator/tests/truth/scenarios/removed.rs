//! A stage is removed, and something of it is left.

use super::MIDDLE;
use crate::scenario::{Action, Condition, Pods, Scenario, WELL, scenario, when};

const REMOVE: Action = Action::Apply(&[(MIDDLE, "")]);
const BACK: Action = Action::Apply(&[]);
const TASK: Action = Action::Task("incoming-2");
const LEFT: Condition = "Draining=True StageRemoved: incoming-2 has fewer than 10 tasks left";
const DRAINED: &[Condition] = &[
    "Draining=False NothingDrains: queues of removed stages, empty and paused: \
        incoming-2",
];

pub const SCENARIOS: &[Scenario] = &[
    scenario("a removed stage that a former pod may still hand tasks to").acts(&[
        when(&[Action::FormerPod, REMOVE]).then(&[
            "Draining=True StageRemoved: incoming-2 drains once no other worker can hand \
                tasks over to it",
        ]),
        when(&[Action::FormerPodEnds]).then(DRAINED),
    ]),
    scenario("a removed stage with tasks left").acts(&[
        when(&[TASK, REMOVE]).then(&[LEFT]),
        when(&[Action::TaskEnds("incoming-2")]).then(DRAINED),
    ]),
    scenario("a removed stage with tasks left, and a list that lacks its queue").acts(&[
        when(&[TASK, Action::ListsLack("incoming-2"), REMOVE]).then(&[LEFT]),
        when(&[Action::TaskEnds("incoming-2")]).then(DRAINED),
    ]),
    scenario("a removed stage whose workers were deleted outside the operator").acts(&[
        when(&[
            TASK,
            REMOVE,
            Action::Until("Draining", "True"),
            Action::Kubectl("delete deployment orders-middle"),
        ])
        .then(&[
            "Draining=True StageRemoved: incoming-2 has tasks and no workers",
            "Paused=True PausedByOperator: incoming-2",
        ]),
        when(&[BACK]).then(WELL),
    ]),
    scenario("a stage that is added again while it drains").acts(&[
        when(&[TASK, REMOVE]).then(&[LEFT]),
        when(&[BACK]).then(WELL),
    ]),
    scenario("a stage that is added again when it has drained, and its pods don't become ready")
        .args(&["--gate-after=0s"])
        .acts(&[
            when(&[REMOVE]).then(DRAINED),
            when(&[Action::Pods("middle", Pods::UNREADY), BACK]).then(&[
                "Ready=False Progressing: incoming-2",
                "QueuesReady=False Progressing: queue incoming-2 is resumed once a worker of \
                    stage middle is ready",
                "WorkersReady=False Progressing: middle \
                    | once a worker of stage middle is ready",
                "Paused=True PausedByOperator: incoming-2",
            ]),
            when(&[Action::Pods("middle", Pods::Ready)]).then(WELL),
        ]),
];
