//! Why a manifest is rejected.

use serde_json::Value;

/// A rejected manifest. It displays as one line for each error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Rejection {
    /// At least one.
    pub errors: Vec<FieldError>,
}

/// One thing to fix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}{}{message}", if field.is_empty() { "" } else { ": " })]
pub struct FieldError {
    /// The field, such as `spec.stages[0].name`; empty for an error about the whole file.
    pub field: String,
    /// What is wrong with it, or what it must be.
    pub message: String,
}

impl FieldError {
    pub(super) fn new(field: &str, message: impl Into<String>) -> Self {
        Self {
            field: field.to_owned(),
            message: message.into(),
        }
    }
}

impl From<Vec<FieldError>> for Rejection {
    fn from(errors: Vec<FieldError>) -> Self {
        Self { errors }
    }
}

impl From<FieldError> for Rejection {
    fn from(error: FieldError) -> Self {
        vec![error].into()
    }
}

/// The value for a message: one line, at most 80 characters.
pub(super) fn shorten(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
