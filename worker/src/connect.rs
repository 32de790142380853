//! Reaching Cloud Tasks for the first time. Afterwards the connection mends itself.

use std::sync::Arc;
use std::time::Duration;

use cloudtasks::CloudTasks;
use tracing::{info, warn};

use crate::work::Worker;

const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// Tries until it is connected. Until then the worker is not ready, and answers 503.
pub(crate) async fn connect(worker: Arc<Worker>) {
    let mut wait = FIRST_WAIT;
    loop {
        match CloudTasks::connect(&worker.config.endpoint).await {
            Ok(cloud_tasks) => {
                // Only this task sets it.
                let _ = worker.cloud_tasks.set(cloud_tasks);
                worker.stats.connected.set(1);
                info!(stage = %worker.config.policy.stage, "connected to Cloud Tasks");
                return;
            }
            Err(error) => {
                warn!(
                    stage = %worker.config.policy.stage,
                    %error,
                    again_in = ?wait,
                    "can't reach Cloud Tasks"
                );
            }
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}
