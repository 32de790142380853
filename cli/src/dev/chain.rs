//! The chain that `dev` serves: made what the manifest says by the operator's own plan and apply.

use std::net::SocketAddr;
use std::sync::Arc;

use cloudtasks::{Address, CloudTasks, Endpoint, Scheme};
use console::{LiveChain, PlanReply};
use crds::{ChainOverride, Outcome};
use effect::{Present, Version};
use execute::{AdminClient, Connection, Fence, Rate, apply};
use jiff::Timestamp;
use plan::rules::absence::queues_to_look_up;
use plan::{
    ChainView, Desired, HandlerAt, LadderTime, Observed, Push, TimedCondition, ladder_time,
    override_stages, plan, timed_conditions,
};

use crate::dev::manifest::Manifest;
use crate::dev::overrides::Overrides;
use crate::dev::workers::Workers;
use crate::error::Error;

/// At most so many plans for one edit: queues and workers, then the addresses of replaced workers.
const MAX_PLANS: usize = 5;

/// A chain that is served.
pub struct Chain {
    /// Cloud Tasks, emulated.
    pub queues: CloudTasks,
    /// Its workers.
    pub workers: Workers,
    /// The desired state, with addresses of this machine.
    pub desired: Desired,
    /// How long a task takes to its end if every attempt fails.
    pub ladder_time: Option<LadderTime>,
    /// Its overrides.
    pub overrides: Overrides,
    addresses: LocalAddresses,
    admin: AdminClient,
}

/// The handler of one stage.
#[derive(Debug, Clone)]
pub struct StageHandler {
    /// The stage.
    pub stage: String,
    /// Its address, or none for the built-in handler.
    pub url: Option<String>,
}

/// Addresses of this machine that replace those in the manifest.
#[derive(Debug, Clone)]
pub struct LocalAddresses {
    /// `host:port` of the emulator.
    pub emulator: String,
    /// Takes the notifications.
    pub receiver: SocketAddr,
    /// The built-in handler, for stages whose handler isn't on this machine.
    pub handler: SocketAddr,
    /// The handler of all stages, from `--handler`.
    pub chosen_handler: Option<String>,
}

impl Chain {
    /// Creates the queues and starts the workers. Returns what was done, one line a step.
    pub async fn start(
        manifest: &Manifest,
        queues: CloudTasks,
        addresses: LocalAddresses,
    ) -> Result<(Self, Vec<String>), Error> {
        let desired = desired(manifest, &addresses)?;
        let workers = Workers::default();
        let emulator = Endpoint::Emulator(addresses.emulator.clone());
        let mut chain = Self {
            admin: AdminClient::new(
                Connection::to(emulator),
                // No other operator serves this chain.
                Fence::unlimited(),
                Arc::new(()),
                Rate::default(),
            ),
            queues,
            workers,
            desired,
            ladder_time: None,
            overrides: Overrides::default(),
            addresses,
        };
        let done = chain.converge().await?;
        Ok((chain, done))
    }

    /// Applies an edit. Returns what was done, one line a step.
    pub async fn edit(&mut self, manifest: &Manifest) -> Result<Vec<String>, Error> {
        let mut desired = desired(manifest, &self.addresses)?;
        override_stages(&mut desired, self.overrides.all(), Timestamp::now());
        let before = std::mem::replace(&mut self.desired, desired);
        let done = self.converge().await;
        if done.is_err() {
            // Steps that were applied are undone. Another error there would be this one again, which is
            // returned.
            self.desired = before;
            let _ = self.converge().await;
        }
        done
    }

    /// What an edit would do: of the manifest, or of the overrides.
    pub async fn preview(
        &self,
        present: &Manifest,
        edited: &Manifest,
        overrides: Vec<ChainOverride>,
        live: Option<Arc<LiveChain>>,
    ) -> Result<PlanReply, Error> {
        let base = self.where_it_is(present)?;
        let edited = self.where_it_is(edited)?;
        let before = self.overrides.all().to_vec();
        let observed = self.observe().await?;
        // Its computing must not hold up the chain.
        let computed = tokio::task::spawn_blocking(move || {
            let version = Version {
                desired: &base,
                overrides: &before,
            };
            let live = live.as_deref();
            let edited = Version {
                desired: &edited,
                overrides: &overrides,
            };
            let present = Some(Present { version, live });
            effect::reply(present, edited, &observed, Timestamp::now())
        });
        let computed = computed.await;
        Ok(computed.expect("it doesn't panic, and isn't canceled")?)
    }

    /// The desired state, with the addresses that the workers have now.
    fn where_it_is(&self, manifest: &Manifest) -> Result<Desired, Error> {
        let mut desired = desired(manifest, &self.addresses)?;
        for stage in &mut desired.stages {
            let mut stages = self.desired.stages.iter();
            let same = stages.find(|it| it.child == stage.child);
            if let Some(same) = same {
                stage.address.clone_from(&same.address);
            }
        }
        Ok(desired)
    }

    /// Whether an override begins, ends, or makes a step now.
    pub fn overrides_change(&self) -> bool {
        let change = self.desired.overrides_change;
        change.is_some_and(|change| change <= Timestamp::now())
    }

    /// The handler of each stage.
    pub fn handlers(&self) -> Vec<StageHandler> {
        let built_in = self.addresses.built_in_url();
        let stages = self.desired.stages.iter().map(|stage| StageHandler {
            stage: stage.name.clone(),
            url: Some(stage.handler.url()).filter(|url| *url != built_in),
        });
        stages.collect()
    }

    async fn converge(&mut self) -> Result<Vec<String>, Error> {
        let mut done = Vec::new();
        for _ in 0..MAX_PLANS {
            for stage in &mut self.desired.stages {
                stage.address = local(self.workers.address(&stage.child)?);
            }
            let observed = self.observe().await?;
            let view = ChainView::new(&self.desired, &observed);
            self.ladder_time = ladder_time(view);
            let plan = plan(view)?;
            if plan.is_empty() {
                break;
            }
            apply(&plan, &self.admin, &self.workers, |_, _| {}).await?;
            self.workers.connected().await;
            done.extend(plan.steps.iter().map(|planned| planned.step.to_string()));
        }
        // No queue pushes to replaced workers any more.
        self.workers.release();
        Ok(done)
    }

    /// The state of its queues and workers.
    pub async fn observe(&self) -> Result<Observed, Error> {
        let parent = &self.desired.notifier.queue.parent;
        let queues = self.queues.list_queues(parent).await?;
        let mut observed = Observed {
            queues: queues.into_iter().collect(),
            whole_seconds: self.admin.keeps_whole_seconds(),
            ..Observed::default()
        };
        self.workers.observe(&mut observed);
        let unlisted = queues_to_look_up(ChainView::new(&self.desired, &observed));
        self.admin.look_up(unlisted, &mut observed).await?;
        // The emulator uses a new token from the next push on.
        let hold = timed_conditions(ChainView::new(&self.desired, &observed), |_| None);
        let tokens = hold
            .into_iter()
            .filter(|it| matches!(it, TimedCondition::SendsToken(..)));
        let delay = self.desired.timing.address_delay;
        observed.elapsed = tokens.map(|condition| (condition, delay)).collect();
        Ok(observed)
    }
}

impl LocalAddresses {
    fn built_in_url(&self) -> String {
        format!("http://{}", self.handler)
    }
}

fn desired(manifest: &Manifest, addresses: &LocalAddresses) -> Result<Desired, Error> {
    let mut desired = manifest.desired(Some(addresses.emulator.clone()))?;
    desired.notifier.url = format!("http://{}/", addresses.receiver);
    // Both outcomes are counted; only those that the manifest selects are forwarded.
    desired.notifier.outcomes = vec![Outcome::Succeeded, Outcome::Failed];
    // Each worker has its own address.
    desired.push = Push::Cluster;
    for stage in &mut desired.stages {
        stage.handler = match (&addresses.chosen_handler, &stage.handler) {
            (Some(url), _) => HandlerAt::Url(url.clone()),
            (None, HandlerAt::Url(url)) if is_local(url) => HandlerAt::Url(url.clone()),
            (None, _) => HandlerAt::Url(addresses.built_in_url()),
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

/// Whether a URL is on this machine: `dev` calls no other.
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
    fn only_loopback_addresses_are_local() {
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
