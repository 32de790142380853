//! Changed rules about what follows a run or a create: B1 to B5.

use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, CreateResult, Delivery, Finish,
    PendingCreate, RunResult, StagePolicy,
};

use crate::rules::{Real, Rules};

/// `finish`, with the answer `word` where `instead_of` would be given.
pub fn with(finish: Finish, instead_of: Answer, word: Answer) -> Finish {
    match finish {
        Finish::Answer(answer) if answer == instead_of => Finish::Answer(word),
        Finish::Create(pending) if pending.answer_on_failure == instead_of => {
            Finish::Create(PendingCreate {
                answer_on_failure: word,
                ..pending
            })
        }
        finish => finish,
    }
}

/// `finish`, but done at once where something had to be created and `answer_on_failure` was the answer.
fn without_create(finish: Finish, answer_on_failure: Answer) -> Finish {
    match finish {
        Finish::Create(pending) if pending.answer_on_failure == answer_on_failure => {
            Finish::Answer(Answer::Done)
        }
        finish => finish,
    }
}

says! {
    B1Says477: |it| with(it, Answer::NotificationPending, Answer::Failed);
    B1Says503: |it| with(it, Answer::NotificationPending, Answer::NoCapacity);
    B1WithoutCreate: |it| without_create(it, Answer::NotificationPending);
    B2Says503: |it| with(it, Answer::Failed, Answer::NoCapacity);
    B3WithoutCreate: |it| without_create(it, Answer::HandOverPending);
    B4WithoutCreate: |it| without_create(it, Answer::Unknown);
}

#[derive(Clone, Copy)]
pub struct B3DeafToHangUps;

impl Rules for B3DeafToHangUps {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let known = AfterRun {
            caller_gone: false,
            ..known
        };
        Real.after_run(d, p, run, known)
    }
}

#[derive(Clone, Copy)]
pub struct B3HangUpWhateverR;

impl Rules for B3HangUpWhateverR {
    fn after_run(&self, d: &Delivery, p: &StagePolicy, run: &RunResult, known: AfterRun) -> Finish {
        let mut delivery = d.clone();
        delivery.retry_count = p.max_attempts.get();
        Real.after_run(&delivery, p, run, known)
    }
}

/// A refused hand-over is retried forever.
#[derive(Clone, Copy)]
pub struct B5Waits;

impl Rules for B5Waits {
    fn after_create(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        pending: PendingCreate,
        end: CreateResult,
    ) -> Finish {
        let end = match end {
            CreateResult::Refused => CreateResult::Unknown,
            CreateResult::Exists
            | CreateResult::Unknown
            | CreateResult::NotCreated
            | CreateResult::NoQueue
            | CreateResult::Deleted => end,
        };
        Real.after_create(delivery, policy, pending, end)
    }
}

#[derive(Clone, Copy)]
pub struct AlreadyIsFailure;

impl Rules for AlreadyIsFailure {
    fn already(&self) -> CreateResult {
        CreateResult::Unknown
    }
}

/// 409 in place of 477: proxies say it too.
#[derive(Clone, Copy)]
pub struct FailedIs409;

impl Rules for FailedIs409 {
    fn on_arrival(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        inputs: &ArrivalInputs,
    ) -> ArrivalDecision {
        let mut delivery = delivery.clone();
        if delivery.previous_response == Some(409) {
            delivery.previous_response = Some(Answer::Failed.code());
        }
        Real.on_arrival(&delivery, policy, inputs)
    }

    fn code(&self, answer: Answer) -> u16 {
        match answer {
            Answer::Failed => 409,
            answer => answer.code(),
        }
    }
}

/// What is deleted is created again at the next dispatch.
#[derive(Clone, Copy)]
pub struct DeletedIsHandedOver;

impl Rules for DeletedIsHandedOver {
    fn after_create(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        pending: PendingCreate,
        end: CreateResult,
    ) -> Finish {
        if end == CreateResult::Deleted {
            return Finish::Create(pending);
        }
        Real.after_create(delivery, policy, pending, end)
    }
}
