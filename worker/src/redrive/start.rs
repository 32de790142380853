//! Starting and stopping a mover.

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::service::TowerToHyperService;
use parking::{RedrivePhase, RedriveProgress};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::info;
use worker_contract::{env, limits};

use super::admin::Admin;
use super::run::run;
use crate::config::MoverConfig;
use crate::server::{ADMIN_CONNECTIONS, CLOSE_TIMEOUT, StartError, listen, serve};

/// A running mover. It stays when the redrive is over, so that its progress can be read. If it is dropped
/// without [`RunningMover::stop`], it begins no other move.
#[derive(Debug)]
pub struct RunningMover {
    admin_addr: SocketAddr,
    progress: watch::Receiver<RedriveProgress>,
    /// Ends when the redrive is over, or when it is stopped.
    work: JoinHandle<()>,
    stop: CancellationToken,
    _stopped_on_drop: DropGuard,
    servers: JoinSet<()>,
    close: CancellationToken,
}

/// Starts a mover: listens on its address, and connects to Cloud Tasks in the background.
pub async fn start_mover(config: MoverConfig) -> Result<RunningMover, StartError> {
    let (listener, admin_addr) = listen(&config.admin, env::ADMIN_ADDR).await?;
    let order = Arc::new(config.order);
    let progress = watch::Sender::new(RedriveProgress {
        redrive: order.selection.redrive.clone(),
        phase: RedrivePhase::Counting,
        remaining: None,
        at_least: false,
        moved: 0,
        skipped: 0,
        failed_again: 0,
        canary: None,
        problem: None,
    });
    let connected = watch::Sender::new(false);
    let admin = Admin {
        order: Arc::clone(&order),
        progress: progress.subscribe(),
        connected: connected.subscribe(),
    };
    let (stop, close) = (CancellationToken::new(), CancellationToken::new());
    let mut servers = JoinSet::new();
    servers.spawn(serve(
        listener,
        TowerToHyperService::new(admin.router()),
        ADMIN_CONNECTIONS,
        limits::READ_PUSH,
        close.clone(),
    ));
    info!(
        chain = order.chain,
        redrive = %order.selection.redrive,
        parked = %order.parked,
        rate = order.rate,
        %admin_addr,
        "moving parked tasks"
    );
    let subscribed = progress.subscribe();
    let work = run(order, config.endpoint, progress, connected, stop.clone());
    Ok(RunningMover {
        admin_addr,
        progress: subscribed,
        work: tokio::spawn(work),
        _stopped_on_drop: stop.clone().drop_guard(),
        stop,
        servers,
        close,
    })
}

impl RunningMover {
    /// The address for health, metrics and progress.
    pub fn admin_addr(&self) -> SocketAddr {
        self.admin_addr
    }

    /// How far the redrive has come.
    pub fn progress(&self) -> RedriveProgress {
        self.progress.borrow().clone()
    }

    /// Returns if the work has ended by an error in this program. Without its process, Kubernetes starts
    /// another.
    pub async fn failed(&mut self) {
        if (&mut self.work).await.is_ok() {
            std::future::pending::<()>().await;
        }
    }

    /// Begins no other move, and returns when the moves in flight are done.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if !self.work.is_finished() {
            let _ = self.work.await;
        }
        self.close.cancel();
        let closed = async { while self.servers.join_next().await.is_some() {} };
        if tokio::time::timeout(CLOSE_TIMEOUT, closed).await.is_err() {
            self.servers.shutdown().await;
        }
        info!("stopped");
    }
}
