//! What a chain is known by, whatever becomes of the object.

use futures::channel::mpsc::UnboundedSender;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Resource;
use kube_runtime::reflector::ObjectRef;

use crate::reconcile::Chain;

/// Namespace and name of a chain.
pub(crate) type Name = (String, String);

/// The name of a chain, or of what it has.
pub(crate) fn name(object: &impl Resource) -> Name {
    called(object.meta())
}

/// The name of what has this metadata.
pub(crate) fn called(metadata: &ObjectMeta) -> Name {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    (text(&metadata.namespace), text(&metadata.name))
}

/// Has a chain reconciled.
pub(crate) fn tell(changes: &UnboundedSender<ObjectRef<Chain>>, (namespace, chain): &Name) {
    let chain = ObjectRef::new(chain).within(namespace);
    // Nobody listens any more when the operator stops, or its term is over.
    let _ = changes.unbounded_send(chain);
}
