//! Whether the handler takes connections: asked at the start, and again when a run could not be sent.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tracing::{info, warn};

use crate::state::Worker;

const TIMEOUT: Duration = Duration::from_secs(5);
const FIRST_BACKOFF: Duration = Duration::from_millis(100);
/// Short, so that a pod whose handler has restarted serves again at once.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1);

/// Each time that the handler is not known to listen, connects to it until that succeeds.
pub(crate) async fn check_handler(worker: Arc<Worker>) {
    let mut listens = worker.handler_listens.subscribe();
    // It fails only without the worker, which this function holds.
    while listens.wait_for(|listens| !listens).await.is_ok() {
        wait_for_handler(&worker).await;
        worker.handler_listens.send_replace(true);
    }
}

async fn wait_for_handler(worker: &Worker) {
    let (host, port) = worker.config.handler.url.target();
    let (stage, handler) = (
        &worker.config.policy.stage,
        &worker.config.handler.url.authority,
    );
    let mut backoff = FIRST_BACKOFF;
    while let Err(error) = connect(host, port).await {
        if backoff == FIRST_BACKOFF {
            warn!(%stage, %handler, %error, "the handler takes no connections: not ready");
        }
        tokio::time::sleep(backoff).await;
        backoff = (backoff * 2).min(LONGEST_BACKOFF);
    }
    if backoff > FIRST_BACKOFF {
        info!(%stage, %handler, "the handler takes connections now");
    }
}

async fn connect(host: &str, port: u16) -> io::Result<()> {
    let connecting = TcpStream::connect((host, port));
    tokio::time::timeout(TIMEOUT, connecting).await??;
    Ok(())
}
