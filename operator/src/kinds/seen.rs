//! What is known of the kinds that a cluster may have or not, and of their objects.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use plan::model::gateway_resource::GatewayResourceKind;

use crate::controller::PATIENCE;
use crate::name::Name;
use crate::namespaces::Scope;

/// How often the API server is asked while a chain asks for a Gateway and misses nothing: GKE's policies
/// may come later.
pub(super) const SELDOM: Duration = Duration::from_secs(15);

/// What is known.
#[derive(Default)]
pub(super) struct Seen {
    /// `None` before the first answer.
    pub(super) served: Option<BTreeSet<GatewayResourceKind>>,
    /// What is watched, and whether all of it is known.
    pub(super) watched: BTreeMap<(GatewayResourceKind, Scope), bool>,
    /// The chains that ask for a Gateway.
    pub(super) asking: BTreeSet<Name>,
    /// What is there, by kind, namespace and name.
    pub(super) objects: BTreeMap<(GatewayResourceKind, String, String), Attached>,
}

/// An object of one of these kinds.
#[derive(Clone)]
pub(super) struct Attached {
    pub(super) chain: Name,
    pub(super) host: Option<String>,
    pub(super) created: Option<Timestamp>,
}

/// Whether an object is of a kind, and in a scope.
pub(super) fn is_of(
    (it, namespace, _): &(GatewayResourceKind, String, String),
    kind: GatewayResourceKind,
    scope: &Scope,
) -> bool {
    *it == kind && scope.covers(namespace)
}

impl Seen {
    /// Whether all objects of a kind in a namespace are known.
    pub(super) fn knows_all(&self, kind: GatewayResourceKind, namespace: &str) -> bool {
        let mut watches = self.watched.iter();
        watches.any(|((it, scope), is_known)| *it == kind && scope.covers(namespace) && *is_known)
    }

    /// Those of `hosts` to which a route of another chain leads, and has led for longer, with the
    /// namespace and name of that chain. As the Gateway API says, the oldest route has the host.
    pub(super) fn taken<'a>(
        &self,
        namespace: &str,
        chain: &str,
        hosts: impl Iterator<Item = &'a str>,
    ) -> BTreeMap<String, String> {
        let is_ours = |it: &Attached| it.chain.0 == namespace && it.chain.1 == chain;
        let age = |it: &Attached| (it.created.unwrap_or(Timestamp::MAX), it.chain.clone());
        hosts
            .filter_map(|host| {
                let all = self.objects.values();
                let leads = all.filter(|it| it.host.as_deref() == Some(host));
                let oldest = leads.min_by_key(|it| age(it))?;
                let (namespace, chain) = &oldest.chain;
                (!is_ours(oldest)).then(|| (host.to_owned(), format!("{namespace}/{chain}")))
            })
            .collect()
    }

    /// When to ask again; `None`: nobody wants to know.
    pub(super) fn pause(&self) -> Option<Duration> {
        if self.is_missing() {
            Some(PATIENCE)
        } else {
            (!self.asking.is_empty()).then_some(SELDOM)
        }
    }

    /// Whether a chain asks for what there isn't.
    pub(super) fn is_missing(&self) -> bool {
        let served = self.served.as_ref();
        let has_routes =
            served.is_some_and(|served| served.contains(&GatewayResourceKind::HttpRoute));
        !self.asking.is_empty() && !has_routes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::namespaces::Namespaces;

    /// Routes that lead to one host: name, namespace, chain, and when each was made.
    fn seen(routes: &[(&str, &str, &str, i64)]) -> Seen {
        let objects = routes.iter().map(|(name, namespace, chain, created)| {
            let key = (
                GatewayResourceKind::HttpRoute,
                (*namespace).to_owned(),
                (*name).to_owned(),
            );
            let route = Attached {
                chain: ((*namespace).to_owned(), (*chain).to_owned()),
                host: Some("push.example.com".to_owned()),
                created: Timestamp::from_second(*created).ok(),
            };
            (key, route)
        });
        Seen {
            objects: objects.collect(),
            ..Seen::default()
        }
    }

    #[test]
    fn the_oldest_route_has_the_host() {
        let taken = |seen: &Seen, namespace: &str, chain: &str| {
            let hosts = ["push.example.com", "other.example.com"].into_iter();
            let taken = seen.taken(namespace, chain, hosts);
            taken.into_values().next()
        };
        let none = seen(&[]);
        assert_eq!(taken(&none, "shop", "orders"), None);
        let one = seen(&[("a", "shop", "orders", 5)]);
        assert_eq!(taken(&one, "shop", "orders"), None);
        assert_eq!(taken(&one, "shop", "parcels"), Some("shop/orders".into()));
        // A chain of that name elsewhere is another one.
        assert_eq!(taken(&one, "stock", "orders"), Some("shop/orders".into()));
        let two = seen(&[("a", "shop", "orders", 5), ("b", "stock", "orders", 4)]);
        assert_eq!(taken(&two, "stock", "orders"), None);
        assert_eq!(taken(&two, "shop", "orders"), Some("stock/orders".into()));
        // Made in one second: both say the same.
        let tie = seen(&[("a", "shop", "orders", 5), ("b", "stock", "orders", 5)]);
        assert_eq!(taken(&tie, "shop", "orders"), None);
        assert_eq!(taken(&tie, "stock", "orders"), Some("shop/orders".into()));
    }

    #[test]
    fn the_api_server_is_asked_as_often_as_somebody_wants_to_know() {
        let mut seen = seen(&[]);
        assert_eq!(seen.pause(), None);
        seen.asking.insert(("shop".into(), "orders".into()));
        assert_eq!(seen.pause(), Some(PATIENCE));
        seen.served = Some(BTreeSet::from([GatewayResourceKind::HttpRoute]));
        assert_eq!(seen.pause(), Some(SELDOM));
    }

    #[test]
    fn what_is_watched_in_a_namespace_is_known_there_alone() {
        let mut seen = seen(&[]);
        let shop = Namespaces::of(&["shop".to_owned()]).scopes().remove(0);
        let shop = (GatewayResourceKind::HttpRoute, shop);
        seen.watched.insert(shop.clone(), false);
        assert!(!seen.knows_all(GatewayResourceKind::HttpRoute, "shop"));
        seen.watched.insert(shop, true);
        assert!(seen.knows_all(GatewayResourceKind::HttpRoute, "shop"));
        assert!(!seen.knows_all(GatewayResourceKind::HttpRoute, "stock"));
        let all = Namespaces::All.scopes().remove(0);
        seen.watched
            .insert((GatewayResourceKind::HttpRoute, all), true);
        assert!(seen.knows_all(GatewayResourceKind::HttpRoute, "stock"));
    }
}
