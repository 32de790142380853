//! A worker's page of metrics.

use std::collections::BTreeMap;

use worker_contract::metrics::{
    CHAIN, CONCURRENCY_LIMIT, FAILURES, HOLDING, ISOLATED_CATEGORIES, LAG, LAG_SECONDS,
    MAX_FAILURES, NOT_A_PUSH, PREFIX, PUSHES_REFUSED, REASON, RUN_DURATION, RUN_SECONDS,
    RUNS_UNDER_WAY, STAGE, STATUS,
};

use super::series::{ALL, LAGS, RUNS, place};

/// A worker has a dozen reasons to refuse, each a word. Text of any other server must not get into a status.
const MAX_REFUSALS: usize = 16;
const MAX_REFUSAL_LENGTH: usize = 32;
/// Those that the handler chooses, the worker's own, and `other`.
pub(super) const MAX_LABELS: usize = MAX_FAILURES + 8;
const MAX_REASON_LENGTH: usize = 63;

/// What a worker has counted since its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WorkerPage {
    /// By [`series`](super::series). Empty if all are 0, as on a stage without traffic.
    pub(super) counts: Box<[u64]>,
    pub(super) refused: Box<[(Box<str>, u64)]>,
    pub(super) failures: Box<[(Failure, u64)]>,
    pub(super) runs_in_progress: u32,
    pub(super) run_slots: u32,
    /// Those that fail.
    pub(super) isolated_categories: u32,
    pub(super) is_holding: bool,
}

/// A way in which runs fail.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Failure {
    pub reason: Box<str>,
    pub status: Option<u16>,
}

impl WorkerPage {
    /// Reads a page. `None` if it is no worker's. Counters of other releases that are missing count as 0.
    pub fn parse(text: &str) -> Option<Self> {
        Self::read(text, |_| true)
    }

    /// Reads the page of a worker of this chain, `NAMESPACE/NAME`, and stage. `None` if it is another's: an
    /// address may have gone over to another pod, and anyone can label a pod.
    pub fn of_stage(chain: &str, stage: &str, text: &str) -> Option<Self> {
        let is = |labels: Labels<'_>, label, value| labels.get(label) == Some(value);
        Self::read(text, |labels| {
            is(labels, CHAIN, chain) && is(labels, STAGE, stage)
        })
    }

    fn read(text: &str, is_its: impl Fn(Labels<'_>) -> bool) -> Option<Self> {
        let mut counts = vec![0_u64; ALL];
        let (mut runs, mut lags) = (0, 0);
        let mut refused = Vec::new();
        let mut failures = Vec::new();
        let (mut runs_in_progress, mut run_slots) = (None, 0);
        let (mut isolated_categories, mut is_holding) = (0, false);
        for Line {
            name,
            labels,
            value,
        } in text.lines().filter_map(Line::parse)
        {
            if !is_its(labels) {
                return None;
            }
            let label = |name: &str| labels.get(name);
            match name {
                RUNS_UNDER_WAY => runs_in_progress = Some(clamped(value)),
                CONCURRENCY_LIMIT => run_slots = clamped(value),
                ISOLATED_CATEGORIES => isolated_categories = clamped(value),
                HOLDING => is_holding = value > 0,
                _ => {}
            }
            if let Some(name) = name.strip_suffix("_seconds_bucket") {
                let (below, places, bounds) = match name {
                    RUN_DURATION => (&mut runs, RUNS, &RUN_SECONDS[..]),
                    LAG => (&mut lags, LAGS, &LAG_SECONDS[..]),
                    _ => continue,
                };
                let Some(bound) = label("le").and_then(|le| le.parse::<f64>().ok()) else {
                    continue;
                };
                // Buckets include those below. Other releases may have others.
                let bucket = bounds.partition_point(|other| *other < bound);
                let count = &mut counts[places.start + bucket];
                *count = count.saturating_add(value.saturating_sub(*below));
                *below = value;
            } else if let Some(name) = name.strip_suffix("_total") {
                if name == PUSHES_REFUSED {
                    let reason = label(REASON).filter(|reason| is_refusal(reason));
                    refused.extend(reason.map(|reason| (reason.into(), value)));
                } else if name == FAILURES {
                    failures.extend(Failure::of(label).map(|failure| (failure, value)));
                } else if let Some(place) = place(name, label) {
                    counts[place] = counts[place].saturating_add(value);
                }
            }
        }
        refused.truncate(MAX_REFUSALS);
        failures.truncate(MAX_LABELS);
        if counts.iter().all(|count| *count == 0) {
            counts.clear();
        }
        Some(Self {
            counts: counts.into(),
            refused: refused.into(),
            failures: failures.into(),
            runs_in_progress: runs_in_progress?,
            run_slots,
            isolated_categories,
            is_holding,
        })
    }

    /// The pushes refused for their token, by reason.
    pub fn refused(&self) -> BTreeMap<String, u64> {
        let refused = self.refused.iter();
        refused
            .map(|(reason, count)| (reason.to_string(), *count))
            .collect()
    }

    /// What the worker has counted since the page `before`; all of this page if it has restarted.
    pub(super) fn since(&self, before: &Self) -> Self {
        let added = || {
            Some(Self {
                counts: counts_added(&self.counts, &before.counts)?,
                refused: labels_added(&self.refused, &before.refused)?,
                failures: labels_added(&self.failures, &before.failures)?,
                ..*self
            })
        };
        added().unwrap_or_else(|| self.clone())
    }

    /// Whether it has counted nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.counts.iter().all(|count| *count == 0)
            && self.refused.iter().all(|(_, count)| *count == 0)
    }
}

/// `None` if a counter fell.
fn counts_added(after: &[u64], before: &[u64]) -> Option<Box<[u64]>> {
    if after.is_empty() {
        return before.is_empty().then(Box::default);
    }
    let before = before.iter().copied().chain(std::iter::repeat(0));
    let both = after.iter().zip(before);
    both.map(|(after, before)| after.checked_sub(before))
        .collect()
}

fn labels_added<L: Clone + PartialEq>(
    after: &[(L, u64)],
    before: &[(L, u64)],
) -> Option<Box<[(L, u64)]>> {
    let count = |page: &[(L, u64)], label: &L| {
        let found = page.iter().find(|(other, _)| other == label);
        found.map_or(0, |(_, count)| *count)
    };
    if before.iter().any(|(label, was)| count(after, label) < *was) {
        return None;
    }
    let added = after
        .iter()
        .map(|(label, now)| (label.clone(), now - count(before, label)));
    Some(added.filter(|(_, count)| *count > 0).collect())
}

impl Failure {
    fn of<'a>(label: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        let reason = label(REASON)?;
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_');
        let is_reason =
            (1..=MAX_REASON_LENGTH).contains(&reason.len()) && reason.bytes().all(legal);
        let status = match label(STATUS) {
            None | Some("") => None,
            Some(status) => Some(status.parse().ok()?),
        };
        is_reason.then(|| Self {
            reason: reason.into(),
            status,
        })
    }
}

/// A request that is no push, such as a port scan, is no refused push.
fn is_refusal(reason: &str) -> bool {
    let is_word = reason.len() <= MAX_REFUSAL_LENGTH
        && reason.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    is_word && reason != NOT_A_PUSH
}

fn clamped(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A line of a worker's page whose value is a whole number.
struct Line<'a> {
    /// Without the prefix.
    name: &'a str,
    labels: Labels<'a>,
    value: u64,
}

/// The text between the braces.
#[derive(Clone, Copy)]
struct Labels<'a>(&'a str);

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.strip_prefix(PREFIX)?.strip_prefix('_')?;
        let (name, rest) = line.split_once('{')?;
        let (labels, value) = rest.split_once("} ")?;
        Some(Self {
            name,
            labels: Labels(labels),
            value: value.split_ascii_whitespace().next()?.parse().ok()?,
        })
    }
}

impl<'a> Labels<'a> {
    /// A label's value. No value that a worker writes has a quotation mark or a comma.
    fn get(self, name: &str) -> Option<&'a str> {
        self.0.split(',').find_map(|label| {
            let (key, value) = label.split_once('=')?;
            let value = value.strip_prefix('"')?.strip_suffix('"')?;
            (key == name).then_some(value)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::super::series::{
        BY_PRODUCERS, DONE, HELD, ISOLATED_FOR_FAILURES, ISOLATED_FOR_SHARE, PUSHES_EXPIRING,
        RUNS_TIMED_OUT, TASKS_NOT_PARKED, TASKS_PARKED, TASKS_PUT_OFF,
    };
    use super::*;

    const PAGE: &str = "\
# HELP executor_worker_runs_under_way Runs of the handler in progress.
executor_worker_runs_under_way{chain=\"shop/orders\",stage=\"fast\"} 7
executor_worker_concurrency_limit{chain=\"shop/orders\",stage=\"fast\"} 50
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"audience\"} 12
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"not_a_push\"} 99
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"Two words\"} 1
executor_worker_pushes_refused_total{chain=\"shop/orders\",stage=\"fast\",reason=\"expired\"} many
executor_worker_failures_total{chain=\"shop/orders\",stage=\"fast\",reason=\"timeout\",status=\"\"} 3
executor_worker_failures_total{chain=\"shop/orders\",stage=\"fast\",reason=\"no-stock\",status=\"409\"} 2
executor_worker_failures_total{chain=\"shop/orders\",stage=\"fast\",reason=\"<b>\",status=\"409\"} 2
executor_worker_failures_total{chain=\"shop/orders\",stage=\"fast\",reason=\"x\",status=\"many\"} 2
executor_worker_attempts_total{chain=\"shop/orders\",stage=\"fast\",outcome=\"timeout\"} 3
executor_worker_arrivals_total{chain=\"shop/orders\",stage=\"fast\",origin=\"producer\"} 8
executor_worker_answers_total{chain=\"shop/orders\",stage=\"fast\",answer=\"done\"} 4
executor_worker_answers_total{chain=\"shop/orders\",stage=\"fast\",answer=\"new\"} 4
executor_worker_answers_total{chain=\"shop/orders\",stage=\"fast\",answer=\"held\"} 9
executor_worker_isolated_total{chain=\"shop/orders\",stage=\"fast\",cause=\"share\"} 10
executor_worker_isolated_total{chain=\"shop/orders\",stage=\"fast\",cause=\"failures\"} 11
executor_worker_isolated_total{chain=\"shop/orders\",stage=\"fast\",cause=\"new\"} 4
executor_worker_isolated_categories{chain=\"shop/orders\",stage=\"fast\"} 13
executor_worker_holding{chain=\"shop/orders\",stage=\"fast\"} 1
executor_worker_put_off_total{chain=\"shop/orders\",stage=\"fast\"} 12
executor_worker_parked_total{chain=\"shop/orders\",stage=\"fast\",cause=\"exhausted\"} 20
executor_worker_parked_total{chain=\"shop/orders\",stage=\"fast\",cause=\"fail\"} 3
executor_worker_not_parked_total{chain=\"shop/orders\",stage=\"fast\"} 5
executor_worker_expiring_total{chain=\"shop/orders\",stage=\"fast\"} 6
executor_worker_run_duration_seconds_sum{chain=\"shop/orders\",stage=\"fast\"} 30.5
executor_worker_run_duration_seconds_bucket{le=\"0.004\",chain=\"shop/orders\",stage=\"fast\"} 2
executor_worker_run_duration_seconds_bucket{le=\"0.016\",chain=\"shop/orders\",stage=\"fast\"} 5
executor_worker_run_duration_seconds_bucket{le=\"+Inf\",chain=\"shop/orders\",stage=\"fast\"} 6
# EOF
";

    fn failure(reason: &str, status: Option<u16>) -> Failure {
        Failure {
            reason: reason.into(),
            status,
        }
    }

    #[test]
    fn what_a_worker_counts_is_read_and_nothing_else() {
        let page = WorkerPage::parse(PAGE).unwrap();
        assert_eq!(
            page.refused(),
            BTreeMap::from([("audience".to_owned(), 12)])
        );
        let failures = [
            (failure("timeout", None), 3),
            (failure("no-stock", Some(409)), 2),
        ];
        assert_eq!(*page.failures, failures);
        assert_eq!((page.runs_in_progress, page.run_slots), (7, 50));
        assert_eq!((page.isolated_categories, page.is_holding), (13, true));
        let counted = [
            (RUNS_TIMED_OUT, 3),
            (BY_PRODUCERS, 8),
            (DONE, 4),
            (HELD, 9),
            (ISOLATED_FOR_SHARE, 10),
            (ISOLATED_FOR_FAILURES, 11),
            (TASKS_PUT_OFF, 12),
            (TASKS_PARKED, 23),
            (TASKS_NOT_PARKED, 5),
            (PUSHES_EXPIRING, 6),
            // The bounds 0.004, 0.016 and none. A release with fewer buckets lacks 0.008.
            (RUNS.start + 2, 2),
            (RUNS.start + 4, 3),
            (RUNS.end - 1, 1),
        ];
        for place in 0..ALL {
            let wanted = counted.iter().find(|(counted, _)| *counted == place);
            assert_eq!(page.counts[place], wanted.map_or(0, |it| it.1), "{place}");
        }
    }

    #[test]
    fn a_worker_that_neither_isolates_nor_holds_nor_parks_may_be_older_than_that() {
        let is_new = |line: &&str| {
            ["isolated", "holding", "put_off", "held", "parked"]
                .iter()
                .any(|name| line.contains(name))
        };
        let old = PAGE.lines().filter(|line| !is_new(line));
        let old = old.collect::<Vec<_>>().join("\n");
        let page = WorkerPage::parse(&old).unwrap();
        assert_eq!((page.isolated_categories, page.is_holding), (0, false));
        for place in [
            HELD,
            ISOLATED_FOR_SHARE,
            ISOLATED_FOR_FAILURES,
            TASKS_PUT_OFF,
            TASKS_PARKED,
            TASKS_NOT_PARKED,
        ] {
            assert_eq!(page.counts[place], 0);
        }
    }

    #[test]
    fn another_servers_page_is_none() {
        for text in [
            "",
            "<html>",
            "# EOF\n",
            "go_goroutines 7\n",
            "executor_worker_answers_total{answer=\"done\"} 4\n",
            "executor_worker_runs_under_way 7\n",
        ] {
            assert_eq!(WorkerPage::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_page_of_another_stage_is_none() {
        let of = |chain, stage, text: &str| WorkerPage::of_stage(chain, stage, text).is_some();
        assert!(of("shop/orders", "fast", PAGE));
        assert!(!of("shop/orders", "slow", PAGE));
        assert!(!of("shop/order", "fast", PAGE));
        assert!(!of("hall/orders", "fast", PAGE));
        let other = PAGE.replacen("shop/orders", "hall/orders", 3);
        assert!(!of("shop/orders", "fast", &other), "of two chains");
        let unlabeled = "executor_worker_runs_under_way{} 7\n";
        assert!(!of("shop/orders", "fast", unlabeled));
    }

    #[test]
    fn a_page_of_zeros_takes_no_memory_for_its_counters() {
        let page = "executor_worker_runs_under_way{stage=\"fast\"} 0
executor_worker_handed_on_total{stage=\"fast\"} 0
executor_worker_lag_seconds_bucket{le=\"+Inf\",stage=\"fast\"} 0
";
        assert_eq!(
            WorkerPage::parse(page),
            Some(WorkerPage::default()),
            "the boxes are empty"
        );
    }

    #[test]
    fn the_labels_of_a_page_are_bounded() {
        let mut text = PAGE.to_owned();
        for number in 0..1000 {
            let reason: String = ["_"; 30][..number % 30].concat() + "a";
            let refused = format!("{{reason=\"{reason}\"}} 1");
            writeln!(text, "executor_worker_pushes_refused_total{refused}").unwrap();
            let failed = format!("{{reason=\"{number}\"}} 1");
            writeln!(text, "executor_worker_failures_total{failed}").unwrap();
        }
        let page = WorkerPage::parse(&text).unwrap();
        assert_eq!(page.refused.len(), MAX_REFUSALS);
        assert_eq!(page.failures.len(), MAX_LABELS);
    }

    #[test]
    fn a_counter_that_fell_begins_again() {
        let before = WorkerPage::parse(PAGE).unwrap();
        let more = |from: &str, to: &str| WorkerPage::parse(&PAGE.replace(from, to)).unwrap();
        assert!(before.since(&before).is_idle());

        let done = more("answer=\"done\"} 4", "answer=\"done\"} 9").since(&before);
        assert_eq!((done.counts[DONE], done.counts.iter().sum()), (5, 5_u64));
        let refused = more("audience\"} 12", "audience\"} 14").since(&before);
        assert_eq!(refused.refused(), [("audience".to_owned(), 2)].into());
        assert!(!refused.is_idle());
        let failed = more("timeout\",status=\"\"} 3", "timeout\",status=\"\"} 4").since(&before);
        assert_eq!(*failed.failures, [(failure("timeout", None), 1)]);

        for (from, to) in [
            ("answer=\"done\"} 4", "answer=\"done\"} 3"),
            ("audience\"} 12", "audience\"} 11"),
            ("timeout\",status=\"\"} 3", "timeout\",status=\"\"} 2"),
        ] {
            let after = more(from, to);
            assert_eq!(after.since(&before), after, "{from}");
        }
        let empty = WorkerPage::default();
        assert_eq!(empty.since(&before), empty);
    }
}
