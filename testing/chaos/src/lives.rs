//! The handlers' processes: started, started again when they have died, and which of their lives
//! is over.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::process::Command;

use crate::account::Account;
use crate::chance::Seed;

/// The first argument of a handler's process.
pub const ARGUMENT: &str = "handler";

/// For each handler, the lives that it has had.
#[derive(Debug)]
pub struct Lives(Vec<Life>);

#[derive(Debug, Default)]
struct Life {
    /// The present one's number. It rises when the end of the one before has been noticed.
    present: AtomicU64,
    /// The last one that is known to end or to have ended.
    doomed: AtomicU64,
}

impl Lives {
    /// Of so many handlers, none of which lives yet.
    pub fn new(handlers: usize) -> Self {
        let first = || Life {
            present: AtomicU64::new(1),
            doomed: AtomicU64::new(0),
        };
        Self((0..handlers).map(|_| first()).collect())
    }

    /// The number of a handler's present life.
    pub fn present(&self, slot: usize) -> u64 {
        self.0[slot].present.load(Ordering::SeqCst)
    }

    /// This life is about to end. An earlier one that comes late changes nothing.
    pub fn doom(&self, slot: usize, life: u64) {
        if let Some(lives) = self.0.get(slot) {
            lives.doomed.fetch_max(life, Ordering::SeqCst);
        }
    }

    /// Whether the handler died, or was about to, at any time since its present life was `life`.
    pub fn died_since(&self, slot: usize, life: u64) -> bool {
        self.0[slot].doomed.load(Ordering::SeqCst) >= life
    }

    fn over(&self, slot: usize, life: u64) {
        self.doom(slot, life);
        self.0[slot].present.store(life + 1, Ordering::SeqCst);
    }
}

/// Starts a handler on each of the ports, and again soon after it has died. Kubernetes lets a
/// container that dies this often wait for minutes; then there would be little left to hit.
pub fn keep(
    ports: &[SocketAddr],
    asked: SocketAddr,
    seed: Seed,
    account: &Arc<Account>,
    lives: &Arc<Lives>,
) -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    for (slot, listen) in ports.iter().copied().enumerate() {
        let (account, lives) = (Arc::clone(account), Arc::clone(lives));
        let program = program.clone();
        tokio::spawn(async move {
            loop {
                let life = lives.present(slot);
                live(&program, listen, asked, slot, life).await;
                lives.over(slot, life);
                account.deaths.add();
                let place = u64::try_from(slot).unwrap_or(0);
                let pause = seed.of("pause", &place.to_string(), life).between(10, 200);
                tokio::time::sleep(pause).await;
            }
        });
    }
    Ok(())
}

/// One life, from its start to its end.
async fn live(program: &Path, listen: SocketAddr, asked: SocketAddr, slot: usize, life: u64) {
    let spawned = Command::new(program)
        .arg(ARGUMENT)
        .args([listen.to_string(), asked.to_string()])
        .args([slot.to_string(), life.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    if let Ok(mut handler) = spawned {
        // It ends when this pipe does: no handler outlives the run, however the run ends.
        let _pipe = handler.stdin.take();
        let _ = handler.wait().await;
    }
}
