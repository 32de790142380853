//! Whatever is edited, and wherever the operator dies: planning again from what is there ends with
//! nothing left to do, and on the way no task can be lost.

use std::collections::BTreeSet;

use crate::world::{apply_step, desired};
use cloudtasks::{QueuePath, QueueState};
use plan::queue::{owner, pause_reason};
use plan::{Observed, Plan, Step, plan};
use proptest::prelude::*;

#[derive(Debug, Clone)]
struct Spec {
    /// Stages by number, in the order of the ladder.
    stages: Vec<(u8, Stage)>,
}

#[derive(Debug, Clone)]
struct Stage {
    /// Its name may change while its queue stays.
    name: char,
    attempts: u8,
    rate: Option<u8>,
    paused: Option<bool>,
}

impl Spec {
    fn yaml(&self) -> String {
        let stages = self.stages.iter().fold(String::new(), |stages, (number, stage)| {
            let Stage { name, attempts, rate, paused } = stage;
            let rate = rate
                .map(|rate| format!(", rateLimits: {{maxDispatchesPerSecond: {rate}}}"))
                .unwrap_or_default();
            let paused = paused.map(|paused| format!(", paused: {paused}")).unwrap_or_default();
            format!("{stages}  - {{name: {name}{number}, queue: q{number}, maxAttempts: {attempts}{rate}{paused}}}
")
        });
        let (head, _) = crate::world::ORDERS.split_once("  stages:\n").unwrap();
        format!("{head}  stages:\n{stages}")
    }
}

fn stage() -> impl Strategy<Value = Stage> {
    (
        prop_oneof![Just('s'), Just('r')],
        1..9_u8,
        proptest::option::of(1..200_u8),
        proptest::option::of(any::<bool>()),
    )
        .prop_map(|(name, attempts, rate, paused)| Stage {
            name,
            attempts,
            rate,
            paused,
        })
}

fn spec() -> impl Strategy<Value = Spec> {
    let numbers = proptest::sample::subsequence(vec![0_u8, 1, 2, 3], 1..=4).prop_shuffle();
    (numbers, proptest::collection::vec(stage(), 4)).prop_map(|(numbers, stages)| Spec {
        stages: numbers.into_iter().zip(stages).collect(),
    })
}

/// An edit, of which the operator carries out only so many steps before it dies; and what somebody
/// does to the queues meanwhile.
fn edits() -> impl Strategy<Value = Vec<(Spec, usize, u8)>> {
    proptest::collection::vec((spec(), 0..12_usize, any::<u8>()), 1..6)
}

/// What somebody does in the console.
fn meddle(observed: &mut Observed, what: u8) {
    let index = usize::from(what >> 4);
    let count = observed.queues.len().max(1);
    let Some(queue) = observed.queues.values_mut().nth(index % count) else {
        return;
    };
    match what % 4 {
        0 => queue.max_attempts = 5,
        1 => queue.state = QueueState::Paused,
        2 => queue.max_dispatches_per_second = 77.0,
        _ => {}
    }
}

/// The invariants that hold after every single step.
fn is_safe(observed: &Observed, step: &Step) -> Result<(), TestCaseError> {
    // A worker is never told of a queue that isn't there, or that gives tasks up by itself.
    if let Step::ApplyDeployment(deployment) = step {
        let text = serde_json::to_string(deployment).unwrap();
        let targets: BTreeSet<&QueuePath> = observed
            .queues
            .keys()
            .filter(|queue| text.contains(&format!("\"value\":\"{queue}\"")))
            .collect();
        let downstream = text.contains("DOWNSTREAM_QUEUE");
        prop_assert!(
            targets.len() >= 2 + usize::from(downstream),
            "{step} names a missing queue"
        );
        for target in targets {
            prop_assert_eq!(
                observed.queues[target].max_attempts,
                -1,
                "{} gives up",
                target
            );
        }
    }
    // What we pause has its reason written on it, so that whoever comes after us may resume it.
    if let Step::PauseQueue { queue } = step {
        prop_assert!(
            pause_reason(&observed.queues[queue]).is_some(),
            "{} lacks its reason",
            queue
        );
        prop_assert!(owner(&observed.queues[queue]).is_some());
    }
    Ok(())
}

fn run(observed: &mut Observed, plan: &Plan, steps: usize) -> Result<(), TestCaseError> {
    for planned in plan.0.iter().take(steps) {
        apply_step(observed, &planned.step);
        is_safe(observed, &planned.step)?;
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn edits_and_deaths_end_in_an_empty_plan(edits in edits()) {
        let mut observed = Observed::default();
        for (spec, steps, what) in &edits {
            let plan = plan(&desired(&spec.yaml()), &observed).unwrap();
            run(&mut observed, &plan, *steps)?;
            meddle(&mut observed, *what);
        }
        let last = desired(&edits.last().unwrap().0.yaml());
        let rest = plan(&last, &observed).unwrap();
        run(&mut observed, &rest, usize::MAX)?;
        let nothing = plan(&last, &observed).unwrap();
        prop_assert!(nothing.is_empty(), "left to do:\n{nothing}");
        for stage in &last.stages {
            let queue = &observed.queues[&stage.queue];
            if let Some(paused) = stage.paused {
                prop_assert_eq!(queue.state == QueueState::Paused, paused);
            }
            prop_assert_eq!(queue.max_attempts, -1);
        }
        // What we paused, and the spec no longer speaks of, runs again where it has workers.
        for removed in observed.removed_stages(&last) {
            let queue = &observed.queues[&removed.queue];
            let is_ours = pause_reason(queue).is_some();
            prop_assert!(removed.deployment.is_none() || !is_ours, "{}", removed.queue);
        }
    }
}
