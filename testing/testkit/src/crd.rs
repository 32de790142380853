//! The CRD of chains, on an API server.

use std::time::Duration;

use tokio::sync::OnceCell;

use crate::api_server::ApiServer;
use crate::binaries::crds_of;
use crate::wait::eventually;

/// The CRD, as it ships.
pub const CRD: &str = include_str!("../../../crds/executorchains.yaml");

/// The CRD of overrides, as it ships.
pub const OVERRIDE_CRD: &str = include_str!("../../../crds/chainoverrides.yaml");

/// The CRD of redrives, as it ships.
pub const REDRIVE_CRD: &str = include_str!("../../../crds/chainredrives.yaml");

/// The CRD of discards, as it ships.
pub const DISCARD_CRD: &str = include_str!("../../../crds/chaindiscards.yaml");

/// Where the API server lists redrives and discards, once it serves them.
const REDRIVES: [&str; 2] = [
    "/apis/executor-chain.dev/v1alpha1/chainredrives",
    "/apis/executor-chain.dev/v1alpha1/chaindiscards",
];

/// Where the API server lists overrides, once it serves them.
const OVERRIDES: &str = "/apis/executor-chain.dev/v1alpha1/chainoverrides";

/// Where the API server lists chains, once it serves them.
const CHAINS: &str = "/apis/executor-chain.dev/v1alpha1/executorchains";
const SOON: Duration = Duration::from_secs(30);

impl ApiServer {
    /// The control plane that all tests of this process share, with the CRD installed.
    pub async fn shared_with_crd() -> &'static Self {
        static INSTALLED: OnceCell<()> = OnceCell::const_new();
        let server = Self::shared().await;
        INSTALLED
            .get_or_init(async || {
                server.install_crd(CRD).await;
                server.install_override_crd().await;
                server.install_redrive_crds().await;
            })
            .await;
        server
    }

    /// Installs this CRD by a client-side apply, as `kubectl apply -f` does.
    pub async fn install_crd(&self, crd: &str) {
        let applied = self.kubectl_with_input(&["apply", "-f", "-"], crd).await;
        applied.expect_ok();
        self.serves_chains().await;
    }

    /// Installs the CRD of overrides.
    pub async fn install_override_crd(&self) {
        let applied = self.kubectl_with_input(&["apply", "-f", "-"], OVERRIDE_CRD);
        applied.await.expect_ok();
        self.serves(OVERRIDES).await;
    }

    /// Installs the CRDs of redrives and discards.
    pub async fn install_redrive_crds(&self) {
        for crd in [REDRIVE_CRD, DISCARD_CRD] {
            let applied = self.kubectl_with_input(&["apply", "-f", "-"], crd);
            applied.await.expect_ok();
        }
        for path in REDRIVES {
            self.serves(path).await;
        }
    }

    /// Installs the CRDs of the Gateway API, or those of GKE's policies, by a server-side apply: they are
    /// too long for the annotation of a client-side one.
    pub async fn install_crds_of(&self, group: &str) {
        for crd in crds_of(group) {
            let apply = ["apply", "--server-side", "-f", "-"];
            self.kubectl_with_input(&apply, &crd).await.expect_ok();
        }
    }

    /// Waits until the API server serves chains.
    pub async fn serves_chains(&self) {
        self.serves(CHAINS).await;
    }

    async fn serves(&self, path: &str) {
        // Neither `kubectl wait`, which fails on a CRD that has no condition yet, nor a `get` by kind,
        // which would keep for minutes what it did not find.
        eventually("a CRD that is served", SOON, async || {
            let list = self.kubectl(&["get", "--raw", path]).await;
            if list.ok { Ok(()) } else { Err(list.stderr) }
        })
        .await;
    }
}
