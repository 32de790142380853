//! A task that kills its handler each time.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::future::{join_all, select_all};
use serde_json::{Value, json};
use testkit::{Emulator, Receiver, Recorded, eventually, free_addr};

use crate::chain::{self, STAGES, Upstreams};
use crate::container::Container;
use crate::handler::{POISON, Run};
use crate::worker::{SOON, Worker};

const BESIDE: [&str; 6] = ["t-1", "t-2", "t-3", "t-4", "t-5", "t-6"];

#[tokio::test]
async fn a_task_that_kills_its_handler_ends_as_failed_and_harms_no_other() {
    let emulator = Emulator::start().await;
    let cloud = emulator.cloud_tasks().await;
    let client = Receiver::answering(200);
    let stages = STAGES.each_ref().map(|stage| {
        let upstreams = Upstreams {
            cloud_tasks: emulator.addr(),
            handler: free_addr(),
            client: client.addr(),
        };
        let worker = Worker::start(stage, upstreams, false);
        let container = Container::start(upstreams.handler.port(), Arc::clone(&worker));
        (worker, container)
    });
    join_all(stages.iter().map(|(worker, _)| worker.ready())).await;
    // One at a time. A crash also cuts the runs beside it, and nothing can be promised to a task
    // that is cut each time.
    let targets = stages.each_ref().map(|(worker, _)| worker.addr);
    chain::create_queues(&cloud, &targets, 1).await;

    let (before, after) = BESIDE.split_at(BESIDE.len() / 2);
    let tasks = before.iter().chain(&[POISON]).chain(after);
    for id in tasks {
        chain::send(&cloud, id, id).await;
    }
    let ended = eventually("all ends", SOON, async || {
        chain::nothing_left(&cloud).await?;
        let ends = client.requests();
        if ends.len() <= BESIDE.len() {
            return Err(format!("{} ends", ends.len()));
        }
        Ok(ends)
    });
    let keepers = stages
        .iter()
        .map(|(_, container)| Box::pin(container.keep()));
    let ends = tokio::select! {
        ends = ended => ends,
        (never, ..) = select_all(keepers) => match never {},
    };

    assert_eq!(ends.len(), BESIDE.len() + 1, "one end each");
    let told = told(&ends);
    assert_eq!(told[POISON].0, "Failed");
    assert_eq!(told[POISON].1, json!({"fast": 2, "slow": 1, "last": 2}));
    for task in BESIDE {
        assert_eq!(told[task].0, "Succeeded", "{task}");
    }
    for (stage, (_, container)) in STAGES.iter().zip(&stages) {
        let (poison, mut beside): (Vec<Run>, Vec<Run>) = container
            .runs()
            .into_iter()
            .partition(|run| run.task == POISON);
        // No attempt is skipped either: to be refused costs none.
        let attempts: Vec<u8> = poison.iter().map(|run| run.attempt).collect();
        let all: Vec<u8> = (1..=stage.attempts).collect();
        assert_eq!(attempts, all, "{}", stage.name);
        beside.sort();
        let tasks: Vec<&str> = beside.iter().map(|run| run.task.as_str()).collect();
        let once = if stage.index == 0 { &BESIDE[..] } else { &[] };
        assert_eq!(tasks, once, "{}", stage.name);
    }
}

/// The notification of each task: outcome, and attempts by stage.
fn told(ends: &[Recorded]) -> BTreeMap<String, (String, Value)> {
    ends.iter()
        .map(|end| {
            let event: Value = serde_json::from_slice(&end.body).unwrap();
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let data = &event["data"];
            let what = (text(&data["outcome"]), data["attempts"].clone());
            (text(&event["subject"]), what)
        })
        .collect()
}
