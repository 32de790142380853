//! Since when something has been found.

use console::why::{Onsets, why};
use console::{Finding, LiveChain};
use jiff::Timestamp;

use crate::chains::{at, chain, workers};

fn expires(chain: &mut LiveChain, stage: usize) {
    workers(chain, stage).expiring = 1;
}

/// What is found of the chain at this second, and since when.
fn stamp(onsets: &mut Onsets, chain: &LiveChain, second: i64) -> Vec<(String, Timestamp)> {
    let mut findings = why(chain);
    onsets.stamp(&mut findings, at(second));
    let line = |it: Finding| (it.stage.unwrap_or_default(), it.since.unwrap());
    findings.into_iter().map(line).collect()
}

#[test]
fn each_finding_has_its_own_time() {
    let mut onsets = Onsets::default();
    let mut chain = chain();
    assert_eq!(stamp(&mut onsets, &chain, 0), []);
    expires(&mut chain, 1);
    let slow = ("slow".to_owned(), at(15));
    assert_eq!(stamp(&mut onsets, &chain, 15), std::slice::from_ref(&slow));
    expires(&mut chain, 2);
    let last = ("last".to_owned(), at(30));
    let both = [slow, last];
    assert_eq!(stamp(&mut onsets, &chain, 30), both);
    assert_eq!(stamp(&mut onsets, &chain, 90), both);
}

#[test]
fn a_gap_of_a_minute_is_none() {
    let healthy = chain();
    let mut ill = chain();
    expires(&mut ill, 1);
    for (gap, since) in [(30, 0), (60, 0), (61, 61)] {
        let mut onsets = Onsets::default();
        stamp(&mut onsets, &ill, 0);
        for second in 1..gap {
            assert_eq!(stamp(&mut onsets, &healthy, second), []);
        }
        let found = stamp(&mut onsets, &ill, gap);
        assert_eq!(found, [("slow".to_owned(), at(since))], "{gap}");
    }
}

#[test]
fn a_time_that_the_status_has_is_kept() {
    let mut onsets = Onsets::default();
    let mut chain = chain();
    chain.edit = console::EditState::Waits {
        reason: "InvalidSpec".into(),
        message: "no".into(),
        since: Some(at(-600)),
    };
    for second in [0, 15, 300] {
        let found = stamp(&mut onsets, &chain, second);
        assert_eq!(found, [(String::new(), at(-600))]);
    }
}

/// The workers may have been asked just before the push.
#[test]
fn pushes_that_do_not_arrive_are_found_when_it_lasts() {
    let mut onsets = Onsets::default();
    let healthy = chain();
    let mut ill = chain();
    ill.stages[0].worker_numbers = console::Known::Known(crate::chains::quiet(300.0));
    assert_eq!(why(&ill).len(), 1);
    assert_eq!(stamp(&mut onsets, &ill, 0), []);
    assert_eq!(stamp(&mut onsets, &ill, 15), []);
    let fast = [("fast".to_owned(), at(0))];
    assert_eq!(stamp(&mut onsets, &ill, 20), fast);
    assert_eq!(stamp(&mut onsets, &healthy, 100), []);
    assert_eq!(stamp(&mut onsets, &ill, 115), []);

    ill = chain();
    ill.unreachable = Some("the address is private".into());
    let told = [(String::new(), at(120))];
    assert_eq!(stamp(&mut onsets, &ill, 120), told);
}
