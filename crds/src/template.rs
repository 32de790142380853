//! Reads the pod template, and parts of one, as the API server does.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error};
use serde_json::Value;

/// Maps whose values are quantities.
const MAPS: [&str; 3] = ["limits", "requests", "overhead"];
/// Fields that are a quantity.
const FIELDS: [&str; 2] = ["sizeLimit", "divisor"];

/// Reads parts of a pod in which a quantity may be a number, as in `cpu: 1`. The API server accepts
/// this in a pod. A custom resource keeps the number, but the typed client requires a string.
pub(crate) fn read<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: DeserializeOwned,
{
    let Some(mut template) = Option::<Value>::deserialize(deserializer)? else {
        return Ok(None);
    };
    quantities_to_text(&mut template);
    serde_json::from_value(template)
        .map(Some)
        .map_err(D::Error::custom)
}

fn quantities_to_text(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if FIELDS.contains(&key.as_str()) {
                    to_text(value);
                }
                match value {
                    Value::Object(amounts) if MAPS.contains(&key.as_str()) => {
                        amounts.values_mut().for_each(to_text);
                    }
                    value => quantities_to_text(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(quantities_to_text),
        _ => {}
    }
}

fn to_text(value: &mut Value) {
    if let Value::Number(number) = value {
        *value = Value::String(number.to_string());
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use serde_json::json;

    use super::*;
    use crate::WorkerTemplate;

    #[test]
    fn so_may_a_quantity_of_the_worker() {
        let text = r#"{"resources": {"requests": {"cpu": 1}}, "env": [{"name": "CPU", "valueFrom":
            {"resourceFieldRef": {"resource": "limits.cpu", "divisor": 1}}}]}"#;
        let template: WorkerTemplate = text.parse().unwrap();
        assert_eq!(template.resources.unwrap().requests.unwrap()["cpu"].0, "1");
        let source = template.env[0].value_from.clone().unwrap();
        assert_eq!(source.resource_field_ref.unwrap().divisor.unwrap().0, "1");
    }

    #[test]
    fn a_quantity_may_be_a_number() {
        let template = json!({"spec": {
            "overhead": {"cpu": 1},
            "volumes": [{"name": "cache", "emptyDir": {"sizeLimit": 1000}}],
            "containers": [{
                "name": "handler",
                "resources": {"limits": {"cpu": 1, "memory": "1Gi"}, "requests": {"cpu": 2}},
            }],
        }});
        let template: PodTemplateSpec = read(template).unwrap().unwrap();
        let pod = template.spec.unwrap();
        let amount = |amounts: &Option<std::collections::BTreeMap<String, _>>, name: &str| {
            let amount: &k8s_openapi::apimachinery::pkg::api::resource::Quantity =
                &amounts.as_ref().unwrap()[name];
            amount.0.clone()
        };
        let resources = pod.containers[0].resources.as_ref().unwrap();
        assert_eq!(amount(&resources.limits, "cpu"), "1");
        assert_eq!(amount(&resources.limits, "memory"), "1Gi");
        assert_eq!(amount(&resources.requests, "cpu"), "2");
        assert_eq!(amount(&pod.overhead, "cpu"), "1");
        let volume = pod.volumes.unwrap()[0].empty_dir.clone().unwrap();
        assert_eq!(volume.size_limit.unwrap().0, "1000");
    }

    #[test]
    fn what_is_no_template_is_an_error_with_its_place() {
        let template = json!({"spec": {"containers": [{"name": 1}]}});
        assert!(read::<_, PodTemplateSpec>(template).is_err());
        assert_eq!(read::<_, PodTemplateSpec>(Value::Null).unwrap(), None);
    }
}
