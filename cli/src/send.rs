//! `executor-chain send`: tasks for the first queue of a running `dev`.

use std::collections::BTreeMap;

use cloudtasks::{CloudTasks, Endpoint, Method, NewTask, QueuePath, TaskId};
use futures::{StreamExt, TryStreamExt, stream};

use crate::args::SendOptions;
use crate::dev::manifest::Manifest;
use crate::error::Error;

/// Creates under way at once: one connection carries them all.
const AT_ONCE: usize = 32;

/// What each task holds.
#[derive(Debug, Clone)]
pub struct Content {
    /// Its body.
    pub body: Vec<u8>,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
}

/// Sends the tasks that the options ask for.
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

/// Names for so many tasks, different from those of every other run: Cloud Tasks refuses a name
/// that was in use.
pub fn ids(count: usize) -> Vec<TaskId> {
    let run = jiff::Timestamp::now().as_microsecond();
    (0..count)
        .map(|number| {
            format!("{run:x}-{number}")
                .parse()
                .expect("hex digits and a hyphen make a task id")
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
        .buffer_unordered(AT_ONCE)
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
        // The queue's own address replaces scheme, host and port.
        url: "http://executor-chain.invalid/tasks".into(),
        method: Method::Post,
        headers: content.headers.clone(),
        body: content.body.clone(),
        dispatch_deadline: None,
    };
    queues.create_task(queue, &task).await?;
    Ok(())
}
