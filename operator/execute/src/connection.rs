//! The connection to Cloud Tasks, made at the first call: an operator that can't reach Cloud Tasks
//! must still report so in each status, and let deleted chains go.

use std::sync::Arc;

use cloudtasks::{CloudTasks, Endpoint, Error};
use tokio::sync::OnceCell;

/// A connection that is made on first use. Clones share it.
#[derive(Clone)]
pub struct Connection {
    endpoint: Endpoint,
    made: Arc<OnceCell<CloudTasks>>,
}

impl Connection {
    /// Doesn't connect yet.
    pub fn to(endpoint: Endpoint) -> Self {
        Self {
            endpoint,
            made: Arc::default(),
        }
    }

    /// Cloud Tasks; an error if it can't be reached. The next call tries again.
    pub async fn get(&self) -> Result<&CloudTasks, Error> {
        let connect = || CloudTasks::connect(&self.endpoint);
        self.made.get_or_try_init(connect).await
    }
}
