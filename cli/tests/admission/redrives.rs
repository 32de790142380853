//! Each rule of redrives and discards, on a real API server and in `dev`.

use std::collections::BTreeSet;

use crds::{ChainDiscard, ChainRedrive, DISCARD_RULES, REDRIVE_RULES, Rule};
use executor_chain::admission::{Rejection, admit_discard, admit_redrive};
use kube::api::{Api, DeleteParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::ApiServer;

use crate::patch::{Patch, patched};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    says: String,
    old: Option<Patch>,
    passes: Vec<Patch>,
    fails: Vec<Patch>,
}

struct Kind {
    name: &'static str,
    rows: &'static str,
    rules: &'static [Rule],
    resource: ApiResource,
    admit: fn(Value, Option<&Value>) -> Result<(), Rejection>,
}

fn kinds() -> [Kind; 2] {
    [
        Kind {
            name: "ChainRedrive",
            rows: include_str!("redrive_rules.yaml"),
            rules: REDRIVE_RULES,
            resource: ApiResource::erase::<ChainRedrive>(&()),
            admit: |it, old| admit_redrive(it, old).map(drop),
        },
        Kind {
            name: "ChainDiscard",
            rows: include_str!("discard_rules.yaml"),
            rules: DISCARD_RULES,
            resource: ApiResource::erase::<ChainDiscard>(&()),
            admit: |it, old| admit_discard(it, old).map(drop),
        },
    ]
}

impl Kind {
    fn base(&self) -> Value {
        let mut base = json!({
            "apiVersion": "executor-chain.dev/v1alpha1",
            "kind": self.name,
            "metadata": {"name": "inc-42"},
            "spec": {
                "chain": "orders", "where": {"reason": "no-stock"}, "reason": "INC-42 is fixed",
                "by": "alice",
            },
        });
        if self.name == "ChainRedrive" {
            base["spec"]["to"] = json!("fast");
            base["spec"]["rate"] = json!(20);
        }
        base
    }

    fn rows(&self) -> Vec<Row> {
        serde_saphyr::from_str(self.rows).expect("rows")
    }
}

#[test]
fn every_rule_has_cases() {
    for kind in kinds() {
        let rows = kind.rows();
        let says: BTreeSet<&str> = rows.iter().map(|row| &*row.says).collect();
        for rule in kind.rules {
            let has_row = says.iter().any(|says| rule.message.starts_with(says));
            assert!(has_row, "no row of {}: {}", kind.name, rule.message);
        }
    }
}

#[tokio::test]
async fn both_enforce_each_rule_of_redrives_and_discards_with_the_same_message() {
    let server = ApiServer::shared_with_crd().await;
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for kind in kinds() {
        let namespace = server.namespace("redrives").await;
        let api: Api<DynamicObject> =
            Api::namespaced_with(server.client().await, &namespace, &kind.resource);
        for row in kind.rows() {
            let cases = row.passes.iter().map(|patch| (patch, true));
            let cases = cases.chain(row.fails.iter().map(|patch| (patch, false)));
            for (patch, passes) in cases {
                let manifest = patched(kind.base(), patch);
                let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
                let old = row.old.as_ref().map(|old| patched(kind.base(), old));
                let said = match &old {
                    None => api.create(&dry_run, &object).await.err(),
                    Some(old) => {
                        let old = serde_json::from_value(old.clone()).unwrap();
                        let old = api.create(&PostParams::default(), &old).await.unwrap();
                        let mut object = object;
                        object.metadata.resource_version = old.metadata.resource_version;
                        let said = api.replace("inc-42", &dry_run, &object).await.err();
                        api.delete("inc-42", &DeleteParams::default())
                            .await
                            .unwrap();
                        said
                    }
                };
                let name = format!("{} {}: {}", kind.name, row.says, json!(patch));
                let in_dev = (kind.admit)(manifest, old.as_ref()).err();
                for said in [
                    said.map(|it| it.to_string()),
                    in_dev.map(|it| it.to_string()),
                ] {
                    assert_eq!(said.is_none(), passes, "{name}: {said:?}");
                    if let Some(said) = said {
                        assert!(said.contains(&row.says), "{name}: {said}");
                    }
                }
            }
        }
    }
}

/// What the schema refuses, before any rule.
#[test]
fn what_the_schema_refuses_is_refused_in_dev() {
    let [redrive, _] = kinds();
    for patch in [
        r#"{"spec.rate": 0}"#,
        r#"{"spec.rate": 501}"#,
        r#"{"spec.where": {"cause": "Bored"}}"#,
        r#"{"spec.where": {"status": "teapot"}}"#,
        r#"{"spec.canary": {"tasks": 0}}"#,
        r#"{"spec.canary": {"tasks": 5, "atLeast": "101%"}}"#,
        r#"{"spec.to": null}"#,
    ] {
        let patch: Patch = serde_json::from_str(patch).unwrap();
        let manifest = patched(redrive.base(), &patch);
        assert!((redrive.admit)(manifest, None).is_err(), "{}", json!(patch));
    }
}
