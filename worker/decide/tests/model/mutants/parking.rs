//! Changed rules about parked tasks and their next lives.

use cloudtasks::{TaskId, TaskPath};
use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Creation, Delivery, EndCause,
    Finish, Ledger, Outcome, PendingCreate, RedriveId, RunResult, StagePolicy, SuccessorLookup,
    TaskReason,
};

use crate::redrive::Call;
use crate::rules::{Real, Rules};

const FAILED: Creation = Creation::Notification(Outcome::Failed);

/// `finish`, with this created in place of a parked task.
fn in_place_of_parked(finish: Finish, creation: Creation) -> Finish {
    match finish {
        Finish::Create(pending) if matches!(pending.creation, Creation::Parked(_)) => {
            Finish::Create(PendingCreate {
                creation,
                ..pending
            })
        }
        finish => finish,
    }
}

/// Mutants that go on otherwise after the create of a parked task.
macro_rules! after_parking {
    ($($name:ident: |$delivery:ident, $policy:ident, $pending:ident, $end:ident| $change:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn after_create(
                &self,
                $delivery: &Delivery,
                $policy: &StagePolicy,
                $pending: PendingCreate,
                $end: CreateResult,
            ) -> Finish {
                if matches!($pending.creation, Creation::Parked(_)) {
                    $change
                } else {
                    Real.after_create($delivery, $policy, $pending, $end)
                }
            }
        }
    )*};
}

after_parking! {
    ParkedIsTheEnd: |d, p, pending, end| match end {
        CreateResult::Exists => Finish::Answer(Answer::Done),
        end => Real.after_create(d, p, pending, end),
    };
    ParkingSays477: |d, p, pending, end| match end {
        CreateResult::Unknown => Finish::Answer(Answer::Failed),
        end => Real.after_create(d, p, pending, end),
    };
    UnknownParkingEnds: |d, p, pending, end| match end {
        CreateResult::Unknown => Real.after_create(d, p, pending, CreateResult::Exists),
        end => Real.after_create(d, p, pending, end),
    };
    RefusedParkingWaits: |d, p, pending, end| match end {
        CreateResult::Refused if pending.folded => Finish::Answer(pending.answer_on_failure),
        end => Real.after_create(d, p, pending, end),
    };
    ParkingNeverFolds: |d, p, pending, end| {
        Real.after_create(d, p, PendingCreate { folded: true, ..pending }, end)
    };
    NoParkingQueueWaits: |d, p, pending, end| match end {
        CreateResult::NoQueue => Finish::Answer(pending.answer_on_failure),
        end => Real.after_create(d, p, pending, end),
    };
}

/// The client is told first.
#[derive(Clone, Copy)]
pub struct ToldBeforeParked;

impl Rules for ToldBeforeParked {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        in_place_of_parked(Real.after_run(d, p, run, known), FAILED)
    }

    fn after_create(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        pending: PendingCreate,
        end: CreateResult,
    ) -> Finish {
        match (&pending.creation, end) {
            (Creation::Notification(Outcome::Failed), CreateResult::Exists) => {
                Finish::Create(PendingCreate {
                    creation: Creation::Parked(EndCause::Exhausted),
                    ..pending
                })
            }
            (Creation::Parked(_), CreateResult::Exists) => Finish::Answer(Answer::Done),
            _ => Real.after_create(delivery, policy, pending, end),
        }
    }
}

says! {
    SuccessParks: |it| match it {
        Finish::Create(pending)
            if pending.creation == Creation::Notification(Outcome::Succeeded) =>
        {
            Finish::Create(PendingCreate {
                creation: Creation::Parked(EndCause::Exhausted),
                ..pending
            })
        }
        finish => finish,
    };
}

mistakes!(ParkedIsNotFound, |_delivery, _policy, inputs| {
    if inputs.successor == Some(SuccessorLookup::Parked) {
        inputs.successor = Some(SuccessorLookup::NotFound);
    }
});

mistakes!(ParkedIsFound, |_delivery, _policy, inputs| {
    if inputs.successor == Some(SuccessorLookup::Parked) {
        inputs.successor = Some(SuccessorLookup::Found);
    }
});

decides!(ExpiredIsNotParked, |delivery, policy, inputs| {
    match Real.on_arrival(delivery, policy, inputs) {
        ArrivalDecision::Finish(Finish::Create(pending))
            if pending.reason == TaskReason::EXPIRED =>
        {
            ArrivalDecision::Finish(in_place_of_parked(Finish::Create(pending), FAILED))
        }
        arrival => arrival,
    }
});

/// Without a parking queue, the former one isn't asked either.
#[derive(Clone, Copy)]
pub struct RemovedParkingIsForgotten;

impl Rules for RemovedParkingIsForgotten {
    fn parked_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        if policy.parking.is_some() {
            Real.parked_tasks(policy, ledger)
        } else {
            Vec::new()
        }
    }
}

/// The parked task's id holds the stage that it ended on.
#[derive(Clone, Copy)]
pub struct ParkedHoldsStage;

impl Rules for ParkedHoldsStage {
    fn parked(&self, policy: &StagePolicy, ledger: &Ledger) -> TaskId {
        let id = format!("{}-{}", ledger.root.parked(), policy.stage);
        id.parse().unwrap()
    }

    fn parked_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        let mut paths = Real.parked_tasks(policy, ledger);
        for path in &mut paths {
            path.id = self.parked(policy, ledger);
        }
        paths
    }
}

/// What was redriven is parked for the same causes alone.
#[derive(Clone, Copy)]
pub struct KeepNarrowsLives;

impl Rules for KeepNarrowsLives {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let mut delivery = d.clone();
        delivery.ledger.life = None;
        Real.after_run(&delivery, p, run, known)
    }
}

/// A look-up doesn't find a parked task that a mover has deleted.
#[derive(Clone, Copy)]
pub struct MovedIsForgotten;

impl Rules for MovedIsForgotten {
    fn finds_moved(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy)]
pub struct LifeKeepsRoot;

impl Rules for LifeKeepsRoot {
    fn redriven(&self, ledger: Ledger, redrive: RedriveId) -> Ledger {
        let root = ledger.root.clone();
        Ledger {
            root,
            ..ledger.redriven(redrive)
        }
    }
}

#[derive(Clone, Copy)]
pub struct LivesAreNotNumbered;

impl Rules for LivesAreNotNumbered {
    fn redriven(&self, ledger: Ledger, redrive: RedriveId) -> Ledger {
        let redriven = ledger.redriven(redrive);
        let life = redriven.life.as_ref().unwrap();
        Ledger {
            root: life.first.life(2),
            ..redriven
        }
    }
}

#[derive(Clone, Copy)]
pub struct MoverDeletesFirst;

impl Rules for MoverDeletesFirst {
    fn mover_begins_with(&self) -> Call {
        Call::Delete
    }
}

#[derive(Clone, Copy)]
pub struct MoverInventsIds;

impl Rules for MoverInventsIds {
    fn names_the_life(&self) -> bool {
        false
    }
}

/// A mover asks no other queue for the life that another redrive began.
#[derive(Clone, Copy)]
pub struct MoverLooksNowhere;

impl Rules for MoverLooksNowhere {
    fn looks_for_the_life(&self) -> bool {
        false
    }
}
