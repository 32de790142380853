//! When overrides end: for an alert if no operator leads to end them.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// When an override ends by itself.
pub struct OverrideEnd {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its chain.
    pub chain: String,
    /// `None` if it has ended.
    pub until: Option<Timestamp>,
}

type Source = Box<dyn Fn() -> Vec<OverrideEnd> + Send + Sync>;

/// The gauges of overrides, of the leader.
#[derive(Clone, Default)]
pub struct OverrideGauges(Arc<Mutex<Option<Source>>>);

impl OverrideGauges {
    /// Registers the gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register_collector(Box::new(gauges.clone()));
        gauges
    }

    /// From now on the ends are read from here.
    pub fn read_from(&self, source: impl Fn() -> Vec<OverrideEnd> + Send + Sync + 'static) {
        *self.0.lock() = Some(Box::new(source));
    }

    /// Another operator is the leader: it has the ends.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }
}

impl fmt::Debug for OverrideGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OverrideGauges").finish_non_exhaustive()
    }
}

impl Collector for OverrideGauges {
    #[rustfmt::skip]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let ends = self.0.lock().as_ref().map(|source| source()).unwrap_or_default();
        if ends.is_empty() {
            return Ok(());
        }
        let mut metric = encoder.encode_descriptor("override_until_timestamp_seconds",
            "When a ChainOverride ends by itself; 0 if it has ended", None, MetricType::Gauge)?;
        for end in &ends {
            let labels = [
                ("override_namespace", end.namespace.as_str()),
                ("override", &end.name),
                ("chain", &end.chain),
            ];
            let until = end.until.map_or(0, Timestamp::as_second);
            ConstGauge::new(until).encode(metric.encode_family(&labels)?)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn an_override_has_a_series_until_it_is_forgotten() {
        let mut registry = Registry::with_prefix("executor_operator");
        let gauges = OverrideGauges::register(&mut registry);
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).expect("writing to a String can't fail");
            let lines = text.lines().filter(|line| !line.starts_with('#'));
            lines.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(text(), [""; 0]);
        let end = |name: &str, until: Option<i64>| OverrideEnd {
            namespace: "shop".into(),
            name: name.into(),
            chain: "orders".into(),
            until: until.and_then(|until| Timestamp::from_second(until).ok()),
        };
        gauges.read_from(move || vec![end("inc-42", Some(1_800_000_000)), end("inc-41", None)]);
        let series = |name: &str| {
            format!(
                r#"executor_operator_override_until_timestamp_seconds{{override_namespace="shop",override="{name}",chain="orders"}}"#
            )
        };
        assert_eq!(
            text(),
            [
                format!("{} 1800000000", series("inc-42")),
                format!("{} 0", series("inc-41"))
            ]
        );
        gauges.clear();
        assert_eq!(text(), [""; 0]);
    }
}
