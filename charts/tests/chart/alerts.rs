//! Alerts and panels: expressions that can be read, of metrics that there are, and a page for each alert.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use testkit::promql::{Read, read};

use crate::rendered::{ALL, Rendered};

const OPERATIONS: &str = include_str!("../../../docs/operations.md");

/// Where the programs say what they count.
const COUNTED: [(&str, &[&str]); 2] = [
    (
        "executor_operator_",
        &[
            include_str!("../../../operator/src/telemetry/metrics.rs"),
            include_str!("../../../operator/src/telemetry/condition_gauges.rs"),
            include_str!("../../../operator/src/telemetry/queue_gauges.rs"),
            include_str!("../../../operator/src/telemetry/override_gauges.rs"),
        ],
    ),
    (
        "executor_worker_",
        &[
            include_str!("../../../worker/src/telemetry/metrics.rs"),
            include_str!("../../../worker/contract/src/metrics.rs"),
        ],
    ),
];

/// Google's own.
const QUEUE_DEPTH: &str = "cloudtasks_googleapis_com:queue_depth";

async fn expressions() -> (BTreeMap<String, String>, Vec<Value>) {
    let rendered = Rendered::of(ALL).await;
    let rule = &rendered.only("PrometheusRule")["spec"]["groups"][0]["rules"];
    let global = &rendered.only("GlobalRules")["spec"]["groups"][0]["rules"];
    assert_eq!(rule, global);
    let alerts = rule.as_array().unwrap().clone();
    let mut found = BTreeMap::new();
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap().to_owned();
        let expression = alert["expr"].as_str().unwrap().to_owned();
        assert_eq!(found.insert(name, expression), None, "{alert}");
    }
    let mut maps = rendered.of_kind("ConfigMap").into_iter();
    let board = maps.find_map(|it| it["data"]["executor-chain.json"].as_str());
    let board = board.unwrap();
    let board: Value = serde_json::from_str(board).unwrap();
    for panel in board["panels"].as_array().unwrap() {
        for (number, target) in panel["targets"].as_array().unwrap().iter().enumerate() {
            let expression = target["expr"].as_str().unwrap();
            // As Grafana does.
            let expression = expression
                .replace("$__rate_interval", "1m")
                .replace("$namespace", ".*")
                .replace("$chain", ".*");
            let place = format!("panel {} {number}", panel["title"]);
            found.insert(place, expression);
        }
    }
    (found, alerts)
}

#[tokio::test]
async fn every_expression_can_be_read_and_asks_for_what_is_counted() {
    let (expressions, _) = expressions().await;
    assert!(expressions.len() > 20, "{expressions:#?}");
    let texts: Vec<&str> = expressions.values().map(String::as_str).collect();
    let mut wrong = Vec::new();
    for ((place, expression), read) in expressions.iter().zip(read(&texts)) {
        match read {
            Read::Error(error) => wrong.push(format!("{place}: {error}: {expression}")),
            Read::Metrics(metrics) => {
                assert!(!metrics.is_empty(), "{place}: {expression}");
                let unknown = metrics.into_iter().filter(|metric| !is_counted(metric));
                wrong.extend(unknown.map(|metric| format!("{place}: nobody counts {metric}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!is_counted("executor_worker_nonsense_total"));
}

/// Whether a program registers a metric of that name: without its prefix and what the text format adds.
fn is_counted(metric: &str) -> bool {
    let of_programs = COUNTED.iter().any(|(prefix, sources)| {
        metric.strip_prefix(prefix).is_some_and(|rest| {
            let ends = [
                "_total",
                "_seconds_bucket",
                "_seconds_sum",
                "_seconds_count",
                "",
            ];
            let name = ends.iter().find_map(|end| rest.strip_suffix(end));
            let literal = format!("\"{}\"", name.unwrap_or(rest));
            sources.iter().any(|source| source.contains(&literal))
        })
    });
    of_programs || metric == QUEUE_DEPTH
}

#[tokio::test]
async fn conditions_and_reasons_are_those_that_chains_have() {
    let (expressions, _) = expressions().await;
    let known = |word: &str| crds::conditions::Reason::named(word).is_some();
    for (place, expression) in expressions {
        for part in expression.split("reason=\"").skip(1) {
            let reason = part.split('"').next().unwrap();
            assert!(known(reason), "{place}: {reason}");
        }
    }
}

#[tokio::test]
async fn every_alert_leads_to_its_heading_and_every_heading_to_an_alert() {
    let (_, alerts) = expressions().await;
    let section = OPERATIONS.split("\n## Alerts\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let headings: BTreeSet<&str> = section
        .lines()
        .filter_map(|line| line.strip_prefix("### "))
        .collect();
    let mut named = BTreeSet::new();
    for alert in &alerts {
        let name = alert["alert"].as_str().unwrap();
        let page = format!("https://example.com/operations.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], page.as_str());
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}");
        assert!(alert["annotations"]["summary"].is_string(), "{name}");
        named.insert(name);
    }
    assert_eq!(named, headings);
}
