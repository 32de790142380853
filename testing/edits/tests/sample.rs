//! A few rows of the table, with few tasks and an operator that is killed as soon as it has done
//! something; `make edits` makes all of them, and kills after each single step.

use edits::row::Row;
use edits::{Crash, Options, Outcome, losing, rows, run};
use testkit::ApiServer;

async fn outcomes(row: &Row) -> Vec<Outcome> {
    let options = Options {
        name: "sample",
        crash: Crash::AtFirstStep,
        kills_workers: false,
        faulty_lists: 0,
        compares_plans: false,
        tasks: 60,
        seed: 1,
    };
    let mut outcomes = Vec::new();
    let report = &mut |outcome| outcomes.push(outcome);
    run(ApiServer::shared_with_crd().await, row, options, report)
        .await
        .expect("a chain that is made");
    assert_eq!(outcomes.len(), row.directions.len(), "{outcomes:?}");
    for outcome in &outcomes {
        assert!(outcome.starts > 1, "nothing was killed: {outcome}");
    }
    outcomes
}

async fn both_ways(name: &str) {
    let rows = rows();
    let row = rows.iter().find(|row| row.name == name).expect("a row");
    for outcome in outcomes(row).await {
        assert!(outcome.is_clean(), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_comes_between_two_and_goes() {
    both_ways("a stage in the middle, without").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_change_places() {
    both_ways("the first two swapped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn stages_change_names_and_queues() {
    both_ways("names and queues swapped").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_deleted_and_comes_back() {
    both_ways("deleted with Retain, applied").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_override_leaves_nothing_behind() {
    both_ways("override: rate and replicas, undone").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_lost_is_missed() {
    for outcome in outcomes(&losing()).await {
        assert!(outcome.failure.is_none(), "{outcome}");
        assert!(!outcome.results.lost.is_empty(), "{outcome}");
    }
}
