//! Changed rules about arrivals: A0 to A5.

use cloudtasks::TaskPath;
use decide::headers::PREVIOUS_RESPONSE;
use decide::rules::AGE_LOOKUP_THRESHOLD;
use decide::{
    Answer, ArrivalDecision, ArrivalInputs, Delivery, Finish, Ledger, RequiredInput, RunSlot,
    StagePolicy, SuccessorLookup, TaskAge,
};
use http::HeaderMap;

use crate::rules::{Real, Rules};
use crate::setting::{OLD, queue_path};

fn was(delivery: &Delivery, answer: Answer) -> bool {
    delivery.previous_response == Some(answer.code())
}

fn at_its_limit(delivery: &Delivery, policy: &StagePolicy) -> bool {
    delivery.execution_count >= policy.max_attempts.get()
}

fn is_notifier(policy: &StagePolicy, path: &TaskPath) -> bool {
    let notifier = policy.notifier.as_ref();
    notifier.is_some_and(|notifier| notifier.queue == path.queue)
}

#[derive(Clone, Copy)]
pub struct A0Forgets;

impl Rules for A0Forgets {
    fn turned_away(&self, _previous: Option<u16>) -> Answer {
        Answer::NoCapacity
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
    if was(delivery, Answer::NotificationPending) {
        delivery.previous_response = Some(Answer::Unknown.code());
    }
});

mistakes!(A2WhereRExceedsE, |delivery, _policy, inputs| {
    if delivery.retry_count <= delivery.execution_count {
        inputs.successor = Some(SuccessorLookup::NotFound);
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

decides!(A2Forgets, |delivery, policy, inputs| {
    if inputs.successor == Some(SuccessorLookup::Unknown) {
        return ArrivalDecision::Finish(Finish::Answer(Answer::Unknown));
    }
    Real.on_arrival(delivery, policy, inputs)
});

mistakes!(A3BeforeA2, |delivery, policy, inputs| {
    let failed = was(delivery, Answer::Failed) && at_its_limit(delivery, policy);
    if failed || was(delivery, Answer::HandOverPending) {
        inputs.successor = Some(SuccessorLookup::NotFound);
    }
});

mistakes!(A3WhateverP, |delivery, policy, _facts| {
    if at_its_limit(delivery, policy) && !was(delivery, Answer::NotificationPending) {
        delivery.previous_response = Some(Answer::HandOverPending.code());
    }
});

decides!(A3WithoutCreate, |delivery, policy, inputs| {
    match Real.on_arrival(delivery, policy, inputs) {
        ArrivalDecision::Finish(Finish::Create(pending))
            if pending.answer_on_failure == Answer::HandOverPending =>
        {
            ArrivalDecision::Finish(Finish::Answer(Answer::Done))
        }
        arrival => arrival,
    }
});

mistakes!(SkipA4, |_delivery, _policy, inputs| {
    inputs.age = Some(TaskAge::Unknown);
});

decides!(HeaderRouteWithoutCreate, |delivery, policy, inputs| {
    match Real.on_arrival(delivery, policy, inputs) {
        ArrivalDecision::Finish(Finish::Create(_)) if delivery.header_route.is_some() => {
            ArrivalDecision::Finish(Finish::Answer(Answer::Done))
        }
        arrival => arrival,
    }
});

decides!(A5BeforeA1, |delivery, policy, inputs| {
    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        Some(RunSlot::NoneFree | RunSlot::TaskInFlight) => {
            ArrivalDecision::Finish(Finish::Answer(Answer::NoCapacity))
        }
        Some(_) => Real.on_arrival(delivery, policy, inputs),
    }
});

mistakes!(A5BesideItsTwin, |_delivery, _policy, inputs| {
    if inputs.run_slot == Some(RunSlot::TaskInFlight) {
        inputs.run_slot = Some(RunSlot::Acquired);
    }
});

// One more run, also of a task that may have killed its worker.
mistakes!(A4TriesWhateverP, |delivery, _policy, _inputs| {
    if delivery.unanswered() >= AGE_LOOKUP_THRESHOLD {
        delivery.previous_response = Some(Answer::NoCapacity.code());
    }
});

mistakes!(A4BesideItsRun, |delivery, _policy, inputs| {
    let over = inputs.age == Some(OLD) && delivery.unanswered() >= AGE_LOOKUP_THRESHOLD;
    if over && inputs.run_slot == Some(RunSlot::TaskInFlight) {
        inputs.run_slot = Some(RunSlot::NoneFree);
    }
});

#[derive(Clone, Copy)]

pub struct HoldsForever;

impl Rules for HoldsForever {
    fn on_arrival(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        inputs: &ArrivalInputs,
    ) -> ArrivalDecision {
        if delivery.awaits_newer_worker() {
            return ArrivalDecision::Finish(Finish::Answer(Answer::Unknown));
        }
        Real.on_arrival(delivery, policy, inputs)
    }
}

/// Names on the first queue count, which a producer may have used.
#[derive(Clone, Copy)]
pub struct LooksAtFirstQueue;

impl Rules for LooksAtFirstQueue {
    fn successor_tasks(&self, policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
        let mut paths = Real.successor_tasks(policy, ledger);
        paths.push(queue_path(0).task(ledger.next_task()));
        paths
    }
}
