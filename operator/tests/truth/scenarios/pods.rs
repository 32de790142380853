//! Pods are missing, too few, old, or not reported.

use super::RATE;
use crate::scenario::{Action, Condition, Pods, Scenario, WELL, scenario, when};

const ATTEMPTS: Action = Action::Apply(&[("maxAttempts: 3", "maxAttempts: 4")]);
const FAST_IS_BEHIND: &[Condition] = &[
    "Ready=False PodsNotReady: fast",
    "WorkersReady=False PodsNotReady: fast",
];

const fn some(all: i32, new: i32, ready: i32) -> Action {
    Action::Pods("fast", Pods::Some { all, new, ready })
}

/// Nobody here computes a quota's status, which is what the API server goes by.
const QUOTA: &[Action] = &[
    Action::Kubectl("create quota compute --hard=requests.cpu=100m"),
    Action::Kubectl(
        "patch quota compute --subresource=status --type=merge \
            -p={\"status\":{\"hard\":{\"requests.cpu\":\"100m\"},\"used\":{\"requests.cpu\":\"0\"}}}",
    ),
    Action::Pods("fast", Pods::IfAdmitted),
];

pub const SCENARIOS: &[Scenario] = &[
    scenario("a quota refuses pods without requests")
        .args(&["--gate-after=0s"])
        .acts(&[
            when(QUOTA).then(&[
                "Ready=False PodsRefused: Kubernetes refuses pods of stage fast: pods \"orders-fast-",
                "WorkersReady=False PodsRefused: is forbidden: failed quota: compute: must specify \
                    requests.cpu for: handler,worker",
            ]),
            when(&[Action::Kubectl("delete quota compute")]).then(WELL),
        ]),
    scenario("a policy of the namespace refuses the pods")
        .args(&["--gate-after=0s"])
        .acts(&[
            when(&[
                Action::Kubectl(
                    "label namespace NAMESPACE pod-security.kubernetes.io/enforce=restricted",
                ),
                Action::Pods("fast", Pods::IfAdmitted),
            ])
            .then(&[
                "Ready=False PodsRefused: Kubernetes refuses pods of stage fast: pods \"orders-fast-",
                "WorkersReady=False PodsRefused: violates PodSecurity \"restricted:latest\": \
                    allowPrivilegeEscalation != false (container \"handler\"",
            ]),
            when(&[Action::Kubectl(
                "label namespace NAMESPACE pod-security.kubernetes.io/enforce-",
            )])
            .then(WELL),
        ]),
    scenario("a container of a pod can't start")
        .args(&["--gate-after=0s"])
        .acts(&[
            when(&[
                some(2, 2, 1),
                Action::FormerPod,
                Action::Kubectl(
                    "patch pod former --subresource=status --type=merge \
                        -p={\"status\":{\"containerStatuses\":[{\"name\":\"worker\",\"image\":\"\",\
                        \"imageID\":\"\",\"ready\":false,\"restartCount\":0,\"state\":{\"waiting\":{\
                        \"reason\":\"CreateContainerConfigError\",\"message\":\"no-secret\"}}}]}}",
                ),
            ])
            .then(&[
                "Ready=False PodsNotReady: fast",
                "WorkersReady=False PodsNotReady: stage fast has pods with container worker: \
                    CreateContainerConfigError (no-secret)",
            ]),
            when(&[Action::FormerPodEnds, Action::Pods("fast", Pods::Ready)]).then(WELL),
        ]),
    scenario("no pod is ready, and the queue is left running")
        .args(&["--gate-after=0s"])
        .acts(&[
            when(&[some(2, 2, 0)]).then(FAST_IS_BEHIND),
            when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
        ]),
    scenario("fewer pods than replicas").acts(&[
        when(&[some(2, 2, 1)]).then(FAST_IS_BEHIND),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("former pods beside the new ones").acts(&[
        when(&[some(3, 1, 3), ATTEMPTS]).then(FAST_IS_BEHIND),
        // All new ones are there, and a former one still takes pushes.
        when(&[some(3, 2, 3)]).then(FAST_IS_BEHIND),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("the Deployment's status is of an older generation").acts(&[
        when(&[Action::Pods("fast", Pods::Asleep), ATTEMPTS]).then(FAST_IS_BEHIND),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("rate and replicas raised together, and the new pods are not ready").acts(&[
        when(&[
            some(4, 4, 2),
            Action::Apply(&[
                (RATE, "maxDispatchesPerSecond: 450"),
                ("replicas: 2", "replicas: 4"),
            ]),
        ])
        .then(&[
            "Ready=False Progressing: gets rate 450/s once",
            "QueuesReady=False Progressing: queue incoming gets rate 450/s once stage \
                fast has 4 ready workers",
            "WorkersReady=False PodsNotReady: fast",
        ]),
        when(&[Action::Pods("fast", Pods::Ready)]).then(WELL),
    ]),
    scenario("scaled to zero by hand, and the spec sets no replicas").acts(&[
        when(&[Action::Kubectl(
            "scale deployment/orders-middle --replicas=0",
        )])
        .then(&[
            "Paused=True PausedByOperator: incoming-2",
            "Undersized=True TooFewPlaces: incoming-2 dispatches 100 tasks at once, and \
                its workers run 0 × 100",
        ]),
        when(&[Action::Kubectl(
            "scale deployment/orders-middle --replicas=1",
        )])
        .then(WELL),
    ]),
    scenario("scaled by hand, and the spec sets replicas")
        .acts(&[when(&[Action::Kubectl("scale deployment/orders-fast --replicas=1")]).then(WELL)]),
];
