//! What every reconcile shares.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Client;
use kube_runtime::events::Reporter;
use plan::Settings;
use plan::objects::ownership::FIELD_MANAGER;

use crate::calls::Calls;
use crate::children::Children;
use crate::claim::Claim;
use crate::echoes::Echoes;
use crate::error::Error;
use crate::inventory::Inventory;
use crate::kinds::Kinds;
use crate::memory::Memory;
use crate::metrics::Metrics;
use crate::refusals::Refusals;

/// How long one call to the API server may take: the client itself would wait for ever on a
/// connection that is half open.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

/// What every reconcile shares.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// For how long we may write.
    pub claim: Claim,
    /// Cloud Tasks, for what is written.
    pub queues: Calls,
    /// What Cloud Tasks has.
    pub inventory: Arc<Inventory>,
    /// What chains have in the cluster.
    pub children: Arc<Children>,
    /// What workers refuse.
    pub refusals: Arc<Refusals>,
    /// What the cluster has of the kinds that it may have or not.
    pub kinds: Arc<Kinds>,
    /// What every plan depends on.
    pub settings: Settings,
    /// Who writes Events.
    pub reporter: Reporter,
    /// How long a deleted chain waits for its queues to be paused.
    pub deletion_patience: Duration,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Since when what has to hold for a while has held.
    pub memory: Memory,
    /// Which news of chains are our own.
    pub echoes: Echoes,
    failures: Mutex<HashMap<String, Failures>>,
}

/// Who tells what is there, and of changes.
pub struct Told {
    /// What Cloud Tasks has.
    pub inventory: Arc<Inventory>,
    /// What chains have in the cluster.
    pub children: Arc<Children>,
    /// What workers refuse.
    pub refusals: Arc<Refusals>,
    /// What the cluster has of the kinds that it may have or not.
    pub kinds: Arc<Kinds>,
}

impl Context {
    /// A context without a history.
    pub fn new(
        client: Client,
        claim: Claim,
        queues: Calls,
        told: Told,
        settings: Settings,
        deletion_patience: Duration,
        metrics: Arc<Metrics>,
    ) -> Self {
        let reporter = Reporter {
            controller: FIELD_MANAGER.to_owned(),
            instance: std::env::var("HOSTNAME").ok(),
        };
        Self {
            reporter,
            client,
            claim,
            queues,
            inventory: told.inventory,
            children: told.children,
            refusals: told.refusals,
            kinds: told.kinds,
            settings,
            deletion_patience,
            metrics,
            memory: Memory::default(),
            echoes: Echoes::default(),
            failures: Mutex::default(),
        }
    }

    /// What is written on the queues of a chain.
    pub fn queue_owner(&self, chain: &ObjectMeta) -> String {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        self.settings
            .queue_owner(&text(&chain.namespace), &text(&chain.name))
    }

    /// A write to the API server, under a time limit and for as long as we are the leader.
    pub fn write<T>(
        &self,
        action: impl Into<String>,
        write: impl Future<Output = Result<T, kube::Error>>,
    ) -> impl Future<Output = Result<T, Error>> {
        self.claim.hold(call(action, write))
    }

    /// Notes a failure of the chain with this UID; how many there were in a row, this one not
    /// counted.
    pub fn failed(&self, uid: &str) -> u32 {
        let mut failures = self.failures();
        let known = failures.entry(uid.to_owned()).or_insert(Failures {
            count: 0,
            since: Instant::now(),
        });
        known.count += 1;
        known.count - 1
    }

    /// For how long the chain with this UID has failed in each round.
    pub fn failing_for(&self, uid: &str) -> Duration {
        let failures = self.failures();
        let known = failures.get(uid);
        known.map_or(Duration::ZERO, |failures| failures.since.elapsed())
    }

    /// Forgets the failures of a chain that is well, or gone.
    pub fn succeeded(&self, uid: &str) {
        self.failures().remove(uid);
    }

    fn failures(&self) -> std::sync::MutexGuard<'_, HashMap<String, Failures>> {
        // A panic while it was held can't have left a counter half written.
        self.failures
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The failures of a chain in a row.
struct Failures {
    count: u32,
    since: Instant,
}

/// A call to the API server that changes nothing, under a time limit.
pub async fn call<T>(
    action: impl Into<String>,
    call: impl Future<Output = Result<T, kube::Error>>,
) -> Result<T, Error> {
    match tokio::time::timeout(CALL_TIMEOUT, call).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(Error::Kubernetes {
            action: action.into(),
            source: Box::new(source),
        }),
        Err(_) => Err(Error::TimedOut {
            action: action.into(),
            after: CALL_TIMEOUT,
        }),
    }
}
