//! Carries out a plan: runs its steps, and calls Cloud Tasks' admin API with a rate limit and a fence.
//!
//! The operator and `executor-chain dev` share it, so it has neither a Kubernetes client nor watches:
//! where workers run is behind the trait [`Workloads`].

pub mod admin_client;
pub mod apply;
pub mod connection;
pub mod error;
pub mod fence;
pub mod rate_limiter;
pub mod workloads;

pub use admin_client::{AdminClient, CallObserver};
pub use apply::apply;
pub use connection::Connection;
pub use error::Error;
pub use fence::Fence;
pub use rate_limiter::Rate;
pub use workloads::Workloads;
