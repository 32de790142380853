//! When all chains are ready, as a watch tells: to ask for them again and again would be work for the
//! API server, and the last answer late.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use anyhow::Context;
use crds::ExecutorChain;
use futures::StreamExt;
use kube::{Api, ResourceExt};
use kube_runtime::watcher::{self, Event};
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::chains::is_ready;
use crate::operator::Operator;

const PATIENCE: Duration = Duration::from_mins(6);
const SOON: Duration = Duration::from_secs(30);

/// A watch that waits for all chains. Dropped, it ends.
pub struct Readiness {
    all: oneshot::Receiver<Instant>,
    _watching: JoinSet<()>,
}

impl Readiness {
    pub async fn watch(chains: Api<ExecutorChain>, count: usize) -> anyhow::Result<Self> {
        let (say, all) = oneshot::channel();
        let (begun, has_begun) = oneshot::channel();
        let mut watching = JoinSet::new();
        watching.spawn(async move {
            let watch = kube_runtime::watcher(chains, watcher::Config::default());
            let mut watch = Box::pin(watch);
            let mut begun = Some(begun);
            let mut ready = BTreeSet::new();
            while ready.len() < count {
                match watch.next().await {
                    Some(Ok(Event::Apply(chain) | Event::InitApply(chain))) => {
                        let name = chain.name_any();
                        if is_ready(&chain) {
                            ready.insert(name);
                        } else {
                            ready.remove(&name);
                        }
                    }
                    Some(Ok(Event::InitDone)) => {
                        // The waiting side may have timed out, and says so.
                        let _ = begun.take().map(|it| it.send(()));
                    }
                    Some(Ok(Event::Init | Event::Delete(_)) | Err(_)) => {}
                    None => return,
                }
            }
            let _ = say.send(Instant::now());
        });
        timeout(SOON, has_begun)
            .await
            .context("a watch of the chains takes too long to begin")??;
        Ok(Self {
            all,
            _watching: watching,
        })
    }

    pub async fn all(self, operator: &Operator) -> anyhow::Result<Instant> {
        let all = timeout(PATIENCE, self.all).await;
        let all = all.with_context(|| {
            format!(
                "not all chains are ready after {PATIENCE:?}; the operator's log ends:\n{}",
                operator.log_tail()
            )
        })?;
        all.context("the watch of the chains has ended")
    }
}
