//! The page that shows the chain at work, and its API.

use std::net::SocketAddr;
use std::sync::Arc;

use cloudtasks::{CloudTasks, LocationPath, QueuePath};
use console::{
    LiveChain, ParkedListing, ParkedQuery, ParkedReply, PlanReply, PlanRequest, Snapshot, Standby,
};
use console_serve::{NotListed, Source, Unplanned, routes_with};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking::ParkedTask;
use parking_lot::RwLock;
use tokio::net::TcpListener;

use crate::dev::overrides::{self, ask_plan};
use crate::dev::redrives;
use crate::dev::requests::Requests;
use crate::error::Error;

/// Tried first, so that the address is the same each time. A second `dev` gets another port.
const USUAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 9480);

/// Parked tasks that are listed, as many as the operator lists.
const MOST_PARKED: usize = 20_000;

/// What was collected last.
pub struct Latest {
    snapshot: RwLock<Arc<Snapshot>>,
    requests: Requests,
    queues: Queues,
}

/// Where the queues are.
pub struct Queues {
    /// The emulator.
    pub cloud: CloudTasks,
    /// Project and location.
    pub parent: LocationPath,
}

impl Latest {
    /// The chain as it was seen last.
    pub fn chain(&self) -> Option<Arc<LiveChain>> {
        self.snapshot.read().chains.first().cloned()
    }

    /// From now on this is shown.
    pub fn set(&self, snapshot: Snapshot) {
        *self.snapshot.write() = Arc::new(snapshot);
    }
}

impl Source for Latest {
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        Ok(Arc::clone(&self.snapshot.read()))
    }

    /// One chain costs so little that it is followed anyway.
    fn looked_at(&self, _chain: Option<(&str, &str)>) {}

    fn plan(&self, request: PlanRequest) -> BoxFuture<'static, Result<PlanReply, Unplanned>> {
        ask_plan(self.requests.clone(), request).boxed()
    }

    fn parked(
        &self,
        (namespace, name): (String, String),
        query: ParkedQuery,
    ) -> BoxFuture<'static, Result<ParkedReply, NotListed>> {
        let chain = self.chain();
        let Queues { cloud, parent } = &self.queues;
        let (cloud, parent) = (cloud.clone(), parent.clone());
        async move {
            let is_it = |it: &Arc<LiveChain>| it.namespace == namespace && it.name == name;
            let chain = chain.filter(is_it);
            let chain = chain.ok_or_else(|| {
                NotListed::Absent(format!("there is no chain {namespace}/{name}"))
            })?;
            let id = chain.parking.as_ref().map(|parking| parking.queue.clone());
            let id = id.ok_or_else(|| {
                NotListed::Absent(format!(
                    "chain {namespace}/{name} has no parking: set spec.parking.queue in its file"
                ))
            })?;
            let parsed = id.parse();
            let parsed =
                parsed.map_err(|error: cloudtasks::NameError| NotListed::Failed(error.to_string()));
            let listed = list(&cloud, &parent.queue(parsed?)).await;
            let listed = listed.map_err(|error| NotListed::Failed(error.to_string()))?;
            Ok(listed.reply(&id, query, None, Timestamp::now()))
        }
        .boxed()
    }
}

/// The emulator has no quota, and one person looks.
async fn list(cloud: &CloudTasks, queue: &QueuePath) -> Result<ParkedListing, cloudtasks::Error> {
    let mut listing = ParkedListing::empty(Timestamp::now());
    let mut from = None;
    loop {
        let page = cloud.list_tasks_page(queue, from.as_ref()).await?;
        for task in &page.tasks {
            listing.add(ParkedTask::read(task));
        }
        from = page.next;
        if from.is_none() {
            break;
        }
        if listing.tasks() >= MOST_PARKED {
            listing.incomplete =
                Some("there may be more: at most 20,000 tasks are listed".to_owned());
            break;
        }
    }
    listing.at = Timestamp::now();
    listing.rows.sort();
    Ok(listing)
}

/// Listens on the address that the user chose, or on the usual one.
pub async fn listen(chosen: Option<SocketAddr>) -> Result<TcpListener, Error> {
    if chosen.is_none()
        && let Ok(listener) = TcpListener::bind(USUAL).await
    {
        return Ok(listener);
    }
    let address = chosen.unwrap_or(SocketAddr::new(USUAL.ip(), 0));
    let listener = TcpListener::bind(address).await;
    listener.map_err(|source| Error::Listen {
        address,
        option: "--admin",
        source,
    })
}

/// Serves the snapshots that are set, until the process ends.
pub fn serve(
    listener: TcpListener,
    first: Snapshot,
    requests: Requests,
    queues: Queues,
) -> Arc<Latest> {
    let more = overrides::routes(requests.clone()).merge(redrives::routes(requests.clone()));
    let latest = Arc::new(Latest {
        snapshot: RwLock::new(Arc::new(first)),
        requests,
        queues,
    });
    let source: Arc<dyn Source> = Arc::<Latest>::clone(&latest);
    tokio::spawn(async move { axum::serve(listener, routes_with(source, more)).await });
    latest
}
