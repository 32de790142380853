//! Changed rules about workers that hold.

use decide::{
    AfterRun, Answer, ArrivalDecision, ArrivalInputs, Delivery, Finish, RequiredInput, RunResult,
    RunSlot, StagePolicy, TaskReason,
};

use crate::mutants::outcome::with;
use crate::rules::{Real, Rules};
use crate::setting::{OLD, OLDER};

const HELD: ArrivalDecision = ArrivalDecision::Finish(Finish::Answer(Answer::Held));

decides!(HoldBeforeA1, |delivery, policy, inputs| {
    match inputs.run_slot {
        None => ArrivalDecision::Needs(RequiredInput::RunSlot),
        Some(RunSlot::Held) => HELD,
        Some(_) => Real.on_arrival(delivery, policy, inputs),
    }
});

decides!(HoldBeforeA3, |delivery, policy, inputs| {
    match (Real.on_arrival(delivery, policy, inputs), inputs.run_slot) {
        (ArrivalDecision::Finish(Finish::Create(pending)), run_slot)
            if pending.reason == TaskReason::EXHAUSTED =>
        {
            match run_slot {
                None => ArrivalDecision::Needs(RequiredInput::RunSlot),
                Some(RunSlot::Held) => HELD,
                Some(_) => ArrivalDecision::Finish(Finish::Create(pending)),
            }
        }
        (arrival, _) => arrival,
    }
});

decides!(HoldsTheOld, |delivery, policy, inputs| {
    let old = [Some(OLD), Some(OLDER)].contains(&inputs.age);
    if old && inputs.run_slot == Some(RunSlot::Held) {
        return HELD;
    }
    Real.on_arrival(delivery, policy, inputs)
});

says! {
    HoldSays477: |it| with(it, Answer::Held, Answer::Failed);
}
