//! No task is lost and none is made, whatever happens around the queues.

use std::num::NonZeroU32;
use std::time::Duration;

use proptest::prelude::*;
use simulation::simulate::run;
use simulation::{
    Backoff, Change, Edit, Entrant, Event, Exit, FailureThreshold, Isolate, Limits, Run, RunEnd,
    Stage, Workers, World,
};

const STAGES: usize = 3;

struct Chance {
    random: fastrand::Rng,
    left: usize,
    at: Duration,
    came: usize,
    ended: usize,
}

impl World for Chance {
    fn next(&mut self) -> Option<Entrant> {
        self.left = self.left.checked_sub(1)?;
        self.came += 1;
        // The first ones are there at the begin.
        let is_there = self.came < 20;
        if !is_there {
            self.at += Duration::from_millis(self.random.u64(0..200));
        }
        let stage = self.random.usize(0..STAGES);
        let running = (is_there && self.random.bool()).then(|| self.a_run(stage));
        Some(Entrant {
            at: self.at,
            stage,
            due: self.at + Duration::from_millis(self.random.u64(0..500)),
            attempts: self.random.u32(0..4),
            refused: self.random.u32(0..4),
            running,
        })
    }

    fn run(&mut self, _: Duration, stage: usize, _: usize, timeout: Duration) -> Run {
        let run = self.a_run(stage);
        Run {
            takes: run.takes.min(timeout),
            ..run
        }
    }

    fn is_rerouted(&self, task: usize) -> bool {
        task.is_multiple_of(7)
    }

    fn category(&self, task: usize) -> Option<u64> {
        Some(task as u64 % 5)
    }

    fn observe(&mut self, _: Duration, event: Event) {
        self.ended += usize::from(matches!(event, Event::Ended { .. }));
    }
}

impl Chance {
    fn a_run(&mut self, stage: usize) -> Run {
        let how = match self.random.u32(0..10) {
            0 if stage + 1 < STAGES => RunEnd::Left(Exit::Stage(stage + 1)),
            0 | 1 => RunEnd::Left(Exit::Failed),
            2..5 => RunEnd::Failed,
            _ => RunEnd::Succeeded,
        };
        let takes = Duration::from_millis(self.random.u64(0..2000));
        Run { takes, how }
    }
}

fn limits() -> impl Strategy<Value = Limits> {
    (1.0..100.0_f64, 1..20_u32).prop_map(|(rate, concurrency)| Limits {
        rate,
        concurrency,
        backoff: Backoff {
            max: Duration::from_secs(2),
            ..Backoff::default()
        },
    })
}

fn changes() -> impl Strategy<Value = Change> {
    prop_oneof![
        limits().prop_map(Change::Limits),
        any::<bool>().prop_map(Change::Paused),
        (0..20_u32).prop_map(Change::Capacity),
        (1..4_u32).prop_map(|it| Change::Attempts(NonZeroU32::new(it).expect("at least one"))),
        (1..2000_u64).prop_map(|it| Change::Timeout(Duration::from_millis(it))),
        (0..STAGES).prop_map(Change::Reroute),
    ]
}

fn workers() -> impl Strategy<Value = Workers> {
    let failures = (1..20_u8, 1..20_u8).prop_map(|(of, at_least)| FailureThreshold {
        of: of.max(at_least),
        at_least,
    });
    let isolate = (prop::option::of(1..=100_u8), prop::option::of(failures));
    let isolate = isolate.prop_map(|(max_share, failures)| Isolate {
        to: STAGES - 1,
        max_share,
        failures,
    });
    let hold = prop::option::of((1..10_u64).prop_map(Duration::from_secs));
    (1..4_u32, prop::option::of(isolate), hold, any::<u64>()).prop_map(
        |(pods, isolate, hold_on_outage, seed)| Workers {
            pods: NonZeroU32::new(pods).expect("at least one"),
            isolate,
            hold_on_outage,
            seed,
        },
    )
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let edit = (0..20_000_u64, 0..STAGES, changes()).prop_map(|(at, stage, change)| Edit {
        at: Duration::from_millis(at),
        stage,
        changes: vec![change],
    });
    prop::collection::vec(edit, 0..12)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_came_has_ended_or_is_left(limits in limits(), workers in workers(), edits in edits(), weight in 1..9_u32, seed: u64) {
        let stage = Stage {
            limits,
            attempts: NonZeroU32::new(3).expect("3 is not 0"),
            timeout: Duration::from_secs(1),
            capacity: 10,
            reroutes_to: None,
            workers,
        };
        let mut world = Chance {
            random: fastrand::Rng::with_seed(seed),
            left: 150,
            at: Duration::ZERO,
            came: 0,
            ended: 0,
        };
        let horizon = Duration::from_secs(15);
        let left = run(&mut world, &[stage; STAGES], &edits, weight, horizon);
        let left: usize = left.iter().map(|it| it.tasks).sum();
        // One more was asked for that comes after the horizon.
        let not_yet = usize::from(world.at >= horizon);
        prop_assert_eq!(world.came, world.ended + left + not_yet);
    }
}
