//! Every state of the chain that the API server has shown, as plain JSON.

use std::cell::RefCell;

use crds::ExecutorChain;
use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::{Client, ResourceExt};
use kube_runtime::watcher::{self, Event, watcher};
use serde_json::Value;

/// The states since the watch began; null where there is no chain.
#[derive(Default)]
pub struct Watch(RefCell<Vec<Value>>);

impl Watch {
    pub fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub fn last(&self) -> Value {
        self.0.borrow().last().cloned().unwrap_or_default()
    }

    /// Those since there were so many.
    pub fn since(&self, before: usize) -> Vec<Value> {
        self.0.borrow()[before..].to_vec()
    }

    /// Watches until it is dropped.
    pub async fn work(&self, client: Client, namespace: &str, chain: &str) {
        // Without the types of the spec and the status: as kubectl sees it.
        let resource = ApiResource::erase::<ExecutorChain>(&());
        let api: Api<DynamicObject> = Api::namespaced_with(client, namespace, &resource);
        let mut events = watcher(api, watcher::Config::default()).boxed_local();
        loop {
            let state = match events.next().await {
                Some(Ok(Event::Apply(it) | Event::InitApply(it))) if it.name_any() == chain => {
                    serde_json::to_value(&it).unwrap()
                }
                Some(Ok(Event::Delete(it))) if it.name_any() == chain => Value::Null,
                // It asks anew by itself.
                Some(_) => continue,
                None => return,
            };
            self.0.borrow_mut().push(state);
        }
    }
}
