//! The live numbers of stages' queues and of parking queues. They are read when they are scraped: a stage or a chain that is gone
//! has no series, and neither has one whose numbers are unknown.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use console::QueueNumbers;
use parking_lot::Mutex;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeGaugeValue};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use crate::stage_numbers::{AllNumbers, ParkingNumbers, StageNumbers};

/// `namespace` and `location` would be the operator's own: Prometheus and Google's collector replace them.
type Labels<'a> = Vec<(&'static str, &'a str)>;

type Source = Box<dyn Fn() -> AllNumbers + Send + Sync>;

/// The gauges of the leader's queues.
#[derive(Clone, Default)]
pub struct QueueGauges(Arc<Mutex<Option<Source>>>);

impl QueueGauges {
    /// Registers the gauges.
    pub fn register(registry: &mut Registry) -> Self {
        let gauges = Self::default();
        registry.register_collector(Box::new(gauges.clone()));
        gauges
    }

    /// From now on the numbers are read from here.
    pub fn read_from(&self, source: impl Fn() -> AllNumbers + Send + Sync + 'static) {
        *self.0.lock() = Some(Box::new(source));
    }

    /// Another operator is the leader: it has the numbers.
    pub fn clear(&self) {
        *self.0.lock() = None;
    }
}

impl fmt::Debug for QueueGauges {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("QueueGauges").finish_non_exhaustive()
    }
}

impl Collector for QueueGauges {
    #[rustfmt::skip]
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let AllNumbers { stages, parking } = self.0.lock().as_ref().map(|source| source()).unwrap_or_default();
        let known = stages.iter().filter_map(|stage| Some((labels(stage), *stage.numbers.value()?)));
        let known: Vec<(Labels<'_>, QueueNumbers)> = known.collect();
        let mut of = Encoder { known: &known, encoder: &mut encoder };
        of.encode("queue_tasks",
            "Tasks of the stage's queue, including those that are scheduled for later",
            |it| Some(it.tasks))?;
        of.encode("queue_lag_seconds",
            "How long the first task of the stage's queue has been due, when its numbers were read",
            |it| Some(it.lag?.as_secs_f64()))?;
        of.encode("queue_in_flight",
            "Dispatches of the stage's queue that wait for a response",
            |it| Some(it.in_flight))?;
        of.encode("queue_effective_rate",
            "Dispatches a second that Cloud Tasks allows the stage's queue at present",
            |it| Some(it.effective_rate))?;
        let unknown = unknown(&stages);
        encode(&mut encoder, "queue_stats_unknown",
            "Stages whose queues' numbers are unknown, by the queues' location and the reason",
            unknown.iter().map(|(labels, count)| (labels, *count)))?;
        let parking: Vec<_> = parking.iter().map(|it| (parking_labels(it), it)).collect();
        encode(&mut encoder, "parked_tasks",
            "Tasks in a parking queue, or in a former one",
            parking.iter().map(|(labels, it)| (labels, it.tasks)))?;
        encode(&mut encoder, "parked_oldest_seconds",
            "How long a parking queue has kept its oldest task: Cloud Tasks deletes it after 31 days",
            parking.iter().filter_map(|(labels, it)| Some((labels, it.oldest?.as_secs_f64()))))
    }
}

fn labels(stage: &StageNumbers) -> Labels<'_> {
    let (namespace, chain) = &stage.chain;
    vec![
        ("chain_namespace", namespace),
        ("chain", chain),
        ("stage", &stage.stage),
        ("queue", stage.queue.id.as_str()),
    ]
}

fn parking_labels(parking: &ParkingNumbers) -> Labels<'_> {
    let (namespace, chain) = &parking.chain;
    vec![
        ("chain_namespace", namespace),
        ("chain", chain),
        ("queue", parking.queue.id.as_str()),
    ]
}

fn unknown(stages: &[StageNumbers]) -> BTreeMap<Labels<'_>, u64> {
    let mut counts = BTreeMap::new();
    for stage in stages {
        if let Some(reason) = stage.numbers.unknown() {
            let parent = &stage.queue.parent;
            let labels = vec![
                ("project", parent.project.as_str()),
                ("queue_location", parent.location.as_str()),
                ("reason", reason.as_str()),
            ];
            *counts.entry(labels).or_default() += 1;
        }
    }
    counts
}

struct Encoder<'a, 'b> {
    known: &'a [(Labels<'a>, QueueNumbers)],
    encoder: &'a mut DescriptorEncoder<'b>,
}

impl Encoder<'_, '_> {
    fn encode<V: EncodeGaugeValue>(
        &mut self,
        name: &str,
        help: &str,
        value: impl Fn(&QueueNumbers) -> Option<V>,
    ) -> fmt::Result {
        let series = self.known.iter();
        let series = series.filter_map(|(labels, it)| Some((labels, value(it)?)));
        encode(self.encoder, name, help, series)
    }
}

fn encode<'a, V: EncodeGaugeValue>(
    encoder: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    series: impl Iterator<Item = (&'a Labels<'a>, V)>,
) -> fmt::Result {
    let mut gauge = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in series {
        gauge.encode_family(labels)?.encode_gauge(&value)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use console::Unknown;
    use prometheus_client::encoding::text::encode;

    use super::*;

    fn stage(name: &str, numbers: Result<QueueNumbers, Unknown>) -> StageNumbers {
        let queue = format!("projects/demo/locations/europe-west1/queues/{name}-1");
        StageNumbers {
            chain: ("shop".into(), "orders".into()),
            stage: name.into(),
            queue: queue.parse().unwrap(),
            numbers: numbers.into(),
        }
    }

    fn exported(registry: &Registry) -> Vec<String> {
        let mut text = String::new();
        encode(&mut text, registry).expect("writing to a String can't fail");
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines.map(str::to_owned).collect()
    }

    #[test]
    fn a_stage_has_series_only_while_its_numbers_are_known() {
        let mut registry = Registry::with_prefix("executor_operator");
        let gauges = QueueGauges::register(&mut registry);
        assert_eq!(exported(&registry), [""; 0]);
        let numbers = QueueNumbers {
            tasks: 3,
            first_due: None,
            lag: Some(Duration::from_millis(1500)),
            executed_last_minute: 9,
            in_flight: 2,
            effective_rate: 0.5,
        };
        let without_lag = QueueNumbers {
            lag: None,
            ..numbers
        };
        let parked = |queue: &str, oldest| ParkingNumbers {
            chain: ("shop".into(), "orders".into()),
            queue: format!("projects/demo/locations/europe-west1/queues/{queue}")
                .parse()
                .unwrap(),
            tasks: 380,
            oldest,
        };
        gauges.read_from(move || AllNumbers {
            stages: vec![
                stage("fast", Ok(numbers)),
                stage("middle", Ok(without_lag)),
                stage("slow", Err(Unknown::Quota)),
                stage("last", Err(Unknown::Quota)),
            ],
            parking: vec![
                parked("parked", Some(Duration::from_hours(1))),
                parked("parked-before", None),
            ],
        });
        let series = |name: &str, stage: &str, value: &str| {
            format!(
                r#"executor_operator_queue_{name}{{chain_namespace="shop",chain="orders",stage="{stage}",queue="{stage}-1"}} {value}"#
            )
        };
        let parked_series = |name: &str, queue: &str, value: &str| {
            format!(
                r#"executor_operator_parked_{name}{{chain_namespace="shop",chain="orders",queue="{queue}"}} {value}"#
            )
        };
        let unknown = r#"executor_operator_queue_stats_unknown{project="demo",queue_location="europe-west1",reason="quota"} 2"#;
        assert_eq!(
            exported(&registry),
            [
                series("tasks", "fast", "3"),
                series("tasks", "middle", "3"),
                series("lag_seconds", "fast", "1.5"),
                series("in_flight", "fast", "2"),
                series("in_flight", "middle", "2"),
                series("effective_rate", "fast", "0.5"),
                series("effective_rate", "middle", "0.5"),
                unknown.to_owned(),
                parked_series("tasks", "parked", "380"),
                parked_series("tasks", "parked-before", "380"),
                parked_series("oldest_seconds", "parked", "3600.0"),
            ]
        );
        gauges.clear();
        assert_eq!(exported(&registry), [""; 0]);
    }
}
