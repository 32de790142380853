//! What the operator itself is told, and every chain shares.

use cloudtasks::{LocationId, ProjectId};

/// The operator's own settings, as far as a plan depends on them.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The project of chains that name none.
    pub project: Option<ProjectId>,
    /// The location of chains that name none.
    pub location: Option<LocationId>,
    /// The image of the worker container.
    pub worker_image: String,
    /// What tells this cluster from others; part of the owner that is written on a queue.
    pub cluster: String,
    /// The DNS domain of the cluster's Services.
    pub cluster_domain: String,
    /// `host:port` of an emulator that the workers should use in place of Google.
    pub emulator_host: Option<String>,
}
