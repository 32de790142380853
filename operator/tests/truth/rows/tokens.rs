//! Pushes come by a public address, and a token is turned on and becomes another one.

use crate::row::{Act, Deed, PLAIN, Row, Spec, Tells, Told};

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
const OWN_INGRESS: Told = ("PushesReachable", "Unknown", "OwnIngress", &[]);
const DEMANDED: Told = ("PushesUnauthenticated", "False", "TokensDemanded", &[]);
/// The pods that there are have no address.
const NOT_ASKED: Told = ("PushesRefused", "Unknown", "WorkersNotAsked", &[]);

pub const ROWS: &[Row] = &[
    Row {
        name: "a public address without a token, then with one",
        acts: &[
            Act::new(
                &[Deed::Apply(PUBLIC)],
                Tells::WellBut(&[
                    OWN_INGRESS,
                    (
                        "PushesUnauthenticated",
                        "True",
                        "NoTokenDemanded",
                        &["set spec.oidc"],
                    ),
                ]),
            ),
            Act {
                done: &[Deed::Apply(OLD)],
                passing: &[
                    (
                        "PushesUnauthenticated",
                        "True",
                        "TokenNotDemandedYet",
                        &["fast"],
                    ),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &["require a token once queue incoming has sent it for 1 s"],
                    ),
                ],
                told: Tells::WellBut(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
            },
        ],
        ..PLAIN
    },
    Row {
        name: "a former pod would refuse the new audience",
        acts: &[
            Act::new(
                &[Deed::Apply(OLD)],
                Tells::WellBut(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
            ),
            Act::new(
                &[Deed::FormerPod, Deed::Apply(NEW)],
                Tells::WellBut(&[
                    OWN_INGRESS,
                    DEMANDED,
                    NOT_ASKED,
                    ("Ready", "False", "Progressing", &["incoming"]),
                    (
                        "QueuesReady",
                        "False",
                        "Progressing",
                        &[
                            "queue incoming sends the spec's token once every worker of stage fast accepts that",
                        ],
                    ),
                    (
                        "WorkersReady",
                        "False",
                        "Progressing",
                        &["workers of stage fast accept only the spec's token once"],
                    ),
                ]),
            ),
            Act::new(
                &[Deed::FormerPodEnds],
                Tells::WellBut(&[OWN_INGRESS, DEMANDED, NOT_ASKED]),
            ),
        ],
        ..PLAIN
    },
];
