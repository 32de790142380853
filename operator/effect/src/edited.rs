//! An edit that isn't made, on what is known of a chain.

use console::PlannedEdit;
use crds::{
    ChainOverride, ChainOverrideStatus, EVERY_STAGE, ExecutorChain, ExecutorChainSpec, IN_FORCE,
    OverrideReason,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;

/// The name of an override that doesn't exist yet.
const PLANNED: &str = "(this override)";

/// A chain as it would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Edited {
    /// Its spec.
    pub spec: ExecutorChainSpec,
    /// Its overrides.
    pub overrides: Vec<ChainOverride>,
    /// The one among them that would be created.
    pub planned: Option<ChainOverride>,
}

/// What an edit makes of a chain, `None` if there is none yet, and of its overrides. The error says what
/// doesn't exist.
pub fn edited(
    edit: PlannedEdit,
    chain: Option<&ExecutorChain>,
    overrides: &[ChainOverride],
    now: Timestamp,
) -> Result<Edited, String> {
    let spec = chain.map(|chain| chain.spec.clone());
    let existing = || {
        spec.clone()
            .ok_or_else(|| "there is no such chain".to_owned())
    };
    let mut overrides = overrides.to_vec();
    let mut planned = None;
    let spec = match edit {
        PlannedEdit::Spec(spec) => *spec,
        PlannedEdit::Override(its) => {
            let spec = existing()?;
            let names: Vec<&str> = spec.stages.iter().map(|stage| &*stage.name).collect();
            let is_missing = |name: &&str| *name != EVERY_STAGE && !names.contains(name);
            let missing: Vec<&str> = its
                .stages
                .iter()
                .map(String::as_str)
                .filter(is_missing)
                .collect();
            if !missing.is_empty() {
                return Err(format!(
                    "chain {} has no stage {}: its stages are {}",
                    its.chain,
                    missing.join(", "),
                    names.join(", ")
                ));
            }
            let mut it = ChainOverride::new(PLANNED, *its);
            it.metadata.creation_timestamp = Some(Time(now));
            // As one that is in force: what would follow its end belongs to the plan.
            it.status = Some(in_force(now));
            planned = Some(it.clone());
            overrides.push(it);
            spec
        }
        PlannedEdit::Undo(names) => {
            for name in &names {
                let found = overrides.iter_mut().find(|it| it.name_any() == *name);
                let found = found.ok_or_else(|| format!("this chain has no override {name}"))?;
                found.spec.ended = true;
            }
            existing()?
        }
    };
    Ok(Edited {
        spec,
        overrides,
        planned,
    })
}

fn in_force(now: Timestamp) -> ChainOverrideStatus {
    let condition = Condition {
        type_: IN_FORCE.to_owned(),
        status: "True".to_owned(),
        reason: OverrideReason::Applied.to_string(),
        message: String::new(),
        last_transition_time: Time(now),
        observed_generation: None,
    };
    ChainOverrideStatus {
        conditions: vec![condition],
        ..ChainOverrideStatus::default()
    }
}
