//! The API server's admission of a manifest, in this process: `executor-chain dev` rejects what a
//! cluster would reject, with the same messages.

mod document;
mod list_type;
mod normalize;
mod rejection;
mod schema;
#[cfg(test)]
mod tests;
mod validation;

use crds::{ChainDiscard, ChainOverride, ChainRedrive, ExecutorChain};
use kube_cel::{CompiledSchema, Validator};
use serde::de::DeserializeOwned;
use serde_json::Value;

pub use rejection::{FieldError, Rejection};
use schema::{
    DISCARD_RULES, DISCARD_SCHEMA, OVERRIDE_RULES, OVERRIDE_SCHEMA, REDRIVE_RULES, REDRIVE_SCHEMA,
    RULES, SCHEMA,
};

/// An admitted manifest.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// The chain.
    pub chain: ExecutorChain,
    /// The manifest with its defaults: the `old` of the next [`admit`].
    pub value: Value,
}

/// Admits a manifest as the API server does: strict reading, defaults, schema, CEL rules. `old` is
/// the manifest in force, for the rules about updates.
pub fn admit(text: &str, old: Option<&Value>) -> Result<Admitted, Rejection> {
    let mut value = document::read(text)?;
    document::identify(&value, old)?;
    normalize::normalize(&mut value, &SCHEMA);
    let value = kube_cel::apply_defaults(&SCHEMA, &value);
    let errors = validation::validate(&SCHEMA, &value);
    // The rules expect the types of the schema. On others they fail with CEL's own errors.
    if !errors.is_empty() {
        return Err(errors.into());
    }
    check_rules(&RULES, &value, old)?;
    // The schema does not check some strings of the pod template, such as times.
    let chain = serde_json::from_value(value.clone())
        .map_err(|error| FieldError::new("", error.to_string()))?;
    Ok(Admitted { chain, value })
}

/// Admits an override as the API server does when it is created.
pub fn admit_override(value: Value) -> Result<ChainOverride, Rejection> {
    admit_object(value, None, &OVERRIDE_SCHEMA, &OVERRIDE_RULES)
}

/// Admits a redrive as the API server does. `old` is the one that it replaces.
pub fn admit_redrive(value: Value, old: Option<&Value>) -> Result<ChainRedrive, Rejection> {
    admit_object(value, old, &REDRIVE_SCHEMA, &REDRIVE_RULES)
}

/// Admits a discard as the API server does. `old` is the one that it replaces.
pub fn admit_discard(value: Value, old: Option<&Value>) -> Result<ChainDiscard, Rejection> {
    admit_object(value, old, &DISCARD_SCHEMA, &DISCARD_RULES)
}

fn admit_object<K: DeserializeOwned>(
    mut value: Value,
    old: Option<&Value>,
    schema: &Value,
    rules: &CompiledSchema,
) -> Result<K, Rejection> {
    normalize::normalize(&mut value, schema);
    let value = kube_cel::apply_defaults(schema, &value);
    let errors = validation::validate(schema, &value);
    if !errors.is_empty() {
        return Err(errors.into());
    }
    check_rules(rules, &value, old)?;
    let admitted =
        serde_json::from_value(value).map_err(|error| FieldError::new("", error.to_string()))?;
    Ok(admitted)
}

fn check_rules(
    rules: &CompiledSchema,
    value: &Value,
    old: Option<&Value>,
) -> Result<(), Vec<FieldError>> {
    Validator::new()
        .validate_compiled(rules, value, old)
        .map_err(|violations| {
            violations
                .iter()
                .map(|error| FieldError::new(&error.field_path, error.message.as_str()))
                .collect()
        })
}
