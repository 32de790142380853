//! Changed rules about arrivals: A0 to A5.

use cloudtasks::TaskPath;
use decide::headers::PREVIOUS_RESPONSE;
use decide::{Age, Answer, Arrival, Delivery, Ends, Facts, Finish, Ledger, Policy, Question, Room};
use http::HeaderMap;

use crate::rules::{Real, Rules};

/// A mutant that hands the real `on_arrival` another delivery, or other facts.
macro_rules! mistakes {
    ($name:ident, |$delivery:ident, $policy:ident, $facts:ident| $change:block) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn on_arrival(&self, delivery: &Delivery, $policy: &Policy, facts: &Facts) -> Arrival {
                fn change($delivery: &mut Delivery, $policy: &Policy, $facts: &mut Facts) {
                    $change
                }
                let (mut delivery, mut facts) = (delivery.clone(), *facts);
                change(&mut delivery, $policy, &mut facts);
                Real.on_arrival(&delivery, $policy, &facts)
            }
        }
    };
}

/// A mutant that looks for an end at some of the names only.
macro_rules! looks_at {
    ($name:ident, |$policy:ident, $path:ident| $kept:expr) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn ends_of(&self, $policy: &Policy, ledger: &Ledger) -> Vec<TaskPath> {
                let mut paths = Real.ends_of($policy, ledger);
                paths.retain(|$path| $kept);
                paths
            }
        }
    };
}

fn was(delivery: &Delivery, answer: Answer) -> bool {
    delivery.previous == Some(answer.code())
}

fn at_its_limit(delivery: &Delivery, policy: &Policy) -> bool {
    delivery.executions >= policy.max_attempts.get()
}

fn is_notifier(policy: &Policy, path: &TaskPath) -> bool {
    let notifier = policy.notifier.as_ref();
    notifier.is_some_and(|notifier| notifier.queue == path.queue)
}

#[derive(Clone, Copy)]

pub struct A0Forgets;

impl Rules for A0Forgets {
    fn turned_away(&self, _previous: Option<u16>) -> Answer {
        Answer::NoRoom
    }
}

#[derive(Clone, Copy)]

pub struct PreviousWhateverR;

impl Rules for PreviousWhateverR {
    fn previous(&self, headers: &HeaderMap) -> Option<u16> {
        let value = headers.get(PREVIOUS_RESPONSE)?;
        value.to_str().ok()?.parse().ok()
    }
}

mistakes!(SkipA1, |delivery, _policy, _facts| {
    if was(delivery, Answer::NotNotified) {
        delivery.previous = Some(Answer::Unknown.code());
    }
});

mistakes!(A2WhereRExceedsE, |delivery, _policy, facts| {
    if delivery.retries <= delivery.executions {
        facts.ends = Some(Ends::Nothing);
    }
});

looks_at!(A2NextQueueOnly, |policy, path| {
    policy.downstream.as_ref() == Some(&path.queue) || is_notifier(policy, path)
});

looks_at!(A2WithoutNotification, |policy, path| !is_notifier(
    policy, path
));

#[derive(Clone, Copy)]

pub struct A2LiveOnly;

impl Rules for A2LiveOnly {
    fn finds_ended(&self) -> bool {
        false
    }
}

#[derive(Clone, Copy)]

pub struct A2Forgets;

impl Rules for A2Forgets {
    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        if facts.ends == Some(Ends::Unknown) {
            return Arrival::Finish(Finish::Answer(Answer::Unknown));
        }
        Real.on_arrival(delivery, policy, facts)
    }
}

mistakes!(A3BeforeA2, |delivery, policy, facts| {
    let failed = was(delivery, Answer::Failed) && at_its_limit(delivery, policy);
    if failed || was(delivery, Answer::NotHandedOn) {
        facts.ends = Some(Ends::Nothing);
    }
});

mistakes!(A3WhateverP, |delivery, policy, _facts| {
    if at_its_limit(delivery, policy) && !was(delivery, Answer::NotNotified) {
        delivery.previous = Some(Answer::NotHandedOn.code());
    }
});

#[derive(Clone, Copy)]

pub struct A3WithoutCreate;

impl Rules for A3WithoutCreate {
    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        match Real.on_arrival(delivery, policy, facts) {
            Arrival::Finish(Finish::Create(owed)) if owed.until_then == Answer::NotHandedOn => {
                Arrival::Finish(Finish::Answer(Answer::Done))
            }
            arrival => arrival,
        }
    }
}

mistakes!(SkipA4, |_delivery, _policy, facts| {
    facts.age = Some(Age::Unknown);
});

#[derive(Clone, Copy)]

pub struct HeaderRouteWithoutCreate;

impl Rules for HeaderRouteWithoutCreate {
    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        match Real.on_arrival(delivery, policy, facts) {
            Arrival::Finish(Finish::Create(_)) if delivery.routed.is_some() => {
                Arrival::Finish(Finish::Answer(Answer::Done))
            }
            arrival => arrival,
        }
    }
}

#[derive(Clone, Copy)]

pub struct A5BeforeA1;

impl Rules for A5BeforeA1 {
    fn on_arrival(&self, delivery: &Delivery, policy: &Policy, facts: &Facts) -> Arrival {
        match facts.room {
            None => Arrival::Ask(Question::Room),
            Some(Room::Free) => Real.on_arrival(delivery, policy, facts),
            Some(Room::Full | Room::RunningHere) => Arrival::Finish(Finish::Answer(Answer::NoRoom)),
        }
    }
}

mistakes!(A5BesideItsTwin, |_delivery, _policy, facts| {
    if facts.room == Some(Room::RunningHere) {
        facts.room = Some(Room::Free);
    }
});
