//! Where the workers are killed, and what must become of the task then.

use std::fmt;

use crate::chain::{STAGES, Stage};

/// Where in the course of a push its worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Point {
    /// The worker has the push's head and half of its body.
    BeforeRun,
    /// The handler has the task, and has not answered.
    DuringRun,
    /// The handler has answered, and the worker's create is on its way to Cloud Tasks.
    BeforeCreate,
    /// The task is created, and the worker has no reply yet.
    AfterCreate,
    /// The task is parked, and the create of the notification is on its way to Cloud Tasks.
    BeforeTold,
    /// The notification is created, and the worker has no reply yet.
    AfterTold,
    /// The worker has answered, and Cloud Tasks has not got the answer. Where a run leads to no create,
    /// this is also the only point between the handler's answer and Cloud Tasks' hearing of it.
    AfterAnswer,
}

const POINTS: [Point; 5] = [
    Point::BeforeRun,
    Point::DuringRun,
    Point::BeforeCreate,
    Point::AfterCreate,
    Point::AfterAnswer,
];

#[derive(Debug, Clone, Copy)]
pub struct Blow {
    pub point: Point,
    /// The handler's attempt on that stage, from 1, which the killed dispatch was to make.
    pub attempt: u8,
}

/// One task's way, with at most one kill on each stage.
#[derive(Clone)]
pub struct Case {
    /// The stage on which the handler succeeds, each time that it is asked; elsewhere it fails.
    pub succeeds_on: Option<usize>,
    pub blows: [Option<Blow>; 3],
    /// The stages whose handler answers only when all earlier stages are through: so a killed
    /// worker's successor finds the task there, at work. Without it, it mostly finds the end.
    pub held: [bool; 3],
    /// Whether the handler says when a task shall come again, so that each failure leads to a create.
    pub puts_off: bool,
    /// Whether the workers park what fails on the last stage.
    pub parks: bool,
}

/// What must have become of the task.
#[derive(Debug, PartialEq, Eq)]
pub struct Expected {
    pub outcome: String,
    pub runs: [u64; 3],
    /// The attempts on each stage, as the notification has them.
    pub attempts: [u64; 3],
    pub parked: usize,
}

impl Case {
    /// Each point on each stage, for a run that succeeds, for one that uses up the attempts, and
    /// for those that leave some. Where the task then lives on, also with each later stage held.
    pub fn matrix() -> Vec<Self> {
        let mut cases = Vec::new();
        for stage in &STAGES {
            let fails = (1..=stage.attempts).map(|attempt| (None, attempt));
            for (succeeds_on, attempt) in fails.chain([(Some(stage.index), 1)]) {
                for point in POINTS {
                    let mut case = Self::unharmed(succeeds_on);
                    let creates = case.leads_to_create(stage, attempt);
                    if !creates && matches!(point, Point::BeforeCreate | Point::AfterCreate) {
                        continue;
                    }
                    case.blows[stage.index] = Some(Blow { point, attempt });
                    cases.push(case.clone());
                    let lives_on = creates && point >= Point::AfterCreate;
                    let later = STAGES.iter().skip(stage.index + 1);
                    for held in later.filter(|later| lives_on && case.reaches(later)) {
                        let mut case = case.clone();
                        case.held[held.index] = true;
                        cases.push(case);
                    }
                }
            }
        }
        cases
    }

    /// Each point at which a task is put off, on each stage with attempts left after a failure.
    pub fn put_off() -> Vec<Self> {
        let stages = STAGES.iter().filter(|stage| stage.attempts > 1);
        let cases = stages.flat_map(|stage| {
            POINTS.map(|point| {
                let mut case = Self {
                    puts_off: true,
                    ..Self::unharmed(None)
                };
                case.blows[stage.index] = Some(Blow { point, attempt: 1 });
                case
            })
        });
        cases.collect()
    }

    /// Each point of the dispatch by which a task ends on the last stage of a chain that parks: one that
    /// failed is parked, and then told, so it has two more. And each of one before, by which it comes there.
    pub fn parked() -> Vec<Self> {
        let [first, _, last] = &STAGES;
        let told = [Point::BeforeTold, Point::AfterTold];
        let failed = POINTS.into_iter().chain(told);
        let failed = failed.map(|point| (None, last, last.attempts, point));
        let succeeded = POINTS.map(|point| (Some(last.index), last, 1, point));
        let handed_over = POINTS.map(|point| (None, first, first.attempts, point));
        let all = failed.chain(succeeded).chain(handed_over);
        let cases = all.map(|(succeeds_on, stage, attempt, point)| {
            let mut case = Self {
                parks: true,
                ..Self::unharmed(succeeds_on)
            };
            case.blows[stage.index] = Some(Blow { point, attempt });
            case
        });
        cases.collect()
    }

    /// A kill at `point` of the dispatch by which the task leaves the stage, on each stage that
    /// the task reaches.
    pub fn on_each_stage(point: Point, succeeds_on: Option<usize>, held: bool) -> Self {
        let unharmed = Self::unharmed(succeeds_on);
        let blows = STAGES.each_ref().map(|stage| {
            let attempt = unharmed.attempts(stage);
            unharmed.reaches(stage).then_some(Blow { point, attempt })
        });
        Self {
            blows,
            held: [held; 3],
            ..unharmed
        }
    }

    fn unharmed(succeeds_on: Option<usize>) -> Self {
        Self {
            succeeds_on,
            blows: [None; 3],
            held: [false; 3],
            puts_off: false,
            parks: false,
        }
    }

    pub fn status(&self, stage: &Stage) -> u16 {
        if self.succeeds_on == Some(stage.index) {
            200
        } else {
            500
        }
    }

    /// The handler's headers.
    pub fn headers(&self) -> Vec<(String, String)> {
        let retry_after = ("retry-after".to_owned(), "1".to_owned());
        self.puts_off.then_some(retry_after).into_iter().collect()
    }

    /// What the rules promise.
    ///
    /// An attempt counts when Cloud Tasks or the next task knows of it: by an answer that was
    /// heard, or by a create that was carried out. Until then the next dispatch makes it again.
    /// So a kill costs one run where the handler was asked and nothing was recorded, and none
    /// where it was not asked yet, or where a create was carried out: that is found, and not one
    /// run follows on this stage or, since the create's name is taken, a second time on a later
    /// one.
    pub fn expected(&self) -> Expected {
        let attempts = STAGES
            .each_ref()
            .map(|stage| u64::from(self.attempts(stage)));
        let runs = STAGES.each_ref().map(|stage| {
            let lost = self.blows[stage.index].is_some_and(|blow| {
                let asked = blow.point >= Point::DuringRun;
                let recorded =
                    blow.point >= Point::AfterCreate && self.leads_to_create(stage, blow.attempt);
                asked && !recorded
            });
            u64::from(self.attempts(stage)) + u64::from(lost)
        });
        let outcome = if self.succeeds_on.is_some() {
            "dev.executor-chain.task.succeeded.v1"
        } else {
            "dev.executor-chain.task.failed.v1"
        };
        Expected {
            outcome: outcome.to_owned(),
            runs,
            attempts,
            parked: usize::from(self.parks && self.succeeds_on.is_none()),
        }
    }

    /// The attempts that the task has on a stage when nothing goes wrong.
    fn attempts(&self, stage: &Stage) -> u8 {
        if self.succeeds_on == Some(stage.index) {
            1
        } else if self.reaches(stage) {
            stage.attempts
        } else {
            0
        }
    }

    fn reaches(&self, stage: &Stage) -> bool {
        self.succeeds_on.is_none_or(|last| stage.index <= last)
    }

    /// Whether the task leaves the stage by this attempt, or is put off.
    fn leads_to_create(&self, stage: &Stage, attempt: u8) -> bool {
        self.puts_off || attempt == self.attempts(stage)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.succeeds_on {
            Some(stage) => write!(f, "succeeds on {}", STAGES[stage].name)?,
            None => f.write_str("fails everywhere")?,
        }
        if self.puts_off {
            f.write_str(", put off")?;
        }
        if self.parks {
            f.write_str(", parked")?;
        }
        for (stage, blow) in STAGES.iter().zip(self.blows) {
            if let Some(Blow { point, attempt }) = blow {
                write!(
                    f,
                    ", killed {point:?} on {} at attempt {attempt}",
                    stage.name
                )?;
            }
        }
        for (stage, held) in STAGES.iter().zip(self.held) {
            if held {
                write!(f, ", {} held", stage.name)?;
            }
        }
        Ok(())
    }
}
