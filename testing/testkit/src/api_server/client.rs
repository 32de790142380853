//! Clients for kubeconfig files.

use std::path::Path;

use kube::Client;
use kube::config::{Config, KubeConfigOptions, Kubeconfig};

/// A client for a kubeconfig file, such as [`crate::ApiServer::kubeconfig_of`] gives.
pub async fn connect(kubeconfig: &Path) -> Client {
    try_connect(kubeconfig)
        .await
        .unwrap_or_else(|error| panic!("a client for {}: {error}", kubeconfig.display()))
}

/// Connects with rustls' provider chosen: two are linked, and the first use of TLS would panic.
pub(super) async fn try_connect(kubeconfig: &Path) -> Result<Client, kube::Error> {
    // An error means that one is installed already, which is all that is asked for.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).map_err(kube::Error::InferKubeconfig)?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default())
        .await
        .map_err(kube::Error::InferKubeconfig)?;
    Client::try_from(config)
}
