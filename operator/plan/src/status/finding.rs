//! What was found of one condition.

use crds::conditions::Reason;

/// A condition without its type and time. What could not be read is neither true nor false.
pub(super) struct Finding {
    pub(super) holds: Option<bool>,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Finding {
    pub(super) fn new(holds: Option<bool>, reason: Reason, message: impl Into<String>) -> Self {
        Self {
            holds,
            reason,
            message: message.into(),
        }
    }
}

/// The names in one text, for a column of `kubectl get`.
pub(super) fn list(names: impl Iterator<Item = String>) -> Option<String> {
    let names: Vec<String> = names.collect();
    (!names.is_empty()).then(|| names.join(", "))
}
