//! How many chains have each condition: alerts are made from these metrics.

use std::collections::HashMap;

use crds::ExecutorChainStatus;
use crds::conditions::{ConditionType, Reason};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use parking_lot::Mutex;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use crate::chain::NamespacedName;

type Labels = Vec<(&'static str, &'static str)>;

/// The conditions of every chain.
#[derive(Default)]
pub struct ConditionGauges {
    gauges: Family<Labels, Gauge>,
    known: Mutex<HashMap<NamespacedName, Vec<Labels>>>,
}

impl ConditionGauges {
    /// Registers the gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let conditions = Self::default();
        registry.register(
            "chains",
            "Chains by condition; a chain counts once for each of its conditions",
            conditions.gauges.clone(),
        );
        conditions
    }

    /// Takes the current status of a chain.
    pub fn set(&self, namespace: &str, name: &str, status: &ExecutorChainStatus) {
        let now: Vec<Labels> = status.conditions.iter().filter_map(labels).collect();
        self.change(|known| known.insert((namespace.to_owned(), name.to_owned()), now.clone()));
        for labels in &now {
            self.gauges.get_or_create(labels).inc();
        }
    }

    /// A chain no longer exists.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.change(|known| known.remove(&(namespace.to_owned(), name.to_owned())));
    }

    /// Another operator is the leader: it has the chains' conditions.
    pub fn clear(&self) {
        let mut known = self.known.lock();
        known.clear();
        self.gauges.clear();
    }

    fn change(
        &self,
        change: impl FnOnce(&mut HashMap<NamespacedName, Vec<Labels>>) -> Option<Vec<Labels>>,
    ) {
        let mut known = self.known.lock();
        for before in change(&mut known).into_iter().flatten() {
            self.gauges.get_or_create(&before).dec();
        }
    }
}

/// The labels of a condition; `None` for an unknown type or reason, which would make unbounded series.
fn labels(condition: &Condition) -> Option<Labels> {
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
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
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

    fn exported(registry: &Registry) -> Vec<String> {
        let mut text = String::new();
        encode(&mut text, registry).expect("writing to a String can't fail");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let mut lines: Vec<String> = lines.map(str::to_owned).collect();
        lines.sort();
        lines
    }

    #[test]
    fn a_chain_counts_only_for_its_current_conditions() {
        let mut registry = Registry::default();
        let gauges = ConditionGauges::register(&mut registry);
        gauges.set("shop", "orders", &ready("False", Reason::Progressing));
        gauges.set("shop", "parcels", &ready("False", Reason::Progressing));
        gauges.set("shop", "orders", &ready("True", Reason::AsSpecified));
        let well = r#"chains{condition="Ready",status="true",reason="AsSpecified"}"#;
        let ill = r#"chains{condition="Ready",status="false",reason="Progressing"}"#;
        assert_eq!(
            exported(&registry),
            [format!("{ill} 1"), format!("{well} 1")]
        );
        gauges.remove("shop", "parcels");
        assert_eq!(
            exported(&registry),
            [format!("{ill} 0"), format!("{well} 1")]
        );
        gauges.clear();
        assert_eq!(exported(&registry), [""; 0]);
    }
}
