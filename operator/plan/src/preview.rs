//! What an edit would do, before it is made: the plans that would follow each other if all goes well.

pub mod world;

use std::time::Duration;

use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;

use crate::model::{ChainView, Desired, Observed, Plan, Problem, Step};
use crate::objects::deployment::deployment;
use crate::objects::worker_env::RetiredQueues;
use crate::planner::plan;
use crate::rules::token_rotation::required_now;
use world::{apply, gateway_says, look, pass, roll};

/// The stages whose pods restart in these plans: their template isn't that of `current`.
pub fn restarts(current: &Desired, observed: &Observed, plans: &[Plan]) -> Vec<String> {
    let view = ChainView::new(current, observed);
    let retired = RetiredQueues::of(view);
    let restarts = current.stages.iter().enumerate().filter(|(index, stage)| {
        let required = required_now(view, stage);
        let now = deployment(view, *index, &retired, required.as_ref());
        let template = |it: &Deployment| it.spec.as_ref().map(|spec| spec.template.clone());
        let exists = observed.deployments.contains_key(&stage.child);
        let mut steps = plans.iter().flat_map(|plan| &plan.steps);
        exists
            && steps.any(|planned| match &planned.step {
                Step::ApplyDeployment(it) if it.name_any() == stage.child => {
                    template(it) != template(&now)
                }
                _ => false,
            })
    });
    restarts.map(|(_, stage)| stage.name.clone()).collect()
}

/// More than any edit needs.
const MAX_PLANS: usize = 60;
/// How much time passes between two plans. Everything that is waited for has happened after a few of them.
const STEP: Duration = Duration::from_secs(20);

/// The plans that would follow each other, with the pods that get ready and the time that passes between them.
/// Those without steps are left out. Queues of removed stages run empty, and a Gateway accepts its routes.
pub fn preview(desired: &Desired, observed: &Observed) -> Result<Vec<Plan>, Problem> {
    let mut observed = observed.clone();
    let mut plans = Vec::new();
    // What is timed for this edit begins now.
    pass(&mut observed, desired, Duration::ZERO);
    for _ in 0..MAX_PLANS {
        let plan = plan(ChainView::new(desired, &observed))?;
        if plan.is_empty() && plan.waits.is_empty() {
            break;
        }
        apply(&mut observed, &plan);
        roll(&mut observed);
        gateway_says(&mut observed, "Accepted", "True", "Accepted");
        if !plan.is_empty() {
            plans.push(plan);
        }
        look(&mut observed, desired, |_| 0);
        pass(&mut observed, desired, STEP);
    }
    Ok(plans)
}
