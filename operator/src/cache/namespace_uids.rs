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
pub struct NamespaceUids(Mutex<HashMap<String, Arc<OnceCell<Option<String>>>>>);

impl NamespaceUids {
    /// The UID of a namespace; `None` without the permission to get it, which hinders no edit.
    pub async fn of(&self, client: &Client, name: &str) -> Result<Option<String>, Error> {
        let cell = Arc::clone(self.0.lock().entry(name.to_owned()).or_default());
        let read = async || {
            let namespaces: Api<Namespace> = Api::all(client.clone());
            let action = format!("get namespace {name}");
            match call(action, namespaces.get_metadata(name)).await {
                Ok(found) => Ok(found.uid()),
                Err(error) if error.forbidden().is_some() => {
                    tracing::warn!(namespace = name, %error, "the operator may not read the namespace, so a foreground deletion deletes workers before their queues are paused: grant the operator's role get on namespaces");
                    Ok(None)
                }
                Err(error) => Err(error),
            }
        };
        cell.get_or_try_init(read).await.cloned()
    }

    /// A chain of it is deleted, perhaps with the namespace.
    pub fn forget(&self, name: &str) {
        self.0.lock().remove(name);
    }
}
