//! The workers' processes, and their ends.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use testkit::Process;

use crate::chain::{STAGES, Stage, Upstreams, worker};
use crate::seed::Seed;
use crate::tracker::Tracker;

pub const EACH: usize = 2;

pub struct Workers {
    program: PathBuf,
    slots: Vec<Slot>,
}

struct Slot {
    stage: &'static Stage,
    listen: SocketAddr,
    upstreams: Upstreams,
    process: Mutex<Option<Process>>,
}

impl Workers {
    /// Starts them, each on a port that it keeps, before a handler of its own.
    pub fn start(
        program: PathBuf,
        ports: &[SocketAddr],
        upstreams: impl Iterator<Item = Upstreams>,
    ) -> Arc<Self> {
        let pairs = ports.iter().zip(upstreams).enumerate();
        let slots = pairs.map(|(slot, (listen, upstreams))| Slot {
            stage: &STAGES[slot / EACH],
            listen: *listen,
            upstreams,
            process: Mutex::default(),
        });
        let workers = Self {
            program,
            slots: slots.collect(),
        };
        for slot in 0..workers.slots.len() {
            workers.revive(slot);
        }
        Arc::new(workers)
    }

    fn revive(&self, slot: usize) {
        let slot = &self.slots[slot];
        let command = worker(&self.program, slot.stage, slot.listen, slot.upstreams);
        let process = Process::spawn_unlogged(&command);
        *slot.process.lock().unwrap_or_else(PoisonError::into_inner) = Some(process);
    }

    /// Whether it still ran, or had ended by itself. None if there was none. It is gone when this returns.
    fn kill(&self, slot: usize) -> Option<bool> {
        let slot = &self.slots[slot].process;
        let process = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Dropping it sends SIGKILL to all of it.
        process.map(|process| process.exit_code().is_none())
    }
}

/// Kills four workers a second, and starts each again a little later, until it is aborted.
pub async fn kill(workers: Arc<Workers>, seed: Seed, tracker: Arc<Tracker>) {
    for blow in 0.. {
        let draw = seed.of("kill", "", blow);
        tokio::time::sleep(draw.between(50, 450)).await;
        let slot = draw.one_of(workers.slots.len());
        let (workers, tracker) = (Arc::clone(&workers), Arc::clone(&tracker));
        tokio::spawn(async move {
            let down = draw.of("down", "", 0).between(50, 400);
            let revived = Arc::clone(&workers);
            let killed = tokio::task::spawn_blocking(move || workers.kill(slot)).await;
            if let Ok(Some(still_ran)) = killed {
                tracker.kills.add();
                if !still_ran {
                    tracker.ended.add();
                }
                tokio::time::sleep(down).await;
                let _ = tokio::task::spawn_blocking(move || revived.revive(slot)).await;
            }
        });
    }
}
