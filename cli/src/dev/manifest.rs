//! The manifest that `dev` runs.

use std::path::{Path, PathBuf};

use cloudtasks::QueuePath;
use crds::{ExecutorChain, WorkerTemplate};
use plan::{Desired, Settings, Tenants, Timing};

use crate::admission::{Admitted, admit};
use crate::error::Error;

/// An admitted manifest.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// Its file.
    pub file: PathBuf,
    /// Its text, to notice changes.
    pub text: String,
    /// The chain.
    pub chain: ExecutorChain,
    value: serde_json::Value,
}

impl Manifest {
    /// Reads and validates a file as the API server would: as a new chain, or as an edit of `old`.
    pub fn read(file: &Path, old: Option<&Self>) -> Result<Self, Error> {
        let text = std::fs::read_to_string(file).map_err(|source| Error::File {
            file: file.to_owned(),
            source,
        })?;
        let admitted = admit(&text, old.map(|old| &old.value));
        let Admitted { chain, value } = admitted.map_err(|rejection| Error::Rejected {
            file: file.to_owned(),
            rejection,
        })?;
        Ok(Self {
            file: file.to_owned(),
            text,
            chain,
            value,
        })
    }

    /// The desired state. What the operator's flags would set has other defaults here.
    pub fn desired(&self, emulator_host: Option<String>) -> Result<Desired, Error> {
        let settings = Settings {
            project: "dev".parse().ok(),
            location: "local".parse().ok(),
            worker_image: "executor-worker".into(),
            worker_template: WorkerTemplate::default(),
            tenants: Tenants::default(),
            cluster: "dev".into(),
            cluster_domain: "cluster.local".into(),
            emulator_host,
            timing: Timing::default(),
        };
        let mut desired = Desired::new(&self.chain, &settings)?;
        // There is no garbage collector that would need an owner reference.
        desired.owner = None;
        Ok(desired)
    }

    /// The first queue, on the emulator at `to`.
    pub fn first_queue(&self, to: &str) -> Result<QueuePath, Error> {
        let desired = self.desired(Some(to.to_owned()))?;
        let first = desired
            .stages
            .first()
            .expect("the schema requires at least one stage");
        Ok(first.queue.clone())
    }
}
