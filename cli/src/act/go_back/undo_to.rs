//! From a chain's spec to an earlier one.

use std::process::ExitCode;
use std::time::Instant;

use console::{PlanRequest, PlannedEdit};
use crds::ExecutorChainSpec;
use k8s_openapi::api::apps::v1::ControllerRevision;
use kube::ResourceExt;
use kube::api::DynamicObject;
use plan::objects::revision::KeptRevision;
use serde::Deserialize;
use serde_json::Value;

use crate::act::args::UndoOptions;
use crate::act::chain_api;
use crate::act::commands::{LOOK, PATIENCE, say, show};
use crate::act::diff::changes;
use crate::act::gitops::{Owners, owners};
use crate::act::target::planned;
use crate::error::Error;
use crate::inspect::cluster::Cluster;
use crate::inspect::exit::CANT_TELL;
use crate::inspect::seen::Gap;

/// A chain, and what it goes back to.
struct Way<'a> {
    namespace: &'a str,
    name: &'a str,
    chain: DynamicObject,
    /// The revision, and its spec.
    kept: KeptRevision,
    spec: Value,
}

/// Prints what would change, applies the spec of a revision again, and waits until an operator has seen it.
pub(super) async fn go_back(
    mut cluster: Cluster,
    options: &UndoOptions,
    name: &str,
    number: i64,
    program: &str,
) -> Result<ExitCode, Error> {
    let namespace = options.place.namespace.clone();
    let namespace = namespace.unwrap_or_else(|| cluster.namespace().to_owned());
    let way = Way::find(&cluster, &namespace, name, number, program).await?;
    let owners = owners(way.chain.metadata.managed_fields.iter().flatten());
    if let Some(warning) = owners.warning(name) {
        say(&warning);
    }
    let Some(current) = way.chain.data.get("spec").filter(|it| **it != way.spec) else {
        say(&format!(
            "{name} has the spec of revision {number} already."
        ));
        return Ok(ExitCode::SUCCESS);
    };
    say(&format!(
        "{name} goes back to revision {number}, {}:",
        way.origin()
    ));
    for line in changes(current, &way.spec) {
        say(&format!("  {line}"));
    }
    let request = PlanRequest {
        namespace: namespace.clone(),
        chain: name.to_owned(),
        edit: PlannedEdit::Spec(Box::new(way.parsed_spec()?)),
    };
    let plan = planned(cluster.plan(&request).await)?;
    if let Some(code) = show(plan, options.dry_run, program)? {
        return Ok(code);
    }
    if let Owners::Reverting(managers) = &owners
        && !options.force
    {
        return Err(Error::Refused(format!(
            "nothing was changed, since {} would revert the change. Change the spec in Git, or suspend the sync and repeat the command with --force",
            managers.join(", ")
        )));
    }
    way.go(&cluster).await
}

impl<'a> Way<'a> {
    async fn find(
        cluster: &Cluster,
        namespace: &'a str,
        name: &'a str,
        number: i64,
        program: &str,
    ) -> Result<Self, Error> {
        let chain = chain_api::chain(cluster, namespace, name)
            .await
            .map_err(refused)?;
        let chain = chain.ok_or_else(|| {
            Error::Refused(format!(
                "namespace {namespace} has no chain {name}. --to is for chains: an override is ended by {program} undo NAME, without --to"
            ))
        })?;
        let revisions = chain_api::revisions(cluster, namespace, name).await;
        let revisions = revisions.map_err(refused)?;
        let uid = chain.uid().unwrap_or_default();
        // One of the same name that was deleted may have left some.
        let is_its = |it: &ControllerRevision| it.owner_references().iter().any(|it| it.uid == uid);
        let its: Vec<ControllerRevision> = revisions.into_iter().filter(is_its).collect();
        let mut numbers: Vec<i64> = its.iter().map(|it| it.revision).collect();
        numbers.sort_unstable();
        let found = its.into_iter().find(|it| it.revision == number);
        let kept = found.as_ref().and_then(|it| KeptRevision::of(&it.metadata));
        let spec = found.and_then(|it| it.data).map(|it| it.0);
        let (Some(kept), Some(spec)) = (kept, spec) else {
            let numbers: Vec<String> = numbers.iter().map(ToString::to_string).collect();
            let those = if numbers.is_empty() {
                "none is kept. The operator's --revision-history-limit may be 0".to_owned()
            } else {
                format!(
                    "kept are {}. {program} history {name} shows them",
                    numbers.join(", ")
                )
            };
            return Err(Error::Refused(format!(
                "chain {name} has no revision {number}: {those}"
            )));
        };
        Ok(Self {
            namespace,
            name,
            chain,
            kept,
            spec,
        })
    }

    /// Where its new spec is from, as a clause.
    fn origin(&self) -> String {
        let KeptRevision {
            generation, change, ..
        } = &self.kept;
        let by = change.by.as_ref().map(|by| format!(" by {by}"));
        let by = by.unwrap_or_default();
        format!(
            "which is generation {generation}, made{by} at {:.0}",
            change.at
        )
    }

    fn parsed_spec(&self) -> Result<ExecutorChainSpec, Error> {
        let parsed = ExecutorChainSpec::deserialize(&self.spec);
        parsed.map_err(|error| {
            Error::Refused(format!(
                "the spec of revision {} can't be parsed: {error}. Choose another revision",
                self.kept.number
            ))
        })
    }

    /// Why the spec wasn't replaced: the API server's words for an edit in the meantime say nothing of it.
    async fn not_replaced(&self, cluster: &Cluster, gap: Gap) -> Error {
        let now = chain_api::chain(cluster, self.namespace, self.name).await;
        let generation = now.ok().flatten().and_then(|it| it.metadata.generation);
        if generation == self.chain.metadata.generation {
            return refused(gap);
        }
        Error::Refused(format!(
            "nothing was changed, since chain {} was edited or deleted in the meantime. Repeat the command to see what it would do now",
            self.name
        ))
    }

    async fn go(&self, cluster: &Cluster) -> Result<ExitCode, Error> {
        let Self {
            namespace,
            name,
            chain,
            kept: KeptRevision { number, .. },
            spec,
        } = self;
        let begin = Instant::now();
        let generation = chain.metadata.generation;
        let patched = chain_api::replace_spec(cluster, namespace, name, generation, spec).await;
        let patched = match patched {
            Ok(patched) => patched,
            Err(gap) => return Err(self.not_replaced(cluster, gap).await),
        };
        let wanted = patched.metadata.generation.unwrap_or_default();
        loop {
            let found = chain_api::chain(cluster, namespace, name)
                .await
                .map_err(refused)?;
            let Some(found) = found else {
                say(&format!("{name} was deleted meanwhile."));
                return Ok(ExitCode::from(CANT_TELL));
            };
            let status = found.data.get("status");
            let observed = status.and_then(|it| it.get("observedGeneration")?.as_i64());
            if observed.is_some_and(|observed| observed >= wanted) {
                say(&format!(
                    "{name} has the spec of revision {number} again, as generation {wanted}. The operator took {:.1} s.",
                    begin.elapsed().as_secs_f64()
                ));
                if let Some(obstacle) = status.and_then(not_ready) {
                    say(&format!("Ready is False: {obstacle}"));
                }
                return Ok(ExitCode::SUCCESS);
            }
            if begin.elapsed() >= PATIENCE {
                say(&format!(
                    "{name} has the spec of revision {number} again, as generation {wanted}, and no operator has seen it yet."
                ));
                return Ok(ExitCode::from(CANT_TELL));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// Why a chain isn't ready: the reason and the message.
fn not_ready(status: &Value) -> Option<String> {
    let mut conditions = status.get("conditions")?.as_array()?.iter();
    let ready = conditions.find(|it| it["type"] == "Ready" && it["status"] == "False")?;
    let text = |field: &str| ready.get(field).and_then(Value::as_str);
    Some(format!("{}: {}", text("reason")?, text("message")?))
}

fn refused(gap: Gap) -> Error {
    match gap {
        gap @ Gap::Right(_) => Error::NoEdit(gap),
        gap @ (Gap::Operator(_) | Gap::Unlisted(_)) => Error::Refused(gap.to_string()),
    }
}
