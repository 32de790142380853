//! Whether an object that is there has all that we would apply. What others have added, and the
//! defaults of the API server, don't count.

use serde::Serialize;
use serde_json::Value;

/// Whether `live` says everything that `wanted` says.
pub fn covers(live: &impl Serialize, wanted: &impl Serialize) -> bool {
    let plain = |object: Result<Value, _>| object.expect("Kubernetes objects are plain data");
    value_covers(
        &plain(serde_json::to_value(live)),
        &plain(serde_json::to_value(wanted)),
    )
}

fn value_covers(live: &Value, wanted: &Value) -> bool {
    match (live, wanted) {
        (Value::Object(live), Value::Object(wanted)) => wanted.iter().all(|(key, wanted)| {
            live.get(key)
                .map_or_else(|| is_empty(wanted), |live| value_covers(live, wanted))
        }),
        (Value::Array(live), Value::Array(wanted)) => {
            live.len() == wanted.len()
                && live
                    .iter()
                    .zip(wanted)
                    .all(|(live, wanted)| value_covers(live, wanted))
        }
        (Value::String(live), Value::String(wanted)) => {
            live == wanted || quantity(live).is_some_and(|live| Some(live) == quantity(wanted))
        }
        _ => live == wanted,
    }
}

/// The API server drops what is empty.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

/// The amount that a Kubernetes quantity stands for, in thousandths: the API server writes `1000m`
/// as `1`. Without this such a template would be applied again and again. A change of the spec from
/// one way of writing to the other is still seen, by the hash.
fn quantity(text: &str) -> Option<i128> {
    const SUFFIXES: [(&str, i128); 14] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("Pi", 1 << 50),
        ("Ei", 1 << 60),
        ("m", 0),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
        ("P", 1_000_000_000_000_000),
        ("E", 1_000_000_000_000_000_000),
        ("", 1),
    ];
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (_, worth) = SUFFIXES.iter().find(|(name, _)| *name == suffix)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let thousandths = format!("{fraction:0<3}");
    let thousandths = thousandths.get(..3).filter(|_| fraction.len() <= 3)?;
    let amount = whole.parse::<i128>().ok()? * 1000 + thousandths.parse::<i128>().ok()?;
    match worth {
        0 => Some(amount / 1000).filter(|_| amount % 1000 == 0),
        worth => amount.checked_mul(*worth),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn defaults_and_additions_are_covered_and_differences_are_not() {
        let wanted = json!({"a": 1, "list": [{"name": "x"}], "none": null, "empty": {}});
        assert!(covers(
            &json!({"a": 1, "b": 2, "list": [{"name": "x", "policy": "d"}]}),
            &wanted
        ));
        assert!(!covers(&json!({"a": 2, "list": [{"name": "x"}]}), &wanted));
        assert!(!covers(&json!({"a": 1, "list": []}), &wanted));
        assert!(!covers(
            &json!({"a": 1, "list": [{"name": "x"}, {"name": "y"}]}),
            &wanted
        ));
        assert!(!covers(&json!({"list": [{"name": "x"}]}), &wanted));
    }

    #[test]
    fn one_amount_may_be_written_in_two_ways() {
        for (live, wanted) in [
            ("1", "1000m"),
            ("1Gi", "1024Mi"),
            ("500m", "0.5"),
            ("1500m", "1.5"),
        ] {
            assert!(
                covers(&json!({"cpu": live}), &json!({"cpu": wanted})),
                "{live} {wanted}"
            );
        }
        for (live, wanted) in [("1", "2"), ("1Gi", "1G"), ("a", "b"), ("100m", "100M")] {
            assert!(
                !covers(&json!({"cpu": live}), &json!({"cpu": wanted})),
                "{live} {wanted}"
            );
        }
    }
}
