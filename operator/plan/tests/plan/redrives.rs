//! Redrives and discards: which one is carried out, by which mover, and what is reported.

use cloudtasks::QueuePath;
use crds::{ExecutorChainStatus, RedriveStatus};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::apps::v1::Deployment;
use parking::{Action, CanaryCounts, RedriveOrder, RedrivePhase, RedriveProgress};
use plan::objects::mover::{REDRIVE_LABEL, mover_name, redrive_of};
use plan::objects::names::CHAIN_LABEL;
use plan::objects::worker_env::variable;
use plan::redrives::{head, turn};
use plan::{
    Desired, MoverSeen, MoverStep, ParkingSeen, Redrive, RedrivenChain, Turn, is_redrive_forgotten,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::world::{ORDERS, chain, desired, settings};

const BEGIN: &str = "2026-11-30T12:00:00Z";

fn begin() -> Timestamp {
    BEGIN.parse().unwrap()
}

fn parking() -> String {
    ORDERS.replacen("spec:\n", "spec:\n  parking: {queue: orders-parked}\n", 1)
}

fn object(kind: &str, name: &str, second: i64, own: &Value) -> Redrive {
    let mut spec = json!({
        "chain": "orders", "where": {"reason": "no-stock"}, "reason": "INC-42 is fixed",
        "by": "alice@example.com",
    });
    spec.as_object_mut()
        .unwrap()
        .extend(own.as_object().unwrap().clone());
    let created = begin() + SignedDuration::from_secs(second);
    let object = json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": kind,
        "metadata": {
            "name": name, "namespace": "shop", "uid": format!("uid-{name}"),
            "creationTimestamp": created.to_string(),
        },
        "spec": spec,
    });
    match kind {
        "ChainRedrive" => Redrive::Move(Box::new(serde_json::from_value(object).unwrap())),
        _ => Redrive::Discard(Box::new(serde_json::from_value(object).unwrap())),
    }
}

fn redrive(name: &str, second: i64) -> Redrive {
    object(
        "ChainRedrive",
        name,
        second,
        &json!({"to": "fast", "rate": 20.0}),
    )
}

fn discard(name: &str, second: i64) -> Redrive {
    object("ChainDiscard", name, second, &json!({}))
}

/// The same, stopped or with another rate.
fn with(redrive: Redrive, spec: &Value) -> Redrive {
    let change = |mut object: Value| {
        let fields = object["spec"].as_object_mut().unwrap();
        fields.extend(spec.as_object().unwrap().clone());
        object
    };
    match redrive {
        Redrive::Move(it) => Redrive::Move(Box::new(
            serde_json::from_value(change(serde_json::to_value(&it).unwrap())).unwrap(),
        )),
        Redrive::Discard(it) => Redrive::Discard(Box::new(
            serde_json::from_value(change(serde_json::to_value(&it).unwrap())).unwrap(),
        )),
    }
}

fn stopped(redrive: Redrive) -> Redrive {
    with(
        redrive,
        &json!({"stopped": true, "stoppedBy": "bob@example.com"}),
    )
}

fn says(name: &str, phase: RedrivePhase, remaining: Option<u64>) -> RedriveProgress {
    RedriveProgress {
        redrive: format!("uid-{name}").parse().unwrap(),
        phase,
        remaining,
        at_least: false,
        moved: 0,
        skipped: 0,
        failed_again: 0,
        canary: None,
        problem: None,
    }
}

/// A cluster that carries out turns.
struct World {
    desired: Option<Desired>,
    status: Option<ExecutorChainStatus>,
    parking: ParkingSeen,
    problem: Option<String>,
    is_deleted: bool,
    redrives: Vec<Redrive>,
    mover: MoverSeen,
    now: Timestamp,
}

impl World {
    fn of(redrives: Vec<Redrive>) -> Self {
        Self {
            desired: Some(desired(&parking())),
            status: None,
            parking: ParkingSeen::Owned,
            problem: None,
            is_deleted: false,
            redrives,
            mover: MoverSeen::default(),
            now: begin(),
        }
    }

    fn look(&self) -> Turn {
        let chain = match (&self.desired, &self.problem) {
            (None, _) => RedrivenChain::Absent,
            _ if self.is_deleted => RedrivenChain::Deleted,
            (_, Some(problem)) => RedrivenChain::Blocked(problem),
            (Some(desired), None) => RedrivenChain::Served {
                desired,
                status: self.status.as_ref(),
                parking: &self.parking,
            },
        };
        turn("orders", chain, &self.redrives, &self.mover, self.now)
    }

    /// Writes the statuses, and does what is to be done with the mover. Its pod runs at once, and is gone at
    /// once.
    fn turn(&mut self) {
        let Turn { statuses, mover } = self.look();
        for (redrive, status) in self.redrives.iter_mut().zip(statuses) {
            if let Some(status) = status {
                *redrive = redrive.clone().with_status(status);
            }
        }
        match mover {
            MoverStep::Keep => {}
            MoverStep::Apply(wanted) => {
                if self.order().is_none_or(|it| Some(it) != order_of(&wanted)) {
                    self.mover.progress = None;
                }
                self.mover.deployment = Some(*wanted);
                self.mover.has_pods = true;
            }
            MoverStep::Remove => self.mover = MoverSeen::default(),
        }
        self.now += SignedDuration::from_secs(2);
    }

    fn turns(&mut self, count: usize) -> &mut Self {
        for _ in 0..count {
            self.turn();
        }
        self
    }

    fn says(&mut self, progress: RedriveProgress) -> &mut Self {
        self.mover.progress = Some(progress);
        self.turns(1)
    }

    fn order(&self) -> Option<RedriveOrder> {
        self.mover.deployment.as_ref().and_then(order_of)
    }

    /// Whose mover runs.
    fn runs(&self) -> Option<String> {
        let uid = redrive_of(self.mover.deployment.as_ref()?)?;
        let mut redrives = self.redrives.iter();
        redrives.find(|it| it.uid() == uid).map(Redrive::name)
    }

    fn status(&self, index: usize) -> RedriveStatus {
        self.redrives[index].status().cloned().unwrap_or_default()
    }

    /// `False Moving: …`
    fn said(&self, index: usize) -> String {
        let condition = self.redrives[index].condition().unwrap();
        let (status, reason, message) = (&condition.status, &condition.reason, &condition.message);
        format!("{status} {reason}: {message}")
    }
}

fn order_of(deployment: &Deployment) -> Option<RedriveOrder> {
    serde_json::from_str(&variable(deployment, "REDRIVE")?).ok()
}

#[test]
fn the_oldest_goes_first_and_the_others_say_for_whom_they_wait() {
    let redrives = vec![redrive("b", 5), discard("c", 3), redrive("a", 5)];
    let mut world = World::of(redrives);
    world.turns(1);
    assert_eq!(world.runs().as_deref(), Some("c"));
    assert_eq!(world.said(1), "False Counting: its mover starts");
    let waits =
        "False Waiting: discard c by alice@example.com is older and runs first: wait, or stop c";
    assert_eq!((world.said(0), world.said(2)), (waits.into(), waits.into()));

    world.says(says("c", RedrivePhase::Done, Some(0)));
    assert_eq!(world.said(1), "True Done: no parked task matches");
    assert_eq!(world.runs(), None);
    world.turns(1);
    assert_eq!(
        world.runs().as_deref(),
        Some("a"),
        "by name, as they are as old"
    );
    world.says(says("a", RedrivePhase::Done, Some(0))).turns(1);
    assert_eq!(world.runs().as_deref(), Some("b"));
    world.says(says("b", RedrivePhase::Done, Some(0))).turns(3);
    assert_eq!(world.runs(), None);
}

#[test]
fn the_next_mover_waits_until_the_pods_of_the_one_before_are_gone() {
    let mut world = World::of(vec![redrive("a", 0), redrive("b", 1)]);
    world.turns(1).says(says("a", RedrivePhase::Done, Some(0)));
    // Its pod takes its time.
    world.mover.has_pods = true;
    world.turns(1);
    assert_eq!(
        world.said(1),
        "False Counting: the mover of the previous redrive or discard is stopping"
    );
    assert_eq!(world.runs(), None);
    // Or even its Deployment: the operator died before it was deleted.
    world.mover.deployment = World::of(vec![redrive("a", 0)])
        .turns(1)
        .mover
        .deployment
        .clone();
    assert_eq!(world.look().mover, MoverStep::Remove);
    world.mover = MoverSeen::default();
    world.turns(1);
    assert_eq!(world.runs().as_deref(), Some("b"));
}

#[test]
fn the_numbers_follow_from_what_is_left() {
    let mut world = World::of(vec![redrive("a", 0)]);
    let numbers = |world: &World| {
        let status = world.status(0);
        (
            status.matched,
            status.at_least,
            status.moved,
            status.skipped,
        )
    };
    world.turns(1).says(says("a", RedrivePhase::Counting, None));
    assert_eq!(
        world.said(0),
        "False Counting: the selected tasks are being counted"
    );
    assert_eq!(numbers(&world), (None, false, Some(0), None));
    let mut partial = says("a", RedrivePhase::Counting, Some(100));
    partial.at_least = true;
    world.says(partial.clone());
    assert_eq!(numbers(&world), (Some(100), true, Some(0), None));

    let mut moving = says("a", RedrivePhase::Moving, Some(270));
    (moving.moved, moving.skipped) = (100, 10);
    world.says(moving.clone());
    assert_eq!(
        world.said(0),
        "False Moving: tasks are moved to stage fast, 20 a second"
    );
    assert_eq!(numbers(&world), (Some(380), false, Some(100), Some(10)));

    // Another redrive's mover, as it may be in a pod that ends.
    world.says(says("b", RedrivePhase::Done, Some(0)));
    assert_eq!(numbers(&world), (Some(380), false, Some(100), Some(10)));

    // It is killed, and the new one begins to count.
    world.mover.progress = None;
    world.turns(1);
    assert_eq!(world.said(0), "False Moving: its mover starts");
    world.says(partial);
    assert_eq!(numbers(&world), (Some(380), false, Some(100), Some(10)));
    let mut anew = says("a", RedrivePhase::Moving, Some(200));
    anew.skipped = 10;
    world.says(anew);
    assert_eq!(numbers(&world), (Some(380), false, Some(170), Some(10)));
    // A list that lags shows more than there are.
    world.says(moving);
    assert_eq!(numbers(&world).2, Some(170));

    let mut done = says("a", RedrivePhase::Done, Some(0));
    (done.skipped, done.failed_again) = (10, 7);
    world.says(done);
    assert_eq!(numbers(&world), (Some(380), false, Some(370), Some(10)));
    assert_eq!(
        world.said(0),
        "True Done: 370 tasks were moved to stage fast; 10 can't be moved, and are still parked; 7 have failed again so far, and are parked again"
    );
    assert_eq!(world.mover.deployment, None);
}

#[test]
fn a_canary_that_does_not_do_well_ends_the_redrive() {
    let spec = json!({
        "to": "slow", "rate": 20.0, "all": true,
        "canary": {"tasks": 20, "within": "5m", "atLeast": "90%"},
    });
    let mut world = World::of(vec![object("ChainRedrive", "a", 0, &spec)]);
    world.turns(1);
    let Some(Action::Move(to)) = world.order().map(|it| it.action) else {
        panic!("{:?}", world.order());
    };
    let canary = to.canary.unwrap();
    assert_eq!(
        (canary.tasks, canary.within_seconds, canary.at_least_percent),
        (20, 300, 90)
    );
    let counts = CanaryCounts {
        succeeded: 3,
        failed: 1,
        open: 16,
    };
    let mut progress = says("a", RedrivePhase::Canary, Some(80));
    (progress.moved, progress.canary) = (20, Some(counts));
    world.says(progress.clone());
    assert_eq!(
        world.said(0),
        "False Canary: the canary's tasks run on stage slow, and the other tasks wait for the result: 3 succeeded, 1 failed, 16 have not ended"
    );
    progress.phase = RedrivePhase::CanaryFailed;
    world.says(progress);
    assert_eq!(
        world.said(0),
        "True CanaryFailed: too few of the canary's tasks have succeeded: 3 succeeded, 1 failed, 16 have not ended. The others are still parked"
    );
    assert_eq!(
        (world.status(0).matched, world.status(0).moved),
        (Some(100), Some(20))
    );
    assert_eq!(world.runs(), None);
}

/// Each of these ends a redrive that runs, when its mover is gone. One that waits ends at once.
#[test]
fn what_can_not_go_on_ends_and_says_how() {
    type Change = fn(&mut World);
    let rows: [(&str, Change, &str, &str); 5] = [
        (
            "stopped",
            |world| {
                let redrives = world.redrives.drain(..).map(stopped).collect();
                world.redrives = redrives;
            },
            "Stopped: it was stopped by bob@example.com. At least 100 tasks were moved. The others are still parked",
            "Stopped: it was stopped by bob@example.com. No task was moved",
        ),
        (
            "chain deleted",
            |world| world.is_deleted = true,
            "ChainDeleted: chain orders is deleted. At least 100 tasks were moved. The others are still parked",
            "ChainDeleted: chain orders is deleted. No task was moved",
        ),
        (
            "chain gone",
            |world| world.desired = None,
            "ChainDeleted: chain orders is deleted. At least 100 tasks were moved. The others are still parked",
            "ChainNotFound: namespace shop has no chain orders: create a redrive for one that exists (kubectl get chains -n shop)",
        ),
        (
            "stage removed",
            |world| world.desired = Some(desired(&parking().replace("name: fast", "name: quick"))),
            "StageNotFound: chain orders has no stage fast: its stages are quick, slow. At least 100 tasks were moved. The others are still parked",
            "StageNotFound: chain orders has no stage fast: its stages are quick, slow. No task was moved",
        ),
        (
            "parking removed",
            |world| world.desired = Some(desired(ORDERS)),
            "ParkingNotFound: chain orders has no parking. At least 100 tasks were moved. The others are still parked",
            "ParkingNotFound: chain orders has no parking. No task was moved",
        ),
    ];
    for (what, change, ran, waited) in rows {
        let mut world = World::of(vec![redrive("a", 0), redrive("b", 1)]);
        let mut progress = says("a", RedrivePhase::Moving, Some(280));
        progress.moved = 100;
        world.turns(1).says(progress);
        change(&mut world);
        world.turn();
        assert_eq!(
            world.said(0),
            format!("False {ran}. The mover is stopping"),
            "{what}"
        );
        assert_eq!(world.said(1), format!("True {waited}"), "{what}");
        assert_eq!(world.mover.deployment, None, "{what}");
        world.turn();
        assert_eq!(world.said(0), format!("True {ran}"), "{what}");
        assert!(world.status(0).finished_at.is_some());
    }
}

#[test]
fn a_parking_queue_that_is_gone_ends_it_whoever_finds_out() {
    let mut world = World::of(vec![redrive("a", 0)]);
    world
        .turns(1)
        .says(says("a", RedrivePhase::ParkingGone, Some(5)));
    assert_eq!(
        world.said(0),
        "True ParkingNotFound: the parking queue doesn't exist. At least 0 tasks were moved"
    );
    let mut world = World::of(vec![discard("a", 0)]);
    world.parking = ParkingSeen::Missing;
    world.turns(1);
    assert_eq!(
        world.said(0),
        "True ParkingNotFound: the parking queue doesn't exist. No task was deleted"
    );
    assert_eq!(world.mover.deployment, None);
}

/// Nobody may move another chain's tasks by naming its queue.
#[test]
fn no_mover_gets_a_queue_that_is_not_the_chains() {
    for (seen, message) in [
        (
            ParkingSeen::Foreign,
            "False Blocked: queue orders-parked doesn't belong to this chain, so its tasks are neither moved nor deleted: give the chain its own parking queue",
        ),
        (
            ParkingSeen::Unknown("Cloud Tasks doesn't answer".into()),
            "False Blocked: the state of parking queue orders-parked is unknown: Cloud Tasks doesn't answer",
        ),
    ] {
        let mut world = World::of(vec![redrive("a", 0)]);
        world.parking = seen.clone();
        world.turns(2);
        assert_eq!((world.said(0).as_str(), world.runs()), (message, None));
        // A mover that runs goes on, unless it is to have another queue.
        world.parking = ParkingSeen::Owned;
        world.turns(1);
        let before = world.order();
        world.parking = seen;
        world.says(says("a", RedrivePhase::Moving, Some(5)));
        assert!(
            world.said(0).starts_with("False Moving"),
            "{}",
            world.said(0)
        );
        let other = parking().replace("orders-parked", "theirs");
        world.desired = Some(desired(&other));
        world.turns(1);
        assert_eq!(world.order(), before);
        assert!(
            world.said(0).starts_with("False Blocked"),
            "{}",
            world.said(0)
        );
    }
}

#[test]
fn a_chain_with_a_problem_blocks_and_keeps_the_mover() {
    let mut world = World::of(vec![redrive("a", 0)]);
    world.problem = Some("stage fast: its queue is taken".into());
    world.turns(2);
    let message = "False Blocked: chain orders: stage fast: its queue is taken";
    assert_eq!((world.said(0).as_str(), world.runs()), (message, None));
    world.problem = None;
    world.turns(1);
    assert_eq!(world.runs().as_deref(), Some("a"));
    world.problem = Some("stage fast: its queue is taken".into());
    world.turns(1);
    assert_eq!(
        (world.said(0).as_str(), world.runs().as_deref()),
        (message, Some("a"))
    );
}

#[test]
fn what_blocks_the_mover_is_said() {
    let mut world = World::of(vec![redrive("a", 0)]);
    world.turns(1);
    world.mover.trouble = Some("container worker: ImagePullBackOff".into());
    world.turns(1);
    assert_eq!(
        world.said(0),
        "False Blocked: the pod of Deployment orders-redrive doesn't run: container worker: ImagePullBackOff"
    );
    world.mover.trouble = None;
    let mut progress = says("a", RedrivePhase::Moving, Some(5));
    progress.problem = Some("queue incoming doesn't exist".into());
    world.says(progress);
    assert_eq!(world.said(0), "False Blocked: queue incoming doesn't exist");

    let foreign = json!({"metadata": {"name": "orders-redrive"}});
    let mut world = World::of(vec![redrive("a", 0)]);
    world.mover.deployment = Some(serde_json::from_value(foreign).unwrap());
    let turn = world.look();
    assert_eq!(turn.mover, MoverStep::Keep);
    world.turn();
    assert!(
        world.said(0).contains("but isn't a mover"),
        "{}",
        world.said(0)
    );

    let mut world = World::of(vec![redrive("a", 0)]);
    let stage = parking().replace("name: slow", "name: redrive");
    world.desired = Some(desired(&stage));
    world.turn();
    assert!(
        world.said(0).contains("rename the stage"),
        "{}",
        world.said(0)
    );
}

#[test]
fn a_stage_whose_tasks_wait_is_named() {
    let mut world = World::of(vec![redrive("a", 0)]);
    let stage = |state: &str, replicas: i32| {
        let stage = json!({
            "queue": "incoming", "name": "fast", "state": state, "replicas": replicas,
            "workersUpToDate": true,
        });
        serde_json::from_value(json!({"stages": [stage]})).unwrap()
    };
    for (state, replicas, note) in [
        ("Running", 2, ""),
        (
            "Paused",
            2,
            ". Stage fast is paused, so the tasks wait there",
        ),
        (
            "Running",
            0,
            ". Stage fast has no workers, so the tasks wait there",
        ),
    ] {
        world.status = Some(stage(state, replicas));
        world
            .turns(1)
            .says(says("a", RedrivePhase::Moving, Some(5)));
        assert_eq!(
            world.said(0),
            format!("False Moving: tasks are moved to stage fast, 20 a second{note}")
        );
    }
}

#[test]
fn another_rate_is_another_mover_and_an_equal_one_is_none() {
    let mut world = World::of(vec![redrive("a", 0)]);
    world.turns(1);
    assert_eq!(world.look().mover, MoverStep::Keep);
    assert_eq!(world.order().unwrap().rate.to_string(), "20");
    let faster = with(world.redrives.remove(0), &json!({"rate": 100.0}));
    world.redrives.push(faster);
    world.turns(1);
    assert_eq!(world.order().unwrap().rate.to_string(), "100");
    // A person scales it down.
    let spec = world
        .mover
        .deployment
        .as_mut()
        .unwrap()
        .spec
        .as_mut()
        .unwrap();
    spec.replicas = Some(0);
    assert!(matches!(world.look().mover, MoverStep::Apply(_)));
}

#[test]
fn a_movers_pod_is_like_the_workers_and_no_stage_selects_it() {
    let yaml = parking()
        .replace(
            "template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}",
            "template: {spec: {serviceAccountName: orders, nodeSelector: {pool: jobs}, imagePullSecrets: [{name: pull}], containers: [{name: handler, image: 'shop:1'}]}}\n  workerTemplate: {resources: {limits: {cpu: 100m}}, env: [{name: RUST_LOG, value: debug}]}",
        );
    let mut settings = settings();
    settings.emulator_host = Some("emulator:8123".into());
    let mut world = World::of(vec![redrive("a", 0)]);
    world.desired = Some(Desired::new(&chain(&yaml), &settings).unwrap());
    world.turns(1);
    let mover = world.mover.deployment.unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&mover).unwrap());
    let labels = mover
        .spec
        .unwrap()
        .template
        .metadata
        .unwrap()
        .labels
        .unwrap();
    assert!(!labels.contains_key(CHAIN_LABEL));
    assert_eq!(labels[REDRIVE_LABEL], "orders");
    assert_eq!(mover_name(&"a".repeat(63)).len(), 63);
}

#[test]
fn the_order_names_what_was_asked_for() {
    let spec = json!({"to": "slow", "rate": 0.5, "where": {
        "reason": "no-stock", "cause": "Fail", "stage": "fast", "status": "4xx", "task": "order-1",
        "redrive": "uid-b", "parkedAfter": BEGIN,
    }});
    let mut world = World::of(vec![object("ChainRedrive", "a", 0, &spec)]);
    world.turns(1);
    let order = world.order().unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&order).unwrap());
    // The fraction of the second in which it was created is lost.
    assert_eq!(
        order.selection.asked,
        begin() + SignedDuration::from_secs(1)
    );
    let queue: QueuePath = order.parked;
    assert_eq!(queue.id.as_str(), "orders-parked");

    let mut world = World::of(vec![discard("a", 0)]);
    world.turns(1);
    assert_eq!(world.order().unwrap().action, Action::Discard);
}

#[test]
fn one_that_was_finished_is_deleted_after_14_days() {
    let mut world = World::of(vec![redrive("a", 0)]);
    world.turns(1);
    let after = |days: i64| begin() + SignedDuration::from_hours(24 * days);
    assert!(!is_redrive_forgotten(&world.redrives[0], after(100)));
    world.says(says("a", RedrivePhase::Done, Some(0)));
    assert!(!is_redrive_forgotten(&world.redrives[0], after(14)));
    assert!(is_redrive_forgotten(&world.redrives[0], after(15)));
}

#[derive(Debug, Clone)]
enum Happening {
    Created { is_discard: bool },
    Stopped(usize),
    Deleted(usize),
    Says(RedrivePhase, u64),
    MoverDies,
    StageGoes(bool),
    ParkingGoes(bool),
    ChainGoes(bool),
    ParkingIs(bool),
    Turn,
}

fn happening() -> impl Strategy<Value = Happening> {
    use Happening::*;
    let phase = prop_oneof![
        Just(RedrivePhase::Counting),
        Just(RedrivePhase::Canary),
        Just(RedrivePhase::Moving),
        Just(RedrivePhase::Done),
        Just(RedrivePhase::CanaryFailed),
        Just(RedrivePhase::ParkingGone),
    ];
    prop_oneof![
        2 => any::<bool>().prop_map(|is_discard| Created { is_discard }),
        1 => (0..8_usize).prop_map(Stopped),
        1 => (0..8_usize).prop_map(Deleted),
        3 => (phase, 0..50_u64).prop_map(|(phase, left)| Says(phase, left)),
        1 => Just(MoverDies),
        1 => any::<bool>().prop_map(StageGoes),
        1 => any::<bool>().prop_map(ParkingGoes),
        1 => any::<bool>().prop_map(ChainGoes),
        1 => any::<bool>().prop_map(ParkingIs),
        6 => Just(Turn),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    /// Whatever happens, in whatever order.
    #[test]
    fn one_is_carried_out_at_a_time_and_what_is_finished_stays_so(
        happenings in prop::collection::vec(happening(), 1..60),
    ) {
        let mut world = World::of(Vec::new());
        let whole = parking();
        for (step, happening) in happenings.into_iter().enumerate() {
            let before: Vec<Redrive> = world.redrives.clone();
            match happening {
                Happening::Created { is_discard } => {
                    let second = world.now.duration_since(begin()).as_secs();
                    let name = format!("r{step}");
                    let make = if is_discard { discard } else { redrive };
                    world.redrives.push(make(&name, second));
                }
                Happening::Stopped(index) if index < before.len() => {
                    let it = world.redrives[index].clone();
                    world.redrives[index] = stopped(it);
                }
                Happening::Deleted(index) if index < before.len() => {
                    world.redrives.remove(index);
                    continue;
                }
                Happening::Says(phase, left) => {
                    let name = world.runs();
                    world.mover.progress = name.map(|name| says(&name, phase, Some(left)));
                }
                Happening::MoverDies => world.mover.progress = None,
                Happening::StageGoes(gone) => {
                    let yaml = if gone { whole.replace("name: fast", "name: quick") } else { whole.clone() };
                    world.desired = Some(desired(&yaml));
                }
                Happening::ParkingGoes(gone) => {
                    world.desired = Some(desired(if gone { ORDERS } else { &whole }));
                }
                Happening::ChainGoes(gone) => world.is_deleted = gone,
                Happening::ParkingIs(owned) => {
                    world.parking = if owned { ParkingSeen::Owned } else { ParkingSeen::Foreign };
                }
                Happening::Stopped(_) | Happening::Deleted(_) | Happening::Turn => {}
            }
            let had = world.runs();
            let first = head(&world.redrives).map(|index| world.redrives[index].name());
            world.turn();
            // A mover runs for the first alone, and another one only after the first was removed.
            if let Some(runs) = world.runs() {
                prop_assert!(had.is_none() || had.as_ref() == Some(&runs));
                prop_assert_eq!(Some(&runs), first.as_ref());
                let it = world.redrives.iter().find(|it| it.name() == runs).unwrap();
                prop_assert!(it.has_started() && !it.is_finished());
            }
            if first.is_none() {
                prop_assert_eq!(&world.mover.deployment, &None);
            }
            // Nobody older is open.
            let open: Vec<&Redrive> = world.redrives.iter().filter(|it| !it.is_finished()).collect();
            let created = |it: &Redrive| it.metadata().creation_timestamp.clone().unwrap().0;
            if let Some(runs) = world.runs() {
                let it = open.iter().find(|it| it.name() == runs).unwrap();
                prop_assert!(open.iter().all(|other| created(other) >= created(it)));
            }
            for (before, now) in before.iter().zip(&world.redrives) {
                let number = |it: &Redrive| it.status().cloned().unwrap_or_default();
                let (was, is) = (number(before), number(now));
                if before.is_finished() {
                    prop_assert_eq!(was, is);
                    continue;
                }
                prop_assert!(is.moved >= was.moved);
                if was.matched.is_some() && !was.at_least {
                    prop_assert_eq!(is.matched, was.matched);
                }
                prop_assert!(was.started_at.is_none() || is.started_at == was.started_at);
                prop_assert_eq!(is.finished_at.is_some(), now.is_finished());
            }
        }
    }
}
