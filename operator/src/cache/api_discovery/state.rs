//! What is known of optional kinds, and of their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use plan::model::gateway_resource::GatewayResourceKind;

use crate::api_server::RETRY_PAUSE;
use crate::chain::NamespacedName;
use crate::namespaces::Scope;

/// How often the API server is asked while a chain uses a Gateway and lacks nothing: GKE's policies may
/// be installed later.
pub(super) const POLL_INTERVAL: Duration = Duration::from_secs(15);

/// What is known.
#[derive(Default)]
pub(super) struct DiscoveryState {
    /// `None` before the first answer.
    pub(super) served: Option<BTreeSet<GatewayResourceKind>>,
    /// What is watched, and whether the watch is complete.
    pub(super) watched: BTreeMap<(GatewayResourceKind, Scope), bool>,
    /// The chains that use a Gateway.
    pub(super) using: BTreeSet<NamespacedName>,
    /// Chains' objects.
    pub(super) objects: BTreeMap<(GatewayResourceKind, NamespacedName), GatewayObject>,
}

/// An object of an optional kind.
#[derive(Clone)]
pub(super) struct GatewayObject {
    pub(super) chain: NamespacedName,
    pub(super) host: Option<String>,
    pub(super) created: Option<Timestamp>,
}

/// Whether an object is of a kind, and in a scope.
pub(super) fn is_in(
    (it, (namespace, _)): &(GatewayResourceKind, NamespacedName),
    kind: GatewayResourceKind,
    scope: &Scope,
) -> bool {
    *it == kind && scope.covers(namespace)
}

impl DiscoveryState {
    /// Whether all objects of a kind in a namespace are known.
    pub(super) fn is_complete(&self, kind: GatewayResourceKind, namespace: &str) -> bool {
        let mut watches = self.watched.iter();
        watches.any(|((it, scope), is_complete)| {
            *it == kind && scope.covers(namespace) && *is_complete
        })
    }

    /// Those of `hosts` for which another chain has the oldest route, with that chain's namespace and
    /// name. By the Gateway API the oldest route gets the requests.
    pub(super) fn taken<'a>(
        &self,
        namespace: &str,
        chain: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        let is_ours = |it: &GatewayObject| it.chain.0 == namespace && it.chain.1 == chain;
        let age = |it: &GatewayObject| (it.created.unwrap_or(Timestamp::MAX), it.chain.clone());
        hosts
            .filter_map(|host| {
                let all = self.objects.values();
                let routes = all.filter(|it| it.host.as_deref() == Some(host));
                let oldest = routes.min_by_key(|it| age(it))?;
                let (namespace, chain) = &oldest.chain;
                (!is_ours(oldest)).then(|| (host.to_owned(), format!("{namespace}/{chain}")))
            })
            .collect()
    }

    /// When to ask again; `None` while no chain uses a Gateway.
    pub(super) fn pause(&self) -> Option<Duration> {
        if self.served.is_none() || self.lacks_routes() {
            Some(RETRY_PAUSE)
        } else {
            (!self.using.is_empty()).then_some(POLL_INTERVAL)
        }
    }

    /// Whether a chain uses a Gateway and the cluster has no routes.
    pub(super) fn lacks_routes(&self) -> bool {
        let served = self.served.as_ref();
        let has_routes =
            served.is_some_and(|served| served.contains(&GatewayResourceKind::HttpRoute));
        !self.using.is_empty() && !has_routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespaces::Namespaces;

    const ROUTE: GatewayResourceKind = GatewayResourceKind::HttpRoute;

    /// Routes for one host: name, namespace, chain, and when each was created.
    fn state(routes: &[(&str, &str, &str, i64)]) -> DiscoveryState {
        let objects = routes.iter().map(|(name, namespace, chain, created)| {
            let key = (ROUTE, ((*namespace).to_owned(), (*name).to_owned()));
            let route = GatewayObject {
                chain: ((*namespace).to_owned(), (*chain).to_owned()),
                host: Some("push.example.com".to_owned()),
                created: Timestamp::from_second(*created).ok(),
            };
            (key, route)
        });
        DiscoveryState {
            objects: objects.collect(),
            ..DiscoveryState::default()
        }
    }

    #[test]
    fn the_oldest_route_has_the_host() {
        let taken = |state: &DiscoveryState, namespace: &str, chain: &str| {
            let hosts = ["push.example.com", "other.example.com"].into_iter();
            let taken = state.taken(namespace, chain, hosts);
            taken.into_values().next()
        };
        let none = state(&[]);
        assert_eq!(taken(&none, "shop", "orders"), None);
        let one = state(&[("a", "shop", "orders", 5)]);
        assert_eq!(taken(&one, "shop", "orders"), None);
        assert_eq!(taken(&one, "shop", "parcels"), Some("shop/orders".into()));
        // A chain of that name in another namespace is another chain.
        assert_eq!(taken(&one, "stock", "orders"), Some("shop/orders".into()));
        let two = state(&[("a", "shop", "orders", 5), ("b", "stock", "orders", 4)]);
        assert_eq!(taken(&two, "stock", "orders"), None);
        assert_eq!(taken(&two, "shop", "orders"), Some("stock/orders".into()));
        // Created in the same second: the names decide, for both chains alike.
        let tie = state(&[("a", "shop", "orders", 5), ("b", "stock", "orders", 5)]);
        assert_eq!(taken(&tie, "shop", "orders"), None);
        assert_eq!(taken(&tie, "stock", "orders"), Some("shop/orders".into()));
    }

    #[test]
    fn the_api_server_is_asked_only_while_a_chain_uses_a_gateway() {
        let mut state = state(&[]);
        assert_eq!(state.pause(), Some(RETRY_PAUSE), "it has never answered");
        state.served = Some(BTreeSet::new());
        assert_eq!(state.pause(), None);
        state.using.insert(("shop".into(), "orders".into()));
        assert_eq!(state.pause(), Some(RETRY_PAUSE));
        state.served = Some(BTreeSet::from([ROUTE]));
        assert_eq!(state.pause(), Some(POLL_INTERVAL));
    }

    #[test]
    fn a_watch_of_one_namespace_is_complete_for_that_namespace_only() {
        let mut state = state(&[]);
        let shop = Namespaces::of(&["shop".to_owned()]).scopes().remove(0);
        let shop = (ROUTE, shop);
        state.watched.insert(shop.clone(), false);
        assert!(!state.is_complete(ROUTE, "shop"));
        state.watched.insert(shop, true);
        assert!(state.is_complete(ROUTE, "shop"));
        assert!(!state.is_complete(ROUTE, "stock"));
        let all = Namespaces::All.scopes().remove(0);
        state.watched.insert((ROUTE, all), true);
        assert!(state.is_complete(ROUTE, "stock"));
    }
}
