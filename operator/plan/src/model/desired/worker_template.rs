//! What is added to the workers of a chain: by the operator's settings, and by the spec over them.

use crds::WorkerTemplate;
use serde_json::Value;
use worker_contract::env::OPERATOR_OWNED;

use crate::model::problem::Problem;

/// The template of the spec over the settings' `defaults`.
pub(super) fn worker_template(
    defaults: &WorkerTemplate,
    of_spec: Option<&WorkerTemplate>,
) -> Result<WorkerTemplate, Problem> {
    let mut template = defaults.clone();
    if let Some(of_spec) = of_spec {
        let mut merged = json(defaults);
        merge(&mut merged, json(of_spec));
        template =
            serde_json::from_value(merged).expect("both are templates, and so is their merge");
        template.env = over(&defaults.env, &of_spec.env, |it| &it.name);
        let (mounts, more) = (&defaults.volume_mounts, &of_spec.volume_mounts);
        template.volume_mounts = over(mounts, more, |it| &it.mount_path);
    }
    let mut names = template.env.iter().map(|variable| variable.name.as_str());
    match names.find(|name| OPERATOR_OWNED.contains(name)) {
        None => Ok(template),
        Some(name) => Err(Problem::invalid(format!(
            "the worker's environment has {name}, which the operator sets: remove it from workerTemplate.env, or from the operator's --worker-template (the chart's worker.env)"
        ))),
    }
}

/// The items of a list that a merge would replace: those of `more`, and those of `base` with other keys.
fn over<T: Clone>(base: &[T], more: &[T], key: impl Fn(&T) -> &str) -> Vec<T> {
    let is_replaced = |item: &&T| more.iter().any(|it| key(it) == key(item));
    let kept = base.iter().filter(|item| !is_replaced(item));
    kept.chain(more).cloned().collect()
}

/// Merges as a JSON merge patch does: maps by their keys, the rest as a whole.
pub(crate) fn merge(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                merge(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}

fn json(template: &WorkerTemplate) -> Value {
    serde_json::to_value(template).expect("a template is plain data")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn template(value: Value) -> WorkerTemplate {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn the_spec_is_merged_over_the_settings() {
        let defaults = template(json!({
            "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
            "env": [{"name": "RUST_LOG", "value": "info"}, {"name": "TZ", "value": "UTC"}],
            "securityContext": {"runAsUser": 1000, "capabilities": {"drop": ["NET_RAW"]}},
            "volumeMounts": [{"name": "ca", "mountPath": "/ca"}, {"name": "tmp", "mountPath": "/tmp"}],
        }));
        let of_spec = template(json!({
            "resources": {"requests": {"cpu": "1"}, "limits": {"memory": "64Mi"}},
            "env": [{"name": "RUST_LOG", "value": "debug"}],
            "securityContext": {"runAsUser": 2000, "readOnlyRootFilesystem": true},
            "serviceMetadata": {"labels": {"team": "shop"}},
            "volumeMounts": [{"name": "own-ca", "mountPath": "/ca", "readOnly": true}],
        }));
        let expected = template(json!({
            "resources": {"requests": {"cpu": "1", "memory": "32Mi"}, "limits": {"memory": "64Mi"}},
            "env": [{"name": "TZ", "value": "UTC"}, {"name": "RUST_LOG", "value": "debug"}],
            "securityContext": {
                "runAsUser": 2000,
                "capabilities": {"drop": ["NET_RAW"]},
                "readOnlyRootFilesystem": true,
            },
            "serviceMetadata": {"labels": {"team": "shop"}},
            "volumeMounts": [
                {"name": "tmp", "mountPath": "/tmp"},
                {"name": "own-ca", "mountPath": "/ca", "readOnly": true},
            ],
        }));
        assert_eq!(worker_template(&defaults, Some(&of_spec)), Ok(expected));
        assert_eq!(worker_template(&defaults, None), Ok(defaults));
    }

    #[test]
    fn a_variable_that_the_operator_sets_is_refused_wherever_it_comes_from() {
        for name in OPERATOR_OWNED {
            let with = template(json!({"env": [{"name": name, "value": "a"}]}));
            let none = WorkerTemplate::default();
            for result in [
                worker_template(&with, None),
                worker_template(&none, Some(&with)),
            ] {
                let message = result.unwrap_err().message;
                assert!(message.contains(&format!("has {name}, which the operator sets")));
            }
        }
    }
}
