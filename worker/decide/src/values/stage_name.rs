//! The name of a stage.

use std::fmt;
use std::str::FromStr;

use super::header_text::{InvalidHeaderText, check};

/// The name of a stage.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StageName(String);

impl StageName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for StageName {
    type Err = InvalidHeaderText;

    fn from_str(text: &str) -> Result<Self, InvalidHeaderText> {
        check(text)?;
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for StageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
