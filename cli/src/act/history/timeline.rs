//! What has happened to a chain, from several sources, as one list by time.

use std::collections::HashMap;

use crds::ChainOverride;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::Event;
use kube::ResourceExt;
use plan::objects::revision::KeptRevision;
use serde::Serialize;
use serde_json::Value;

use crate::act::diff::changes;
use crate::act::text::{clock, in_force, settings};

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub(super) at: Timestamp,
    #[serde(flatten)]
    pub(super) what: What,
    /// Who: a field manager, a user, or a controller.
    pub(super) by: Option<String>,
    /// What changed, or why.
    pub(super) details: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all_fields = "camelCase")]
pub(super) enum What {
    /// The spec became this revision.
    Revision {
        revision: i64,
        generation: i64,
    },
    OverrideMade {
        name: String,
        reason: String,
    },
    OverrideEnded {
        name: String,
        /// Why: the reason of its condition.
        reason: String,
    },
    Event {
        reason: String,
        /// How often, if more than once.
        #[serde(skip_serializing_if = "Option::is_none")]
        count: Option<i32>,
    },
}

/// What was read of a chain. `None` of what couldn't be.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) revisions: Option<Vec<ControllerRevision>>,
    pub(super) overrides: Option<Vec<ChainOverride>>,
    pub(super) events: Option<Vec<Event>>,
}

/// One list by time, the newest last.
pub(super) fn timeline(sources: &Sources, since: Option<Timestamp>) -> Vec<Entry> {
    let Sources {
        revisions,
        overrides,
        events,
    } = sources;
    let mut entries = of_revisions(revisions.as_deref().unwrap_or_default());
    let each = overrides.iter().flatten();
    entries.extend(each.flat_map(of_override));
    // Overrides are listed for themselves, and for longer.
    let is_told = |it: &&Event| {
        let reason = it.reason.as_deref().unwrap_or_default();
        overrides.is_some() && ["OverrideBegan", "OverrideEnded"].contains(&reason)
    };
    let events = events.iter().flatten().filter(|it| !is_told(it));
    entries.extend(events.filter_map(of_event));
    entries.retain(|it| since.is_none_or(|since| it.at >= since));
    entries.sort_by_key(|it| it.at);
    entries
}

fn of_revisions(revisions: &[ControllerRevision]) -> Vec<Entry> {
    let none = Value::Null;
    let specs: HashMap<String, &Value> = revisions
        .iter()
        .map(|it| (it.name_any(), it.data.as_ref().map_or(&none, |it| &it.0)))
        .collect();
    let entry = |it: &ControllerRevision| {
        let kept = KeptRevision::of(&it.metadata)?;
        let details = match &kept.after {
            None => vec!["the first that is kept".to_owned()],
            Some(before) => match (specs.get(before), specs.get(&kept.name)) {
                (Some(before), Some(now)) => changes(before, now),
                _ => vec!["changes unknown: the previous revision is no longer kept".to_owned()],
            },
        };
        Some(Entry {
            at: kept.change.at,
            what: What::Revision {
                revision: kept.number,
                generation: kept.generation,
            },
            by: kept.change.by,
            details,
        })
    };
    let mut entries: Vec<(i64, Entry)> = revisions
        .iter()
        .filter_map(|it| Some((it.revision, entry(it)?)))
        .collect();
    // Several may have been made in one second.
    entries.sort_by_key(|(revision, _)| *revision);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn of_override(it: &ChainOverride) -> Vec<Entry> {
    let name = it.name_any();
    let status = it.status.as_ref();
    let Some(created) = it.creation_timestamp() else {
        return Vec::new();
    };
    let until = status.and_then(|status| status.until.as_ref());
    let until = until.map_or_else(
        || format!("for {}", it.spec.lasts),
        |until| format!("until {:.0}", until.0),
    );
    let made = Entry {
        at: created.0,
        what: What::OverrideMade {
            name: name.clone(),
            reason: it.spec.reason.clone(),
        },
        by: it.spec.by.clone(),
        details: vec![format!(
            "{} on {} {until}",
            settings(it),
            it.spec.stages.join(", ")
        )],
    };
    let condition = in_force(it);
    let ended = status.and_then(|status| status.ended_at.as_ref());
    let ended = ended.map(|ended| Entry {
        at: ended.0,
        what: What::OverrideEnded {
            name,
            reason: condition.map_or_else(|| "Ended".to_owned(), |it| it.reason.clone()),
        },
        by: it.spec.ended_by.clone(),
        details: condition.iter().map(|it| it.message.clone()).collect(),
    });
    [Some(made), ended].into_iter().flatten().collect()
}

fn of_event(it: &Event) -> Option<Entry> {
    let series = it.series.as_ref();
    let last = series.and_then(|it| it.last_observed_time.as_ref());
    let once = it.event_time.as_ref();
    let old = [&it.last_timestamp, &it.first_timestamp];
    let old = old.into_iter().flatten().map(|it| it.0).next();
    let created = it.metadata.creation_timestamp.as_ref().map(|it| it.0);
    let at = last.or(once).map(|it| it.0).or(old).or(created)?;
    let count = series.and_then(|it| it.count).or(it.count);
    let reporter = it.reporting_component.as_ref();
    let source = it.source.as_ref().and_then(|it| it.component.as_ref());
    Some(Entry {
        at,
        what: What::Event {
            reason: it.reason.clone().unwrap_or_default(),
            count: count.filter(|count| *count > 1),
        },
        by: reporter.filter(|it| !it.is_empty()).or(source).cloned(),
        details: it.message.iter().cloned().collect(),
    })
}

/// A paragraph for each entry.
pub(super) fn text(entries: &[Entry], now: Timestamp) -> String {
    let times: Vec<String> = entries.iter().map(|it| clock(it.at, now)).collect();
    let width = times.iter().map(|it| it.chars().count()).max();
    let width = width.unwrap_or_default();
    let lines = entries.iter().zip(times).flat_map(|(entry, time)| {
        let head = format!("{time:<width$}  {}\n", entry.head());
        let details = entry.details.iter();
        let details = details.map(|detail| format!("{:<width$}    {detail}\n", ""));
        std::iter::once(head).chain(details).collect::<Vec<_>>()
    });
    lines.collect()
}

impl Entry {
    fn head(&self) -> String {
        let by = self.by.as_ref();
        let by = |unknown: &str| by.map_or_else(|| unknown.to_owned(), |by| format!(", by {by}"));
        match &self.what {
            What::Revision {
                revision,
                generation,
            } => format!(
                "revision {revision} (generation {generation}){}",
                by(", by a manager that the API server has not recorded")
            ),
            What::OverrideMade { name, reason } => {
                format!("override {name}{}: {reason}", by(""))
            }
            What::OverrideEnded { name, reason } => {
                format!("override {name} ended: {reason}{}", by(""))
            }
            What::Event { reason, count } => {
                let count = count.map_or_else(String::new, |count| format!(" ({count} times)"));
                format!("event {reason}{count}{}", by(""))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(clock: &str) -> Timestamp {
        format!("2026-11-29T{clock}Z").parse().unwrap()
    }

    fn revision(
        number: i64,
        by: Option<&str>,
        clock: &str,
        after: Option<i64>,
    ) -> ControllerRevision {
        let mut annotations = json!({
            "executor-chain.dev/revision": number.to_string(),
            "executor-chain.dev/generation": (number + 4).to_string(),
            "executor-chain.dev/changed-at": at(clock).to_string(),
        });
        if let Some(by) = by {
            annotations["executor-chain.dev/changed-by"] = by.into();
        }
        if let Some(after) = after {
            annotations["executor-chain.dev/after"] = format!("orders-{after}").into();
        }
        serde_json::from_value(json!({
            "metadata": {"name": format!("orders-{number}"), "annotations": annotations},
            "revision": number,
            "data": {"rate": number * 10},
        }))
        .unwrap()
    }

    fn sources() -> Sources {
        let made: ChainOverride = serde_json::from_value(json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": "ChainOverride",
            "metadata": {"name": "inc-42", "creationTimestamp": at("10:02:00")},
            "spec": {
                "chain": "orders", "stages": ["slow"], "for": "30m", "reason": "INC-42",
                "rateLimits": {"maxDispatchesPerSecond": 5}, "by": "alice", "endedBy": "bob",
            },
            "status": {
                "until": at("10:32:00"), "endedAt": at("10:04:00"),
                "conditions": [{
                    "type": "InForce", "status": "False", "reason": "Undone", "message": "it was ended by bob",
                    "lastTransitionTime": at("10:04:00"),
                }],
            },
        }))
        .unwrap();
        let event = |reason: &str, clock: &str| -> Event {
            serde_json::from_value(json!({
                "metadata": {}, "involvedObject": {}, "reason": reason, "message": "words",
                "eventTime": at(clock).to_string().replace('Z', ".000000Z"), "reportingComponent": "executor-operator",
            }))
            .unwrap()
        };
        let mut often = event("QueueDrift", "10:00:30");
        often.series = serde_json::from_value(json!({
            "count": 3, "lastObservedTime": "2026-11-29T10:03:00.000000Z",
        }))
        .unwrap();
        Sources {
            revisions: Some(vec![
                revision(3, None, "10:01:00", Some(2)),
                revision(2, Some("argocd-controller"), "10:00:00", Some(1)),
                revision(4, Some("kubectl-edit"), "10:01:00", Some(3)),
            ]),
            overrides: Some(vec![made]),
            events: Some(vec![event("OverrideBegan", "10:02:00"), often]),
        }
    }

    const UNKNOWN: &str = "by a manager that the API server has not recorded";

    #[test]
    fn all_sources_are_in_one_list_by_time() {
        let entries = timeline(&sources(), None);
        let lines = [
            "10:00:00Z  revision 2 (generation 6), by argocd-controller",
            "             changes unknown: the previous revision is no longer kept",
            &format!("10:01:00Z  revision 3 (generation 7), {UNKNOWN}"),
            "             rate 20 → 30",
            "10:01:00Z  revision 4 (generation 8), by kubectl-edit",
            "             rate 30 → 40",
            "10:02:00Z  override inc-42, by alice: INC-42",
            "             5/s on slow until 2026-11-29T10:32:00Z",
            "10:03:00Z  event QueueDrift (3 times), by executor-operator",
            "             words",
            "10:04:00Z  override inc-42 ended: Undone, by bob",
            "             it was ended by bob",
        ];
        let shown = text(&entries, at("11:00:00"));
        assert_eq!(shown.lines().collect::<Vec<_>>(), lines);

        let recent = timeline(&sources(), Some(at("10:03:00")));
        assert_eq!(recent, entries[4..]);
        let json = serde_json::to_value(&entries[0]).unwrap();
        assert_eq!(
            json,
            json!({
                "at": "2026-11-29T10:00:00Z", "kind": "Revision", "revision": 2, "generation": 6,
                "by": "argocd-controller", "details": ["changes unknown: the previous revision is no longer kept"],
            })
        );
    }

    #[test]
    fn what_cant_be_read_hides_nothing_of_the_rest() {
        let mut sources = sources();
        sources.overrides = None;
        let entries = timeline(&sources, None);
        let shown = text(&entries, at("11:00:00"));
        assert!(shown.contains("event OverrideBegan"), "{shown}");
        sources.revisions = None;
        assert_eq!(timeline(&sources, None).len(), 2);
        sources.events = None;
        assert_eq!(timeline(&sources, None), []);
        let first = revision(1, Some("kubectl"), "10:00:00", None);
        sources.revisions = Some(vec![first]);
        let entries = timeline(&sources, None);
        assert_eq!(entries[0].details, ["the first that is kept"]);
    }

    #[test]
    fn a_spec_that_came_again_is_compared_with_the_one_before_it() {
        // Revision 1 was applied again as 3: what 2 changed was a change of it.
        let first = revision(3, None, "10:02:00", Some(2));
        let mut second = revision(2, None, "10:01:00", None);
        let annotations = second.annotations_mut();
        annotations.insert("executor-chain.dev/after".into(), "orders-3".into());
        let sources = Sources {
            revisions: Some(vec![first, second]),
            ..Sources::default()
        };
        let details: Vec<_> = timeline(&sources, None)
            .into_iter()
            .map(|it| it.details)
            .collect();
        assert_eq!(details, [["rate 30 → 20"], ["rate 20 → 30"]]);
    }
}
