//! One thing goes wrong in a chain with traffic, or nothing. What is found first is what went wrong.

use std::collections::BTreeMap;

use console::why::{Onsets, why};
use console::{
    Baseline, Cause, EditState, Known, LiveChain, LiveNotifier, Pods, StageState, Unknown,
};
use crds::PausedBy;
use fastrand::Rng;

use crate::causes::parks;
use crate::chains;
use crate::world::{StageWorld, World};

/// How long the chain is well before.
const BEFORE: u32 = 100;

/// A chain that is well, of a random size.
struct Mixture {
    world: World,
    rng: Rng,
    /// The traffic, of what the first stage could take.
    producers: f64,
    before: Vec<Option<Baseline>>,
    chain: LiveChain,
}

impl Mixture {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let count = rng.usize(2..=3);
        let limit = rng.f64() * 30.0 + 10.0;
        let producers = limit * (0.3 + rng.f64() * 0.4);
        let stages = (0..count).map(|index| {
            // Later stages are slower, and have enough for what fails.
            let limit = if index == 0 { limit } else { limit / 2.0 };
            let duration = 0.02 * 10_f64.powf(rng.f64() * 1.5);
            let concurrent = rng.usize(50..=300);
            StageWorld {
                limit,
                allowed: limit,
                concurrent,
                attempts: rng.u32(1..=5),
                timeout: *rng.choice([10.0, 30.0, 60.0].iter()).unwrap(),
                backoff: (0.1, *rng.choice([1.0, 10.0, 60.0].iter()).unwrap()),
                slots: concurrent * rng.usize(1..=2),
                pods: rng.u32(1..=3),
                runs: true,
                duration,
                flaky: rng.f64() * 0.04,
                hangs: if rng.u8(0..4) == 0 { 0.003 } else { 0.0 },
                statuses: vec![500, 503, 409][..rng.usize(1..=3)].to_vec(),
                routed: 0.0,
                isolated: 0.0,
                holds: false,
                lost: false,
                refused: false,
                unreachable: false,
                no_hand_over: false,
                no_notification: false,
                no_look_up: 0.0,
                scheduled: if rng.u8(0..3) == 0 {
                    rng.u64(1..50_000)
                } else {
                    0
                },
            }
        });
        let stages: Vec<StageWorld> = stages.collect();
        let mut world = World::new(rng.u64(..), producers, stages);
        world.poison = rng.f64() * 2.0;
        let mut chain = chains::chain();
        chain.stages.truncate(count);
        if rng.u8(0..5) == 0 {
            chain.edit = EditState::Pending;
        }
        if rng.u8(0..5) == 0 {
            chain.draining = vec!["old: 10-99 tasks".into()];
        }
        Self {
            world,
            rng,
            producers,
            before: vec![None; count],
            chain,
        }
    }

    /// Some traffic, and perhaps a burst as the first queue can take it at once.
    fn run(&mut self, seconds: u32) {
        let burst = self.rng.usize(1..=10);
        if self.rng.bool() {
            self.world.burst(burst);
        }
        self.world.run(seconds);
    }

    fn learn(&mut self) {
        for stage in 0..self.chain.stages.len() {
            let known = self.rng.u8(0..4) > 0;
            self.before[stage] = known.then(|| self.world.baseline(stage));
        }
    }

    fn random_stage(&mut self) -> usize {
        self.rng.usize(0..self.chain.stages.len())
    }

    /// What is seen of it. Numbers of Cloud Tasks are up to `late` seconds late, those of workers up to 15.
    fn seen(&mut self, late: usize) -> LiveChain {
        let mut chain = self.chain.clone();
        for (index, stage) in chain.stages.iter_mut().enumerate() {
            let late = self.rng.usize(0..=late);
            let is = self.world.stage(index).clone();
            stage.settings.max_dispatches_per_second = Some(is.limit);
            stage.settings.max_concurrent_dispatches = u32::try_from(is.concurrent).ok();
            stage.settings.max_attempts = is.attempts;
            stage.settings.timeout = chains::seconds(is.timeout);
            if stage.pods.desired > 0 && stage.pods.ready > 0 {
                stage.pods = Pods {
                    ready: is.pods,
                    desired: is.pods + u32::from(self.rng.u8(0..10) == 0),
                };
            }
            stage.queue_numbers = self.world.queue(index, late);
            let asked = self.rng.usize(0..15);
            stage.worker_numbers = self.world.workers(index, asked, self.before[index]);
            if stage.pods.ready == 0 {
                stage.worker_numbers = Unknown::NoPods.into_known();
            }
        }
        let late = self.rng.usize(0..=late);
        chain.notifier = LiveNotifier {
            queue_numbers: Known::Known(self.world.notifier(late)),
            ..chain.notifier
        };
        chain
    }
}

trait IntoKnown {
    fn into_known<T>(self) -> Known<T>;
}

impl IntoKnown for Unknown {
    fn into_known<T>(self) -> Known<T> {
        Known::Unknown { unknown: self }
    }
}

/// What can go wrong, and on which stage; and for how many seconds it needs to be so.
#[expect(clippy::too_many_lines, reason = "one arm a cause")]
fn inject(cause: Cause, of: &mut Mixture) -> (Option<usize>, u32) {
    let stage = of.random_stage();
    let last = of.chain.stages.len() - 1;
    let producers = of.producers;
    let share = 0.3 + of.rng.f64() * 0.7;
    // Only the first stage is sure to have enough traffic.
    let first = of.world.stage(0);
    let usual = of.rng.u32(50..150);
    match cause {
        Cause::EditWaits => {
            of.chain.edit = EditState::Waits {
                reason: "InvalidSpec".into(),
                message: "no project: set spec.project".into(),
                since: None,
            };
            (None, 5)
        }
        Cause::QueueMissing | Cause::QueueDisabled => {
            of.world.stage(stage).runs = false;
            let is_missing = cause == Cause::QueueMissing;
            of.chain.stages[stage].state = if is_missing {
                StageState::Missing
            } else {
                StageState::Disabled
            };
            (Some(stage), usual)
        }
        Cause::PausedBySpec
        | Cause::PausedByOverride
        | Cause::PausedByOperator
        | Cause::PausedOutside => {
            of.world.stage(stage).runs = false;
            let by = match cause {
                Cause::PausedBySpec => PausedBy::Spec,
                Cause::PausedByOverride => PausedBy::Override,
                Cause::PausedByOperator => PausedBy::Operator,
                _ => PausedBy::Outside,
            };
            of.chain.stages[stage].state = StageState::Paused {
                by,
                message: None,
                since: None,
            };
            (Some(stage), usual)
        }
        Cause::NoReadyPod => {
            of.world.stage(stage).lost = true;
            of.chain.stages[stage].pods.ready = 0;
            (Some(stage), usual)
        }
        Cause::PushesNotArriving => {
            first.lost = true;
            (Some(0), usual + 110)
        }
        Cause::PushesRefused => {
            first.refused = true;
            (Some(0), usual)
        }
        Cause::Held => {
            first.flaky = 1.0;
            first.holds = true;
            (Some(0), usual)
        }
        Cause::HandlerUnreachable => {
            first.unreachable = true;
            (Some(0), usual)
        }
        Cause::LookUpFails => {
            first.no_look_up = 0.2 + share * 0.5;
            (Some(0), usual)
        }
        Cause::HandOverFails => {
            first.no_hand_over = true;
            of.world.poison = 10.0 + 40.0 * share;
            (Some(0), usual)
        }
        Cause::NotificationFails => {
            first.no_notification = true;
            (Some(0), usual)
        }
        Cause::Isolating => {
            // The next stage has enough for them, and half of them fail there.
            first.isolated = 0.05 + 0.15 * share;
            (Some(0), usual)
        }
        Cause::HandlerTimesOut => {
            first.hangs = share;
            // Before that, none has timed out.
            (Some(0), usual + 60)
        }
        Cause::HandlerFails => {
            first.flaky = 1.0;
            (Some(0), usual)
        }
        Cause::OneFailure => {
            first.flaky = 0.2 + share * 0.4;
            first.attempts = first.attempts.min(3);
            first.statuses = vec![422];
            (Some(0), usual)
        }
        Cause::HandlerSlow => {
            first.duration *= 8.0 + share * 20.0;
            first.duration = first.duration.max(0.5);
            first.timeout = 600.0;
            of.before[0] = Some(of.world.baseline(0));
            (Some(0), usual)
        }
        Cause::Throttled => {
            first.allowed = producers * 0.5 * share;
            (Some(0), usual)
        }
        Cause::NoRunSlots => {
            // As many pushes at once as before, of runs that have always been long.
            first.duration = 2.0;
            first.slots = floor(producers * share).max(1);
            of.before[0] = None;
            (Some(0), usual)
        }
        Cause::AtRate => {
            first.limit = producers * (0.2 + 0.3 * share);
            first.allowed = first.limit;
            (Some(0), usual)
        }
        Cause::AtConcurrency => {
            first.duration = 2.0;
            first.concurrent = floor(producers * share * 0.7).max(1);
            of.before[0] = None;
            (Some(0), usual)
        }
        Cause::RetriesUseRate => {
            first.attempts = 20;
            first.backoff = (0.1, 1.0);
            first.limit = producers * 2.2;
            first.allowed = first.limit;
            of.world.poison = 12.0 + 8.0 * share;
            // Each retry waits as long as all others.
            (Some(0), 240)
        }
        Cause::ProducerSurge => {
            first.limit = producers * (2.5 + share);
            first.allowed = first.limit;
            of.world.producers = producers * (5.0 + share * 5.0);
            of.before[0] = Some(of.world.baseline(0));
            (Some(0), usual)
        }
        Cause::NextStageFills => {
            first.routed = 0.5 * share;
            let second = of.world.stage(1);
            second.limit = producers * 0.3 * share * share;
            second.allowed = second.limit;
            (Some(1), usual)
        }
        Cause::NotifierBacklog => {
            of.world.receiver_works = false;
            (None, usual)
        }
        Cause::TasksExpire | Cause::NotParked => (Some(last), usual),
        Cause::ParkedExpire => {
            parks(&mut of.chain, 3, 28.5 * 86_400.0);
            (None, usual)
        }
        Cause::Parked => {
            parks(&mut of.chain, 3, 60.0);
            (None, usual)
        }
        Cause::Drifted => {
            of.chain.drift = Some("incoming has backoff 1s, the spec says 5s".into());
            (None, usual)
        }
    }
}

fn floor(number: f64) -> usize {
    number.floor() as usize
}

#[test]
fn what_goes_wrong_is_found_first() {
    let mut wrong: BTreeMap<Cause, Vec<String>> = BTreeMap::new();
    let mixtures = 1_000;
    for seed in 0..mixtures {
        let cause = Cause::ALL[usize::try_from(seed).unwrap() % Cause::ALL.len()];
        let mut mixture = Mixture::new(seed);
        mixture.run(BEFORE);
        mixture.learn();
        let (stage, needs) = inject(cause, &mut mixture);
        mixture.run(needs);
        // No number is from before.
        let mut seen = mixture.seen(usize::try_from(needs / 2).unwrap().min(60));
        if cause == Cause::TasksExpire {
            chains::workers(&mut seen, stage.unwrap()).expiring = 3;
        }
        if cause == Cause::NotParked {
            chains::workers(&mut seen, stage.unwrap()).not_parked = 3;
        }
        let found = why(&seen);
        let stage = stage.map(|stage| seen.stages[stage].name.clone());
        let is_right = found
            .first()
            .is_some_and(|first| first.cause == cause && first.stage == stage);
        if !is_right {
            let found = found.iter().map(|it| (it.cause, &it.message));
            let found: Vec<_> = found.collect();
            wrong
                .entry(cause)
                .or_default()
                .push(format!("seed {seed}: {found:?}"));
        }
    }
    let count = wrong.values().map(Vec::len).sum::<usize>();
    println!("{count} of {mixtures} wrong: {wrong:#?}");
    assert!(
        count * 20 <= 1_000,
        "{count} of {mixtures} wrong: {wrong:#?}"
    );
}

#[test]
fn nothing_is_found_where_nothing_is_wrong() {
    let mut accused = Vec::new();
    for seed in 1_000..2_000 {
        let mut mixture = Mixture::new(seed);
        let mut onsets = Onsets::default();
        mixture.run(BEFORE);
        mixture.learn();
        for _ in 0..3 {
            let more = mixture.rng.u32(5..60);
            mixture.run(more);
            let mut seen = mixture.seen(60);
            for stage in &mut seen.stages {
                if mixture.rng.u8(0..5) == 0 {
                    stage.queue_numbers = Unknown::Stale.into_known();
                }
                if mixture.rng.u8(0..5) == 0 {
                    stage.worker_numbers = Unknown::Pending.into_known();
                }
            }
            let mut found = why(&seen);
            let second = i64::try_from(mixture.world.now()).unwrap();
            onsets.stamp(&mut found, chains::at(second));
            accused.extend(found.into_iter().map(|it| (seed, it)));
        }
    }
    assert_eq!(accused, []);
}
