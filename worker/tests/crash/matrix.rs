//! Each kill point, on each stage, for each outcome of the handler.

use futures::StreamExt;
use futures::stream;

use crate::case::{Case, Point};
use crate::scene::play;

/// Each has four processes, and waits most of the time for one of them to start.
const AT_ONCE: usize = 4;

#[tokio::test]
async fn a_task_ends_once_wherever_a_worker_is_killed() {
    let cases = Case::matrix();
    // A matrix that has shrunk would pass as well. On each stage a success and a last failure
    // have five points; the first and the last stage have a failure before that, with three. Of
    // the last failures, two points come again with a later stage held: three pairs of stages.
    assert_eq!(cases.len(), 3 * 2 * 5 + 2 * 3 + 2 * 3);
    play_all(cases).await;
}

#[tokio::test]
async fn workers_killed_after_each_create_cost_no_run_on_any_stage() {
    let mut cases = Vec::new();
    for point in [Point::AfterCreate, Point::AfterAnswer] {
        for succeeds_on in [None, Some(2)] {
            for held in [false, true] {
                let case = Case::on_each_stage(point, succeeds_on, held);
                assert_eq!(case.expected().runs, case.expected().attempts);
                cases.push(case);
            }
        }
    }
    play_all(cases).await;
}

#[tokio::test]
async fn a_task_that_is_put_off_keeps_its_attempts_wherever_a_worker_is_killed() {
    let cases = Case::put_off();
    assert_eq!(cases.len(), 2 * 5);
    play_all(cases).await;
}

#[tokio::test]
async fn a_task_is_parked_once_and_told_once_wherever_a_worker_is_killed() {
    let cases = Case::parked();
    assert_eq!(cases.len(), 7 + 5 + 5);
    play_all(cases).await;
}

/// Plays all, and names at the end those that failed; each has said before what was wrong.
async fn play_all(cases: Vec<Case>) {
    let played = cases.into_iter().map(|case| async {
        let id = case.to_string();
        let played = tokio::task::spawn_blocking(|| play(case)).await;
        played.is_err().then_some(id)
    });
    let failed: Vec<Option<String>> = stream::iter(played)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let failed: Vec<String> = failed.into_iter().flatten().collect();
    assert!(failed.is_empty(), "failed:\n{}", failed.join("\n"));
}
