//! The UID of each namespace that has chains.

use std::collections::HashMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, ResourceExt};
use parking_lot::Mutex;
use tokio::sync::OnceCell;

use crate::api_server::call;
use crate::error::Error;

/// UIDs by name. At a start all chains of a namespace want one at once, and it is asked for once.
#[derive(Default)]
pub struct NamespaceUids(Mutex<HashMap<String, Arc<OnceCell<String>>>>);

impl NamespaceUids {
    /// The UID of a namespace.
    pub async fn of(&self, client: &Client, name: &str) -> Result<String, Error> {
        let cell = Arc::clone(self.0.lock().entry(name.to_owned()).or_default());
        let read = async || {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let action = format!("get namespace {name}");
            let found = call(action, namespaces.get_metadata(name)).await?;
            Ok(found.uid().unwrap_or_default())
        };
        cell.get_or_try_init(read).await.cloned()
    }

    /// A chain of it is deleted, perhaps with the namespace.
    pub fn forget(&self, name: &str) {
        self.0.lock().remove(name);
    }
}
