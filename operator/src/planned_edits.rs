//! What an edit would do, for people who ask before they make it. Nothing is changed.

use std::sync::Arc;

use console::{PlanReply, PlanRequest, PlannedEdit, PlannedRound, PlannedStep};
use console_serve::Unplanned;
use crds::{ChainOverride, ExecutorChain};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::ResourceExt;
use plan::objects::names::namespace_owner;
use plan::objects::queue_settings::settings_hash;
use plan::{
    Desired, Freshness, LocationQueues, Observed, Plan, Problem, override_stages, preview,
    refuse_not_allowed, restarts,
};

use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::observe::{ServedChain, observe};

/// The name of an override that doesn't exist yet.
const PLANNED: &str = "(this override)";

/// What an edit would do.
pub async fn planned_edit(context: &Context, request: PlanRequest) -> Result<PlanReply, Unplanned> {
    let PlanRequest {
        namespace,
        chain,
        edit,
    } = request;
    let name = (namespace, chain);
    let known = context.caches.served_chains.get(&name);
    let overrides = context.caches.overrides.of(&name.0, &name.1).await;
    let overrides = overrides.map_err(|problem| Unplanned::NoPlan(problem.message))?;
    let edited = Edited::of(&name, known.as_ref(), overrides, edit)?;
    let planned = plan_edited(context, known.as_ref(), &edited).await;
    match planned {
        Ok(reply) => Ok(reply),
        Err(Failed::Refused(problem)) => Ok(PlanReply {
            refused: Some(format!("{}: {}", problem.reason, problem.message)),
            ..PlanReply::default()
        }),
        Err(Failed::Unknown(error)) => Err(Unplanned::NoPlan(error.to_string())),
    }
}

/// A chain as it would be.
struct Edited {
    chain: ExecutorChain,
    overrides_before: Vec<Arc<ChainOverride>>,
    overrides: Vec<ChainOverride>,
    notes: Vec<String>,
}

/// Why there is no plan.
enum Failed {
    /// The operator would refuse the edit.
    Refused(Problem),
    /// What exists could not be read.
    Unknown(Error),
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        match error {
            Error::Problem(problem) => Self::Refused(problem),
            other => Self::Unknown(other),
        }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self::Refused(problem)
    }
}

impl Edited {
    fn of(
        (namespace, name): &NamespacedName,
        known: Option<&ExecutorChain>,
        before: Vec<Arc<ChainOverride>>,
        edit: PlannedEdit,
    ) -> Result<Self, Unplanned> {
        let existing = || {
            let absent =
                format!("namespace {namespace} has no chain {name}, or none that can be read");
            known.cloned().ok_or(Unplanned::Absent(absent))
        };
        let mut overrides: Vec<ChainOverride> = before.iter().map(|it| (**it).clone()).collect();
        let mut notes = Vec::new();
        let chain = match edit {
            PlannedEdit::Override(spec) => {
                let mut planned = ChainOverride::new(PLANNED, *spec);
                planned.metadata.namespace = Some(namespace.clone());
                planned.metadata.creation_timestamp = Some(Time(Timestamp::now()));
                let chain = existing()?;
                let stages = || chain.spec.stages.iter();
                let missing = planned.spec.stages.iter().filter(|it| {
                    *it != crds::EVERY_STAGE && !stages().any(|stage| stage.name == **it)
                });
                let missing: Vec<&str> = missing.map(String::as_str).collect();
                if !missing.is_empty() {
                    let stages: Vec<&str> = stages().map(|stage| stage.name.as_str()).collect();
                    return Err(Unplanned::Absent(format!(
                        "chain {name} has no stage {}: its stages are {}",
                        missing.join(", "),
                        stages.join(", ")
                    )));
                }
                let without = stages().filter(|stage| {
                    planned.spec.replicas.is_some()
                        && planned.names(&stage.name)
                        && stage.replicas.is_none()
                });
                notes.extend(without.map(|stage| {
                    format!("replicas of stage {} isn't set in the chain, so that an autoscaler may set it: the override doesn't change it", stage.name)
                }));
                overrides.push(planned);
                chain
            }
            PlannedEdit::Undo(names) => {
                for name in &names {
                    let found = overrides.iter_mut().find(|it| it.name_any() == *name);
                    let found = found.ok_or_else(|| {
                        Unplanned::Absent(format!(
                            "namespace {namespace} has no override {name} of this chain"
                        ))
                    })?;
                    found.spec.ended = true;
                }
                existing()?
            }
            PlannedEdit::Spec(spec) => match known {
                Some(known) => ExecutorChain {
                    spec: *spec,
                    ..known.clone()
                },
                None => ExecutorChain {
                    metadata: ObjectMeta {
                        name: Some(name.clone()),
                        namespace: Some(namespace.clone()),
                        ..ObjectMeta::default()
                    },
                    spec: *spec,
                    status: None,
                },
            },
        };
        Ok(Self {
            chain,
            overrides_before: before,
            overrides,
            notes,
        })
    }
}

async fn plan_edited(
    context: &Context,
    known: Option<&ExecutorChain>,
    edited: &Edited,
) -> Result<PlanReply, Failed> {
    let now = Timestamp::now();
    let mut desired = Desired::new(&edited.chain, &context.settings)?;
    refuse_not_allowed(&desired, &context.settings.tenants)?;
    let uids = &context.caches.namespace_uids;
    let uid = uids.of(&context.client, &desired.namespace).await?;
    let owner = uid.map(|uid| namespace_owner(&desired.namespace, &uid));
    desired.namespace_owner.clone_from(&owner);
    override_stages(&mut desired, &edited.overrides, now);
    let Some(known) = known else {
        let parent = &desired.notifier.queue.parent;
        let queues: LocationQueues = context
            .queues
            .list_queues(parent)
            .await
            .map_err(Error::from)?
            .into_iter()
            .collect();
        let observed = Observed {
            now,
            queues,
            ..Observed::default()
        };
        return Ok(reply(&preview(&desired, &observed)?, Vec::new(), edited));
    };
    let mut current = Desired::new(known, &context.settings)?;
    current.namespace_owner = owner;
    let before = edited.overrides_before.iter().map(AsRef::as_ref);
    override_stages(&mut current, before, now);
    // As the chain is served: what is timed must not be timed for an edit that isn't made.
    let served = ServedChain {
        chain: known,
        context,
        desired: &current,
    };
    let mut observed = observe(served, Freshness::Cached).await?;
    observed.was_in_force &= settings_hash(&current) == settings_hash(&desired);
    let plans = preview(&desired, &observed)?;
    let restarts = restarts(&current, &observed, &plans);
    Ok(reply(&plans, restarts, edited))
}

fn reply(plans: &[Plan], restarts: Vec<String>, edited: &Edited) -> PlanReply {
    let rounds = plans.iter().map(|plan| PlannedRound {
        steps: plan
            .steps
            .iter()
            .map(|planned| PlannedStep {
                step: planned.step.to_string(),
                reason: planned.reason.to_owned(),
            })
            .collect(),
        waits: plan
            .waits
            .iter()
            .map(|wait| wait.reason.to_string())
            .collect(),
    });
    PlanReply {
        rounds: rounds.collect(),
        restarts,
        refused: None,
        notes: edited.notes.clone(),
    }
}
