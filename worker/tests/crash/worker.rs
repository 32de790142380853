//! A worker's process, which can be killed and comes back.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::{Process, eventually, free_addr, http_get};
use tokio::runtime::Handle;

use crate::chain::{self, Stage, Upstreams};

/// Far more than anything here takes, on a slow machine too.
pub const SOON: Duration = Duration::from_secs(30);

pub struct Worker {
    pub stage: &'static Stage,
    /// Where pushes arrive, whichever process it is.
    pub addr: SocketAddr,
    admin: SocketAddr,
    command: Command,
    process: Mutex<Option<Process>>,
}

impl Worker {
    pub fn start(stage: &'static Stage, upstreams: Upstreams, parks: bool) -> Arc<Self> {
        let [addr, admin] = [free_addr(), free_addr()];
        let mut command = chain::worker(stage, [addr, admin], upstreams);
        if parks {
            testkit::chain::parks(&mut command);
        }
        let worker = Self {
            stage,
            addr,
            admin,
            command,
            process: Mutex::default(),
        };
        worker.revive();
        Arc::new(worker)
    }

    fn revive(&self) {
        *self.process.lock().unwrap() = Some(Process::spawn_unlogged(&self.command));
    }

    pub async fn ready(&self) {
        let what = format!("readiness of {}'s worker", self.stage.name);
        eventually(&what, SOON, async || http_get(self.admin, "/readyz").await).await;
    }

    /// Waits until it has the head of a push, and no answer.
    pub async fn has_a_push(self: &Arc<Self>) {
        let worker = Arc::clone(self);
        on_a_thread(async move || {
            let look = async || match worker.metric("callers_waiting", "").await {
                Ok(1) => Ok(()),
                other => Err(other),
            };
            eventually("a push at the worker", SOON, look).await;
        })
        .await;
    }

    /// Kills it with SIGKILL, and returns when it is dead and its successor is started.
    pub async fn kill(self: &Arc<Self>) {
        let worker = Arc::clone(self);
        on_a_thread(async move || {
            let process = worker.process.lock().unwrap().take().unwrap();
            process.kill9();
            assert_eq!(process.exit(SOON).await, 128 + 9);
            worker.revive();
        })
        .await;
    }

    /// A number from the metrics page; 0 where none has the name and the label.
    pub async fn metric(&self, name: &str, label: &str) -> Result<u64, String> {
        let page = http_get(self.admin, "/metrics").await;
        let page = page.map_err(|error| error.to_string())?;
        let start = format!("executor_worker_{name}{{");
        let mut lines = page.lines();
        let line = lines.find(|line| line.starts_with(&start) && line.contains(label));
        let value = line.and_then(|line| line.rsplit(' ').next()).unwrap_or("0");
        value.parse().map_err(|error| format!("{value}: {error}"))
    }
}

/// Goes on to its end even if the caller's future is dropped: servers drop theirs when the
/// connection breaks, which is what a kill leads to. The work is made on the thread, since the
/// compiler can't see that a future with `eventually` in it may move there.
async fn on_a_thread(work: impl AsyncFnOnce() + Send + 'static) {
    let runtime = Handle::current();
    let done = tokio::task::spawn_blocking(move || runtime.block_on(work()));
    done.await.unwrap();
}
