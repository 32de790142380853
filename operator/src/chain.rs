//! A chain as it is watched, its name, and how to request a reconcile of it.

use crds::ExecutorChain;
use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube::core::DeserializeGuard;
use kube_runtime::reflector::ObjectRef;
use plan::objects::names::FINALIZER;

/// A chain as it is watched: one that can't be parsed doesn't end the watch of the others.
pub type Chain = DeserializeGuard<ExecutorChain>;

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
