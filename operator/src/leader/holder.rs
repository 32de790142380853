//! Which pod holds the Lease, as far as an operator that doesn't hold it knows.

use std::sync::Arc;

use parking_lot::Mutex;

/// The pod that holds the Lease.
#[derive(Debug, Clone, Default)]
pub struct Holder(Arc<Mutex<Option<String>>>);

impl Holder {
    /// Its name, if it is known.
    pub fn pod(&self) -> Option<String> {
        self.0.lock().clone()
    }

    /// Takes the holder's identity; `None` if nobody holds the Lease.
    pub fn set(&self, identity: Option<&str>) {
        *self.0.lock() = identity.and_then(pod).map(str::to_owned);
    }
}

/// The identity of a container's process in this pod.
pub fn identity(pod: &str) -> String {
    // Random, since a container that is restarted in its pod is another holder: writes of the former one
    // may still arrive.
    format!("{pod}_{:016x}", fastrand::u64(..))
}

/// The pod of an identity. Names of pods have no underscore.
fn pod(identity: &str) -> Option<&str> {
    let (pod, _) = identity.rsplit_once('_')?;
    Some(pod).filter(|pod| !pod.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_has_the_name_of_its_pod() {
        let holder = Holder::default();
        assert_eq!(holder.pod(), None);
        holder.set(Some(&identity("executor-chain-7f9c-x2b4q")));
        assert_eq!(holder.pod().as_deref(), Some("executor-chain-7f9c-x2b4q"));
        for unknown in [None, Some(""), Some("_0123456789abcdef")] {
            holder.set(unknown);
            assert_eq!(holder.pod(), None, "{unknown:?}");
        }
        assert_ne!(identity("pod"), identity("pod"));
    }
}
