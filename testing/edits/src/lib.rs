//! Each edit of a chain, in both directions, on a real API server, with real workers, an emulator
//! and tasks under way, while the operator dies after each single step of its plan: no task is lost,
//! and the plan ends empty.
//!
//! `rows.rs` is the table of edits. `make edits` makes all of them; a test makes a few.

mod account;
pub mod act;
mod edit;
mod ends;
mod manifest;
mod operator;
mod outcome;
mod place;
mod producer;
mod rows;
mod run;

use std::time::Duration;

use testkit::{ApiServer, eventually};
use tokio::sync::OnceCell;

pub use operator::Death;
pub use outcome::{HEAD, Outcome};
pub use rows::{losing, rows};
pub use run::{How, run};

/// Whether what is left of a removed stage goes by itself, so that no drain is left at the end.
const REMOVED_STAGES_GO: bool = true;

/// Where the API server lists chains, once it serves them.
const SERVED: &str = "/apis/executor-chain.dev/v1alpha1/executorchains";

/// The API server of this process, which serves chains.
pub async fn server() -> &'static ApiServer {
    static INSTALLED: OnceCell<()> = OnceCell::const_new();
    let server = ApiServer::shared().await;
    INSTALLED.get_or_init(|| install(server)).await;
    server
}

async fn install(server: &ApiServer) {
    let crd = include_str!("../../../crds/executorchains.yaml");
    let applied = server.kubectl_with_input(&["apply", "-f", "-"], crd).await;
    applied.expect_ok();
    let patience = Duration::from_secs(20);
    eventually("a CRD that is served", patience, async || {
        let list = server.kubectl(&["get", "--raw", SERVED]).await;
        if list.ok { Ok(()) } else { Err(list.stderr) }
    })
    .await;
}
