//! The first connection to Cloud Tasks. Later the client reconnects automatically.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::CloudTasks;
use tracing::{info, warn};

use crate::state::Worker;

const FIRST_BACKOFF: Duration = Duration::from_millis(100);
const LONGEST_BACKOFF: Duration = Duration::from_secs(10);

/// Retries until Cloud Tasks is reached. Until then the worker is not ready and answers 503.
pub(crate) async fn connect(worker: Arc<Worker>) {
    let mut backoff = FIRST_BACKOFF;
    loop {
        match CloudTasks::connect(&worker.config.endpoint).await {
            Ok(cloud_tasks) => {
                // Nothing else sets it.
                let _ = worker.cloud_tasks.set(cloud_tasks);
                worker.metrics.connected.set(1);
                info!(stage = %worker.config.policy.stage, "connected to Cloud Tasks");
                return;
            }
            Err(error) => {
                warn!(
                    stage = %worker.config.policy.stage,
                    %error,
                    retry_in = ?backoff,
                    "can't connect to Cloud Tasks"
                );
            }
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
}
