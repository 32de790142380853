//! Watch times: when a bare watch of the chains has told of each edit. It is what an operator could not be
//! faster than.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crds::ExecutorChain;
use futures::StreamExt;
use kube::{Api, ResourceExt};
use kube_runtime::{WatchStreamExt, watcher};
use tokio::task::JoinSet;
use tokio::time::sleep;

const PATIENCE: Duration = Duration::from_secs(10);

/// Name and generation of a chain.
type Edit = (String, i64);

/// What a watch has told so far. Dropped, it watches no more.
pub struct WatchTimes {
    told: Arc<Mutex<HashMap<Edit, Instant>>>,
    _watching: JoinSet<()>,
}

impl WatchTimes {
    pub fn watch(chains: Api<ExecutorChain>) -> Self {
        let told = Arc::new(Mutex::new(HashMap::new()));
        let notes = Arc::clone(&told);
        let mut watching = JoinSet::new();
        watching.spawn(async move {
            let watch = watcher(chains, watcher::Config::default())
                .default_backoff()
                .applied_objects();
            let mut watch = pin!(watch);
            while let Some(seen) = watch.next().await {
                let now = Instant::now();
                let Ok(chain) = seen else { continue };
                let edit = (chain.name_any(), chain.metadata.generation.unwrap_or(0));
                let mut notes = notes.lock().unwrap_or_else(PoisonError::into_inner);
                // Its status comes later, with the same generation.
                notes.entry(edit).or_insert(now);
            }
        });
        Self {
            told,
            _watching: watching,
        }
    }

    pub async fn of(&self, chain: &str, generation: i64) -> anyhow::Result<Instant> {
        let edit = (chain.to_owned(), generation);
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let found = {
                let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
                told.get(&edit).copied()
            };
            if let Some(at) = found {
                return Ok(at);
            }
            sleep(Duration::from_millis(5)).await;
        }
        anyhow::bail!("a watch has not told of an edit of {chain} in {PATIENCE:?}")
    }
}
