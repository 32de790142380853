//! What a case does to its workers and its handler, step by step.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::watch;

use crate::case::{Case, Point};
use crate::chain::Stage;

pub struct Script {
    case: Case,
    struck: [AtomicBool; 3],
    /// The task is parked.
    parked: AtomicBool,
    /// The stages whose task Cloud Tasks has deleted after a 2xx.
    settled: watch::Sender<[bool; 3]>,
}

impl Script {
    pub fn new(case: &Case) -> Self {
        Self {
            case: case.clone(),
            struck: Default::default(),
            parked: AtomicBool::default(),
            settled: watch::Sender::default(),
        }
    }

    /// Whether the stage's worker is to be killed here and now, which is so once. `attempt` is the
    /// one that the dispatch makes, where that can be seen; a create needs none, since a stage has
    /// only one.
    pub fn strikes(&self, stage: &Stage, point: Point, attempt: Option<u8>) -> bool {
        let due = self.case.blows[stage.index].is_some_and(|blow| {
            blow.point == point && attempt.is_none_or(|attempt| attempt == blow.attempt)
        });
        due && !self.struck[stage.index].swap(true, Ordering::Relaxed)
    }

    /// The points before and after the stage's next create. Only what is parked has a second one.
    pub fn next_create(&self) -> [Point; 2] {
        if self.parked.load(Ordering::Relaxed) {
            [Point::BeforeTold, Point::AfterTold]
        } else {
            [Point::BeforeCreate, Point::AfterCreate]
        }
    }

    /// The stage's create has been carried out.
    pub fn created(&self, stage: &Stage) {
        let Case {
            parks, succeeds_on, ..
        } = self.case;
        let last = stage.index + 1 == self.struck.len();
        if parks && succeeds_on.is_none() && last {
            self.parked.store(true, Ordering::Relaxed);
        }
    }

    pub fn all_struck(&self) -> bool {
        let mut each = self.case.blows.iter().zip(&self.struck);
        each.all(|(blow, struck)| blow.is_some() == struck.load(Ordering::Relaxed))
    }

    /// Cloud Tasks is about to get a 2xx.
    pub fn settle(&self, stage: &Stage) {
        self.settled
            .send_modify(|settled| settled[stage.index] = true);
    }

    /// Holds a run back until all earlier stages are settled, where the case says so.
    pub async fn hold(&self, stage: &Stage) {
        if self.case.held[stage.index] {
            let mut settled = self.settled.subscribe();
            let earlier = |settled: &[bool; 3]| settled[..stage.index].iter().all(|each| *each);
            settled.wait_for(earlier).await.unwrap();
        }
    }
}
