//! Whether an override has helped.

use console::why::{Remembered, why};
use console::{Cause, Known, LiveChain, LiveOverride, StageState, Unknown, text};
use crds::PausedBy;

use crate::chains::{at, chain, durations, failure, seconds, workers};

/// The first stage, of whose runs so many time out.
fn times_out(timed_out: u64, runs: u64, window: f64) -> LiveChain {
    let mut chain = chain();
    let workers = workers(&mut chain, 0);
    workers.window = seconds(window);
    workers.runs = durations(0.02, 10.0);
    workers.runs.succeeded = runs - timed_out;
    workers.runs.timed_out = timed_out;
    workers.runs.failures = vec![failure("timeout", None, timed_out)];
    workers.arrivals.producer = runs;
    workers.answers.done = runs - timed_out;
    workers.answers.failed = timed_out;
    chain
}

/// The first stage, of whose pushes so many get 503.
fn no_room(refused: u64) -> LiveChain {
    let mut chain = times_out(0, 200, 12.0);
    workers(&mut chain, 0).answers.no_room = refused;
    chain
}

/// The first stage, of whose runs so many fail.
fn fails(failed: u64) -> LiveChain {
    let mut chain = times_out(0, 200 - failed, 12.0);
    let workers = workers(&mut chain, 0);
    workers.runs.failed = failed;
    workers.runs.failures = vec![failure("status", Some(429), failed)];
    workers.arrivals.producer = 200;
    chain
}

/// The first stage, half of whose runs take so long. Before, nearly all took 120 ms.
fn slow(median: f64) -> LiveChain {
    let mut chain = times_out(0, 200, 12.0);
    let workers = workers(&mut chain, 0);
    workers.runs.p50 = Some(seconds(median));
    workers.runs.p95 = Some(seconds(median * 2.0));
    chain
}

/// The first stage, at its rate, and so late.
fn late(lag: f64) -> LiveChain {
    let mut chain = times_out(0, 6_000, 12.0);
    crate::chains::queue(&mut chain, 0).tasks = 60_000;
    let workers = workers(&mut chain, 0);
    workers.lag_p95 = Some(seconds(lag));
    // It would be a surge.
    workers.before = None;
    chain
}

/// The stage with this override in force.
fn overridden(mut chain: LiveChain, name: &str) -> LiveChain {
    chain.stages[0].overrides.push(LiveOverride {
        name: name.into(),
        until: at(1_800),
        fields: vec!["maxConcurrentDispatches".into()],
        settings: "200 at once, overridden with 5".into(),
        comparison: None,
    });
    chain
}

/// What is said of the last override at this second.
fn look(remembered: &mut Remembered, mut chain: LiveChain, second: i64) -> Option<String> {
    chain.findings = why(&chain);
    remembered.stamp(&mut chain, at(second));
    let last = chain.stages[0].overrides.last()?;
    last.comparison.as_ref().map(ToString::to_string)
}

/// What is said a minute after the override, which begins at second 0.
fn compared(before: LiveChain, now: LiveChain) -> String {
    let mut remembered = Remembered::default();
    look(&mut remembered, before.clone(), -2);
    look(&mut remembered, overridden(before, "inc-1"), 0);
    look(&mut remembered, overridden(now, "inc-1"), 60).unwrap_or_default()
}

#[test]
fn each_number_that_an_override_changes_is_compared() {
    let rows = [
        (
            Cause::HandlerTimesOut,
            times_out(55, 90, 12.0),
            times_out(4, 400, 10.0),
            "61% of the runs timed out before (55 of 90 in 12s), 1% now (4 of 400 in 10s)",
        ),
        (
            Cause::OneFailure,
            fails(60),
            fails(0),
            "30% of the runs failed before (60 of 200 in 12s), 0% now (0 of 200 in 12s)",
        ),
        (
            Cause::NoRunSlots,
            no_room(100),
            no_room(0),
            "33% of the pushes found no free run slot before (100 of 300 in 12s), 0% now (0 of 200 in 12s)",
        ),
        (
            Cause::HandlerSlow,
            slow(1.5),
            slow(0.2),
            "half of the runs took 1.5s or longer before (200 in 12s), 200ms now (200 in 12s)",
        ),
        (
            Cause::AtRate,
            late(60.0),
            late(0.1),
            "95% of the pushes were up to 60s late before (6k in 12s), 100ms now (6k in 12s)",
        ),
    ];
    for (cause, before, now, message) in rows {
        assert_eq!(why(&before).first().map(|it| it.cause), Some(cause));
        let said = compared(before, now);
        assert_eq!(said, format!("It has helped: {message}"), "{cause}");
    }
}

/// Nothing has changed, or what chance and coarse histograms make of it.
#[test]
fn what_is_not_clearly_less_has_not_helped() {
    let rows = [
        (times_out(55, 90, 12.0), times_out(55, 90, 12.0)),
        // A third less.
        (times_out(60, 100, 12.0), times_out(160, 400, 12.0)),
        // None of 20, where three are expected.
        (times_out(30, 180, 12.0), times_out(0, 20, 12.0)),
        (slow(1.5), slow(0.7)),
        // Fewer than before, and late.
        (late(60.0), late(6.0)),
    ];
    for (before, now) in rows {
        let said = compared(before, now);
        assert!(said.starts_with("It has not clearly helped: "), "{said}");
    }
}

#[test]
fn what_is_seen_is_of_the_time_after_it_began() {
    let ill = || times_out(55, 90, 12.0);
    let before =
        "Not known yet whether it helps: before it, 61% of the runs timed out (55 of 90 in 12s)";
    let mut remembered = Remembered::default();
    let mut said = |chain, second| look(&mut remembered, chain, second);
    assert_eq!(said(ill(), -1), None);
    assert_eq!(said(overridden(ill(), "inc-1"), 0).as_deref(), Some(before));
    let mut well = overridden(times_out(0, 200, 12.0), "inc-1");
    // The window is of 12 s, and has ended 3 s ago.
    workers(&mut well, 0).age = seconds(3.0);
    assert_eq!(said(well.clone(), 14).as_deref(), Some(before));
    let helped = said(well, 15).unwrap_or_default();
    assert!(helped.starts_with("It has helped: "), "{helped}");
    // Runs of 10 s that began before it have just ended.
    let ill = || overridden(ill(), "inc-1");
    assert_eq!(said(ill(), 21).as_deref(), Some(before));
    let not_helped = said(ill(), 22).unwrap_or_default();
    assert!(
        not_helped.starts_with("It has not clearly helped"),
        "{not_helped}"
    );
    let few = overridden(times_out(0, 19, 12.0), "inc-1");
    assert_eq!(said(few, 90).as_deref(), Some(before));
}

#[test]
fn nothing_is_said_without_two_numbers() {
    let ill = || times_out(55, 90, 12.0);
    let said = |before: &[(LiveChain, i64)], now: LiveChain| {
        let mut remembered = Remembered::default();
        for (chain, second) in before {
            look(&mut remembered, chain.clone(), *second);
        }
        look(&mut remembered, now, 100)
    };
    let now = || overridden(times_out(0, 200, 12.0), "inc-1");
    let begun = (overridden(ill(), "inc-1"), 20);
    assert!(said(&[(ill(), 10), begun.clone()], now()).is_some());
    // It was in force before anyone looked.
    assert_eq!(said(std::slice::from_ref(&begun), now()), None);
    assert_eq!(said(&[], overridden(ill(), "inc-1")), None);
    // Nothing was found, or not for a minute.
    assert_eq!(said(&[(chain(), 10), begun.clone()], now()), None);
    assert!(said(&[(ill(), -40), (chain(), 10), begun.clone()], now()).is_some());
    assert_eq!(
        said(&[(ill(), -41), (chain(), 10), begun.clone()], now()),
        None
    );
    // What was found was another stage's.
    let mut other = ill();
    other.stages[1].worker_numbers = other.stages[0].worker_numbers.clone();
    other.stages[0].worker_numbers = chain().stages[0].worker_numbers.clone();
    assert_eq!(said(&[(other, 10), begun.clone()], now()), None);

    let mut unknown = now();
    unknown.stages[0].worker_numbers = Known::Unknown {
        unknown: Unknown::Stale,
    };
    assert_eq!(said(&[(ill(), 10), begun.clone()], unknown), None);
    let mut paused = now();
    paused.stages[0].state = StageState::Paused {
        by: PausedBy::Override,
        message: None,
        since: None,
    };
    assert_eq!(said(&[(ill(), 10), begun], paused), None);
}

#[test]
fn each_override_is_compared_with_what_was_before_it() {
    let mut remembered = Remembered::default();
    let mut said = |chain, second| look(&mut remembered, chain, second).unwrap_or_default();
    said(times_out(55, 90, 12.0), -1);
    let first = |chain| overridden(chain, "inc-1");
    said(first(times_out(55, 90, 12.0)), 0);
    said(first(times_out(30, 100, 12.0)), 40);
    let both = |chain| overridden(first(chain), "inc-2");
    said(both(times_out(30, 100, 12.0)), 42);
    let second = said(both(times_out(0, 200, 12.0)), 90);
    assert!(
        second.starts_with("It has helped: 30% of the runs"),
        "{second}"
    );
    let after = said(first(times_out(0, 200, 12.0)), 92);
    assert!(
        after.starts_with("It has helped: 61% of the runs"),
        "{after}"
    );
    // It has ended. Another one may have its name, and nothing was found before that.
    assert_eq!(said(chain(), 150), "");
    assert_eq!(said(first(chain()), 152), "");
}

#[test]
fn why_says_it_below_the_override() {
    let mut remembered = Remembered::default();
    look(&mut remembered, times_out(55, 90, 12.0), -1);
    look(
        &mut remembered,
        overridden(times_out(55, 90, 12.0), "inc-1"),
        0,
    );
    let mut chain = overridden(times_out(4, 400, 10.0), "inc-1");
    remembered.stamp(&mut chain, at(60));
    insta::assert_snapshot!(text::why(&chain));
}
