//! An outside reader: it reads the status as JSON, the queues from Cloud Tasks, and the Deployments. What
//! must hold in any situation is written here again, without the operator's own rules.

mod lists;
mod pushes;
mod queues;
mod workers;

use std::collections::{BTreeMap, BTreeSet};

use cloudtasks::{Queue, QueueState};
use k8s_openapi::api::apps::v1::Deployment;
use serde_json::Value;

/// All that there is to see.
pub struct Seen {
    pub chain: Value,
    /// By their ids.
    pub queues: BTreeMap<String, Queue>,
    pub deployments: BTreeMap<String, Deployment>,
}

const CONDITIONS: [&str; 11] = [
    "Draining",
    "Drifted",
    "Overridden",
    "Paused",
    "PushesReachable",
    "PushesRefused",
    "PushesUnauthenticated",
    "QueuesReady",
    "Ready",
    "Undersized",
    "WorkersReady",
];

/// Everything that the status says and that isn't so.
pub fn lies(seen: &Seen) -> Vec<String> {
    let mut lies = Vec::new();
    if seen.chain.is_null() {
        return lies;
    }
    current(seen, &mut lies);
    if seen.condition("QueuesReady") == "Unknown" {
        check(&mut lies, seen.condition("Ready") == "False", || {
            "Ready though nothing is known".to_owned()
        });
        // What was seen last may be old by now.
        return lies;
    }
    queues::lies(seen, &mut lies);
    workers::lies(seen, &mut lies);
    lists::lies(seen, &mut lies);
    pushes::lies(seen, &mut lies);
    lies
}

fn check(lies: &mut Vec<String>, holds: bool, lie: impl FnOnce() -> String) {
    if !holds {
        lies.push(lie());
    }
}

/// That the status speaks of the newest spec, with each of its sentences, and of all there is to say.
fn current(seen: &Seen, lies: &mut Vec<String>) {
    let generation = &seen.chain["metadata"]["generation"];
    let status = &seen.chain["status"];
    let reported = &status["observedGeneration"];
    check(lies, reported == generation, || {
        format!("it speaks of generation {reported}, and {generation} is the newest")
    });
    let conditions = status["conditions"].as_array().cloned().unwrap_or_default();
    for condition in &conditions {
        let reported = &condition["observedGeneration"];
        check(lies, reported == generation, || {
            format!("{} is of generation {reported}", condition["type"])
        });
    }
    let mut kinds: Vec<&str> = conditions
        .iter()
        .filter_map(|condition| condition["type"].as_str())
        .collect();
    kinds.sort_unstable();
    let mut wanted = CONDITIONS.to_vec();
    wanted.extend(seen.on_bad_days());
    wanted.sort_unstable();
    check(lies, kinds == wanted, || {
        format!("its conditions are {kinds:?}")
    });
    let parts = ["QueuesReady", "WorkersReady", "PushesReachable"];
    let parts = parts.map(|kind| seen.condition(kind));
    let [queues, workers, pushes] = parts;
    // Where an own ingress leads isn't known, and is no reason to say that the chain isn't ready.
    let may_be_ready = queues == "True" && workers == "True" && pushes != "False";
    let is_ready = seen.condition("Ready") == "True";
    check(lies, !is_ready || may_be_ready, || {
        format!("Ready, and its parts are {parts:?}")
    });
}

impl Seen {
    pub fn condition(&self, kind: &str) -> &str {
        let conditions = self.chain["status"]["conditions"].as_array();
        let mut conditions = conditions.into_iter().flatten();
        let found = conditions.find(|condition| condition["type"] == kind);
        found
            .and_then(|found| found["status"].as_str())
            .unwrap_or_default()
    }

    pub fn stages(&self) -> &[Value] {
        let stages = self.chain["spec"]["stages"].as_array();
        stages.map_or(&[], Vec::as_slice)
    }

    /// The conditions of what stages do by themselves, if the spec asks for it.
    fn on_bad_days(&self) -> Vec<&'static str> {
        let holds = |stage: &Value| !stage["holdOnOutage"].is_null();
        let isolates = |stage: &Value| {
            let mut rules = stage["isolate"].as_array().into_iter().flatten();
            rules.any(|rule| !rule["failures"].is_null())
        };
        let held = self.stages().iter().any(holds).then_some("Held");
        let isolating = self.stages().iter().any(isolates);
        let parks = !self.chain["spec"]["parking"].is_null() || !self.former_parking().is_empty();
        held.into_iter()
            .chain(isolating.then_some("Isolating"))
            .chain(parks.then_some("Parked"))
            .collect()
    }

    /// The queues that keep parked tasks of the chain, and that its spec doesn't name.
    pub fn former_parking(&self) -> BTreeSet<&str> {
        let current = text(&self.chain["spec"]["parking"]["queue"]);
        let owned = self.owned().filter(|(_, queue)| is_parking(queue));
        let owned = owned.map(|(id, _)| id.as_str());
        owned.filter(|id| *id != current).collect()
    }

    /// The queues that have the chain's name on them.
    fn owned(&self) -> impl Iterator<Item = (&String, &Queue)> {
        let metadata = &self.chain["metadata"];
        let ours = format!(
            "test/{}/{}",
            text(&metadata["namespace"]),
            text(&metadata["name"])
        );
        let queues = self.queues.iter();
        queues.filter(move |(_, queue)| header(queue, "executor-owner") == ours)
    }

    /// The queues that the spec names, the notifier's last.
    pub fn named(&self) -> Vec<&str> {
        let stages = self.stages().iter().map(|stage| text(&stage["queue"]));
        let notifier = text(&self.chain["spec"]["notifier"]["queue"]);
        stages.chain([notifier]).collect()
    }

    /// The Deployment of a stage, unless it is foreign.
    pub fn deployment(&self, stage: &Value) -> Option<&Deployment> {
        let name = text(&self.chain["metadata"]["name"]);
        let child = format!("{name}-{}", text(&stage["name"]));
        let found = self.deployments.get(&child)?;
        let mut owners = found.metadata.owner_references.iter().flatten();
        let uid = text(&self.chain["metadata"]["uid"]);
        owners.any(|owner| owner.uid == uid).then_some(found)
    }

    /// The Deployments of the chain that no stage has, each with the id of the queue that it serves.
    pub fn leftovers(&self) -> BTreeMap<&str, &str> {
        let name = text(&self.chain["metadata"]["name"]);
        let stages: BTreeSet<String> = self
            .stages()
            .iter()
            .map(|stage| format!("{name}-{}", text(&stage["name"])))
            .collect();
        let others = self
            .deployments
            .iter()
            .filter(|(child, _)| !stages.contains(*child));
        others
            .filter_map(|(child, deployment)| {
                let labels = deployment.metadata.labels.as_ref()?;
                let is_ours = labels.get("executor-chain.dev/chain")? == name;
                let annotations = deployment.metadata.annotations.as_ref()?;
                let queue = annotations.get("executor-chain.dev/queue")?;
                is_ours.then_some((child.as_str(), queue.rsplit('/').next()?))
            })
            .collect()
    }

    /// The queues that have the chain's name on them and that its spec doesn't name, and those that
    /// workers are left of.
    pub fn removed(&self) -> BTreeSet<&str> {
        let owned = self.owned().filter(|(_, queue)| !is_parking(queue));
        let owned = owned.map(|(id, _)| id.as_str());
        let named = self.named();
        owned
            .chain(self.leftovers().into_values())
            .filter(|id| !named.contains(id))
            .collect()
    }

    /// Whether a queue is one of those that are kept because they were empty.
    pub fn is_kept(&self, id: &str) -> bool {
        let workers = self.leftovers().values().any(|queue| *queue == id);
        let is_marked = |queue: &Queue| {
            queue.state == QueueState::Paused && header(queue, "executor-pause") == "drained"
        };
        !workers && self.queues.get(id).is_some_and(is_marked)
    }
}

pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_parking(queue: &Queue) -> bool {
    !header(queue, "executor-parking").is_empty()
}

fn header<'a>(queue: &'a Queue, name: &str) -> &'a str {
    let target = queue.http_target.as_ref();
    target
        .and_then(|target| target.headers.get(name))
        .map_or("", String::as_str)
}
