//! The status of an override: from the chain's status, which says what is in force.

use crds::conditions::ConditionType;
use crds::{
    ChainOverride, ChainOverrideStatus, ExecutorChain, IN_FORCE, OverrideReason, StageStatus,
    StageWas,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::ResourceExt;

use super::finding::list;
use crate::model::OverrideField;
use crate::model::overrides::{limits_of, seconds, settings_of_override, settings_of_stage};
use crate::rules::overrides::{Phase, oldest_first, phase, replaced, until};

/// What has become of an override. `chain` is the one that it names, and `others` are overrides of that chain,
/// this one among them or not.
pub fn override_status<'a>(
    it: &'a ChainOverride,
    chain: Option<&ExecutorChain>,
    others: impl IntoIterator<Item = &'a ChainOverride>,
    now: Timestamp,
) -> ChainOverrideStatus {
    let mut status = it.status.clone().unwrap_or_default();
    let others = others.into_iter().filter(|other| other.uid() != it.uid());
    let overrides = oldest_first(others.chain([it]));
    status.until = Some(Time(until(it)));
    if let Some(chain) = chain.filter(|_| status.was.is_empty()) {
        status.was = was(it, chain);
    }
    let was_in_force = status
        .conditions
        .iter()
        .any(|it| it.status == "True" || it.reason == OverrideReason::ChainDeleted.as_str());
    let (in_force, reason, message) = match phase(it, now) {
        Phase::InForce(_) => lives(it, chain, &overrides, now, was_in_force),
        Phase::Restoring(since, over) => {
            let restores = restoring(it, chain, &overrides, now);
            ended(it, &mut status, since);
            let message = format!(
                "the override has ended: the rate returns to the chain's value in steps over {}s",
                over.as_secs()
            );
            if restores {
                (true, OverrideReason::Restoring, message)
            } else {
                over_now(it, chain, was_in_force)
            }
        }
        Phase::Over => {
            let end = if it.spec.ended {
                now.min(until(it))
            } else {
                until(it)
            };
            ended(it, &mut status, end);
            over_now(it, chain, was_in_force)
        }
    };
    let condition = Condition {
        type_: IN_FORCE.to_owned(),
        status: if in_force { "True" } else { "False" }.to_owned(),
        reason: reason.to_string(),
        message,
        last_transition_time: Time(now),
        observed_generation: it.metadata.generation,
    };
    let mut before = std::mem::take(&mut status.conditions).into_iter();
    let before = before.find(|it| it.type_ == IN_FORCE && it.status == condition.status);
    let since = before.map_or(Time(now), |before| before.last_transition_time);
    status.conditions = vec![Condition {
        last_transition_time: since,
        ..condition
    }];
    status
}

/// When it was first seen to be over.
fn ended(it: &ChainOverride, status: &mut ChainOverrideStatus, end: Timestamp) {
    let before = it
        .status
        .as_ref()
        .and_then(|status| status.ended_at.clone());
    status.ended_at = before.or(Some(Time(seconds(end))));
}

type Fate = (bool, OverrideReason, String);

/// Its time isn't over.
fn lives(
    it: &ChainOverride,
    chain: Option<&ExecutorChain>,
    overrides: &[&ChainOverride],
    now: Timestamp,
    was_in_force: bool,
) -> Fate {
    let namespace = it.namespace().unwrap_or_default();
    let name = &it.spec.chain;
    let Some(chain) = chain else {
        return if was_in_force {
            let message = format!(
                "chain {name} was deleted while this override was in force. If its queues still exist, they may keep the override's settings until a chain adopts them"
            );
            (false, OverrideReason::ChainDeleted, message)
        } else {
            let message = format!(
                "namespace {namespace} has no chain {name}: end this override and create one for a chain that exists (kubectl get chains -n {namespace})"
            );
            (false, OverrideReason::ChainNotFound, message)
        };
    };
    let stages = || chain.spec.stages.iter();
    let named: Vec<_> = stages().filter(|stage| it.names(&stage.name)).collect();
    let missing: Vec<String> = it
        .spec
        .stages
        .iter()
        .filter(|name| *name != crds::EVERY_STAGE && !stages().any(|stage| stage.name == **name))
        .cloned()
        .collect();
    if named.is_empty() {
        let message = format!(
            "chain {name} has no stage {}: its stages are {}",
            missing.join(", "),
            list(stages().map(|stage| stage.name.clone())).unwrap_or_default(),
        );
        return (false, OverrideReason::StageNotFound, message);
    }
    let ours = settings_of_override(it);
    let mut applied = 0;
    let mut waiting = 0;
    let mut superseded = 0;
    let mut no_replicas = 0;
    let mut notes: Vec<String> = missing
        .iter()
        .map(|missing| format!("chain {name} has no stage {missing}"))
        .collect();
    for stage in &named {
        let spec = settings_of_stage(stage);
        let (winners, _) = replaced(&stage.name, &spec, overrides, now);
        for field in ours.keys() {
            let is_in_force = applies(chain, &stage.name, it, *field);
            let winner = winners.get(field);
            match winner {
                Some(winner) if winner.name == it.name_any() && is_in_force => applied += 1,
                Some(winner) if winner.name == it.name_any() => {
                    waiting += 1;
                    notes.push(format!(
                        "{field} of stage {} is not in force yet: {}",
                        stage.name,
                        waits_for(chain)
                    ));
                }
                Some(winner) => {
                    superseded += 1;
                    notes.push(format!(
                        "{field} of stage {} is set by the newer override {}",
                        stage.name, winner.name
                    ));
                }
                None => {
                    no_replicas += 1;
                    notes.push(format!(
                        "{field} of stage {} isn't set in the chain, which leaves it to an autoscaler: set it in the chain first, or scale the Deployment",
                        stage.name
                    ));
                }
            }
        }
    }
    let all = named.len() * ours.len();
    let notes = notes.join("; ");
    if applied == all && missing.is_empty() {
        let message = "every setting is in force on every stage".to_owned();
        (true, OverrideReason::Applied, message)
    } else if applied > 0 && waiting > 0 {
        (true, OverrideReason::Applying, notes)
    } else if applied > 0 {
        (true, OverrideReason::PartlyApplied, notes)
    } else if superseded == all {
        (false, OverrideReason::Superseded, notes)
    } else if no_replicas + superseded == all {
        (false, OverrideReason::ReplicasNotSet, notes)
    } else {
        (false, OverrideReason::Waiting, notes)
    }
}

/// It is over, but may still be in force: the operator has to bring the chain's own settings back.
fn over_now(it: &ChainOverride, chain: Option<&ExecutorChain>, was_in_force: bool) -> Fate {
    let ours = settings_of_override(it);
    let still = chain.filter(|chain| {
        let mut stages = chain
            .spec
            .stages
            .iter()
            .filter(|stage| it.names(&stage.name));
        stages.any(|stage| {
            let mut fields = ours.keys();
            fields.any(|field| {
                applies(chain, &stage.name, it, *field) || comes_back(chain, &stage.name, *field)
            })
        })
    });
    if let Some(chain) = still.filter(|_| was_in_force) {
        let message = format!(
            "the override has ended, but not all of the chain's settings are restored yet: {}",
            waits_for(chain)
        );
        return (true, OverrideReason::Waiting, message);
    }
    let never = it.status.as_ref().is_none_or(|status| {
        let mut conditions = status.conditions.iter();
        !was_in_force && conditions.all(|it| it.reason == OverrideReason::Waiting.as_str())
    });
    let ended_by = it.spec.ended_by.as_ref();
    let (reason, how) = if it.spec.ended {
        let by = ended_by.map(|by| format!(" by {by}")).unwrap_or_default();
        (
            OverrideReason::Undone,
            format!("the override was ended early{by}"),
        )
    } else {
        (
            OverrideReason::Expired,
            "the override has expired".to_owned(),
        )
    };
    let message = if never {
        format!("{how}, and was never in force: no operator applied it")
    } else {
        format!("{how}, and the chain's own settings are restored")
    };
    (false, reason, message)
}

/// Whether a step of a rate that comes back is due to it.
fn restoring(
    it: &ChainOverride,
    chain: Option<&ExecutorChain>,
    overrides: &[&ChainOverride],
    now: Timestamp,
) -> bool {
    let mut stages = chain.iter().flat_map(|chain| &chain.spec.stages);
    stages.any(|stage| {
        let (winners, _) = replaced(&stage.name, &settings_of_stage(stage), overrides, now);
        let mut winners = winners.values();
        winners.any(|winner| winner.name == it.name_any())
    })
}

fn applies(chain: &ExecutorChain, stage: &str, it: &ChainOverride, field: OverrideField) -> bool {
    of_stage(chain, stage).any(|found| {
        let mut overrides = found.overrides.iter();
        overrides.any(|found| {
            // An operator that doesn't say which fields is older, and says it of all.
            let has_field = found.fields.is_empty() || found.fields.contains(&field.to_string());
            found.name == it.name_any() && has_field
        })
    })
}

/// Whether an override has left this setting, and it isn't back yet.
fn comes_back(chain: &ExecutorChain, stage: &str, field: OverrideField) -> bool {
    of_stage(chain, stage).any(|found| found.restoring.contains(&field.to_string()))
}

fn of_stage<'a>(chain: &'a ExecutorChain, stage: &'a str) -> impl Iterator<Item = &'a StageStatus> {
    let stages = chain.status.iter().flat_map(|status| &status.stages);
    stages.filter(move |found| found.name == stage)
}

/// What the chain's status says of what isn't done.
fn waits_for(chain: &ExecutorChain) -> String {
    let conditions = || chain.status.iter().flat_map(|status| &status.conditions);
    let parts = [ConditionType::QueuesReady, ConditionType::WorkersReady];
    let mut unmet = parts.iter().filter_map(|part| {
        conditions().find(|it| it.type_ == part.as_str() && it.status != "True")
    });
    unmet.next().map_or_else(
        || "the operator is working on it, or no operator leads".to_owned(),
        |ready| format!("{}: {}", ready.reason, ready.message),
    )
}

fn was(it: &ChainOverride, chain: &ExecutorChain) -> Vec<StageWas> {
    let ours = settings_of_override(it);
    let named = chain
        .spec
        .stages
        .iter()
        .filter(|stage| it.names(&stage.name));
    let was = named.map(|stage| {
        let mut settings = settings_of_stage(stage);
        settings.retain(|field, _| ours.contains_key(field));
        let (limits, backoff) = limits_of(&settings);
        StageWas {
            stage: stage.name.clone(),
            max_dispatches_per_second: limits.max_dispatches_per_second,
            max_concurrent_dispatches: limits.max_concurrent_dispatches,
            backoff: Some(backoff).filter(|backoff| *backoff != crds::Backoff::default()),
            paused: stage
                .paused
                .filter(|_| ours.contains_key(&OverrideField::Paused)),
            replicas: stage
                .replicas
                .filter(|_| ours.contains_key(&OverrideField::Replicas)),
        }
    });
    was.collect()
}
