//! Rewrites a manifest as kubectl and the API server would before they check it.

use serde_json::{Number, Value};

/// Drops the status, which no manifest sets, and known fields that are null, since the CRD has no
/// nullable ones. An unknown field stays, to be rejected. Where the schema has an integer, 3.0
/// becomes 3, as kubectl sends it.
pub(super) fn normalize(manifest: &mut Value, schema: &Value) {
    if let Some(map) = manifest.as_object_mut() {
        map.shift_remove("status");
    }
    walk(manifest, schema);
}

fn walk(value: &mut Value, schema: &Value) {
    match value {
        Value::Object(map) => {
            let of = |name: &str| {
                let known = schema["properties"].get(name);
                known.or_else(|| schema.get("additionalProperties"))
            };
            map.retain(|name, value| !(value.is_null() && of(name).is_some()));
            for (name, value) in map {
                if let Some(schema) = of(name) {
                    walk(value, schema);
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| walk(item, &schema["items"])),
        Value::Number(number) if schema["type"] == "integer" => {
            if let Some(whole) = whole(number) {
                *number = whole.into();
            }
        }
        _ => {}
    }
}

/// A float without a fraction, as an integer.
fn whole(number: &Number) -> Option<i64> {
    // 2^53: above it a float can't represent every integer.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = number.as_f64().filter(|_| number.is_f64())?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "it has no fraction, and the range is checked"
    )]
    (float.fract() == 0.0 && float.abs() < EXACT).then_some(float as i64)
}
