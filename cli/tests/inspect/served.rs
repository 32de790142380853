//! The API as the operator and `dev` serve it, over chains that a test writes down.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use console::{
    LiveChain, ParkedGroup, ParkedItem, ParkedListing, ParkedQuery, ParkedReply, Snapshot, Standby,
    Trends,
};
use console_serve::{NotListed, Source};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{Timestamp, ToSpan};
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

    /// Of a chain whose name says so, why nothing is known. Of others, one task.
    fn parked(
        &self,
        (_, name): (String, String),
        query: ParkedQuery,
    ) -> BoxFuture<'static, Result<ParkedReply, NotListed>> {
        let standby = self.0.clone().err();
        async move {
            match (standby, &*name) {
                (Some(standby), _) => Err(NotListed::Standby(standby)),
                (None, "plain") => Err(NotListed::Absent("shop/plain parks nothing".into())),
                (None, "busy") => Err(NotListed::TooOften("try again in 20 s".into())),
                (None, _) => Ok(one_parked(query)),
            }
        }
        .boxed()
    }
}

fn one_parked(query: ParkedQuery) -> ParkedReply {
    let now = Timestamp::now();
    let status = query.filter.status.map(|_| 409);
    let mut reply = ParkedListing::empty(now).reply("orders-parked", query, None, now);
    (reply.tasks, reply.listed) = (1, 1);
    reply.groups = vec![ParkedGroup {
        values: vec!["no-stock".into()],
        tasks: 1,
        first: Timestamp::UNIX_EPOCH,
        last: Timestamp::UNIX_EPOCH,
    }];
    reply.items = vec![ParkedItem {
        task: "order-1".into(),
        queue: "orders".into(),
        path: "/orders".into(),
        stage: "slow".into(),
        cause: "Exhausted".into(),
        reason: "no-stock".into(),
        status,
        parked: Timestamp::UNIX_EPOCH,
        kept_until: now + (31 * 24).hours(),
        life: Some(2),
        redrive: Some("inc-42".into()),
    }];
    reply
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
