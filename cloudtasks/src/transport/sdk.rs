//! TLS and credentials, by gcloud-sdk.

use std::convert::identity;

use gcloud_sdk::google_cloud_auth::credentials::anonymous;
use gcloud_sdk::{GoogleApi, GoogleAuthMiddleware};

use crate::error::ConnectError;

pub(crate) type Transport = GoogleAuthMiddleware;

/// With Application Default Credentials.
pub(crate) async fn google(url: &str) -> Result<Transport, ConnectError> {
    let api = GoogleApi::from_function(identity, url, None).await?;
    Ok(api.get())
}

pub(crate) async fn emulator(url: String) -> Result<Transport, ConnectError> {
    let credentials = anonymous::Builder::new().build();
    let api = GoogleApi::from_function_with_credentials(identity, url, None, credentials).await?;
    Ok(api.get())
}
