//! How soon the programs in the pods are ready, as a probe would see that never rests.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use testkit::http_get;

use crate::processes::{self, Process};

/// Whose starts are watched. Both serve their health on one port.
pub const PROGRAMS: [&str; 2] = ["executor-operator", "executor-worker"];
const ADMIN_PORT: u16 = 9481;
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(10);
/// Looks at one process: a minute.
const LOOKS: u32 = 6000;

/// From a process' start until it is ready, by program.
#[derive(Debug, Clone, Default)]
pub struct StartupTimes(Arc<Mutex<BTreeMap<&'static str, Vec<Duration>>>>);

impl StartupTimes {
    pub fn watch() -> Self {
        let starts = Self::default();
        let watching = starts.clone();
        tokio::spawn(async move {
            let mut seen = BTreeSet::new();
            loop {
                for program in PROGRAMS {
                    for process in processes::of(program) {
                        if seen.insert(process.pid) {
                            tokio::spawn(watching.clone().follow(program, process));
                        }
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        });
        starts
    }

    /// The middle one, the longest, and how many there were.
    pub fn of(&self, program: &str) -> Option<(Duration, Duration, usize)> {
        let starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut starts = starts.get(program)?.clone();
        starts.sort();
        let middle = starts.get(starts.len() / 2)?;
        Some((*middle, *starts.last()?, starts.len()))
    }

    async fn follow(self, program: &'static str, process: Process) {
        for _ in 0..LOOKS {
            if let Some(address) = process.address() {
                let admin = SocketAddr::new(address, ADMIN_PORT);
                if http_get(admin, "/readyz").await.is_ok() {
                    let Some(age) = process.age() else { return };
                    let mut starts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
                    starts.entry(program).or_default().push(age);
                    return;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
