//! The API as the operator and `dev` serve it, over chains that a test writes down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use console::{LiveChain, Snapshot, Standby, Trends};
use console_serve::Source;
use jiff::Timestamp;
use serde_json::{Value, json};

/// Chains, or an operator that stands by.
pub struct Served(pub Result<Vec<Value>, Standby>);

impl Served {
    /// An address that serves them.
    pub async fn start(self) -> SocketAddr {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0))
            .await
            .unwrap();
        let address = listener.local_addr().unwrap();
        let snapshot = self.0.map(|chains| {
            let chain = |chain| Arc::new(serde_json::from_value::<LiveChain>(chain).unwrap());
            Arc::new(Snapshot {
                at: Timestamp::UNIX_EPOCH,
                interval: Duration::from_secs(2),
                chains: chains.into_iter().map(chain).collect(),
                unlisted: vec![],
                trends: Arc::new(Trends::new(Duration::from_secs(2))),
            })
        });
        let routes = console_serve::routes(Arc::new(Scripted(snapshot)));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        address
    }
}

struct Scripted(Result<Arc<Snapshot>, Standby>);

impl Source for Scripted {
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        self.0.clone()
    }

    fn looked_at(&self, _: Option<(&str, &str)>) {}
}

/// A chain of one stage that is well.
pub fn well(namespace: &str, name: &str) -> Value {
    let queue_numbers = json!({
        "tasks": 0, "executedLastMinute": 0, "inFlight": 0, "effectiveRate": 20.0,
    });
    let runs = json!({"succeeded": 0, "failed": 0, "timedOut": 0, "unreachable": 0});
    let answers = json!({
        "done": 0, "failed": 0, "notHandedOn": 0, "notNotified": 0, "unknown": 0, "noRoom": 0,
        "tooLarge": 0,
    });
    json!({
        "namespace": namespace,
        "name": name,
        "edit": {"state": "inForce"},
        "stages": [{
            "name": "fast",
            "queue": "incoming",
            "deployment": format!("{name}-fast"),
            "state": {"is": "running"},
            "settings": {"maxDispatchesPerSecond": 20.0, "maxAttempts": 3, "timeoutSeconds": 10.0},
            "pods": {"ready": 1, "desired": 1},
            "queueNumbers": queue_numbers,
            "workerNumbers": {
                "windowSeconds": 300.0, "podsAsked": 1, "runs": runs,
                "arrivals": {"producer": 0, "handOver": 0}, "answers": answers, "handedOn": 0,
                "expiring": 0, "runsInProgress": 0, "runSlots": 10,
            },
        }],
        "notifier": {"queue": "notifier", "paused": false, "queueNumbers": queue_numbers},
        "findings": [],
    })
}

/// One that isn't.
pub fn failing(namespace: &str, name: &str) -> Value {
    let mut chain = well(namespace, name);
    chain["findings"] = json!([{
        "cause": "HandlerFails",
        "stage": "fast",
        "message": "the handler fails: 7 of 7 runs",
        "command": "kubectl logs",
    }]);
    chain
}

/// One of whose queue nothing is known.
pub fn unknown(namespace: &str, name: &str) -> Value {
    let mut chain = well(namespace, name);
    chain["stages"][0]["queueNumbers"] = json!({"unknown": "quota"});
    chain
}
