//! Workers that hold, or isolate categories of tasks.

use std::sync::Arc;

use console::why::why;
use console::{Cause, LiveChain, Pods, Snapshot, Trends, page, text};

use crate::causes::{fails, holds, isolates, late, limit};
use crate::chains::{at, chain, queue, seconds, workers};

/// What is found of the first stage.
fn causes(chain: &LiveChain) -> Vec<Cause> {
    let found = why(chain).into_iter();
    let of_fast = found.filter(|it| it.stage.as_deref() == Some("fast"));
    of_fast.map(|it| it.cause).collect()
}

/// All that could be found of a stage whose runs fail and whose tasks wait.
fn waits() -> LiveChain {
    let mut chain = chain();
    fails(&mut chain, "status", Some(503), 2_000);
    late(&mut chain, 120.0, 12_000);
    limit(&mut chain, 80.0);
    queue(&mut chain, 0).in_flight = 200;
    chain
}

#[test]
fn while_workers_hold_neither_their_handler_nor_a_limit_is_the_cause() {
    let mut chain = waits();
    let before = [Cause::HandlerFails, Cause::AtRate, Cause::AtConcurrency];
    assert_eq!(causes(&chain), before);
    holds(&mut chain, 2);
    queue(&mut chain, 0).effective_rate = 80.0;
    assert_eq!(causes(&chain), [Cause::Held]);
}

/// 503 for a hold is none for want of run slots.
#[test]
fn a_push_that_is_held_needs_no_run_slot() {
    let mut chain = chain();
    workers(&mut chain, 0).answers.held = 2_000;
    assert_eq!(causes(&chain), []);
    workers(&mut chain, 0).answers.no_room = 500;
    assert_eq!(causes(&chain), [Cause::NoRunSlots]);
}

#[test]
fn one_pod_of_many_that_holds_hides_nothing() {
    let mut chain = waits();
    chain.stages[0].pods = Pods {
        ready: 30,
        desired: 30,
    };
    workers(&mut chain, 0).pods_holding = 1;
    let wanted = [
        Cause::Held,
        Cause::HandlerFails,
        Cause::AtRate,
        Cause::AtConcurrency,
    ];
    assert_eq!(causes(&chain), wanted);
    let first = why(&chain).remove(0).message;
    assert!(first.contains("1 of 30 pods"), "{first}");
}

/// Categories that are isolated already stay so when the handler fails for all.
#[test]
fn a_handler_that_fails_for_all_comes_before_isolation() {
    let mut chain = chain();
    fails(&mut chain, "status", Some(500), 5_000);
    isolates(&mut chain, 3, 40);
    assert_eq!(causes(&chain), [Cause::HandlerFails, Cause::Isolating]);
}

#[test]
fn the_number_of_isolated_categories_is_a_rough_one() {
    let found = [1, 9, 10, 999, 1_000].map(|categories| {
        let mut chain = chain();
        isolates(&mut chain, categories, 40);
        let message = why(&chain).remove(0).message;
        let many = message.split(' ').nth(1).unwrap_or_default();
        many.to_owned()
    });
    assert_eq!(found, ["1-9", "1-9", "10-99", "100-999", "1000+"]);
}

#[test]
fn what_workers_do_is_a_word_of_their_stage() {
    let mut held = chain();
    fails(&mut held, "status", Some(503), 50);
    holds(&mut held, 1);
    isolates(&mut held, 14, 300);
    held.findings = why(&held);
    let mut isolating = chain();
    isolates(&mut isolating, 14, 300);
    isolating.findings = why(&isolating);
    let table = text::top(&[held.clone(), isolating], 60, false);
    insta::assert_snapshot!(table);
    insta::assert_snapshot!(text::why(&held));
}

#[test]
fn the_page_says_what_workers_do() {
    let mut ill = chain();
    fails(&mut ill, "status", Some(503), 50);
    holds(&mut ill, 1);
    isolates(&mut ill, 14, 300);
    workers(&mut ill, 0).put_off = 7;
    ill.findings = why(&ill);
    let shown = |chain: &LiveChain| {
        let snapshot = Snapshot {
            at: at(0),
            interval: seconds(2.0),
            chains: vec![Arc::new(chain.clone())],
            unlisted: Vec::new(),
            trends: Arc::new(Trends::new(seconds(15.0))),
        };
        page::chain(chain, &snapshot)
    };
    let all = [
        "<strong>Held</strong> 1 of 2 pods hold",
        "<strong>Isolating</strong> 10-99 categories",
        "<td>503</td><td>held</td><td>2k</td>",
        "<th scope=\"row\">isolated: failures</th><td>300</td>",
        "<th scope=\"row\">put off by the handler</th><td>7</td>",
    ];
    let page = shown(&ill);
    for words in all {
        assert!(page.contains(words), "{words}: {page}");
    }
    let page = shown(&chain());
    for word in ["Held", "Isolating", "held", "isolated", "put off"] {
        assert!(!page.contains(word), "{word}: {page}");
    }
}
