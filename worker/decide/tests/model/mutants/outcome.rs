//! Changed rules about what follows a run or a create: B1 to B5.

use decide::{Answer, Arrival, CreateEnd, Delivery, Facts, Finish, Owed, Policy, Run};

use crate::rules::{Real, Rules};

/// A mutant that makes something else of the real `after_run`'s decision.
macro_rules! says {
    ($name:ident, |$finish:ident| $change:expr) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn after_run(&self, d: &Delivery, p: &Policy, run: &Run, gone: bool) -> Finish {
                let $finish = Real.after_run(d, p, run, gone);
                $change
            }
        }
    };
}

/// `finish`, with the answer `word` where `instead_of` would be given.
fn with(finish: Finish, instead_of: Answer, word: Answer) -> Finish {
    match finish {
        Finish::Answer(answer) if answer == instead_of => Finish::Answer(word),
        Finish::Create(owed) if owed.until_then == instead_of => Finish::Create(Owed {
            until_then: word,
            ..owed
        }),
        finish => finish,
    }
}

/// `finish`, but done at once where something had to be created and `until_then` was the answer.
fn without_create(finish: Finish, until_then: Answer) -> Finish {
    match finish {
        Finish::Create(owed) if owed.until_then == until_then => Finish::Answer(Answer::Done),
        finish => finish,
    }
}

says!(B1Says477, |finish| with(
    finish,
    Answer::NotNotified,
    Answer::Failed
));
says!(B1Says503, |finish| with(
    finish,
    Answer::NotNotified,
    Answer::NoRoom
));
says!(B1WithoutCreate, |finish| without_create(
    finish,
    Answer::NotNotified
));
says!(B2Says503, |finish| with(
    finish,
    Answer::Failed,
    Answer::NoRoom
));
says!(B3WithoutCreate, |finish| without_create(
    finish,
    Answer::NotHandedOn
));
says!(B4WithoutCreate, |finish| without_create(
    finish,
    Answer::Unknown
));

#[derive(Clone, Copy)]

pub struct B3DeafToHangUps;

impl Rules for B3DeafToHangUps {
    fn after_run(&self, d: &Delivery, p: &Policy, run: &Run, _gone: bool) -> Finish {
        Real.after_run(d, p, run, false)
    }
}

#[derive(Clone, Copy)]

pub struct B3HangUpWhateverR;

impl Rules for B3HangUpWhateverR {
    fn after_run(&self, d: &Delivery, p: &Policy, run: &Run, gone: bool) -> Finish {
        let mut delivery = d.clone();
        delivery.retries = p.max_attempts.get();
        Real.after_run(&delivery, p, run, gone)
    }
}

/// A refused hand-over is tried again for ever.
#[derive(Clone, Copy)]
pub struct B5Waits;

impl Rules for B5Waits {
    fn after_create(&self, policy: &Policy, owed: Owed, end: CreateEnd) -> Finish {
        let end = match end {
            CreateEnd::Refused => CreateEnd::Unknown,
            CreateEnd::Exists | CreateEnd::Unknown => end,
        };
        Real.after_create(policy, owed, end)
    }
}

#[derive(Clone, Copy)]

pub struct AlreadyIsFailure;

impl Rules for AlreadyIsFailure {
    fn already(&self) -> CreateEnd {
        CreateEnd::Unknown
    }
}

/// 409 in place of 477: proxies say it too.
#[derive(Clone, Copy)]
pub struct FailedIs409;

impl Rules for FailedIs409 {
    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        let mut delivery = delivery.clone();
        if delivery.previous == Some(409) {
            delivery.previous = Some(Answer::Failed.code());
        }
        Real.on_arrival(&delivery, policy, facts)
    }

    fn code(&self, answer: Answer) -> u16 {
        match answer {
            Answer::Failed => 409,
            answer => answer.code(),
        }
    }
}
