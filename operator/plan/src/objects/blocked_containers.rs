//! What keeps the containers of a pod from running, as the kubelet reports it.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::{ContainerStatus, Pod};

use crate::model::BlockedContainer;

/// How many characters of a kubelet's message are quoted.
const MOST: usize = 200;

/// The containers of a pod that wait for something other than their turn.
pub fn blocked_containers(pod: &Pod) -> BTreeSet<BlockedContainer> {
    let Some(status) = &pod.status else {
        return BTreeSet::new();
    };
    let init = status.init_container_statuses.iter().flatten();
    let all = init.chain(status.container_statuses.iter().flatten());
    all.filter_map(blocked).collect()
}

fn blocked(status: &ContainerStatus) -> Option<BlockedContainer> {
    let waiting = status.state.as_ref()?.waiting.as_ref()?;
    let reason = match waiting.reason.as_deref()? {
        // On their way.
        "ContainerCreating" | "PodInitializing" => return None,
        // The kubelet reports the two in turn.
        "ErrImagePull" => "ImagePullBackOff",
        reason => reason,
    };
    // Other messages change from try to try.
    let is_steady = reason.starts_with("CreateContainer") || reason == "InvalidImageName";
    let message = waiting.message.as_deref().filter(|_| is_steady);
    // Behind that it names the pod.
    let message = message.map(|it| it.split(" (pod: ").next().unwrap_or(it));
    Some(BlockedContainer {
        container: status.name.clone(),
        reason: reason.to_owned(),
        message: message.map(|it| it.chars().take(MOST).collect()),
    })
}
