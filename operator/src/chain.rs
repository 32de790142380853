//! A chain as it is watched, its name, and how to request a reconcile of it.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crds::ExecutorChain;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube::core::error_boundary::InvalidObject;
use kube_runtime::reflector::ObjectRef;
use lz4_flex::block::{compress_prepend_size, decompress_size_prepended};
use plan::NotifierFields;
use plan::objects::names::FINALIZER;
use serde::{Deserialize, Deserializer, Serialize};

/// A chain as it is watched. One that can't be parsed doesn't end the watch of the others. Of one that can,
/// spec and status are kept compressed: parsed, they took most of the memory that a chain costs.
#[derive(Debug, Clone)]
pub struct Chain(Result<PackedChain, InvalidObject>);

#[derive(Debug, Clone)]
struct PackedChain {
    metadata: ObjectMeta,
    /// Each reconcile of a chain may look at these of all others.
    notifier: NotifierFields,
    status: Option<ContentHash>,
    /// The chain as JSON, without its metadata.
    compressed: Box<[u8]>,
}

impl Chain {
    /// The chain, or why it can't be parsed.
    pub fn parsed(&self) -> Result<ExecutorChain, &InvalidObject> {
        let packed = self.0.as_ref()?;
        let json = decompress_size_prepended(&packed.compressed);
        let json = json.expect("it was compressed in this process");
        let mut chain: ExecutorChain =
            serde_json::from_slice(&json).expect("it was written from one");
        chain.metadata = packed.metadata.clone();
        Ok(chain)
    }

    /// What says how the chain uses its notifier's queue; `None` if the chain can't be parsed.
    pub fn notifier(&self) -> Option<&NotifierFields> {
        self.0.as_ref().ok().map(|packed| &packed.notifier)
    }

    /// The hash of its status; `None` if it has none, or if the chain can't be parsed.
    pub fn status_hash(&self) -> Option<ContentHash> {
        self.0.as_ref().ok()?.status
    }
}

/// A hash of a status, or of something else that is written as JSON: to compare two of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentHash(u64);

impl ContentHash {
    /// The hash of a value.
    pub fn of(value: &impl Serialize) -> Self {
        let text = serde_json::to_vec(value).expect("Kubernetes objects are plain data");
        let mut hasher = DefaultHasher::new();
        text.hash(&mut hasher);
        Self(hasher.finish())
    }
}

impl From<ExecutorChain> for Chain {
    fn from(mut chain: ExecutorChain) -> Self {
        let metadata = std::mem::take(&mut chain.metadata);
        let json = serde_json::to_vec(&chain).expect("Kubernetes objects are plain data");
        Self(Ok(PackedChain {
            metadata,
            notifier: NotifierFields::of(&chain.spec),
            status: chain.status.as_ref().map(ContentHash::of),
            compressed: compress_prepend_size(&json).into(),
        }))
    }
}

impl<'de> Deserialize<'de> for Chain {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match DeserializeGuard::<ExecutorChain>::deserialize(deserializer)?.0 {
            Ok(chain) => Ok(chain.into()),
            Err(invalid) => Ok(Self(Err(invalid))),
        }
    }
}

impl Resource for Chain {
    type DynamicType = <ExecutorChain as Resource>::DynamicType;
    type Scope = <ExecutorChain as Resource>::Scope;

    fn kind(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        ExecutorChain::kind(dynamic)
    }

    fn group(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        ExecutorChain::group(dynamic)
    }

    fn version(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        ExecutorChain::version(dynamic)
    }

    fn plural(dynamic: &Self::DynamicType) -> Cow<'_, str> {
        ExecutorChain::plural(dynamic)
    }

    fn meta(&self) -> &ObjectMeta {
        match &self.0 {
            Ok(packed) => &packed.metadata,
            Err(invalid) => &invalid.metadata,
        }
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        match &mut self.0 {
            Ok(packed) => &mut packed.metadata,
            Err(invalid) => &mut invalid.metadata,
        }
    }
}

/// Namespace and name, of a chain or of an object that it owns.
pub type NamespacedName = (String, String);

/// Takes chains that need a reconcile.
pub type Triggers = UnboundedSender<ObjectRef<Chain>>;

/// The name of an object.
pub fn name_of(object: &impl Resource) -> NamespacedName {
    name_in(object.meta())
}

/// The name in an object's metadata.
pub fn name_in(metadata: &ObjectMeta) -> NamespacedName {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}

/// Whether a chain has our finalizer.
pub fn has_finalizer(chain: &ObjectMeta) -> bool {
    let mut finalizers = chain.finalizers.iter().flatten();
    finalizers.any(|finalizer| finalizer == FINALIZER)
}

/// Requests a reconcile of a chain.
pub fn trigger(triggers: &Triggers, (namespace, chain): &NamespacedName) {
    let chain = ObjectRef::new(chain).within(namespace);
    // It fails only after the controller has stopped, when no reconcile is due any more.
    let _ = triggers.unbounded_send(chain);
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn manifest(queue: &Value) -> Value {
        json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": "ExecutorChain",
            "metadata": {"name": "orders", "namespace": "shop", "labels": {"team": "shop"}},
            "spec": {
                "notifier": {"queue": queue, "url": "https://api.example.com/"},
                "template": {"spec": {"containers": [{"name": "handler", "image": "shop:1"}]}},
                "stages": [{"name": "fast", "queue": "incoming", "maxAttempts": 3, "giveUpAfter": "2h"}],
            },
            "status": {"observedGeneration": 4, "path": "incoming"},
        })
    }

    #[test]
    fn a_chain_is_parsed_as_it_was_watched_with_the_metadata_that_it_has_since() {
        let manifest = manifest(&json!("notifier"));
        let plain: ExecutorChain = serde_json::from_value(manifest.clone()).unwrap();
        let mut chain: Chain = serde_json::from_value(manifest).unwrap();
        let values = |chain: &ExecutorChain| serde_json::to_value(chain).unwrap();
        assert_eq!(values(&chain.parsed().unwrap()), values(&plain));
        assert_eq!(chain.notifier().unwrap().queue, "notifier");
        chain.meta_mut().labels = None;
        assert_eq!(chain.parsed().unwrap().metadata.labels, None);
    }

    #[test]
    fn of_a_chain_that_cannot_be_parsed_the_metadata_and_the_reason_are_known() {
        let chain: Chain = serde_json::from_value(manifest(&json!(7))).unwrap();
        assert_eq!(name_of(&chain), ("shop".into(), "orders".into()));
        let invalid = chain.parsed().unwrap_err();
        assert!(invalid.error.contains("string"), "{invalid}");
        assert!(chain.notifier().is_none());
    }
}
