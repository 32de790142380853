//! Each rule of overrides, on a real API server and in `dev`.

use std::collections::BTreeSet;

use crds::{ChainOverride, OVERRIDE_RULES};
use executor_chain::admission::admit_override;
use kube::api::{Api, DeleteParams, PostParams};
use kube::core::DynamicObject;
use kube::discovery::ApiResource;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::ApiServer;

use crate::patch::{Patch, patched};

const ROWS: &str = include_str!("override_rules.yaml");

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    says: String,
    old: Option<Patch>,
    passes: Vec<Patch>,
    fails: Vec<Patch>,
}

fn base() -> Value {
    json!({
        "apiVersion": "executor-chain.dev/v1alpha1",
        "kind": "ChainOverride",
        "metadata": {"name": "inc-42"},
        "spec": {
            "chain": "orders", "stages": ["fast"], "rateLimits": {"maxDispatchesPerSecond": 5},
            "reason": "INC-42 payment provider down", "for": "30m", "by": "alice",
        },
    })
}

fn rows() -> Vec<Row> {
    serde_saphyr::from_str(ROWS).expect("override_rules.yaml")
}

#[test]
fn every_rule_has_cases() {
    let rows = rows();
    let says: BTreeSet<&str> = rows.iter().map(|row| &*row.says).collect();
    for rule in OVERRIDE_RULES {
        let has_row = says.iter().any(|says| rule.message.starts_with(says));
        assert!(has_row, "no row in override_rules.yaml: {}", rule.message);
    }
}

#[tokio::test]
async fn both_enforce_each_rule_of_overrides_with_the_same_message() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("overrides").await;
    let resource = ApiResource::erase::<ChainOverride>(&());
    let api: Api<DynamicObject> =
        Api::namespaced_with(server.client().await, &namespace, &resource);
    let dry_run = PostParams {
        dry_run: true,
        ..PostParams::default()
    };
    for row in rows() {
        let cases = row.passes.iter().map(|patch| (patch, true));
        let cases = cases.chain(row.fails.iter().map(|patch| (patch, false)));
        for (patch, passes) in cases {
            let manifest = patched(base(), patch);
            let object: DynamicObject = serde_json::from_value(manifest.clone()).unwrap();
            let said = match &row.old {
                None => api.create(&dry_run, &object).await.err(),
                Some(old) => {
                    let old = serde_json::from_value(patched(base(), old)).unwrap();
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
            let name = format!("{}: {}", row.says, json!(patch));
            let said = said.map(|error| error.to_string());
            let in_dev = admit_override(manifest).err().map(|it| it.to_string());
            assert_eq!(said.is_none(), passes, "{name}: {said:?}");
            if !passes {
                assert!(said.unwrap().contains(&row.says), "{name}");
            }
            if row.old.is_none() {
                assert_eq!(in_dev.is_none(), passes, "{name} in dev: {in_dev:?}");
                if !passes {
                    assert!(in_dev.unwrap().contains(&row.says), "{name} in dev");
                }
            }
        }
    }
}
