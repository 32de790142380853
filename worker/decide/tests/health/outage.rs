//! A pod holds while its handler fails for nearly all tasks.

use std::time::Duration;

use crate::pod::{Ill, Pod, Well};
use decide::{Admission, RunTicket, Sign};

const SECOND: Duration = Duration::from_secs(1);
const HALF_AN_HOUR: Duration = Duration::from_mins(30);

/// Runs of different tasks with these signs.
fn runs(pod: &mut Pod, count: u32, sign: Sign) {
    for _ in 0..count {
        assert!(pod.runs("", sign));
    }
}

/// A pod that has begun to hold.
fn held() -> Pod {
    let mut pod = Pod::holding(HALF_AN_HOUR);
    runs(&mut pod, 48, Ill);
    assert!(pod.holds());
    pod
}

#[test]
fn it_holds_from_forty_eight_failures_in_a_row_on() {
    for (first, well, ill, holds) in [
        (0, 0, 47, false),
        (0, 0, 48, true),
        (0, 100, 48, true),
        (47, 1, 47, false),
    ] {
        let mut pod = Pod::holding(HALF_AN_HOUR);
        runs(&mut pod, first, Ill);
        runs(&mut pod, well, Well);
        runs(&mut pod, ill, Ill);
        assert_eq!(pod.holds(), holds, "{first} ill, {well} well, {ill} ill");
        let since = holds.then_some(pod.now);
        assert_eq!(pod.health.holding_since(pod.now), since);
    }
}

#[test]
fn from_the_eighth_task_on_a_failure_is_the_handlers() {
    let mut pod = Pod::holding(HALF_AN_HOUR);
    let blames = |pod: &Pod| pod.health.blames_handler(pod.now);
    for _ in 0..10 {
        pod.runs_again(1000, Ill);
    }
    runs(&mut pod, 6, Ill);
    assert!(!blames(&pod));
    runs(&mut pod, 1, Ill);
    assert!(blames(&pod) && !pod.holds());
    runs(&mut pod, 1, Well);
    assert!(!blames(&pod));
    runs(&mut pod, 48, Ill);
    assert!(blames(&pod) && pod.holds());
    // When it has held for too long, all attempts count.
    pod.waits(HALF_AN_HOUR);
    runs(&mut pod, 48, Ill);
    assert!(!blames(&pod) && !pod.holds());
}

#[test]
fn holds_that_good_probes_interrupt_are_of_one_outage_and_end_with_it() {
    let mut pod = held();
    for _ in 0..29 {
        pod.waits(Duration::from_mins(1));
        for _ in 0..3 {
            pod.waits(SECOND);
            runs(&mut pod, 1, Well);
        }
        assert!(!pod.holds());
        runs(&mut pod, 48, Ill);
        assert!(pod.holds() || pod.now >= Duration::from_secs(1000) + HALF_AN_HOUR);
    }
    assert!(!pod.holds(), "half an hour has passed");
    runs(&mut pod, 24, Well);
    runs(&mut pod, 48, Ill);
    assert!(pod.holds(), "it is another outage");
}

#[test]
fn a_few_tasks_that_fail_again_and_again_are_no_outage() {
    for (tasks, holds) in [(1, false), (7, false), (8, true)] {
        let mut pod = Pod::holding(HALF_AN_HOUR);
        for run in 0..100 {
            pod.runs_again(run % tasks, Ill);
        }
        assert_eq!(pod.holds(), holds, "{tasks} tasks");
    }
}

#[test]
fn runs_that_say_nothing_of_the_handler_are_no_outage() {
    let mut pod = Pod::holding(HALF_AN_HOUR);
    for _ in 0..100 {
        let run = pod.begins("", 1);
        pod.ends(&run, None);
    }
    assert!(!pod.holds());
}

#[test]
fn one_task_a_second_runs_meanwhile() {
    let mut pod = held();
    assert!(matches!(pod.asks("", 0), Admission::Held));
    let mut probes = 0;
    for _ in 0..1000 {
        pod.waits(Duration::from_millis(100));
        probes += u32::from(pod.runs("", Ill));
    }
    assert_eq!(probes, 100);
    assert!(pod.holds());
}

#[test]
fn three_good_probes_of_the_last_five_end_it() {
    let mut pod = held();
    for (sign, holds) in [
        (Well, true),
        (Well, true),
        (Ill, true),
        (Ill, true),
        (Ill, true),
        (Well, true),
        (Ill, true),
        (Well, true),
        (Well, false),
    ] {
        pod.waits(SECOND);
        assert!(pod.runs("", sign));
        assert_eq!(pod.holds(), holds);
    }
    // It counts from zero again.
    runs(&mut pod, 47, Ill);
    assert!(!pod.holds());
    runs(&mut pod, 1, Ill);
    assert!(pod.holds());
}

#[test]
fn runs_that_began_before_the_hold_are_no_probes() {
    let mut pod = Pod::holding(HALF_AN_HOUR);
    let before: Vec<RunTicket> = (0..10).map(|taken| pod.begins("", taken)).collect();
    runs(&mut pod, 48, Ill);
    for run in &before {
        pod.ends(run, Some(Well));
    }
    assert!(pod.holds());
    // A probe that says nothing doesn't count.
    for sign in [Some(Well), None, Some(Well), None, Some(Well)] {
        assert!(pod.holds());
        pod.waits(SECOND);
        let probe = pod.begins("", 1);
        pod.ends(&probe, sign);
    }
    assert!(!pod.holds());
}

#[test]
fn it_gives_up_after_its_time_and_holds_again_only_after_good_runs() {
    let mut pod = held();
    for _ in 0..1799 {
        pod.waits(SECOND);
        pod.runs("", Ill);
    }
    assert!(pod.holds());
    pod.waits(SECOND);
    assert!(!pod.holds());
    assert_eq!(pod.health.holding_since(pod.now), None);
    // As if it could not hold, however many fail.
    runs(&mut pod, 1000, Ill);
    runs(&mut pod, 23, Well);
    runs(&mut pod, 1000, Ill);
    assert!(!pod.holds());
    // Half of the last 48 are good, and not in a row.
    for _ in 0..24 {
        runs(&mut pod, 1, Well);
        runs(&mut pod, 1, Ill);
    }
    // With the last of these.
    runs(&mut pod, 46, Ill);
    assert!(!pod.holds());
    runs(&mut pod, 1, Ill);
    assert!(pod.holds());
}

#[test]
fn it_gives_up_though_no_task_comes() {
    let mut pod = held();
    pod.waits(HALF_AN_HOUR);
    assert!(!pod.holds());
    // The next tasks run at once, all of them.
    runs(&mut pod, 100, Ill);
    assert!(!pod.holds());
}

#[test]
fn on_a_quiet_pod_the_next_outage_is_another_one() {
    let mut pod = held();
    for _ in 0..3 {
        pod.waits(SECOND);
        runs(&mut pod, 1, Well);
    }
    assert!(!pod.holds());
    // Too few to be good again.
    runs(&mut pod, 5, Well);
    pod.waits(HALF_AN_HOUR * 4);
    runs(&mut pod, 48, Ill);
    assert!(pod.holds());
    assert_eq!(pod.health.holding_since(pod.now), Some(pod.now));
}

#[test]
fn failures_that_no_hold_came_of_are_blamed_on_the_handler_once() {
    let mut pod = Pod::holding(HALF_AN_HOUR);
    runs(&mut pod, 30, Ill);
    assert!(pod.health.blames_handler(pod.now));
    // It works now and then: attempts must count, or bad tasks would never end.
    for _ in 0..100 {
        runs(&mut pod, 1, Well);
        runs(&mut pod, 40, Ill);
        assert!(!pod.health.blames_handler(pod.now));
    }
    runs(&mut pod, 24, Well);
    runs(&mut pod, 8, Ill);
    assert!(pod.health.blames_handler(pod.now));
}
