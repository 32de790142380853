//! Which namespaces are served: all, or some by name, each with its own watches, so that rights in these
//! namespaces are enough.

use std::collections::{BTreeMap, BTreeSet};

use futures::channel::mpsc::{UnboundedReceiver, unbounded};
use futures::{Stream, StreamExt};
use kube::core::{DynamicResourceScope, NamespaceResourceScope};
use kube::{Api, Client, Resource};
use kube_runtime::reflector::ObjectRef;

use crate::chain::{Chain, Triggers};

/// The namespaces whose chains are served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Namespaces {
    /// All, by one watch of the whole cluster.
    All,
    /// These; at least one.
    These(BTreeSet<String>),
}

impl Namespaces {
    /// From the command line. Empty names are ignored: a variable that is set to nothing gives one.
    pub fn of(names: &[String]) -> Self {
        let names = names.iter().map(|name| name.trim());
        let names: BTreeSet<String> = names
            .filter(|name| !name.is_empty())
            .map(str::to_owned)
            .collect();
        if names.is_empty() {
            Self::All
        } else {
            Self::These(names)
        }
    }

    /// The namespace, if there is exactly one.
    pub fn only(&self) -> Option<&str> {
        match self {
            Self::These(names) if names.len() == 1 => names.first().map(String::as_str),
            Self::All | Self::These(_) => None,
        }
    }

    /// What each watch covers.
    pub fn scopes(&self) -> Vec<Scope> {
        match self {
            Self::All => vec![Scope(None)],
            Self::These(names) => names.iter().cloned().map(Some).map(Scope).collect(),
        }
    }
}

/// What one watch covers: one namespace, or all.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Scope(Option<String>);

impl Scope {
    /// The API for objects of a kind in it.
    pub fn api<K>(&self, client: &Client) -> Api<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        match &self.0 {
            Some(namespace) => Api::namespaced(client.clone(), namespace),
            None => Api::all(client.clone()),
        }
    }

    /// The API for untyped objects of a kind in it.
    pub fn api_of<K>(&self, client: &Client, resource: &K::DynamicType) -> Api<K>
    where
        K: Resource<Scope = DynamicResourceScope>,
    {
        match &self.0 {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, resource),
            None => Api::all_with(client.clone(), resource),
        }
    }

    /// The namespace, if it is one.
    pub fn namespace(&self) -> Option<&str> {
        self.0.as_deref()
    }

    /// Whether it covers a namespace.
    pub fn covers(&self, namespace: &str) -> bool {
        self.0.as_deref().is_none_or(|it| it == namespace)
    }
}

/// Passes each triggered chain to the controller that serves its namespace.
pub struct TriggersByScope {
    senders: BTreeMap<Scope, Triggers>,
}

impl TriggersByScope {
    /// With one receiver for each scope.
    pub fn new(scopes: &[Scope]) -> (Self, Vec<UnboundedReceiver<ObjectRef<Chain>>>) {
        let mut senders = BTreeMap::new();
        let mut receivers = Vec::new();
        for scope in scopes {
            let (sender, receiver) = unbounded();
            senders.insert(scope.clone(), sender);
            receivers.push(receiver);
        }
        (Self { senders }, receivers)
    }

    /// Passes on chains until the stream ends.
    pub async fn forward(self, chains: impl Stream<Item = ObjectRef<Chain>>) {
        let mut chains = std::pin::pin!(chains);
        while let Some(chain) = chains.next().await {
            let sender = self
                .senders
                .get(&Scope(None))
                .or_else(|| self.senders.get(&Scope(chain.namespace.clone())));
            if let Some(sender) = sender {
                // It fails only after the controller has stopped.
                let _ = sender.unbounded_send(chain);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::StreamExt;
    use futures::stream;
    use kube_runtime::reflector::ObjectRef;

    use super::{Namespaces, Scope, TriggersByScope};
    use crate::chain::Chain;

    fn named(names: &[&str]) -> Namespaces {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        Namespaces::of(&names)
    }

    #[test]
    fn no_name_or_an_empty_name_means_all() {
        assert_eq!(named(&[]), Namespaces::All);
        assert_eq!(named(&["", " "]), Namespaces::All);
        assert_eq!(named(&["shop", ""]).only(), Some("shop"));
        assert_eq!(named(&["shop", "shop"]).only(), Some("shop"));
        assert_eq!(named(&["shop", "hall"]).only(), None);
        assert_eq!(named(&["shop", "hall"]).scopes().len(), 2);
        assert_eq!(named(&[]).scopes(), [Scope(None)]);
    }

    #[tokio::test]
    async fn a_trigger_reaches_the_controller_that_serves_its_namespace() {
        let chain = |namespace: &str| ObjectRef::<Chain>::new("orders").within(namespace);
        for (names, reached) in [
            (
                &["hall", "shop"][..],
                &[&["hall"][..], &["shop", "shop"]][..],
            ),
            (&[], &[&["shop", "hall", "shop", "yard"]]),
        ] {
            let (by_scope, receivers) = TriggersByScope::new(&named(names).scopes());
            let chains = ["shop", "hall", "shop", "yard"].map(chain);
            by_scope.forward(stream::iter(chains)).await;
            for (receiver, reached) in receivers.into_iter().zip(reached) {
                let got: Vec<_> = receiver.collect().await;
                let reached: Vec<_> = reached.iter().map(|it| chain(it)).collect();
                assert_eq!(got, reached);
            }
        }
    }
}
