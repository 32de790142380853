//! The path of a push, after it was received: decide, run, decide, create, answer.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};

use cloudtasks::CloudTasks;
use decide::{
    Answer, ArrivalDecision, ArrivalInputs, Delivery, Finish, RequiredInput, RunResult, RunSlot,
    after_run, on_arrival,
};
use tokio::sync::{Semaphore, oneshot};
use tracing::{debug, info, warn};

use crate::config::Config;
use crate::identity::Identity;
use crate::push::Push;
use crate::room::Places;
use crate::run::{Handler, Ran};
use crate::stats::Stats;

/// One worker.
#[derive(Debug)]
pub(crate) struct Worker {
    pub config: Config,
    /// Empty until Cloud Tasks was reached for the first time.
    pub cloud_tasks: OnceLock<CloudTasks>,
    pub handler: Handler,
    pub places: Places,
    /// Where each push must carry a token.
    pub identity: Option<Identity>,
    /// Bounds all pushes in work, those that need no run included.
    pub pushes: Arc<Semaphore>,
    /// Whether the worker was told to stop: it takes pushes for a while still.
    pub stopping: AtomicBool,
    pub stats: Arc<Stats>,
}

/// The way back to the caller, who may hang up.
pub(crate) type Caller = oneshot::Sender<Answer>;

impl Worker {
    /// Whether pushes can be served: nothing that a push needs is still to come.
    pub(crate) fn has_all(&self) -> bool {
        self.cloud_tasks.get().is_some() && self.has_keys()
    }

    /// Whether the tokens of pushes can be verified, where they have to be.
    pub(crate) fn has_keys(&self) -> bool {
        self.identity.as_ref().is_none_or(Identity::has_keys)
    }

    /// Does what a push asks for. The answer is given when all that is owed exists, or is known
    /// not to.
    ///
    /// What asks Cloud Tasks is in boxes: most pushes need none of it, and all of them are moved about
    /// with the room for it.
    pub(crate) async fn work(&self, push: &Push, cloud: &CloudTasks, caller: &Caller) -> Answer {
        let policy = &self.config.policy;
        let delivery = match Delivery::parse(&push.headers, policy, push.at) {
            Ok(delivery) => delivery,
            Err(refusal) => {
                warn!(why = %refusal, answer = refusal.answer.as_str(), "push refused");
                return refusal.answer;
            }
        };
        self.met(&delivery);

        let mark = self.places.mark(&delivery.task);
        if mark.is_none() {
            self.stats.duplicates.inc();
        }
        let mut inputs = ArrivalInputs::default();
        let mut place = None;
        let mut ran = None;
        let mut finish = loop {
            match on_arrival(&delivery, policy, &inputs) {
                ArrivalDecision::Needs(RequiredInput::Successor) => {
                    let ends = Box::pin(self.look_up_successor(&delivery, cloud));
                    inputs.successor = Some(ends.await);
                }
                ArrivalDecision::Needs(RequiredInput::TaskAge) => {
                    let age = Box::pin(self.look_up_age(&delivery, push.at, cloud));
                    inputs.age = Some(age.await);
                }
                ArrivalDecision::Needs(RequiredInput::RunSlot) => {
                    match self.places.take(mark.as_ref()) {
                        Ok(taken) => {
                            place = Some(taken);
                            inputs.run_slot = Some(RunSlot::Acquired);
                        }
                        Err(none) => inputs.run_slot = Some(none),
                    }
                }
                ArrivalDecision::Run => {
                    let Ran { run, .. } = ran.insert(self.run(push, &delivery).await);
                    // The place is for the next task; the mark stays until all is done.
                    drop(place.take());
                    break after_run(&delivery, policy, run, caller.is_closed());
                }
                ArrivalDecision::Finish(finish) => break finish,
            }
        };
        loop {
            match finish {
                Finish::Answer(answer) => return answer,
                Finish::Create(pending) => {
                    let end = Box::pin(self.create(push, &delivery, &pending, ran.as_ref(), cloud));
                    let end = end.await;
                    finish = decide::after_create(policy, pending, end);
                }
            }
        }
    }

    async fn run(&self, push: &Push, delivery: &Delivery) -> Ran {
        self.stats.runs_started.inc();
        self.stats.runs_under_way.inc();
        let begin = std::time::Instant::now();
        let ran = self.handler.run(push, delivery, &self.config.policy).await;
        self.stats.runs_under_way.dec();
        self.stats
            .run_seconds
            .observe(begin.elapsed().as_secs_f64());
        self.stats.ran(&ran.run);
        // Of a success the answer tells.
        if !matches!(ran.run, RunResult::Succeeded { .. }) {
            info!(
                attempt = delivery.execution_count.saturating_add(1),
                status = ran.status(),
                run = ?ran.run,
                "the handler has run"
            );
        }
        ran
    }

    fn met(&self, delivery: &Delivery) {
        if let Some(why) = &delivery.ledger_error {
            self.stats.ledgers_ignored.inc();
            warn!(%why, "ledger ignored, the task starts as a new one");
        }
        if delivery.unanswered() > 0 {
            self.stats.unanswered.inc();
        }
        debug!(
            retry_count = delivery.retry_count,
            execution_count = delivery.execution_count,
            previous = delivery.previous_response,
            hop = delivery.ledger.hop,
            "push received"
        );
    }
}
