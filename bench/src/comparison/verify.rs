//! Whether an operator has done its job: each queue and each object of each chain.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, ensure};
use cloudtasks::{CloudTasks, Queue, QueuePath};
use k8s_openapi::api::apps::v1::Deployment;
use kube::ResourceExt;
use kube::api::ListParams;

use crate::chains::{self, STAGES};
use crate::edits::chain_rates::ChainRates;
use crate::testbed::Testbed;

pub async fn all(place: &Testbed, cloud: &CloudTasks, rates: &ChainRates) -> anyhow::Result<()> {
    let chains = rates.chains();
    let mut queues: BTreeMap<QueuePath, Queue> = BTreeMap::new();
    let parents: BTreeSet<_> = (0..chains)
        .map(|chain| chains::queue(chain, 0).parent)
        .collect();
    for parent in &parents {
        let found = cloud.list_queues(parent).await?;
        queues.extend(found.into_iter().map(|queue| (queue.path.clone(), queue)));
    }
    let everything = ListParams::default();
    let deployments = place.deployments().list(&everything).await?;
    let deployments: BTreeMap<String, Deployment> = deployments
        .into_iter()
        .map(|it| (it.name_any(), it))
        .collect();
    let services = place.services().list(&everything).await?;
    let services: BTreeSet<String> = services.into_iter().map(|it| it.name_any()).collect();
    for chain in 0..chains {
        for stage in 0..STAGES {
            let path = chains::queue(chain, stage);
            let child = format!("{}-stage-{stage}", chains::name(chain));
            let queue = queues
                .get(&path)
                .with_context(|| format!("{path} is not there"))?;
            ensure!(
                is_right(queue, rates.rate(chain, stage), &child),
                "{path} is not as its chain says: {queue:?}"
            );
            let deployment = deployments
                .get(&child)
                .with_context(|| format!("the Deployment {child} is not there"))?;
            ensure!(
                serves(deployment, &path.to_string()),
                "the Deployment {child} doesn't serve {path}"
            );
            ensure!(
                services.contains(&child),
                "the Service {child} is not there"
            );
        }
    }
    Ok(())
}

/// It never gives a task up, has its rate, and pushes to the stage's Service.
fn is_right(queue: &Queue, rate: u32, child: &str) -> bool {
    let address = queue
        .http_target
        .as_ref()
        .and_then(|it| it.address.as_ref());
    let host = address.map(|it| it.host.as_str()).unwrap_or_default();
    queue.max_attempts == -1
        && queue.max_retry_duration.is_none()
        && (queue.max_dispatches_per_second - f64::from(rate)).abs() < f64::EPSILON
        && host.split('.').next() == Some(child)
}

/// Whether its workers are told that this queue is theirs, beside the user's handler.
fn serves(deployment: &Deployment, queue: &str) -> bool {
    let pod = deployment.spec.as_ref();
    let Some(pod) = pod.and_then(|spec| spec.template.spec.as_ref()) else {
        return false;
    };
    let mut variables = pod.containers.iter().flat_map(|it| it.env.iter().flatten());
    let is_told = variables.any(|it| it.name == "QUEUE" && it.value.as_deref() == Some(queue));
    let mut handlers = pod.init_containers.iter().flatten();
    is_told && handlers.any(|it| it.name == "handler")
}
