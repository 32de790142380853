//! What the operator says beforehand that an edit would do, compared with what it then does.

use anyhow::Context;
use console::{PlanReply, PlanRequest, PlannedEdit};
use testkit::http_get::post;

use crate::manifest::CHAIN;
use crate::row::Action;
use crate::testbed::Testbed;

/// The header with the time at which a queue was found empty.
const DRAINED: &str = "executor-drained ";

/// The steps that the operator plans for an action; `None` if it can't be asked about such an action.
pub async fn planned(testbed: &Testbed, action: &Action) -> anyhow::Result<Option<Vec<String>>> {
    // Of a chain that doesn't exist the operator plans with the queues that it saw last: it makes no calls.
    if testbed.is_gone().await? {
        return Ok(None);
    }
    let edit = match action {
        Action::Apply(manifest) => PlannedEdit::Spec(Box::new(testbed.chain(manifest)?.spec)),
        Action::Override(_, fields) => PlannedEdit::Override(Box::new(Testbed::spec(fields)?)),
        Action::Undo(name) => PlannedEdit::Undo(vec![(*name).to_owned()]),
        _ => return Ok(None),
    };
    let request = PlanRequest {
        namespace: testbed.namespace().to_owned(),
        chain: CHAIN.to_owned(),
        edit,
    };
    let body = serde_json::to_string(&request)?;
    let admin = testbed.operator.admin();
    let (status, reply) = post(admin, "/api/v1/plan", &body).await?;
    anyhow::ensure!(status == 200, "the plan: {status} {reply}");
    let reply: PlanReply = serde_json::from_str(&reply).context(reply)?;
    anyhow::ensure!(reply.refused.is_none(), "refused: {:?}", reply.refused);
    let steps = reply.rounds.into_iter().flat_map(|round| round.steps);
    Ok(Some(steps.map(|it| it.step).collect()))
}

/// How the steps differ from those that were planned.
pub fn difference(planned: &[String], steps: &[String]) -> Option<String> {
    let planned: Vec<String> = planned.iter().map(|step| timeless(step)).collect();
    let steps: Vec<String> = steps.iter().map(|step| timeless(step)).collect();
    (planned != steps).then(|| {
        format!(
            "the steps are not those of the plan. Planned:\n    {}\n  Done:\n    {}\n ",
            planned.join("\n    "),
            steps.join("\n    ")
        )
    })
}

/// A step without the time at which a queue was found empty: nobody knows it before.
fn timeless(step: &str) -> String {
    let parts = step
        .split(", ")
        .map(|part| part.split_once(DRAINED).map_or(part, |(before, _)| before));
    parts.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_differ_in_what_they_do_and_in_their_order_alone() {
        let steps = |texts: [&str; 2]| texts.map(str::to_owned).to_vec();
        let done = steps([
            "update queue incoming-3 (executor-drained 2026-11-29T22:32:26Z, executor-pause drained)",
            "pause queue incoming-3",
        ]);
        let planned = steps([
            "update queue incoming-3 (executor-drained 2026-11-29T22:33:02Z, executor-pause drained)",
            "pause queue incoming-3",
        ]);
        assert_eq!(difference(&planned, &done), None);
        let reversed: Vec<String> = planned.iter().rev().cloned().collect();
        assert!(difference(&reversed, &done).is_some());
        assert!(difference(&planned[..1], &done).is_some());
        let other = steps([
            "update queue incoming-3 (executor-drained 2026-11-29T22:33:02Z, executor-pause spec)",
            "pause queue incoming-3",
        ]);
        assert!(difference(&other, &done).is_some());
    }
}
