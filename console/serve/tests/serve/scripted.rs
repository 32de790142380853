//! A source that says what a test wants, and who has looked.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use console::{
    Cause, EditState, Finding, Known, LiveChain, LiveNotifier, LiveStage, ParkedListing,
    ParkedQuery, ParkedReply, Pods, Snapshot, StageSettings, StageState, Standby, Trends, Unknown,
};
use console_serve::{NotListed, Source};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

/// Between snapshots.
pub const INTERVAL: Duration = Duration::from_secs(2);

pub struct Scripted(Mutex<State>);

struct State {
    now: Result<Arc<Snapshot>, Standby>,
    looks: Vec<String>,
}

impl Scripted {
    pub fn of(chains: Vec<Chain>) -> Arc<Self> {
        let state = State {
            now: Ok(snapshot(chains)),
            looks: vec![],
        };
        Arc::new(Self(Mutex::new(state)))
    }

    pub fn set(&self, chains: Vec<Chain>) {
        self.0.lock().unwrap().now = Ok(snapshot(chains));
    }

    /// Namespaces that can't be listed.
    pub fn miss(&self, namespaces: &[&str]) {
        let mut state = self.0.lock().unwrap();
        let mut snapshot = state.now.as_deref().unwrap().clone();
        snapshot.unlisted = namespaces.iter().map(|it| (*it).to_owned()).collect();
        state.now = Ok(Arc::new(snapshot));
    }

    pub fn become_standby(&self, standby: Standby) {
        self.0.lock().unwrap().now = Err(standby);
    }

    /// Who has looked since the last call.
    pub fn looks(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap().looks)
    }
}

impl Source for Scripted {
    /// By the name of the chain. The reply tells how many rows were asked for.
    fn parked(
        &self,
        (_, name): (String, String),
        query: ParkedQuery,
    ) -> BoxFuture<'static, Result<ParkedReply, NotListed>> {
        let standby = self.0.lock().unwrap().now.clone().err();
        async move {
            match (standby, &*name) {
                (Some(standby), _) => Err(NotListed::Standby(standby)),
                (None, "gone") => Err(NotListed::Absent("there is no such chain".into())),
                (None, "broken") => Err(NotListed::Failed("Cloud Tasks is unavailable".into())),
                (None, "busy") => Err(NotListed::TooOften("try again in 20s".into())),
                (None, _) => {
                    let mut reply = ParkedListing::empty(Timestamp::UNIX_EPOCH).reply(
                        "orders-parked",
                        query.clone(),
                        None,
                        Timestamp::UNIX_EPOCH,
                    );
                    reply.listed = u64::try_from(query.limit).unwrap();
                    Ok(reply)
                }
            }
        }
        .boxed()
    }

    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        self.0.lock().unwrap().now.clone()
    }

    fn looked_at(&self, chain: Option<(&str, &str)>) {
        let look = chain.map_or_else(
            || "all".to_owned(),
            |(namespace, name)| format!("{namespace}/{name}"),
        );
        self.0.lock().unwrap().looks.push(look);
    }
}

fn snapshot(chains: Vec<Chain>) -> Arc<Snapshot> {
    Arc::new(Snapshot {
        at: Timestamp::now(),
        interval: INTERVAL,
        chains: chains.into_iter().map(|chain| Arc::new(chain.0)).collect(),
        unlisted: vec![],
        trends: Arc::new(Trends::new(INTERVAL)),
    })
}

pub struct Chain(pub LiveChain);

/// A chain that is well, of which little is known.
pub fn chain(namespace: &str, name: &str) -> Chain {
    let unknown = Unknown::Pending;
    let stage = LiveStage {
        name: "fast".into(),
        queue: "incoming".into(),
        deployment: format!("{name}-fast"),
        state: StageState::Running,
        settings: StageSettings {
            max_dispatches_per_second: Some(500.0),
            max_concurrent_dispatches: Some(100),
            max_attempts: 3,
            timeout: Duration::from_secs(30),
            hold_on_outage: None,
        },
        pods: Pods {
            ready: 2,
            desired: 2,
        },
        isolates_to: Vec::new(),
        overrides: Vec::new(),
        queue_numbers: Known::Unknown { unknown },
        worker_numbers: Known::Unknown { unknown },
    };
    Chain(LiveChain {
        namespace: namespace.into(),
        name: name.into(),
        edit: EditState::InForce,
        drift: None,
        unreachable: None,
        stages: vec![stage],
        draining: vec![],
        notifier: LiveNotifier {
            queue: format!("{name}-notifier"),
            paused: false,
            queue_numbers: Known::Unknown { unknown },
        },
        parking: None,
        findings: vec![],
    })
}

impl Chain {
    pub fn failing(mut self) -> Self {
        self.0.findings.push(Finding {
            cause: Cause::HandlerFails,
            stage: Some("fast".into()),
            since: None,
            message: "the handler fails: 12 of 12 runs in 10 s".into(),
            command: "kubectl logs deployment/orders-fast".into(),
        });
        self
    }
}
