//! Patches of a manifest.

use serde_json::{Map, Value, json};

/// Fields by path, such as `spec.stages.0.name`, and what to set them to; null removes a field.
/// `spec.stages+` appends that many stages.
pub type Patch = Map<String, Value>;

/// The manifest with the patch applied.
pub fn patched(mut manifest: Value, patch: &Patch) -> Value {
    for (field, value) in patch {
        match field.strip_suffix('+') {
            Some(list) => append_stages(place(&mut manifest, list), value),
            None => set(&mut manifest, field, value),
        }
    }
    manifest
}

/// Sets the field at a path such as `spec.stages.0.name`; null removes it.
fn set(manifest: &mut Value, path: &str, value: &Value) {
    let (above, name) = path.rsplit_once('.').unwrap_or(("", path));
    match place(manifest, above) {
        Value::Object(map) if value.is_null() => {
            map.shift_remove(name);
        }
        parent => *step(parent, name) = value.clone(),
    }
}

fn place<'a>(manifest: &'a mut Value, path: &str) -> &'a mut Value {
    path.split('.')
        .filter(|name| !name.is_empty())
        .fold(manifest, step)
}

fn step<'a>(value: &'a mut Value, name: &str) -> &'a mut Value {
    match name.parse::<usize>() {
        Ok(index) => &mut value[index],
        Err(_) => &mut value[name],
    }
}

fn append_stages(stages: &mut Value, count: &Value) {
    let stages = stages.as_array_mut().expect("stages are a list");
    for number in 1..=count.as_u64().expect("a number of stages") {
        let name = format!("more-{number}");
        stages.push(json!({"name": name, "queue": name, "maxAttempts": 1}));
    }
}
