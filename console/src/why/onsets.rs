//! Since when something is wrong.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use crate::model::{Cause, Finding};

/// A number at a threshold crosses it now and then, and a period without an answer makes numbers unknown:
/// neither ends a finding.
const GAP: Duration = Duration::from_mins(1);
/// A push may be newer than what the workers have said, by a period.
const NOT_SEEN_FOR: Duration = Duration::from_secs(20);

/// Since when each cause of one chain has been found.
#[derive(Debug, Clone, Default)]
pub struct Onsets {
    found: BTreeMap<(Cause, Option<String>), Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    since: Timestamp,
    last: Timestamp,
}

impl Onsets {
    /// Sets since when each finding has been found. A finding that says so itself began no later. One that
    /// may be due to numbers of different ages is taken out until it has lasted.
    pub fn stamp(&mut self, findings: &mut Vec<Finding>, now: Timestamp) {
        for finding in findings.iter_mut() {
            let key = (finding.cause, finding.stage.clone());
            let reported = finding.since.unwrap_or(now);
            let span = self.found.entry(key).or_insert(Span {
                since: reported,
                last: now,
            });
            if is_over(span, now) {
                span.since = reported;
            }
            span.since = span.since.min(reported);
            span.last = now;
            finding.since = Some(span.since);
        }
        self.found.retain(|_, span| !is_over(span, now));
        findings.retain(|finding| has_lasted(finding, now));
    }
}

fn has_lasted(finding: &Finding, now: Timestamp) -> bool {
    let is_of_two_ages = finding.cause == Cause::PushesNotArriving && finding.stage.is_some();
    let since = finding.since.unwrap_or(now);
    let age = Duration::try_from(now.duration_since(since)).unwrap_or_default();
    !is_of_two_ages || age >= NOT_SEEN_FOR
}

fn is_over(span: &Span, now: Timestamp) -> bool {
    let gap = Duration::try_from(now.duration_since(span.last));
    gap.is_ok_and(|gap| gap > GAP)
}
