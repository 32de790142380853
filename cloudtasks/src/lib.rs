//! A client of Cloud Tasks for what this project uses: parsed names, typed settings, errors
//! classified by what the caller can do.
//!
//! Names and values are plain data. The pure crates (`plan`, `decide`) use them without the feature
//! `client`, and so without gRPC.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod connect;
#[cfg(feature = "client")]
mod convert;
pub mod error;
pub mod names;
#[cfg(feature = "client")]
mod proto;
pub mod queue;
#[cfg(feature = "client")]
mod transport;
#[cfg(feature = "client")]
mod v2beta3;
pub mod values;

#[cfg(feature = "client")]
pub use client::CloudTasks;
#[cfg(feature = "client")]
pub use connect::Endpoint;
pub use error::Error;
pub use names::{
    LocationId, LocationPath, NameError, ProjectId, QueueId, QueuePath, TaskId, TaskPath,
};
pub use queue::{Queue, QueueSettings, QueueState, SettingKind};
pub use values::{
    Address, CreateOutcome, HttpTarget, Method, NewTask, OidcToken, PageToken, QueueStats, Scheme,
    TaskInfo, TaskPage, TaskState, WholeTask,
};
