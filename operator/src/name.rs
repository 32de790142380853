//! What a chain is known by, whatever becomes of the object.

use kube::Resource;

/// Namespace and name of a chain.
pub(crate) type Name = (String, String);

/// The name of a chain.
pub(crate) fn name(chain: &impl Resource) -> Name {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let metadata = chain.meta();
    (text(&metadata.namespace), text(&metadata.name))
}
