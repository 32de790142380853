//! For tests only: a real kube-apiserver, the emulator, and waiting for conditions.
//!
//! Everything here panics instead of returning errors, with a sentence that says what was awaited
//! and what was seen last. Nothing outlives the test process, however it ends: each process that
//! is started has a guard (see [`Process`]).

pub mod api_server;
pub mod binaries;
pub mod calls;
pub mod chain;
pub mod crd;
pub mod emulator;
pub mod ending;
pub mod fake_pods;
pub mod garbage_collector;
mod grpc;
pub mod helm;
pub mod http_get;
pub mod kubectl;
pub mod kubelet;
pub mod list_proxy;
pub mod metrics;
pub mod operator;
pub mod ports;
pub mod process;
pub mod promql;
pub mod proxy;
pub mod queue_stats;
pub mod receiver;
pub mod server;
pub mod wait;

pub use api_server::ApiServer;
pub use binaries::binary;
pub use calls::CallProxy;
pub use crd::{CRD, OVERRIDE_CRD};
pub use emulator::{Emulator, task};
pub use ending::Ending;
pub use garbage_collector::GarbageCollector;
pub use http_get::{counters, http_get};
pub use kubectl::Kubectl;
pub use list_proxy::ListProxy;
pub use metrics::Counters;
pub use ports::{free_addr, free_port, own_loopback};
pub use process::Process;
pub use proxy::{Proxy, Way};
pub use queue_stats::{StatsAnswer, StatsProxy};
pub use receiver::{CannedResponse, Receiver, Recorded};
pub use wait::{Probe, eventually};
