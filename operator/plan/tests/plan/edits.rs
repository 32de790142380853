//! Whatever is edited, and wherever the operator dies: planning again from what is there ends with
//! nothing left to do, and on the way no task can be lost.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::world::{
    apply_step, desired, gateway_says, look, pass, pod, roll, settle, with_gateways,
};
use cloudtasks::{Address, HttpTarget, QueuePath, QueueState};
use k8s_openapi::api::apps::v1::{Deployment, DeploymentStatus};
use kube::ResourceExt;
use plan::model::gateway_resource::{Availability, GatewayResourceKind};
use plan::model::queue_headers::{PauseReason, is_parking, owner, pause_reason};
use plan::model::{ObjectKind, ObjectName};
use plan::objects::names::served_queue;
use plan::objects::route;
use plan::objects::worker_env::hand_over_targets;
use plan::objects::worker_env::variable;
use plan::rules::absence::queues_to_look_up;
use plan::{ChainView, Desired, LocationQueues, Observed, Plan, RequiredToken, Step, plan};
use proptest::prelude::*;

/// For so long Cloud Tasks may go on with a former target.
const UNDER_WAY: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
struct Spec {
    /// Stages by number, in the order of the ladder.
    stages: Vec<(u8, Stage)>,
    notifier: char,
    parking: Option<char>,
    /// Whose token, and for which audiences.
    oidc: Option<(char, Vec<char>)>,
    reports_drift: bool,
    deletes: bool,
    push: Push,
}

/// How pushes come in: to hosts that begin with the child's name, as those of Services do.
#[derive(Debug, Clone)]
enum Push {
    Cluster,
    Url,
    Gateway { name: char, domain: char },
}

impl Push {
    fn yaml(&self) -> String {
        match self {
            Self::Cluster => String::new(),
            Self::Url => "  push: {url: 'https://{chain}-{stage}.example.com'}\n".to_owned(),
            Self::Gateway { name, domain } => format!(
                "  push: {{gateway: {{name: {name}, hostname: '{{chain}}-{{stage}}.{domain}{GATEWAYS}'}}}}\n"
            ),
        }
    }
}

/// The hosts under Gateways.
const GATEWAYS: &str = ".push.example.com";

#[derive(Debug, Clone)]
struct Stage {
    /// Its name may change while its queue stays.
    name: char,
    attempts: u8,
    rate: Option<u8>,
    paused: Option<bool>,
    replicas: Option<u8>,
    /// A shortcut to the last stage.
    has_route: bool,
    isolates: Option<Isolates>,
    is_delayed: bool,
}

/// Where isolated tasks go.
#[derive(Debug, Clone, Copy)]
enum Isolates {
    ToNext,
    ToLast,
}

impl Spec {
    fn yaml(&self) -> String {
        let last = self
            .stages
            .last()
            .map(|(number, stage)| format!("{}{number}", stage.name));
        let last = last.unwrap_or_default();
        let stages = self.stages.iter().fold(String::new(), |stages, (number, stage)| {
            let Stage {
                name,
                attempts,
                rate,
                paused,
                replicas,
                has_route,
                isolates,
                is_delayed,
            } = stage;
            let name = format!("{name}{number}");
            let to = isolates.filter(|_| name != last).map(|it| match it {
                Isolates::ToNext => String::new(),
                Isolates::ToLast => format!("to: {last}, "),
            });
            let isolate = to
                .map(|to| format!(", isolate: [{{by: {{header: a}}, {to}failures: {{}}}}]"))
                .unwrap_or_default();
            let delay = if *is_delayed && !stages.is_empty() {
                ", delay: 30s"
            } else {
                ""
            };
            let rate = rate
                .map(|rate| format!(", rateLimits: {{maxDispatchesPerSecond: {rate}}}"))
                .unwrap_or_default();
            let paused = paused.map(|it| format!(", paused: {it}")).unwrap_or_default();
            let replicas = replicas.map(|it| format!(", replicas: {it}")).unwrap_or_default();
            let route = if *has_route && name != last {
                format!(", routes: [{{match: {{reason: timeout}}, to: {last}}}]")
            } else {
                String::new()
            };
            format!("{stages}  - {{name: {name}, queue: q{number}, maxAttempts: {attempts}{rate}{paused}{replicas}{route}{isolate}{delay}}}\n")
        });
        let (head, _) = crate::world::ORDERS.split_once("  stages:\n").unwrap();
        let head = head.replace("orders-notifier", &format!("notifier-{}", self.notifier));
        let oidc = self
            .oidc
            .as_ref()
            .map_or_else(String::new, |(email, audiences)| {
                format!(
                    "  oidc: {{serviceAccountEmail: {email}@p.example, audiences: {audiences:?}}}\n"
                )
            });
        let oidc = oidc.replace('\'', "");
        let drift = if self.reports_drift {
            "Report"
        } else {
            "Enforce"
        };
        let deletion = if self.deletes { "Delete" } else { "Retain" };
        let push = self.push.yaml();
        let parking = self
            .parking
            .map(|it| format!("  parking: {{queue: parked-{it}}}\n"));
        let parking = parking.unwrap_or_default();
        format!(
            "{head}{parking}{push}{oidc}  driftPolicy: {drift}\n  deletionPolicy: {deletion}\n  stages:\n{stages}"
        )
    }
}

fn stage() -> impl Strategy<Value = Stage> {
    (
        prop_oneof![Just('s'), Just('r')],
        1..9_u8,
        proptest::option::of(1..200_u8),
        proptest::option::of(any::<bool>()),
        proptest::option::of(1..6_u8),
        any::<bool>(),
        proptest::option::of(prop_oneof![Just(Isolates::ToNext), Just(Isolates::ToLast)]),
        any::<bool>(),
    )
        .prop_map(
            |(name, attempts, rate, paused, replicas, has_route, isolates, is_delayed)| Stage {
                name,
                attempts,
                rate,
                paused,
                replicas,
                has_route,
                isolates,
                is_delayed,
            },
        )
}

fn oidc() -> impl Strategy<Value = Option<(char, Vec<char>)>> {
    let email = prop_oneof![3 => Just('a'), 1 => Just('b')];
    let audiences = proptest::sample::subsequence(vec!['x', 'y', 'z'], 1..=3).prop_shuffle();
    proptest::option::weighted(0.7, (email, audiences))
}

fn spec() -> impl Strategy<Value = Spec> {
    let numbers = proptest::sample::subsequence(vec![0_u8, 1, 2, 3], 1..=4).prop_shuffle();
    (
        numbers,
        proptest::collection::vec(stage(), 4),
        prop_oneof![Just('a'), Just('b')],
        proptest::option::of(prop_oneof![Just('a'), Just('b')]),
        oidc(),
        any::<bool>(),
        any::<bool>(),
        push(),
    )
        .prop_map(
            |(numbers, stages, notifier, parking, oidc, reports_drift, deletes, push)| Spec {
                stages: numbers.into_iter().zip(stages).collect(),
                notifier,
                parking,
                // A token goes over HTTPS alone.
                oidc: oidc.filter(|_| !matches!(push, Push::Cluster)),
                reports_drift,
                deletes,
                push,
            },
        )
}

fn push() -> impl Strategy<Value = Push> {
    let names = prop_oneof![Just('x'), Just('y')];
    let domains = prop_oneof![Just('x'), Just('y')];
    prop_oneof![
        2 => Just(Push::Cluster),
        1 => Just(Push::Url),
        3 => (names, domains).prop_map(|(name, domain)| Push::Gateway { name, domain }),
    ]
}

/// What happens to a chain, one thing after another.
#[derive(Debug, Clone)]
enum Event {
    /// A user edits the spec.
    Edit(Spec),
    /// The operator plans, and dies after so many steps.
    Steps(usize),
    /// It does so from a list of queues that lacks some, and shows others as paused, or not, as they were
    /// before the last plan.
    BadList(u8, u8),
    /// A user does something in the console.
    Meddle(u8),
    /// A new pod comes up beside the old ones, which live on.
    HalfRoll(u8),
    /// All pods are as their Deployments say.
    Roll,
    /// The pods of a stage are there and none is ready.
    Unready(u8),
    /// So many seconds pass, in which some queues are seen with tasks in them.
    Pass(u16, u8),
    /// The Gateways take the routes that are there, or don't.
    Gateway(bool),
    /// The operator starts anew and has seen nothing yet.
    Restart,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => spec().prop_map(Event::Edit),
        4 => (0..12_usize).prop_map(Event::Steps),
        2 => any::<(u8, u8)>().prop_map(|(lacks, delays)| Event::BadList(lacks, delays)),
        1 => any::<u8>().prop_map(Event::Meddle),
        1 => any::<u8>().prop_map(Event::HalfRoll),
        2 => Just(Event::Roll),
        1 => any::<u8>().prop_map(Event::Unready),
        3 => (0..200_u16, any::<u8>()).prop_map(|(time, left)| Event::Pass(time, left)),
        2 => any::<bool>().prop_map(Event::Gateway),
        1 => Just(Event::Restart),
    ]
}

/// What a user does in the console.
fn meddle(observed: &mut Observed, what: u8) {
    let index = usize::from(what >> 4);
    if what % 4 == 3 {
        for offer in observed.availability.values_mut() {
            if let Availability::Served(objects) = offer {
                objects.pop_first();
            }
        }
        return;
    }
    let count = observed.queues.size().max(1);
    let Some(path) = observed.queues.keys().nth(index % count).cloned() else {
        return;
    };
    let queue = observed.queues.get_mut(&path).unwrap();
    match what % 4 {
        0 => queue.max_attempts = 5,
        1 if is_parking(queue) => queue.state = QueueState::Running,
        1 => queue.state = QueueState::Paused,
        2 => queue.max_dispatches_per_second = 77.0,
        _ => {}
    }
}

/// A Deployment of those that are there.
fn any_deployment(observed: &mut Observed, which: u8) -> Option<&mut Deployment> {
    let count = observed.deployments.len().max(1);
    let mut deployments = observed.deployments.values_mut();
    deployments.nth(usize::from(which) % count)
}

fn half_roll(observed: &mut Observed, which: u8) {
    let Some(deployment) = any_deployment(observed, which) else {
        return;
    };
    deployment.status = Some(DeploymentStatus {
        replicas: Some(2),
        updated_replicas: Some(1),
        ready_replicas: Some(1),
        ..DeploymentStatus::default()
    });
    let new = pod(deployment);
    observed.pods.extend(new);
}

fn unready(observed: &mut Observed, which: u8) {
    let status = any_deployment(observed, which).and_then(|it| it.status.as_mut());
    if let Some(status) = status {
        status.ready_replicas = None;
    }
}

/// The invariants that hold after every single step.
fn is_safe(
    observed: &Observed,
    before: &BTreeSet<String>,
    step: &Step,
) -> Result<(), TestCaseError> {
    // A worker is never told of a queue that isn't there, or that gives tasks up by itself.
    if let Step::ApplyDeployment(deployment) = step {
        let notifier = variable(deployment, "NOTIFIER_QUEUE").unwrap();
        let mut targets = hand_over_targets(deployment);
        targets.insert(notifier.parse().unwrap());
        for target in targets {
            let found = observed.queues.get(&target);
            let attempts = found.map(|found| found.max_attempts);
            prop_assert_eq!(attempts, Some(-1), "{} gives up, or isn't there", target);
        }
        if let Some(parking) = variable(deployment, "PARKING_QUEUE") {
            let found = observed.queues.get(&parking.parse().unwrap());
            let found = found.map(|found| (found.max_attempts, found.state, is_parking(found)));
            prop_assert_eq!(found, Some((-1, QueueState::Paused, true)), "{}", parking);
        }
    }
    // What is parked is never pushed, nor deleted.
    if let Step::ResumeQueue { queue } | Step::DeleteQueue { queue } = step {
        prop_assert!(!queue.id.as_str().starts_with("parked-"), "{}", step);
    }
    // What we pause has its reason written on it, so that the next operator may resume it.
    if let Step::PauseQueue { queue } = step {
        prop_assert!(
            pause_reason(observed.queues.get(queue).unwrap()).is_some(),
            "{} lacks its reason",
            queue
        );
        prop_assert!(owner(observed.queues.get(queue).unwrap()).is_some());
    }
    // Workers are deleted when no queue pushes to them any more.
    if let Step::Delete(ObjectName {
        kind: ObjectKind::Deployment,
        name,
    }) = step
    {
        let queues = observed.queues.values();
        let mut running = queues.filter(|queue| queue.state != QueueState::Paused);
        let pushes = running.find(|queue| {
            let address = queue.address();
            address.and_then(|it| leads_to(observed, it)).as_ref() == Some(name)
        });
        let pushes = pushes.map(|queue| &queue.path);
        prop_assert!(pushes.is_none(), "{:?} pushes to {}", pushes, name);
    }
    // A queue begins to push to a Gateway's host when a route is there.
    if let Step::CreateQueue { queue, settings } | Step::UpdateQueue { queue, settings } = step {
        let target = settings.http_target.as_ref();
        let address = target.and_then(|target| target.address.as_ref());
        let is_gateways = |it: &&Address| it.host.ends_with(GATEWAYS) && !before.contains(&it.host);
        if let Some(address) = address.filter(is_gateways) {
            prop_assert!(
                leads_to(observed, address).is_some(),
                "{} has no route",
                queue
            );
        }
    }
    Ok(())
}

/// The workers to which an address leads.
fn leads_to(observed: &Observed, address: &Address) -> Option<String> {
    if !address.host.ends_with(GATEWAYS) {
        let (child, _) = address.host.split_once('.')?;
        return Some(child.to_owned());
    }
    let mut routes = observed.gateway_objects(GatewayResourceKind::HttpRoute);
    let route = routes.find(|(_, it)| route::host(it) == Some(&address.host));
    Some(route::backend(route?.1)?.to_owned())
}

/// The hosts to which queues push.
fn hosts(observed: &Observed) -> BTreeSet<String> {
    let targets = observed
        .queues
        .values()
        .filter_map(|it| it.http_target.as_ref());
    let addresses = targets.filter_map(|target| target.address.as_ref());
    addresses.map(|address| address.host.clone()).collect()
}

/// Whether a task could go round in circles: through workers to which their queue pushes, and what
/// these hand it to.
fn has_circle(observed: &Observed) -> bool {
    let pushes_to = |queue: &QueuePath, pod: &str| {
        let target = observed.queues.get(queue)?.http_target.as_ref()?;
        let child = leads_to(observed, target.address.as_ref()?)?;
        Some(pod.rsplit_once('-')?.0 == child)
    };
    let live = observed.pods.iter();
    let live: Vec<_> = live
        .filter(|pod| pushes_to(&pod.queue, &pod.name) == Some(true))
        .collect();
    live.iter().any(|start| {
        let mut reached = BTreeSet::new();
        let mut next: Vec<&QueuePath> = start.targets.iter().collect();
        while let Some(at) = next.pop() {
            if reached.insert(at) {
                let onward = live.iter().filter(|pod| pod.queue == *at);
                next.extend(onward.flat_map(|pod| &pod.targets));
            }
        }
        reached.contains(&start.queue)
    })
}

/// What queues have sent.
#[derive(Default)]
struct Sent {
    /// The targets that a queue had, each with how long ago.
    former: Vec<(QueuePath, HttpTarget, Duration)>,
    /// Those that a queue had when the workers were not there yet: they are new, and demand at once.
    unserved: Vec<(QueuePath, HttpTarget)>,
}

/// Whether no pod refuses a push for its token: none with the target that its queue has, and none with
/// one that it had a moment ago.
fn nothing_is_refused(observed: &Observed, sent: &Sent) -> Result<(), TestCaseError> {
    let queues = observed.queues.values();
    let now = queues.filter_map(|it| Some((&it.path, it.http_target.as_ref()?)));
    let former = sent.former.iter();
    let before = former.map(|(queue, target, _)| (queue, target));
    let is_served = |(queue, target): &(&QueuePath, &HttpTarget)| {
        let mut unserved = sent.unserved.iter();
        !unserved.any(|(it, there)| {
            it == *queue && there.address == target.address && there.token == target.token
        })
    };
    for (queue, target) in now.chain(before).filter(is_served) {
        let host = target.address.as_ref().map(|address| address.host.as_str());
        let Some((child, _)) = host.and_then(|host| host.split_once('.')) else {
            continue;
        };
        let is_pushed_to = |pod: &&plan::Pod| {
            pod.queue == *queue && pod.name.rsplit_once('-').is_some_and(|(it, _)| it == child)
        };
        for pod in observed.pods.iter().filter(is_pushed_to) {
            let token = target.token.as_ref();
            let is_taken = pod
                .required_token
                .as_ref()
                .is_none_or(|demand| demand.accepts(token));
            prop_assert!(is_taken, "{:?} refuses {:?}", pod, target);
        }
    }
    Ok(())
}

fn run(
    observed: &mut Observed,
    sent: &mut Sent,
    plan: &Plan,
    steps: usize,
) -> Result<(), TestCaseError> {
    for planned in plan.steps.iter().take(steps) {
        let target = |queue| {
            let found: &cloudtasks::Queue = observed.queues.get(queue)?;
            Some((queue.clone(), found.http_target.clone()?))
        };
        match &planned.step {
            Step::UpdateQueue { queue, .. } => {
                if let Some((queue, target)) = target(queue) {
                    let deployments = observed.deployments.values();
                    let is_served = deployments.filter_map(served_queue).any(|it| it == queue);
                    if !is_served {
                        sent.unserved.push((queue.clone(), target.clone()));
                    }
                    sent.former.push((queue, target, Duration::ZERO));
                }
            }
            Step::ApplyDeployment(deployment) => {
                let is_new = !observed.deployments.contains_key(&deployment.name_any());
                let queue = served_queue(deployment).filter(|_| is_new);
                sent.unserved.extend(queue.as_ref().and_then(target));
            }
            _ => {}
        }
        let before = hosts(observed);
        if let Step::CreateQueue { queue, .. } = &planned.step
            && observed.queues.contains_key(queue)
        {
            // Cloud Tasks refuses it, which ends the plan.
            break;
        }
        apply_step(observed, &planned.step);
        is_safe(observed, &before, &planned.step)?;
    }
    Ok(())
}

/// What the operator sees by a list that lacks some queues, and shows others as paused, or not, as they
/// were `before`. It asks for some by name.
fn by_bad_list(
    observed: &Observed,
    desired: &Desired,
    before: &LocationQueues,
    (lacks, delays): (u8, u8),
) -> Observed {
    let mut seen = observed.clone();
    let is_chosen = |mask: u8, index: usize| mask >> (index % 8) & 1 == 1;
    for (index, path) in observed.queues.keys().enumerate() {
        let former = before.get(path).filter(|_| is_chosen(delays, index));
        if is_chosen(lacks, index) {
            seen.queues.remove(path);
        } else if let Some(former) = former {
            // The answers to its own updates it knows. A pause and a resume are answered without the queue.
            let queue = seen.queues.get_mut(path).unwrap();
            queue.state = former.state;
        }
    }
    for queue in queues_to_look_up(ChainView::new(desired, &seen)) {
        match observed.queues.get(&queue) {
            Some(found) => seen.queues.insert(found.clone()),
            None => {
                seen.absent_queues.insert(queue);
            }
        }
    }
    seen
}

/// Every plan that is made on the way is also checked by [`plan::invariants`].
fn happen(
    observed: &mut Observed,
    sent: &mut Sent,
    before: &mut LocationQueues,
    spec: &mut Option<Desired>,
    event: &Event,
) -> Result<(), TestCaseError> {
    if let Event::Edit(edited) = event {
        *spec = Some(desired(&edited.yaml()));
        observed.was_in_force = false;
    }
    let Some(desired) = spec else { return Ok(()) };
    match event {
        Event::Edit(_) => {}
        Event::Steps(steps) => {
            let plan = plan(ChainView::new(desired, observed)).unwrap();
            observed.was_in_force |= plan.steps.is_empty() && plan.waits.is_empty();
            before.clone_from(&observed.queues);
            run(observed, sent, &plan, *steps)?;
            // A round ends with a look at what it has done.
            pass(observed, desired, Duration::ZERO);
        }
        Event::BadList(lacks, delays) => {
            let seen = by_bad_list(observed, desired, before, (*lacks, *delays));
            let plan = plan(ChainView::new(desired, &seen)).unwrap();
            run(observed, sent, &plan, usize::MAX)?;
            pass(observed, desired, Duration::ZERO);
        }
        Event::Meddle(what) => {
            meddle(observed, *what);
            // Only what the operator did itself is delayed.
            before.clone_from(&observed.queues);
        }
        Event::HalfRoll(which) => half_roll(observed, *which),
        Event::Roll => roll(observed),
        Event::Unready(which) => unready(observed, *which),
        Event::Pass(seconds, left) => {
            look(observed, desired, |queue| {
                let number = queue.id.as_str().trim_start_matches('q').parse::<u32>();
                usize::from(number.is_ok_and(|number| left >> (number % 8) & 1 == 1))
            });
            let time = Duration::from_secs((*seconds).into());
            pass(observed, desired, time);
            for (_, _, age) in &mut sent.former {
                *age += time;
            }
            sent.former.retain(|(_, _, age)| *age < UNDER_WAY);
        }
        Event::Gateway(takes) => {
            let status = if *takes { "True" } else { "False" };
            gateway_says(observed, "Accepted", status, "Said");
        }
        Event::Restart => {
            observed.elapsed.clear();
            observed.backlogs.clear();
        }
    }
    prop_assert!(!has_circle(observed), "a task could go round in circles");
    nothing_is_refused(observed, sent)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn edits_and_deaths_end_in_an_empty_plan(
        first in spec(),
        events in proptest::collection::vec(event(), 1..25),
    ) {
        let mut observed = Observed::default();
        let mut sent = Sent::default();
        let mut before = LocationQueues::default();
        with_gateways(&mut observed);
        let mut spec = None;
        for event in [Event::Edit(first)].iter().chain(&events) {
            happen(&mut observed, &mut sent, &mut before, &mut spec, event)?;
        }
        let last = spec.unwrap();
        roll(&mut observed);
        settle(&mut observed, &last);
        prop_assert!(!has_circle(&observed));
        for (index, stage) in last.stages.iter().enumerate() {
            let workers = &observed.deployments[&stage.child];
            prop_assert_eq!(hand_over_targets(workers), last.hand_over_targets(index));
            let queue = observed.queues.get(&stage.queue).unwrap();
            if let Some(paused) = stage.paused {
                prop_assert_eq!(queue.state == QueueState::Paused, paused);
            }
            prop_assert_eq!(queue.max_attempts, -1);
            // In force: sent, and demanded.
            let oidc = last.oidc.as_ref();
            let token = queue.http_target.as_ref().and_then(|target| target.token.as_ref());
            prop_assert_eq!(token.is_some(), oidc.is_some());
            let demand = RequiredToken::of_deployment(&observed.deployments[&stage.child]);
            let audiences = demand.map(|demand| demand.audiences.into_iter().collect::<Vec<_>>());
            let wanted = oidc.map(|oidc| {
                let mut wanted = oidc.audiences.clone();
                wanted.sort();
                wanted
            });
            prop_assert_eq!(audiences, wanted);
        }
        // Nothing is left of what the spec names no more, but its queues, which are paused: or gone, a
        // day later, where the spec says so.
        let children: Vec<&String> = last.stages.iter().map(|stage| &stage.child).collect();
        for name in observed.deployments.keys().chain(observed.services.keys()) {
            prop_assert!(children.contains(&name), "{} is left", name);
        }
        for (kind, name) in GatewayResourceKind::ALL.into_iter().flat_map(|kind| {
            observed.gateway_objects(kind).map(move |(name, _)| (kind, name.clone()))
        }) {
            let wanted = last.gateway_resource_names(kind);
            prop_assert!(wanted.contains(&name), "{} {} is left", kind, name);
        }
        for removed in ChainView::new(&last, &observed).removed_stages() {
            let queue = observed.queues.get(&removed.queue).unwrap();
            prop_assert_eq!(queue.state, QueueState::Paused);
            prop_assert_eq!(pause_reason(queue), Some(PauseReason::Drained));
        }
    }
}
