//! Errors in the environment.

/// A variable that is missing or not valid. The message says what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("{variable} is not set: {fix}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// What to write.
        fix: &'static str,
    },
    /// Set to a value that is not valid.
    #[error("{variable} is {value:?}: {fix}")]
    Invalid {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// What to write.
        fix: String,
    },
    /// Set to a value that is not valid, and that may hold a secret.
    #[error("{variable} is not valid: {fix}")]
    InvalidSecret {
        /// The variable.
        variable: &'static str,
        /// What to write.
        fix: &'static str,
    },
}
