//! The breaker of a category that fails where others don't.

use std::time::Duration;

use crate::pod::{FAILURES, Ill, Pod, Well};
use decide::{Admission, IsolationCause};

const SECOND: Duration = Duration::from_secs(1);
const BELOW_FIVE: Duration = Duration::from_millis(4999);
const BELOW_HALF: Duration = Duration::from_millis(499);
const MILLISECOND: Duration = Duration::from_millis(1);
const HALF: Duration = Duration::from_millis(500);

/// Others are well, and "bad" has failed for the twelfth time.
fn open(random: f64) -> Pod {
    let mut pod = Pod::isolating(FAILURES);
    for other in 0..8 {
        assert!(pod.runs(&format!("good-{other}"), Well));
    }
    for _ in 0..11 {
        assert!(pod.runs("bad", Ill));
    }
    assert_eq!(pod.isolated(), 0);
    let twelfth = pod.begins("bad", 1);
    pod.ends_at(&twelfth, Some(Ill), random);
    assert_eq!(pod.isolated(), 1);
    pod
}

#[test]
fn it_opens_at_the_threshold_for_its_category_only() {
    let mut pod = open(0.0);
    let failures = Some(IsolationCause::Failures);
    assert_eq!(pod.is_isolated("bad", 1), failures);
    assert_eq!(pod.is_isolated("good-1", 1), None);
    // A task without the header has no category.
    assert_eq!(pod.is_isolated("", 1), None);
}

#[test]
fn failures_count_among_the_last_outcomes_only() {
    let mut pod = Pod::isolating(FAILURES);
    for _ in 0..8 {
        pod.runs("good", Well);
    }
    // Eleven of sixteen, again and again.
    for round in 0..20 {
        for turn in 0..16 {
            let sign = if turn < 5 { Well } else { Ill };
            assert!(pod.runs("bad", sign), "round {round}");
            pod.runs("good", Well);
        }
    }
}

#[test]
fn it_needs_enough_others_that_are_well() {
    for (well, ill, opens) in [(7, 0, false), (8, 0, true), (8, 4, false), (9, 4, true)] {
        let mut pod = Pod::isolating(FAILURES);
        for _ in 0..well {
            pod.runs("good", Well);
        }
        for _ in 0..ill {
            pod.runs("", Ill);
        }
        for _ in 0..12 {
            pod.runs("bad", Ill);
        }
        assert_eq!(pod.isolated() == 1, opens, "{well} well, {ill} ill");
    }
}

#[test]
fn categories_that_are_isolated_are_no_others() {
    // They make up half of the load: with them, the others would not be well.
    let mut pod = Pod::isolating(FAILURES);
    for bad in ["bad-1", "bad-2", "bad-3"] {
        for _ in 0..12 {
            pod.runs("good", Well);
            pod.runs(bad, Ill);
        }
    }
    assert_eq!(pod.isolated(), 3);
}

#[test]
fn it_stays_open_for_five_to_ten_seconds() {
    for (random, milliseconds) in [(0.0, 5000), (0.5, 7500), (1.0, 10_000), (7.0, 10_000)] {
        let mut pod = open(random);
        pod.waits(MILLISECOND * (milliseconds - 1));
        assert!(pod.is_isolated("bad", 1).is_some(), "{random}");
        pod.waits(MILLISECOND);
        assert_eq!(pod.is_isolated("bad", 1), None, "{random}");
    }
}

#[test]
fn two_good_probes_half_a_second_apart_close_it() {
    let mut pod = open(0.0);
    pod.waits(SECOND * 5);
    let probe = pod.begins("bad", 1);
    // One at a time, however long it takes.
    pod.waits(SECOND * 30);
    assert!(pod.is_isolated("bad", 1).is_some());
    pod.ends(&probe, Some(Well));
    pod.waits(BELOW_HALF);
    assert!(pod.is_isolated("bad", 1).is_some());
    pod.waits(MILLISECOND);
    let probe = pod.begins("bad", 1);
    assert_eq!(pod.isolated(), 1);
    pod.ends(&probe, Some(Well));
    assert_eq!(pod.isolated(), 0);
    // It counts from zero again.
    for _ in 0..11 {
        assert!(pod.runs("bad", Ill));
    }
    assert_eq!(pod.isolated(), 0);
}

#[test]
fn a_bad_probe_opens_it_again() {
    let mut pod = open(0.0);
    pod.waits(SECOND * 5);
    assert!(pod.runs("bad", Well));
    pod.waits(HALF);
    assert!(pod.runs("bad", Ill));
    pod.waits(BELOW_FIVE);
    assert!(pod.is_isolated("bad", 1).is_some());
    // The good probe of before doesn't count.
    pod.waits(MILLISECOND);
    assert!(pod.runs("bad", Well));
    assert_eq!(pod.isolated(), 1);
}

#[test]
fn a_probe_that_says_nothing_is_followed_by_another() {
    let mut pod = open(0.0);
    pod.waits(SECOND * 5);
    for _ in 0..3 {
        let probe = pod.begins("bad", 1);
        pod.ends(&probe, None);
        assert_eq!(pod.isolated(), 1);
        pod.waits(HALF);
    }
    assert!(pod.runs("bad", Well));
    pod.waits(HALF);
    assert!(pod.runs("bad", Well));
    assert_eq!(pod.isolated(), 0);
}

#[test]
fn runs_that_began_before_it_opened_change_nothing() {
    let mut pod = Pod::isolating(FAILURES);
    for _ in 0..8 {
        pod.runs("good", Well);
    }
    let late = [(); 20].map(|()| pod.begins("bad", 1));
    for _ in 0..12 {
        pod.runs("bad", Ill);
    }
    pod.ends(&late[0], Some(Ill));
    pod.waits(SECOND * 5);
    let probe = pod.begins("bad", 1);
    for run in &late[1..19] {
        pod.ends(run, Some(Ill));
    }
    pod.ends(&probe, Some(Well));
    // No probe either.
    pod.ends(&late[19], Some(Well));
    assert_eq!(pod.isolated(), 1);
    pod.waits(HALF);
    assert!(pod.runs("bad", Well));
    assert_eq!(pod.isolated(), 0);
}

#[test]
fn one_that_no_task_comes_for_is_forgotten_after_a_minute() {
    let mut pod = open(0.0);
    pod.waits(SECOND * 64);
    assert_eq!(pod.isolated(), 1);
    pod.waits(SECOND);
    assert_eq!(pod.isolated(), 0);
    // The next task is a probe all the same.
    let probe = pod.begins("bad", 1);
    assert!(matches!(pod.asks("bad", 1), Admission::Isolated(..)));
    pod.ends(&probe, Some(Ill));
    assert_eq!(pod.isolated(), 1);
}

/// At the begin of an outage, most of what was seen of the others is from before.
#[test]
fn the_first_whose_failures_are_enough_in_an_outage_is_no_outlier() {
    let mut pod = Pod::isolating(FAILURES);
    for _ in 0..64 {
        pod.runs("small", Well);
        pod.runs("large", Well);
    }
    for _ in 0..40 {
        for tenant in ["large", "large", "large", "small"] {
            assert!(pod.runs(tenant, Ill), "{tenant}");
        }
    }
}

#[test]
fn the_first_good_runs_after_an_outage_isolate_nobody() {
    let mut pod = Pod::isolating(FAILURES);
    for _ in 0..16 {
        for tenant in ["a", "b", "c"] {
            pod.runs(tenant, Ill);
        }
    }
    for _ in 0..32 {
        for tenant in ["b", "c"] {
            assert!(pod.runs(tenant, Well), "{tenant}");
        }
    }
    assert!(pod.runs("a", Well) && pod.runs("a", Well));
    assert_eq!(pod.isolated(), 0);
}
