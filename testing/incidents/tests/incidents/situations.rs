//! The situations.

use console::Cause;
use testkit::{StatsAnswer, Way};

use crate::situation::{
    Action, Behavior, FAILS_FOR_ONE, Reason, Situation, Spec, fails, fails_for, situation, takes,
};

/// Each is compared with what was usual after some seconds instead of minutes.
const SOON_USUAL: &[&str] = &["--baseline-slot=5"];
const STEADY: &[Action] = &[Action::Traffic(20.0)];
const USUAL: &[Action] = &[Action::Traffic(20.0), Action::UntilUsual];
const HANGS: Behavior = takes(60_000);
const ROUTE: (&str, &str) = (
    "maxAttempts: 3",
    "maxAttempts: 3, routes: [{match: {header: {name: x-kind, value: bulk}}, to: slow}]",
);
const HOLDS: Spec = &[("maxAttempts: 3", "maxAttempts: 3, holdOnOutage: 10m")];
const ISOLATES: Spec = &[(
    "maxAttempts: 3",
    "maxAttempts: 3, isolate: [{by: {header: x-kind}, failures: {}}]",
)];
const PARKS: Spec = &[(
    "drainDelay: 1s",
    "drainDelay: 1s\n  parking: {queue: orders-parked}",
)];
const RATE: &str = "maxDispatchesPerSecond: 100";
const AT_ONCE: &str = "maxConcurrentDispatches: 20";

pub const ALL: &[Situation] = &[
    situation("steady traffic").before(STEADY),
    situation("a burst that is over in seconds")
        .before(STEADY)
        .trouble(&[Action::Burst(150)]),
    situation("only tasks that are scheduled for later").trouble(&[Action::Scheduled(50)]),
    situation("numbers that Cloud Tasks doesn't return")
        .before(STEADY)
        .trouble(&[Action::Stats(StatsAnswer::PermissionDenied)]),
    situation("the spec pauses a stage")
        .before(STEADY)
        .trouble(&[Action::Apply(&[("maxAttempts: 3", "maxAttempts: 3, paused: true")])])
        .on(Cause::PausedBySpec, "fast"),
    situation("an override pauses a stage")
        .before(STEADY)
        .trouble(&[Action::Override("paused: true")])
        .on(Cause::PausedByOverride, "fast"),
    situation("an override throttles a stage")
        .before(STEADY)
        .trouble(&[Action::Override("rateLimits: {maxDispatchesPerSecond: 5}")])
        .on(Cause::AtRate, "fast"),
    situation("a queue is paused outside the operator")
        .before(STEADY)
        .trouble(&[Action::Pause("incoming")])
        .on(Cause::PausedOutside, "fast"),
    situation("no handler accepts connections, and no pod is ready")
        .before(STEADY)
        .trouble(&[Action::NoHandler])
        .on(Cause::NoReadyPod, "fast"),
    situation("pushes don't arrive")
        .before(STEADY)
        .trouble(&[Action::Pushes(Way::Silent)])
        .on(Cause::PushesNotArriving, "fast"),
    situation("another queue pushes with another token")
        .direct()
        .chain(&[(
            "drainDelay: 1s",
            "drainDelay: 1s\n  oidc: {serviceAccountEmail: pusher@demo.example, audiences: [orders]}",
        )])
        .before(STEADY)
        .trouble(&[Action::ForeignPushes("fast")])
        .on(Cause::PushesRefused, "fast"),
    situation("the handler fails")
        .before(STEADY)
        .trouble(&[Action::Handler("fast", fails(1.0, 500, Reason::None))])
        .on(Cause::HandlerFails, "fast"),
    situation("the handler fails, and the workers hold")
        .chain(HOLDS)
        .before(STEADY)
        .trouble(&[Action::Handler("fast", fails(1.0, 503, Reason::None))])
        .on(Cause::Held, "fast"),
    situation("the tasks of one tenant fail")
        .chain(ISOLATES)
        .before(&[Action::MixedTraffic(20.0)])
        .trouble(&[Action::Handler("fast", FAILS_FOR_ONE)])
        .on(Cause::Isolating, "fast"),
    situation("a third of the runs fails for one reason")
        .before(STEADY)
        .trouble(&[Action::Handler("fast", fails(0.34, 429, Reason::One("quota")))])
        .on(Cause::OneFailure, "fast"),
    situation("the handler hangs")
        .before(STEADY)
        .trouble(&[Action::Handler("fast", HANGS)])
        .on(Cause::HandlerTimesOut, "fast"),
    situation("the handler gets slow")
        .args(SOON_USUAL)
        .before(USUAL)
        .trouble(&[Action::Handler("fast", takes(500))])
        .on(Cause::HandlerSlow, "fast"),
    situation("more tasks than the stage's rate")
        .chain(&[(RATE, "maxDispatchesPerSecond: 5")])
        .trouble(&[Action::Traffic(20.0)])
        .on(Cause::AtRate, "fast"),
    situation("more tasks than the stage's concurrency")
        .chain(&[(AT_ONCE, "maxConcurrentDispatches: 2")])
        .before(&[Action::Handler("fast", takes(400))])
        .trouble(&[Action::Traffic(20.0)])
        .on(Cause::AtConcurrency, "fast"),
    situation("Cloud Tasks throttles the queue")
        .chain(&[(AT_ONCE, "maxConcurrentDispatches: 2")])
        .before(&[Action::Handler("fast", takes(400))])
        .trouble(&[
            Action::Stats(StatsAnswer::Throttled(5.0)),
            Action::Traffic(20.0),
        ])
        .on(Cause::Throttled, "fast"),
    situation("workers without a free run slot")
        .chain(&[("replicas: 2", "replicas: 1, concurrency: 1")])
        .before(&[Action::Handler("fast", takes(300))])
        .trouble(&[Action::Traffic(20.0)])
        .on(Cause::NoRunSlots, "fast"),
    situation("producers create many more tasks")
        .args(SOON_USUAL)
        // More would need a producer that is faster than it can be on a slow machine.
        .chain(&[(RATE, "maxDispatchesPerSecond: 30")])
        // A third of the limit would look like a surge in a slot of 5 s to which a late look adds some seconds.
        .before(&[Action::Traffic(5.0), Action::UntilUsual])
        .trouble(&[Action::Traffic(75.0)])
        .on(Cause::ProducerSurge, "fast"),
    situation("retries use the rate")
        .chain(&[
            (RATE, "maxDispatchesPerSecond: 30"),
            ("maxAttempts: 3", "maxAttempts: 20"),
        ])
        .before(&[Action::Handler("fast", fails_for(0.16))])
        // More would arrive before each retry. Without the burst, enough retries for a backlog of ten seconds
        // take minutes.
        .trouble(&[Action::Traffic(12.0), Action::FailingBurst(280)])
        .on(Cause::RetriesUseRate, "fast"),
    situation("a stage fills the next one")
        .chain(&[ROUTE, ("maxDispatchesPerSecond: 50", "maxDispatchesPerSecond: 5")])
        .trouble(&[Action::RoutedTraffic(20.0)])
        .on(Cause::NextStageFills, "slow"),
    situation("hand-overs fail")
        .chain(&[("maxAttempts: 3", "maxAttempts: 1")])
        .before(STEADY)
        .trouble(&[
            Action::Refuses(&["CreateTask"]),
            Action::Handler("fast", fails(1.0, 500, Reason::None)),
        ])
        .on(Cause::HandOverFails, "fast"),
    situation("a route can't hand over")
        .chain(&[ROUTE])
        .trouble(&[Action::Refuses(&["CreateTask"]), Action::RoutedTraffic(20.0)])
        .on(Cause::HandOverFails, "fast"),
    situation("lookups fail")
        .chain(&[("replicas: 2", "replicas: 1, concurrency: 1")])
        // Pushes that got 503 need one.
        .before(&[Action::Handler("fast", takes(300))])
        .trouble(&[Action::Refuses(&["GetTask"]), Action::Traffic(20.0)])
        .on(Cause::LookUpFails, "fast"),
    situation("notifications fail")
        .before(STEADY)
        .trouble(&[Action::Refuses(&["CreateTask"])])
        .on(Cause::NotificationFails, "fast"),
    situation("the receiver of notifications fails")
        .before(STEADY)
        .trouble(&[Action::Receiver(503)])
        .on_the_chain(Cause::NotifierBacklog),
    situation("tasks expire soon")
        .chain(&[
            ("maxAttempts: 3", "maxAttempts: 3, giveUpAfter: 12h"),
            ("replicas: 2", "replicas: 1, concurrency: 1"),
        ])
        .before(&[Action::Handler("fast", takes(300))])
        .trouble(&[Action::Traffic(20.0)])
        // Whatever keeps tasks for so long comes before it.
        .too(Cause::TasksExpire, "fast"),
    situation("the parking queue is deleted while tasks fail")
        .chain(PARKS)
        .before(STEADY)
        .trouble(&[
            Action::Delete("orders-parked"),
            Action::Handler("fast", fails(1.0, 409, Reason::One("no-stock"))),
            Action::Handler("slow", fails(1.0, 409, Reason::One("no-stock"))),
        ])
        // First comes what fails, and that the operator can't create the queue again.
        .too(Cause::NotParked, "slow"),
    situation("a few tasks fail for good, and are parked")
        .chain(PARKS)
        .before(STEADY)
        .trouble(&[
            Action::Handler("fast", fails_for(0.03)),
            Action::Handler("slow", fails_for(0.03)),
        ])
        .on_the_chain(Cause::Parked),
    situation("a rate is changed outside the operator")
        .chain(&[("drainDelay: 1s", "drainDelay: 1s\n  driftPolicy: Report")])
        .before(STEADY)
        .trouble(&[Action::Rate("incoming", 90.0)])
        .on_the_chain(Cause::Drifted),
    situation("an edit waits for a quota")
        .before(STEADY)
        .trouble(&[
            Action::Refuses(&["UpdateQueue"]),
            Action::Apply(&[(RATE, "maxDispatchesPerSecond: 120")]),
        ])
        .on_the_chain(Cause::EditWaits),
];
