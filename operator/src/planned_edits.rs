//! What an edit would do, for people who ask before they make it. Nothing is changed.

use console::{LiveChain, PlanReply, PlanRequest};
use console_serve::Unplanned;
use crds::{ChainOverride, ExecutorChain};
use effect::{Edited, Present, Version, edited};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use plan::objects::names::namespace_owner;
use plan::objects::queue_settings::settings_hash;
use plan::{Desired, Freshness, Observed, Problem, override_stages, refuse_not_allowed};

use crate::chain::NamespacedName;
use crate::context::Context;
use crate::error::Error;
use crate::reconcile::observe::{ServedChain, observe};

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
    let before: Vec<ChainOverride> = overrides.iter().map(|it| (**it).clone()).collect();
    let edited = edited(edit, known.as_ref(), &before, Timestamp::now());
    let edited =
        edited.map_err(|absent| Unplanned::Absent(format!("{}/{}: {absent}", name.0, name.1)))?;
    let present = known.map(|chain| (chain, before));
    let planned = Box::pin(plan_edited(context, &name, present, edited, live)).await;
    match planned {
        Ok(reply) => Ok(reply),
        Err(Failed::Refused(problem)) => Ok(PlanReply {
            refused: Some(format!("{}: {}", problem.reason, problem.message)),
            ..PlanReply::default()
        }),
        Err(Failed::Unknown(error)) => Err(Unplanned::NoPlan(error.to_string())),
    }
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

async fn plan_edited(
    context: &Context,
    (namespace, name): &NamespacedName,
    present: Option<(ExecutorChain, Vec<ChainOverride>)>,
    edited: Edited,
    live: Option<LiveChain>,
) -> Result<PlanReply, Failed> {
    let now = Timestamp::now();
    let Edited {
        spec,
        overrides,
        planned,
    } = edited;
    let (known, overrides_before) = present.unzip();
    let metadata = known.as_ref().map_or_else(
        || ObjectMeta {
            name: Some(name.clone()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        |chain| chain.metadata.clone(),
    );
    let chain = ExecutorChain {
        metadata,
        spec,
        status: None,
    };
    let overrides_before = overrides_before.unwrap_or_default();
    let mut desired = Desired::new(&chain, &context.settings)?;
    refuse_not_allowed(&desired, &context.settings.tenants)?;
    let uids = &context.caches.namespace_uids;
    let uid = uids.of(&context.client, &desired.namespace).await?;
    let owner = uid.map(|uid| namespace_owner(&desired.namespace, &uid));
    desired.namespace_owner.clone_from(&owner);
    let mut present = None;
    let mut unknown_queues = None;
    let observed = if let Some(known) = &known {
        let mut base = Desired::new(known, &context.settings)?;
        base.namespace_owner = owner;
        let mut current = base.clone();
        override_stages(&mut current, &overrides_before, now);
        // As the chain is served: what is timed must not be timed for an edit that isn't made.
        let served = ServedChain {
            chain: known,
            context,
            desired: &current,
        };
        let mut observed = observe(served, Freshness::Cached).await?;
        let mut with_edit = desired.clone();
        override_stages(&mut with_edit, &overrides, now);
        observed.was_in_force &= settings_hash(&current) == settings_hash(&with_edit);
        present = Some(base);
        observed
    } else {
        // No call for it: anyone who reaches the port could use up the quota that edits need.
        let parent = &desired.notifier.queue.parent;
        let queues = context.caches.locations.known(parent);
        unknown_queues = queues.is_none().then(|| {
            format!("the queues of {parent} are not known yet, so the plan creates all queues of the chain")
        });
        Observed {
            now,
            queues: queues.unwrap_or_default(),
            ..Observed::default()
        }
    };
    let notes = planned.as_ref();
    let mut notes = notes
        .map(|it| effect::notes(&desired, it))
        .unwrap_or_default();
    notes.extend(unknown_queues);
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
