//! The container of a stage's handler, which is started again when it ends.

use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use testkit::{Process, eventually};

use crate::handler::{self, Run};
use crate::worker::Worker;

/// The test is over long before.
const FOR_EVER: Duration = Duration::from_hours(1);

pub struct Container {
    port: u16,
    worker: Arc<Worker>,
    /// All of them, dead ones too.
    processes: Mutex<Vec<Arc<Process>>>,
}

impl Container {
    pub fn start(port: u16, worker: Arc<Worker>) -> Self {
        let container = Self {
            port,
            worker,
            processes: Mutex::default(),
        };
        container.spawn();
        container
    }

    fn spawn(&self) -> Arc<Process> {
        let process = Arc::new(Process::spawn(&handler::command(self.port)));
        self.processes.lock().unwrap().push(Arc::clone(&process));
        process
    }

    /// Starts the handler again each time that it has ended, as a kubelet does; but only after a
    /// task was refused meanwhile, so that there is no lucky moment in which none is.
    pub async fn keep(&self) -> Infallible {
        loop {
            let process = self.processes.lock().unwrap().last().cloned().unwrap();
            process.exit(FOR_EVER).await;
            let before = eventually("the metrics", FOR_EVER, async || self.refused().await).await;
            eventually("a refused connection", FOR_EVER, async || {
                let now = self.refused().await?;
                (now > before).then_some(()).ok_or(now.to_string())
            })
            .await;
            self.spawn();
        }
    }

    async fn refused(&self) -> Result<u64, String> {
        let unreachable = r#"outcome="unreachable""#;
        self.worker.metric("attempts_total", unreachable).await
    }

    pub fn runs(&self) -> Vec<Run> {
        let processes = self.processes.lock().unwrap();
        let logs = processes.iter().map(|process| process.log());
        logs.flat_map(|log| handler::runs(&log).collect::<Vec<_>>())
            .collect()
    }
}
