//! Changed rules about tasks that come again later.

use cloudtasks::{TaskId, TaskPath};
use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Creation, Delivery, Finish,
    Ledger, PendingCreate, RunResult, StagePolicy,
};

use crate::rules::{Real, Rules};

/// `finish`, with another put-off.
fn changed(finish: Finish, change: impl FnOnce(PendingCreate) -> Finish) -> Finish {
    match finish {
        Finish::Create(pending) if matches!(pending.creation, Creation::Later(_)) => {
            change(pending)
        }
        finish => finish,
    }
}

fn with_attempts(finish: Finish, attempts: impl FnOnce(u32) -> u32) -> Finish {
    changed(finish, |pending| {
        Finish::Create(PendingCreate {
            attempts: attempts(pending.attempts),
            ..pending
        })
    })
}

says! {
    LaterWithoutCreate: |it| changed(it, |_| Finish::Answer(Answer::Done));
    AttemptsStayBehind: |it| with_attempts(it, |_| 0);
}

looks_at!(LaterNotLookedUp, |policy, path| path.queue != policy.queue);

/// The verdict `later` is one more attempt.
#[derive(Clone, Copy)]
pub struct LaterCounts;

impl Rules for LaterCounts {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let attempts = d.attempts() + 1;
        with_attempts(Real.after_run(d, p, run, known), |_| attempts)
    }
}

#[derive(Clone, Copy)]
pub struct LaterForever;

impl Rules for LaterForever {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let mut delivery = d.clone();
        delivery.stayed = std::time::Duration::ZERO;
        Real.after_run(&delivery, p, run, known)
    }
}

#[derive(Clone, Copy)]
pub struct PutOffsAreDispatches;

impl Rules for PutOffsAreDispatches {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let mut delivery = d.clone();
        if let Some(stay) = &delivery.ledger.stay {
            delivery.retry_count += stay.later;
        }
        Real.after_run(&delivery, p, run, known)
    }
}

#[derive(Clone, Copy)]
pub struct LaterForgetsHowOften;

impl Rules for LaterForgetsHowOften {
    fn later_task(&self, ledger: &Ledger) -> TaskId {
        ledger.root.later(ledger.hop, 1)
    }
}

mistakes!(A3CountsWhatWasBefore, |delivery, policy, _inputs| {
    let before = delivery.attempts() - delivery.execution_count;
    if before >= policy.max_attempts.get() {
        delivery.previous_response = Some(Answer::Failed.code());
    }
});

/// Mutants that answer otherwise if a task can't be put off.
macro_rules! cannot_put_off {
    ($($name:ident: $when:pat => |$pending:ident| $answer:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn after_create(
                &self,
                delivery: &Delivery,
                policy: &StagePolicy,
                $pending: PendingCreate,
                end: CreateResult,
            ) -> Finish {
                let later = matches!($pending.creation, Creation::Later(_));
                match end {
                    $when if later => Finish::Answer($answer),
                    end => Real.after_create(delivery, policy, $pending, end),
                }
            }
        }
    )*};
}

cannot_put_off! {
    RetryAfterSays477: CreateResult::Unknown => |pending| pending.answer_on_failure;
    RefusedSays500: CreateResult::Refused => |pending| Answer::Unknown;
    LaterSays477: CreateResult::Unknown => |pending| Answer::Failed;
}
