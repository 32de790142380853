//! Chains as text.

use console::why::why;
use console::{Known, LiveChain, Unknown, text};

use crate::causes::parks;
use crate::chains::{at, chain, durations, failure, queue, quiet, seconds, workers};

/// A handler that times out on the second stage, and fills its concurrency.
fn ill() -> LiveChain {
    let mut chain = chain();
    workers(&mut chain, 0).handed_on = 2_025;
    let slow = workers(&mut chain, 1);
    slow.window = seconds(300.0);
    slow.runs = durations(10.0, 10.0);
    slow.runs.timed_out = 5_820;
    slow.runs.failed = 180;
    slow.runs.failures = vec![
        failure("timeout", None, 5_820),
        failure("status", Some(500), 180),
    ];
    slow.arrivals.hand_over = 3_000;
    slow.answers.done = 3_000;
    slow.answers.failed = 3_000;
    slow.handed_on = 3_000;
    slow.lag_p95 = Some(seconds(840.0));
    slow.runs_in_progress = 200;
    let numbers = queue(&mut chain, 1);
    numbers.tasks = 18_400;
    numbers.in_flight = 200;
    numbers.lag = Some(seconds(1_260.0));
    numbers.executed_last_minute = 1_200;
    chain.findings = why(&chain);
    for finding in &mut chain.findings {
        finding.since = Some(at(-840));
    }
    chain
}

/// Some tasks are scheduled for later, and nothing is known of two stages.
fn well() -> LiveChain {
    let mut chain = chain();
    chain.name = "invoices-of-a-long-name".into();
    let last = queue(&mut chain, 2);
    last.tasks = 12_000;
    last.first_due = Some(at(86_400));
    last.lag = Some(seconds(0.0));
    for stage in 0..2 {
        chain.stages[stage].queue_numbers = Known::Unknown {
            unknown: Unknown::Unimplemented,
        };
    }
    chain.stages[1].worker_numbers = Known::Unknown {
        unknown: Unknown::NoPods,
    };
    chain.findings = why(&chain);
    chain
}

#[test]
fn the_table_has_the_columns_that_fit() {
    let chains = [well(), ill()];
    let tables = [200, 120, 80, 40].map(|width| {
        let table = text::top(&chains, width, false);
        let widest = table.lines().take(7).map(|line| line.chars().count());
        assert!(width < 50 || widest.max().unwrap() <= width, "{table}");
        format!("{width} columns\n{table}")
    });
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn the_wide_table_has_the_notifiers_queue() {
    insta::assert_snapshot!(text::top(&[ill()], usize::MAX, true));
}

#[test]
fn what_is_parked_has_a_line_below_the_stages() {
    let tables = [(380, 7_200.0), (380, 28.5 * 86_400.0), (0, 0.0)].map(|(tasks, age)| {
        let mut chain = chain();
        parks(&mut chain, tasks, age);
        chain.findings = why(&chain);
        text::top(&[chain], 120, false)
    });
    insta::assert_snapshot!(tables.join("\n"));
}

#[test]
fn no_chain_is_a_head() {
    let table = text::top(&[], 100, false);
    assert_eq!(table.lines().count(), 1);
}

#[test]
fn why_says_what_is_found_and_what_is_not_the_cause() {
    insta::assert_snapshot!(text::why(&ill()));
}

#[test]
fn why_says_which_numbers_it_lacks() {
    insta::assert_snapshot!(text::why(&well()));
}

#[test]
fn why_says_that_nothing_is_wrong() {
    let mut chain = chain();
    chain.stages[2].worker_numbers = Known::Known(quiet(300.0));
    assert_eq!(text::why(&chain).lines().next(), Some("Nothing is wrong."));
    queue(&mut chain, 1).tasks = 0;
    let last = queue(&mut chain, 2);
    last.tasks = 12_000;
    last.first_due = Some(at(86_400));
    last.lag = Some(seconds(0.0));
    insta::assert_snapshot!(text::why(&chain));
}

#[test]
fn the_documentation_has_the_same_example() {
    let page = std::fs::read_to_string(crate::page_of_causes::PAGE).unwrap();
    let lines = format!(
        "    {}\n",
        text::why(&ill()).trim_end().replace('\n', "\n    ")
    );
    assert!(page.contains(&lines), "docs/incident.md needs:\n{lines}");
}

/// What a Gateway or a queue says may be anything.
#[test]
fn a_message_stays_on_its_line() {
    let mut chain = chain();
    chain.drift = Some("incoming has\n\u{1b}[2Jrate 5/s.".into());
    chain.findings = why(&chain);
    let text = text::why(&chain);
    let first = text.lines().next();
    let wanted = "1 chain: changed outside the operator: incoming has  [2Jrate 5/s.";
    assert_eq!(first, Some(wanted));
}

#[test]
fn what_is_found_of_a_whole_chain_has_a_row() {
    let mut chain = chain();
    chain.edit = console::EditState::Waits {
        reason: "InvalidSpec".into(),
        message: "no location".into(),
        since: None,
    };
    chain.notifier.paused = true;
    chain.findings = why(&chain);
    let mut unreadable = chain.clone();
    unreadable.stages.clear();
    let table = text::top(&[chain, unreadable], 60, false);
    insta::assert_snapshot!(table);
}
