//! `executor-chain send`: creates tasks in the first queue of a running `dev`.

use std::collections::BTreeMap;

use cloudtasks::{CloudTasks, Endpoint, Method, NewTask, QueuePath, TaskId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::args::SendOptions;
use crate::dev::manifest::Manifest;
use crate::error::Error;

/// One connection carries them all.
const CONCURRENT_CREATES: usize = 32;

/// The content of each task.
#[derive(Debug, Clone)]
pub struct Content {
    /// The body.
    pub body: Vec<u8>,
    /// The headers.
    pub headers: BTreeMap<String, String>,
}

/// Runs the command.
pub async fn run(options: SendOptions) -> Result<(), Error> {
    let manifest = Manifest::read(&options.file, None)?;
    let queue = manifest.first_queue(&options.to)?;
    let endpoint = Endpoint::Emulator(options.to.clone());
    let queues = CloudTasks::connect(&endpoint)
        .await
        .map_err(|source| Error::NoDev {
            to: options.to.clone(),
            source,
        })?;
    let content = Content {
        body: options.body.into_bytes(),
        headers: options.headers.into_iter().collect(),
    };
    let ids = ids(options.count);
    send(&queues, &queue, &ids, &content).await?;
    println!("sent {} to {}", options.count, queue.id);
    Ok(())
}

/// Task ids that differ from those of every other run: Cloud Tasks refuses an id that was used
/// recently.
pub fn ids(count: usize) -> Vec<TaskId> {
    let run = jiff::Timestamp::now().as_microsecond();
    (0..count)
        .map(|number| {
            format!("{run:x}-{number}")
                .parse()
                .expect("hex digits and a hyphen are a valid task id")
        })
        .collect()
}

/// Creates the tasks.
pub async fn send(
    queues: &CloudTasks,
    queue: &QueuePath,
    ids: &[TaskId],
    content: &Content,
) -> Result<(), Error> {
    stream::iter(ids.to_vec())
        .map(|id| create(queues, queue, id, content))
        .buffer_unordered(CONCURRENT_CREATES)
        .try_collect::<()>()
        .await
}

async fn create(
    queues: &CloudTasks,
    queue: &QueuePath,
    id: TaskId,
    content: &Content,
) -> Result<(), Error> {
    let task = NewTask {
        path: Some(queue.task(id)),
        // The queue's target replaces scheme, host and port.
        url: "http://executor-chain.invalid/tasks".into(),
        method: Method::Post,
        headers: content.headers.clone(),
        body: content.body.clone(),
        dispatch_deadline: None,
        schedule_time: None,
        oidc_token: None,
    };
    queues.create_task(queue, &task).await?;
    Ok(())
}
