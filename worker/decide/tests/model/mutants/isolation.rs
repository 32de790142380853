//! Changed rules about isolated categories.

use decide::{
    Answer, ArrivalDecision, ArrivalInputs, CreateResult, Delivery, Finish, IsolationIndex,
    PendingCreate, RequiredInput, RunSlot, StagePolicy, TaskReason,
};

use crate::rules::{Real, Rules};

const ISOLATED: RunSlot = RunSlot::Isolated(IsolationIndex(0));

/// The real decision, with another finish of an isolated task.
fn changed(
    arrival: ArrivalDecision,
    change: impl FnOnce(PendingCreate) -> Finish,
) -> ArrivalDecision {
    match arrival {
        ArrivalDecision::Finish(Finish::Create(pending))
            if pending.reason == TaskReason::ISOLATED =>
        {
            ArrivalDecision::Finish(change(pending))
        }
        arrival => arrival,
    }
}

/// The run slot is asked for first. If the task is isolated, nothing of before counts.
fn isolated_first(
    delivery: &Delivery,
    policy: &StagePolicy,
    inputs: &ArrivalInputs,
) -> ArrivalDecision {
    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        Some(ISOLATED) => {
            let first = Delivery {
                retry_count: 0,
                execution_count: 0,
                previous_response: None,
                ..delivery.clone()
            };
            Real.on_arrival(&first, policy, inputs)
        }
        Some(_) => Real.on_arrival(delivery, policy, inputs),
    }
}

decides!(IsolationWithoutCreate, |delivery, policy, inputs| {
    changed(Real.on_arrival(delivery, policy, inputs), |_| {
        Finish::Answer(Answer::Done)
    })
});

decides!(IsolationSays596, |delivery, policy, inputs| {
    changed(Real.on_arrival(delivery, policy, inputs), |pending| {
        Finish::Create(PendingCreate {
            answer_on_failure: Answer::HandOverPending,
            ..pending
        })
    })
});

decides!(IsolationBeforeA1, |delivery, policy, inputs| {
    isolated_first(delivery, policy, inputs)
});

decides!(IsolationBeforeA2, |delivery, policy, inputs| {
    let succeeded = Some(Answer::NotificationPending.code());
    if delivery.previous_response == succeeded {
        return Real.on_arrival(delivery, policy, inputs);
    }
    isolated_first(delivery, policy, inputs)
});

/// A task that Cloud Tasks refuses elsewhere ends, though it left for the sake of others.
#[derive(Clone, Copy)]
pub struct RefusedIsolationEnds;

impl Rules for RefusedIsolationEnds {
    fn after_create(
        &self,
        delivery: &Delivery,
        policy: &StagePolicy,
        pending: PendingCreate,
        end: CreateResult,
    ) -> Finish {
        let pending = PendingCreate {
            may_stay: pending.may_stay && !pending.folded,
            ..pending
        };
        Real.after_create(delivery, policy, pending, end)
    }
}

mistakes!(IsolatesItsTwin, |_delivery, _policy, inputs| {
    if inputs.run_slot == Some(RunSlot::TaskInFlight) {
        inputs.run_slot = Some(ISOLATED);
    }
});
