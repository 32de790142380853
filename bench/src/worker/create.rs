//! Bare creates, one after the other: what a hand-over stands against.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use clap::Args;
use cloudtasks::{CloudTasks, Endpoint, Method, NewTask, QueuePath};
use serde::{Deserialize, Serialize};

use crate::quantile::Sample;

#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The emulator
    #[arg(long)]
    at: SocketAddr,
    #[arg(long)]
    queue: QueuePath,
    /// Bytes of each body
    #[arg(long)]
    size: usize,
    #[arg(long)]
    millis: u64,
    /// In the names of the tasks, which must not come twice
    #[arg(long)]
    prefix: String,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Created {
    pub p50_ms: f64,
    pub p99_ms: f64,
}

pub async fn create(options: &Options) -> anyhow::Result<Created> {
    let Options {
        at,
        queue,
        size,
        millis,
        prefix,
    } = options;
    let cloud_tasks = CloudTasks::connect(&Endpoint::Emulator(at.to_string())).await?;
    let end = Instant::now() + Duration::from_millis(*millis);
    let mut took = Vec::new();
    for number in 0.. {
        let task = NewTask {
            path: Some(queue.task(format!("{prefix}-{number}").parse()?)),
            url: "http://orders.example.com/orders/1?source=bench".to_owned(),
            method: Method::Post,
            headers: [("content-type".to_owned(), "application/json".to_owned())].into(),
            body: vec![b'x'; *size],
            dispatch_deadline: None,
            schedule_time: None,
            oidc_token: None,
        };
        let began = Instant::now();
        if began >= end {
            break;
        }
        cloud_tasks.create_task(queue, &task).await?;
        took.push(began.elapsed());
    }
    let sample = Sample::new(took);
    Ok(Created {
        p50_ms: sample.percentile(50),
        p99_ms: sample.percentile(99),
    })
}
