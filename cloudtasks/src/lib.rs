//! A small port to Cloud Tasks: queues and tasks, names parsed once, errors sorted by what the
//! caller can do about them.
//!
//! The names and values are plain data and come without the feature `client`, so that the pure
//! rooms (`plan`, `decide`) can speak of queues and tasks without seeing gRPC.

#[cfg(feature = "client")]
pub mod client;
#[cfg(feature = "client")]
pub mod connect;
#[cfg(feature = "client")]
mod convert;
pub mod error;
pub mod names;
pub mod values;

#[cfg(feature = "client")]
pub use client::CloudTasks;
#[cfg(feature = "client")]
pub use connect::Endpoint;
pub use error::Error;
pub use names::{
    LocationId, LocationPath, NameError, ProjectId, QueueId, QueuePath, TaskId, TaskPath,
};
pub use values::{
    Address, Created, HttpTarget, Method, NewTask, OidcToken, Queue, QueueSettings, QueueState,
    Scheme, Sighting, TaskInfo,
};
