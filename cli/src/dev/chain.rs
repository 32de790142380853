//! The chain that `dev` serves: brought to what the manifest says by the operator's own plan and
//! apply.

use std::net::SocketAddr;
use std::sync::Arc;

use cloudtasks::{Address, CloudTasks, Endpoint, Scheme};
use crds::Outcome;
use executor_operator::connection::Connection;
use executor_operator::metrics::Metrics;
use executor_operator::pace::Rate;
use executor_operator::{Calls, Claim, apply};
use plan::{ChainView, Desired, HandlerAt, Observed, Push, TimedCondition, plan, timed_conditions};

use crate::dev::manifest::Manifest;
use crate::dev::workers::Workers;
use crate::error::Error;

/// Rounds until nothing is left to do: queues and workers, then the addresses of those that were
/// replaced.
const ROUNDS: usize = 5;

/// A chain that is served.
pub struct Chain {
    /// Cloud Tasks, emulated.
    pub queues: CloudTasks,
    /// Its workers.
    pub workers: Workers,
    /// The chain as it should be, with the addresses of this machine.
    pub desired: Desired,
    /// Where everything that the chain reaches is.
    places: Places,
    connection: Connection,
    metrics: Arc<Metrics>,
}

/// Addresses of this machine that take the place of what a manifest names.
#[derive(Debug, Clone)]
pub struct Places {
    /// `host:port` of the emulator.
    pub emulator: String,
    /// Takes the notifications.
    pub receiver: SocketAddr,
    /// Runs the tasks whose handler isn't on this machine.
    pub handler: SocketAddr,
    /// Runs all tasks, because the user says so.
    pub asked_handler: Option<String>,
}

impl Chain {
    /// Makes the queues and starts the workers; what was done, a line a step.
    pub async fn start(
        manifest: &Manifest,
        queues: CloudTasks,
        places: Places,
    ) -> Result<(Self, Vec<String>), Error> {
        let desired = desired(manifest, &places)?;
        let workers = Workers::default();
        let metrics = Arc::default();
        let emulator = Endpoint::Emulator(places.emulator.clone());
        let mut chain = Self {
            connection: Connection::to(emulator),
            queues,
            workers,
            desired,
            places,
            metrics,
        };
        let done = chain.converge().await?;
        Ok((chain, done))
    }

    /// Puts an edit in force; what was done, a line a step.
    pub async fn edit(&mut self, manifest: &Manifest) -> Result<Vec<String>, Error> {
        let before = std::mem::replace(&mut self.desired, desired(manifest, &self.places)?);
        let done = self.converge().await;
        if done.is_err() {
            // Some steps may have been carried out: they are taken back. What else may fail is what
            // failed just now, and that is said.
            self.desired = before;
            let _ = self.converge().await;
        }
        done
    }

    async fn converge(&mut self) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for _ in 0..ROUNDS {
            for stage in &mut self.desired.stages {
                stage.address = local(self.workers.address(&stage.child)?);
            }
            let plan = plan(ChainView::new(&self.desired, &self.observe().await?))?;
            if plan.is_empty() {
                break;
            }
            // Nobody else serves this chain.
            let metrics = Arc::clone(&self.metrics);
            let claim = Claim::endless();
            let queues = Calls::new(self.connection.clone(), claim, metrics, Rate::default());
            apply(&plan, &queues, &self.workers, &self.metrics).await?;
            self.workers.connected().await;
            done.extend(plan.steps.iter().map(|planned| planned.step.to_string()));
        }
        // Their queues push to others now.
        self.workers.release();
        Ok(done)
    }

    async fn observe(&self) -> Result<Observed, Error> {
        let parent = &self.desired.notifier.queue.parent;
        let queues = self.queues.list_queues(parent).await?;
        let mut observed = Observed {
            queues: queues.into_iter().collect(),
            ..Observed::default()
        };
        self.workers.observe(&mut observed);
        // The emulator sends a new token from the next push on.
        let facts =
            timed_conditions(ChainView::new(&self.desired, &observed), |_| None).into_iter();
        let signs = facts.filter(|fact| matches!(fact, TimedCondition::Signs(..)));
        let delay = self.desired.timing.address_delay;
        observed.elapsed = signs.map(|fact| (fact, delay)).collect();
        Ok(observed)
    }
}

fn desired(manifest: &Manifest, places: &Places) -> Result<Desired, Error> {
    let mut desired = manifest.desired(Some(places.emulator.clone()))?;
    desired.notifier.url = format!("http://{}/", places.receiver);
    // Both outcomes are counted here; only those that the manifest asks for are passed on.
    desired.notifier.outcomes = vec![Outcome::Succeeded, Outcome::Failed];
    // Each worker has an address of this machine.
    desired.push = Push::Cluster;
    for stage in &mut desired.stages {
        stage.handler = match (&places.asked_handler, &stage.handler) {
            (Some(url), _) => HandlerAt::Url(url.clone()),
            (None, HandlerAt::Url(url)) if is_local(url) => HandlerAt::Url(url.clone()),
            (None, _) => HandlerAt::Url(format!("http://{}", places.handler)),
        };
    }
    Ok(desired)
}

fn local(address: SocketAddr) -> Address {
    Address {
        scheme: Scheme::Http,
        host: address.ip().to_string(),
        port: address.port(),
    }
}

/// Whether a URL leads to this machine: nothing else is ever called from here.
pub fn is_local(url: &str) -> bool {
    let Some((_, rest)) = url.split_once("://") else {
        return false;
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        _ => authority,
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost"
        || host
            .parse()
            .is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::is_local;

    #[test]
    fn only_this_machine_is_local() {
        for url in [
            "http://127.0.0.1:80/a",
            "http://localhost/x",
            "http://[::1]:8080",
            "http://127.9.9.9",
        ] {
            assert!(is_local(url), "{url}");
        }
        for url in [
            "https://api.example.com/127.0.0.1",
            "http://10.0.0.1:80",
            "localhost",
            "http://127.0.0.1@evil.example",
        ] {
            assert!(!is_local(url), "{url}");
        }
    }
}
