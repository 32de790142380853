//! A source that shows what a test wants.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use console::{LiveChain, Snapshot, Standby, Trends};
use console_serve::Source;
use jiff::Timestamp;
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

const INTERVAL: Duration = Duration::from_millis(500);

/// A source that shows what a test wants.
#[derive(Debug)]
pub struct Scripted(Mutex<Result<Arc<Snapshot>, Standby>>);

impl Scripted {
    /// Shows these chains.
    pub fn new(chains: Vec<LiveChain>, trends: Trends) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Ok(Arc::new(snapshot(chains, trends))))))
    }

    /// Shows other chains from now on.
    pub fn edit(&self, edit: impl FnOnce(&mut Vec<LiveChain>)) {
        let mut now = self.0.lock();
        if let Ok(snapshot) = &*now {
            let chains = snapshot.chains.iter().map(|chain| chain.as_ref().clone());
            let mut chains: Vec<LiveChain> = chains.collect();
            edit(&mut chains);
            *now = Ok(Arc::new(Snapshot {
                at: Timestamp::now(),
                interval: snapshot.interval,
                chains: chains.into_iter().map(Arc::new).collect(),
                unlisted: vec![],
                trends: Arc::clone(&snapshot.trends),
            }));
        }
    }

    /// Is no leader from now on.
    pub fn become_standby(&self, leader: Option<&str>) {
        let leader = leader.map(str::to_owned);
        *self.0.lock() = Err(Standby { leader });
    }

    /// Is the leader from now on.
    pub fn become_leader(&self, (chains, trends): (Vec<LiveChain>, Trends)) {
        *self.0.lock() = Ok(Arc::new(snapshot(chains, trends)));
    }

    /// Serves it until the process ends.
    pub async fn serve(self: &Arc<Self>, address: &str) -> std::io::Result<SocketAddr> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let routes = console_serve::routes(Arc::clone(self) as _);
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Ok(address)
    }

    /// Serves it in a runtime of its own: with it, connections end that are open.
    pub async fn serve_until_dropped(self: &Arc<Self>, address: &str) -> Serving {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build();
        let runtime = runtime.expect("a runtime can be made");
        let (source, address) = (Arc::clone(self), address.to_owned());
        let served = runtime.spawn(async move { source.serve(&address).await });
        let served = served.await.expect("it doesn't panic");
        served.expect("the address is free");
        Serving(Some(runtime))
    }
}

/// A server that ends with this value.
#[derive(Debug)]
pub struct Serving(Option<Runtime>);

impl Drop for Serving {
    fn drop(&mut self) {
        // A runtime can't wait for its own end within another one.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

fn snapshot(chains: Vec<LiveChain>, trends: Trends) -> Snapshot {
    Snapshot {
        at: Timestamp::now(),
        interval: INTERVAL,
        chains: chains.into_iter().map(Arc::new).collect(),
        unlisted: vec![],
        trends: Arc::new(trends),
    }
}

impl Source for Scripted {
    fn snapshot(&self) -> Result<Arc<Snapshot>, Standby> {
        let mut now = self.0.lock();
        // Time goes on though nothing happens.
        if let Ok(snapshot) = &*now {
            *now = Ok(Arc::new(Snapshot {
                at: Timestamp::now(),
                ..snapshot.as_ref().clone()
            }));
        }
        now.clone()
    }

    fn looked_at(&self, _chain: Option<(&str, &str)>) {}
}
