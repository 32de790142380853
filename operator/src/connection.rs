//! The connection to Cloud Tasks, made when it is first needed: whoever can't reach it must still say
//! so in each status, and let deleted chains go.

use std::sync::Arc;

use cloudtasks::{CloudTasks, Endpoint, Error};
use tokio::sync::OnceCell;

/// A connection that may not be there yet. Clones share it.
#[derive(Clone)]
pub struct Connection {
    endpoint: Endpoint,
    made: Arc<OnceCell<CloudTasks>>,
}

impl Connection {
    /// One that is still to be made.
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
