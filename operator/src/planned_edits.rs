//! What an edit would do, for people who ask before they make it. Nothing is changed.

use std::sync::Arc;

use console::{LiveChain, PlanReply, PlanRequest, PlannedEdit};
use console_serve::Unplanned;
use crds::{ChainOverride, ChainOverrideStatus, ExecutorChain, IN_FORCE, OverrideReason};
use effect::{Present, Version};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use kube::ResourceExt;
use plan::objects::names::namespace_owner;
use plan::objects::queue_settings::settings_hash;
use plan::{Desired, Freshness, Observed, Problem, override_stages, refuse_not_allowed};

use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::observe::{ServedChain, observe};

/// The name of an override that doesn't exist yet.
const PLANNED: &str = "(this override)";

/// What an edit would do. `live` is what the chain does now, if it exists.
pub async fn planned_edit(
    context: &Context,
    request: PlanRequest,
    live: Option<LiveChain>,
) -> Result<PlanReply, Unplanned> {
    let PlanRequest {
        namespace,
        chain,
        edit,
    } = request;
    let name = (namespace, chain);
    let chains = &context.caches.served_chains;
    let known = chains.get(&name);
    if known.is_none() && !chains.is_free(&name) {
        return Err(Unplanned::Absent(format!(
            "this operator doesn't serve namespace {}, or can't read chain {}",
            name.0, name.1
        )));
    }
    let overrides = context.caches.overrides.of(&name.0, &name.1).await;
    let overrides = overrides.map_err(|problem| Unplanned::NoPlan(problem.message))?;
    let edited = Edited::of(&name, known.as_ref(), &overrides, edit)?;
    let planned = Box::pin(plan_edited(context, known.as_ref(), &edited, live)).await;
    match planned {
        Ok(reply) => Ok(reply),
        Err(Failed::Refused(problem)) => Ok(PlanReply {
            refused: Some(format!("{}: {}", problem.reason, problem.message)),
            ..PlanReply::default()
        }),
        Err(Failed::Unknown(error)) => Err(Unplanned::NoPlan(error.to_string())),
    }
}

/// The status of an override that is in force.
fn in_force() -> ChainOverrideStatus {
    let condition = Condition {
        type_: IN_FORCE.to_owned(),
        status: "True".to_owned(),
        reason: OverrideReason::Applied.to_string(),
        message: String::new(),
        last_transition_time: Time(Timestamp::now()),
        observed_generation: None,
    };
    ChainOverrideStatus {
        conditions: vec![condition],
        ..ChainOverrideStatus::default()
    }
}

/// A chain as it would be.
struct Edited {
    chain: ExecutorChain,
    overrides_before: Vec<ChainOverride>,
    overrides: Vec<ChainOverride>,
    planned_override: Option<ChainOverride>,
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
        before: &[Arc<ChainOverride>],
        edit: PlannedEdit,
    ) -> Result<Self, Unplanned> {
        let existing = || {
            let absent =
                format!("namespace {namespace} has no chain {name}, or none that can be read");
            known.cloned().ok_or(Unplanned::Absent(absent))
        };
        let before: Vec<ChainOverride> = before.iter().map(|it| (**it).clone()).collect();
        let mut overrides = before.clone();
        let mut planned_override = None;
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
                // As one that is in force: what would follow its end belongs to the plan.
                planned.status = Some(in_force());
                planned_override = Some(planned.clone());
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
            planned_override,
        })
    }
}

async fn plan_edited(
    context: &Context,
    known: Option<&ExecutorChain>,
    edited: &Edited,
    live: Option<LiveChain>,
) -> Result<PlanReply, Failed> {
    let now = Timestamp::now();
    let mut desired = Desired::new(&edited.chain, &context.settings)?;
    refuse_not_allowed(&desired, &context.settings.tenants)?;
    let uids = &context.caches.namespace_uids;
    let uid = uids.of(&context.client, &desired.namespace).await?;
    let owner = uid.map(|uid| namespace_owner(&desired.namespace, &uid));
    desired.namespace_owner.clone_from(&owner);
    let mut present = None;
    let mut unknown_queues = None;
    let observed = if let Some(known) = known {
        let mut base = Desired::new(known, &context.settings)?;
        base.namespace_owner = owner;
        let mut current = base.clone();
        override_stages(&mut current, &edited.overrides_before, now);
        // As the chain is served: what is timed must not be timed for an edit that isn't made.
        let served = ServedChain {
            chain: known,
            context,
            desired: &current,
        };
        let mut observed = observe(served, Freshness::Cached).await?;
        let mut with_edit = desired.clone();
        override_stages(&mut with_edit, &edited.overrides, now);
        observed.was_in_force &= settings_hash(&current) == settings_hash(&with_edit);
        present = Some(base);
        observed
    } else {
        // No call for it: anyone who reaches the port could use up the quota that edits need.
        let parent = &desired.notifier.queue.parent;
        let queues = context.caches.locations.known(parent);
        unknown_queues = queues.is_none().then(|| {
            format!("the queues of {parent} are not known, so the plan creates all of them")
        });
        Observed {
            now,
            queues: queues.unwrap_or_default(),
            ..Observed::default()
        }
    };
    let notes = edited.planned_override.as_ref();
    let mut notes = notes
        .map(|it| effect::notes(&desired, it))
        .unwrap_or_default();
    notes.extend(unknown_queues);
    let overrides_before = edited.overrides_before.clone();
    let overrides = edited.overrides.clone();
    // A forecast takes up to a second of computing, which must not hold up reconciles.
    let computed = tokio::task::spawn_blocking(move || {
        let present = present.as_ref().map(|base| Present {
            version: Version {
                desired: base,
                overrides: &overrides_before,
            },
            live: live.as_ref(),
        });
        let edited = Version {
            desired: &desired,
            overrides: &overrides,
        };
        effect::reply(present, edited, &observed, now)
    });
    let mut reply = computed
        .await
        .expect("it doesn't panic, and isn't canceled")?;
    reply.notes = notes;
    Ok(reply)
}
