//! How many chains there are in each condition: what alerts are made from, since a status has none.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crds::ExecutorChainStatus;
use crds::conditions::{ConditionType, Reason};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::name::Name;

type Labels = Vec<(&'static str, &'static str)>;

/// The conditions of every chain that is served.
#[derive(Default)]
pub struct Chains {
    gauges: Family<Labels, Gauge>,
    known: Mutex<HashMap<Name, Vec<Labels>>>,
}

impl Chains {
    /// With its gauges registered.
    pub fn register(registry: &mut Registry) -> Self {
        let chains = Self::default();
        registry.register(
            "chains",
            "Chains by their conditions: each is counted once for each condition that it has",
            chains.gauges.clone(),
        );
        chains
    }

    /// Takes what the status of a chain says now.
    pub fn are(&self, namespace: &str, name: &str, status: &ExecutorChainStatus) {
        let now: Vec<Labels> = status.conditions.iter().filter_map(labels).collect();
        self.change(|known| known.insert((namespace.to_owned(), name.to_owned()), now.clone()));
        for labels in &now {
            self.gauges.get_or_create(labels).inc();
        }
    }

    /// A chain is gone.
    pub fn gone(&self, namespace: &str, name: &str) {
        self.change(|known| known.remove(&(namespace.to_owned(), name.to_owned())));
    }

    /// Nothing is known of any chain: another operator leads.
    pub fn forget(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.clear();
        self.gauges.clear();
    }

    fn change(&self, change: impl FnOnce(&mut HashMap<Name, Vec<Labels>>) -> Option<Vec<Labels>>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        for before in change(&mut known).into_iter().flatten() {
            self.gauges.get_or_create(&before).dec();
        }
    }
}

/// A label for each word that we know: others would make ever more series.
fn labels(condition: &k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition) -> Option<Labels> {
    let status = match condition.status.as_str() {
        "True" => "true",
        "False" => "false",
        _ => "unknown",
    };
    Some(vec![
        (
            "condition",
            ConditionType::named(&condition.type_)?.as_str(),
        ),
        ("status", status),
        ("reason", Reason::named(&condition.reason)?.as_str()),
    ])
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn ready(status: &str, reason: Reason) -> ExecutorChainStatus {
        let ready = Condition {
            type_: ConditionType::Ready.to_string(),
            status: status.into(),
            reason: reason.to_string(),
            message: String::new(),
            last_transition_time: Time(Timestamp::UNIX_EPOCH),
            observed_generation: None,
        };
        ExecutorChainStatus {
            conditions: vec![ready],
            ..ExecutorChainStatus::default()
        }
    }

    fn told(registry: &Registry) -> Vec<String> {
        let mut text = String::new();
        encode(&mut text, registry).expect("writing to a String can't fail");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn each_chain_is_counted_where_it_is_now() {
        let mut registry = Registry::default();
        let chains = Chains::register(&mut registry);
        chains.are("shop", "orders", &ready("False", Reason::Progressing));
        chains.are("shop", "parcels", &ready("False", Reason::Progressing));
        chains.are("shop", "orders", &ready("True", Reason::AsSpecified));
        let well = r#"chains{condition="Ready",status="true",reason="AsSpecified"}"#;
        let ill = r#"chains{condition="Ready",status="false",reason="Progressing"}"#;
        assert_eq!(told(&registry), [format!("{ill} 1"), format!("{well} 1")]);
        chains.gone("shop", "parcels");
        assert_eq!(told(&registry), [format!("{ill} 0"), format!("{well} 1")]);
        chains.forget();
        assert_eq!(told(&registry), [""; 0]);
    }
}
