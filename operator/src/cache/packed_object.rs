//! Objects as they are cached: parsed, Deployments and Services would take more memory than anything else.

use std::sync::Arc;

use kube::Resource;
use lz4_flex::block::{compress_with_dict, decompress_with_dict};
use plan::objects::ownership::is_our_apply;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// One object as JSON, which the next ones of its kind are compressed with. All of chains are much alike, and
/// so is what the API server records of our applies.
#[derive(Default)]
pub struct Model(Option<Arc<[u8]>>);

/// An object as JSON, compressed if that leaves less than a quarter.
#[derive(Debug, Clone)]
pub struct PackedObject {
    text: Arc<[u8]>,
    compressed: Option<Compressed>,
}

#[derive(Debug, Clone)]
struct Compressed {
    model: Arc<[u8]>,
    length: usize,
}

impl PackedObject {
    /// Packs an object that the operator applies.
    pub fn applied(mut object: impl Resource + Serialize, model: &mut Model) -> Self {
        // The fields of other appliers are half of an object, and are never read.
        if let Some(entries) = &mut object.meta_mut().managed_fields {
            entries.retain(is_our_apply);
        }
        Self::of(&object, model)
    }

    /// Packs an object. One that is unlike the model is the next model, so that an odd one doesn't stay it.
    pub fn of(object: &impl Serialize, model: &mut Model) -> Self {
        let text = serde_json::to_vec(object).expect("Kubernetes objects are plain data");
        if let Some(model) = &model.0 {
            let compressed = compress_with_dict(&text, model);
            if compressed.len() < text.len() / 4 {
                return Self {
                    text: compressed.into(),
                    compressed: Some(Compressed {
                        model: Arc::clone(model),
                        length: text.len(),
                    }),
                };
            }
        }
        let text: Arc<[u8]> = text.into();
        model.0 = Some(Arc::clone(&text));
        Self {
            text,
            compressed: None,
        }
    }

    /// The object.
    pub fn unpack<K: DeserializeOwned>(&self) -> K {
        let parsed = match &self.compressed {
            None => serde_json::from_slice(&self.text),
            Some(Compressed { model, length }) => {
                let text = decompress_with_dict(&self.text, *length, model);
                serde_json::from_slice(&text.expect("it was compressed with this model"))
            }
        };
        parsed.expect("it was written from one")
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::Service;
    use serde_json::{Value, json};

    use super::*;

    fn service(name: &str, annotations: &Value) -> Service {
        serde_json::from_value(json!({"metadata": {
            "name": name, "namespace": "shop", "annotations": annotations,
        }}))
        .unwrap()
    }

    fn random(count: usize) -> Value {
        let texts = (0..count).map(|number| (number.to_string(), fastrand::u64(..).to_string()));
        texts.map(|(key, value)| (key, json!(value))).collect()
    }

    #[test]
    fn objects_that_are_alike_take_little_and_each_is_unpacked_as_it_was() {
        let mut model = Model::default();
        let (some, others) = (random(50), random(50));
        let mut plain = 0;
        let packed: Vec<(Service, PackedObject)> = [&some, &some, &others, &others, &some, &some]
            .iter()
            .enumerate()
            .map(|(number, annotations)| {
                let service = service(&format!("orders-{number}"), annotations);
                let packed = PackedObject::applied(service.clone(), &mut model);
                if packed.compressed.is_some() {
                    assert!(packed.text.len() < 200, "{}", packed.text.len());
                } else {
                    plain += 1;
                }
                (service, packed)
            })
            .collect();
        assert_eq!(plain, 3);
        for (service, packed) in packed {
            assert_eq!(packed.unpack::<Service>(), service);
        }
    }

    #[test]
    fn an_odd_object_is_the_model_of_one_more_at_most() {
        let mut model = Model::default();
        PackedObject::applied(service("odd", &random(50)), &mut model);
        let plain: Value = (0..50)
            .map(|number| (format!("key-{number}"), json!("true")))
            .collect();
        let packed: Vec<PackedObject> = ["orders", "orders-2", "orders-3"]
            .map(|name| PackedObject::applied(service(name, &plain), &mut model))
            .into();
        // It halves by itself, with whatever model.
        assert!(packed[0].compressed.is_none());
        assert!(packed[1..].iter().all(|it| it.text.len() < 200));
    }

    #[test]
    fn what_others_have_applied_is_not_kept() {
        let mut service = service("orders", &json!({}));
        let entry = |manager: &str| {
            serde_json::from_value(json!({"manager": manager, "operation": "Apply"})).unwrap()
        };
        let entries = vec![entry("kubectl"), entry("executor-operator")];
        service.metadata.managed_fields = Some(entries);
        let packed = PackedObject::applied(service, &mut Model::default());
        let kept = packed.unpack::<Service>().metadata.managed_fields;
        assert_eq!(kept, Some(vec![entry("executor-operator")]));
    }
}
