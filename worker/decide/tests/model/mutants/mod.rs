//! The rules with one change each. A mutant changes what goes into the real function, or what
//! comes out of it.

/// A mutant that decides otherwise than the real `on_arrival`.
macro_rules! decides {
    ($name:ident, |$delivery:ident, $policy:ident, $inputs:ident| $decision:block) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn on_arrival(
                &self,
                $delivery: &Delivery,
                $policy: &StagePolicy,
                $inputs: &ArrivalInputs,
            ) -> ArrivalDecision {
                $decision
            }
        }
    };
}

/// A mutant that hands the real `on_arrival` another delivery, or other facts.
macro_rules! mistakes {
    ($name:ident, |$delivery:ident, $policy:ident, $inputs:ident| $change:block) => {
        decides!($name, |delivery, $policy, inputs| {
            let (mut delivery, mut inputs) = (delivery.clone(), *inputs);
            let ($delivery, $inputs) = (&mut delivery, &mut inputs);
            let () = $change;
            Real.on_arrival(&delivery, $policy, &inputs)
        });
    };
}

/// A mutant that looks up only some of the successors.
macro_rules! looks_at {
    ($name:ident, |$policy:ident, $path:ident| $kept:expr) => {
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn successor_tasks(&self, $policy: &StagePolicy, ledger: &Ledger) -> Vec<TaskPath> {
                let mut paths = Real.successor_tasks($policy, ledger);
                paths.retain(|$path| $kept);
                paths
            }
        }
    };
}

/// Mutants that make something else of the real `after_run`'s decision.
macro_rules! says {
    ($($name:ident: |$finish:ident| $change:expr;)*) => {$(
        #[derive(Clone, Copy)]
        pub struct $name;

        impl Rules for $name {
            fn after_run(
                &self,
                d: &Delivery,
                p: &StagePolicy,
                run: &RunResult,
                known: AfterRun,
            ) -> Finish {
                let $finish = Real.after_run(d, p, run, known);
                $change
            }
        }
    )*};
}

pub mod arrival;
pub mod isolation;
pub mod later;
pub mod names;
pub mod outage;
pub mod outcome;
pub mod parking;
