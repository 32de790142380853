//! The handlers' processes: started, and started again when they have died.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::process::Command;

use crate::seed::Seed;
use crate::tracker::Tracker;

pub const ARGUMENT: &str = "handler";

/// The generations of each handler: which of its processes is the current one.
#[derive(Debug)]
pub struct Generations(Vec<Generation>);

#[derive(Debug, Default)]
struct Generation {
    /// It rises when the end of the process before has been noticed.
    current: AtomicU64,
    /// The last one that is known to end or to have ended.
    ended: AtomicU64,
}

impl Generations {
    /// Of so many handlers, none of which runs yet.
    pub fn new(handlers: usize) -> Self {
        let first = || Generation {
            current: AtomicU64::new(1),
            ended: AtomicU64::new(0),
        };
        Self((0..handlers).map(|_| first()).collect())
    }

    pub fn current(&self, slot: usize) -> u64 {
        self.0[slot].current.load(Ordering::SeqCst)
    }

    /// This generation is about to end. An earlier one that comes late changes nothing.
    pub fn ends(&self, slot: usize, generation: u64) {
        if let Some(it) = self.0.get(slot) {
            it.ended.fetch_max(generation, Ordering::SeqCst);
        }
    }

    /// Whether the handler died, or was about to, at any time since this generation was the current one.
    pub fn died_since(&self, slot: usize, generation: u64) -> bool {
        self.0[slot].ended.load(Ordering::SeqCst) >= generation
    }

    fn ended(&self, slot: usize, generation: u64) {
        self.ends(slot, generation);
        self.0[slot].current.store(generation + 1, Ordering::SeqCst);
    }
}

/// Starts a handler on each of the ports, and again soon after it has died. Kubernetes lets a
/// container that dies this often wait for minutes; then there would be little left to hit.
pub fn keep(
    ports: &[SocketAddr],
    asked: SocketAddr,
    seed: Seed,
    tracker: &Arc<Tracker>,
    generations: &Arc<Generations>,
) -> std::io::Result<()> {
    let program = std::env::current_exe()?;
    for (slot, listen) in ports.iter().copied().enumerate() {
        let (tracker, generations) = (Arc::clone(tracker), Arc::clone(generations));
        let program = program.clone();
        tokio::spawn(async move {
            loop {
                let generation = generations.current(slot);
                run(&program, listen, asked, slot, generation).await;
                generations.ended(slot, generation);
                tracker.deaths.add();
                let place = u64::try_from(slot).unwrap_or(0);
                let pause = seed
                    .of("pause", &place.to_string(), generation)
                    .between(10, 200);
                tokio::time::sleep(pause).await;
            }
        });
    }
    Ok(())
}

async fn run(program: &Path, listen: SocketAddr, asked: SocketAddr, slot: usize, generation: u64) {
    let spawned = Command::new(program)
        .arg(ARGUMENT)
        .args([listen.to_string(), asked.to_string()])
        .args([slot.to_string(), generation.to_string()])
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
