//! One row: the chain is made, tasks are sent, and each of its actions is waited for.

use oracle::TaskResults;
use testkit::ApiServer;

use crate::edit::{Edit, Goal};
use crate::options::Options;
use crate::outcome::Outcome;
use crate::plans;
use crate::row::{Direction, Row};
use crate::testbed::Testbed;

/// Runs a row, and reports the outcome of each direction. A direction that fails is the last.
pub async fn run(
    server: &ApiServer,
    row: &Row,
    options: Options,
    report: &mut impl FnMut(Outcome),
) -> anyhow::Result<()> {
    let mut testbed = Testbed::new(server, options, &row.base).await?;
    testbed.apply(&row.base).await?;
    let made = Edit::new(&mut testbed, options).wait(Goal::Settled).await?;
    if let Some(missing) = made {
        anyhow::bail!("the chain of {} was never ready: {missing}", row.name);
    }
    let mut is_held = false;
    for direction in &row.directions {
        let outcome = go(&mut testbed, row, direction, options, is_held).await?;
        is_held = !direction.ends;
        let is_last = outcome.failure.is_some();
        report(outcome);
        if is_last {
            break;
        }
    }
    Ok(())
}

async fn go(
    testbed: &mut Testbed,
    row: &Row,
    direction: &Direction,
    options: Options,
    is_held: bool,
) -> anyhow::Result<Outcome> {
    testbed.operator.begin(options.crash).await?;
    let before = testbed.tracker.movement();
    testbed.producer.burst(options.tasks / 2).await?;
    let mut edit = Edit::new(testbed, options);
    if !is_held {
        edit.is_under_way(before + options.tasks / 20).await?;
    }
    edit.trickle(options.tasks - options.tasks / 2);
    let lists = &edit.testbed().lists;
    lists.fail_by_chance(options.seed, options.faulty_lists);
    let mut missing = None;
    for (number, action) in direction.actions.iter().enumerate() {
        let is_last = number + 1 == direction.actions.len();
        let planned = edit.plan(action).await?;
        let begin = edit.testbed().operator.steps().len();
        let goal = edit.act(action).await?;
        let goal = match goal {
            Goal::Settled if is_last && direction.ends => Goal::Ended,
            Goal::Gone if is_last => Goal::Over,
            goal => goal,
        };
        missing = edit.wait(goal).await?;
        if missing.is_none() && !matches!(goal, Goal::Steps(_) | Goal::Garbled) {
            let steps = edit.testbed().operator.steps().split_off(begin);
            missing = planned.and_then(|planned| plans::difference(&planned, &steps));
            let wrong = edit.testbed().wrong().await?;
            if missing.is_none() && !wrong.is_empty() {
                missing = Some(wrong.join("; "));
            }
        }
        if missing.is_some() {
            break;
        }
    }
    let took = edit.took();
    let is_over = edit.is_over();
    let mut results = if direction.ends {
        testbed.tracker.results()
    } else {
        TaskResults::default()
    };
    if !is_over {
        // What still waits isn't lost.
        results.lost.clear();
    }
    let steps = testbed.operator.steps();
    let log = testbed.operator.log_tail();
    let trouble = testbed.node.trouble();
    Ok(Outcome {
        row: row.name,
        direction: direction.name,
        variant: options.name,
        starts: testbed.operator.starts(),
        steps,
        took,
        holds: !direction.ends,
        failure: missing.map(|missing| {
            let trouble = trouble.map(|error| format!("\nthe node: {error}"));
            format!("{missing}{}\n{log}", trouble.unwrap_or_default())
        }),
        results,
    })
}
