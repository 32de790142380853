//! Pushes come by a public address, and a token is turned on and becomes another one.

use crate::scenario::{Action, Condition, Scenario, Spec, scenario, when};

use super::PROJECT;

const PUBLIC: Spec = &[(
    PROJECT,
    "  project: demo\n  push: {url: 'https://{chain}-{stage}.push.example.com'}\n",
)];
const OLD: Spec = &[(
    PROJECT,
    "  project: demo\n  push: {url: 'https://{chain}-{stage}.push.example.com'}\n  oidc: {serviceAccountEmail: pusher@demo.example, audiences: [old]}\n",
)];
const NEW: Spec = &[(
    PROJECT,
    "  project: demo\n  push: {url: 'https://{chain}-{stage}.push.example.com'}\n  oidc: {serviceAccountEmail: pusher@demo.example, audiences: [new]}\n",
)];

/// What an ingress does isn't looked at.
const OWN_INGRESS: Condition = "PushesReachable=Unknown OwnIngress";
const DEMANDED: Condition = "PushesUnauthenticated=False TokensDemanded";
/// The pods that there are have no address.
const NOT_ASKED: Condition = "PushesRefused=Unknown WorkersNotAsked";

pub const SCENARIOS: &[Scenario] = &[
    scenario("a public address without a token, then with one").acts(&[
        when(&[Action::Apply(PUBLIC)]).then(&[
            OWN_INGRESS,
            "PushesUnauthenticated=True NoTokenDemanded: set spec.oidc",
        ]),
        when(&[Action::Apply(OLD)])
            .passing(&[
                "PushesUnauthenticated=True TokenNotDemandedYet: fast",
                "WorkersReady=False Progressing: require a token once queue incoming has \
                    sent it for 1 s",
            ])
            .then(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
    ]),
    scenario("a former pod would refuse the new audience").acts(&[
        when(&[Action::Apply(OLD)]).then(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
        when(&[Action::FormerPod, Action::Apply(NEW)]).then(&[
            OWN_INGRESS,
            DEMANDED,
            NOT_ASKED,
            "Ready=False Progressing: incoming",
            "QueuesReady=False Progressing: queue incoming sends the spec's token once \
                every worker of stage fast accepts it",
            "WorkersReady=False Progressing: workers of stage fast accept only the \
                spec's token once",
        ]),
        when(&[Action::FormerPodEnds]).then(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
    ]),
];
