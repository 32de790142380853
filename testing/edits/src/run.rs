//! One row: the chain is made, tasks are sent, and each of its acts is waited for.

use testkit::ApiServer;

use crate::account::Sum;
use crate::act::{Direction, Row};
use crate::edit::{Edit, Goal};
use crate::operator::Death;
use crate::outcome::Outcome;
use crate::place::Place;

/// How rows are run.
#[derive(Debug, Clone, Copy)]
pub struct How {
    /// How that is called.
    pub name: &'static str,
    /// How the operator dies.
    pub death: Death,
    /// Whether a worker dies at every second step, too.
    pub workers_die: bool,
    /// Tasks for each direction.
    pub tasks: usize,
    /// Where fates and victims are drawn from.
    pub seed: u64,
}

/// Runs a row, and hands each direction's outcome to `told` as soon as it is known. A direction that
/// fails is the last.
pub async fn run(
    server: &ApiServer,
    row: &Row,
    how: How,
    told: &mut impl FnMut(Outcome),
) -> anyhow::Result<()> {
    let mut place = Place::new(server, how.seed, &row.base).await?;
    place.apply(&row.base).await?;
    let made = Edit::new(&mut place, how).wait(Goal::Settled).await?;
    if let Some(missing) = made {
        anyhow::bail!("the chain of {} was never ready: {missing}", row.name);
    }
    for direction in &row.directions {
        let outcome = go(&mut place, row, direction, how).await?;
        let is_last = outcome.failure.is_some();
        told(outcome);
        if is_last {
            break;
        }
    }
    Ok(())
}

async fn go(
    place: &mut Place,
    row: &Row,
    direction: &Direction,
    how: How,
) -> anyhow::Result<Outcome> {
    place.operator.begin(how.death).await?;
    let before = place.account.movement();
    place.producer.burst(how.tasks / 2).await?;
    let mut edit = Edit::new(place, how);
    edit.is_under_way(before + how.tasks / 20).await?;
    edit.trickle(how.tasks - how.tasks / 2);
    let mut missing = None;
    for (number, act) in direction.acts.iter().enumerate() {
        let is_last = number + 1 == direction.acts.len();
        let goal = edit.act(act).await?;
        let goal = match goal {
            Goal::Settled if is_last && direction.ends => Goal::Ended,
            Goal::Gone if is_last => Goal::Over,
            goal => goal,
        };
        missing = edit.wait(goal).await?;
        if missing.is_some() {
            break;
        }
    }
    let took = edit.took();
    let is_over = edit.is_over();
    let mut sum = if direction.ends {
        place.account.sum()
    } else {
        Sum::default()
    };
    if !is_over {
        // What still waits isn't lost.
        sum.lost.clear();
    }
    let steps = place.operator.steps();
    let log = place.operator.log_tail();
    let trouble = place.node.trouble();
    Ok(Outcome {
        row: row.name,
        direction: direction.name,
        variant: how.name,
        lives: place.operator.lives(),
        steps,
        took,
        holds: !direction.ends,
        failure: missing.map(|missing| {
            let trouble = trouble.map(|error| format!("\nthe node: {error}"));
            format!("{missing}{}\n{log}", trouble.unwrap_or_default())
        }),
        sum,
    })
}
