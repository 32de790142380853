//! A few rows of the table, with few tasks and an operator that is killed as soon as it has done
//! something; `make edits` makes all of them, and kills after each single step.

use edits::{Death, How, rows, run, server};

async fn both_ways(name: &str) {
    let rows = rows();
    let row = rows.iter().find(|row| row.name == name).expect("a row");
    let how = How {
        death: Death::AtSight,
        workers_die: false,
        tasks: 60,
        seed: 1,
    };
    let mut outcomes = Vec::new();
    run(server().await, row, how, &mut |outcome| {
        outcomes.push(outcome);
    })
    .await
    .expect("it can be run");
    assert_eq!(outcomes.len(), row.directions.len());
    for outcome in outcomes {
        assert!(outcome.is_clean(), "{outcome}");
        assert!(outcome.lives > 1, "nothing was killed: {outcome}");
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
