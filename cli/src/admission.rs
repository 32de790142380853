//! What the API server does with a manifest, in this process: `executor-chain dev` refuses what a
//! cluster would refuse, and says why in the same words.

mod document;
mod reading;
mod schema;
mod structure;
#[cfg(test)]
mod tests;
mod unique;

use std::fmt;

use crds::ExecutorChain;
use kube_cel::Validator;
use serde_json::Value;

use schema::{RULES, SCHEMA};

/// A manifest that may be served.
#[derive(Debug, Clone, PartialEq)]
pub struct Admitted {
    /// What it says.
    pub chain: ExecutorChain,
    /// The same with the defaults filled in: the `old` of the next [`admit`].
    pub value: Value,
}

/// Why a manifest is not admitted. It displays as one line for each reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// At least one.
    pub reasons: Vec<Reason>,
}

/// One thing to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// The field, such as `spec.stages[0].name`; empty where it is about the file.
    pub path: String,
    /// What is wrong there, or what it must be.
    pub sentence: String,
}

impl Reason {
    fn new(path: &str, sentence: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            sentence: sentence.into(),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.sentence)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, reason) in self.reasons.iter().enumerate() {
            let line_break = if index == 0 { "" } else { "\n" };
            write!(f, "{line_break}{reason}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// Reads a manifest as the API server does: strictly, with its defaults, against the schema and
/// then the rules. `old` is the value that is in force, on which some rules depend.
pub fn admit(text: &str, old: Option<&Value>) -> Result<Admitted, Refused> {
    let mut value = document::read(text).map_err(|reason| refused(vec![reason]))?;
    document::identify(&value, old).map_err(refused)?;
    reading::tidy(&mut value, &SCHEMA);
    let value = kube_cel::apply_defaults(&SCHEMA, &value);
    let wrong = structure::check(&SCHEMA, &value);
    // Rules are written for values of the right shape; on others they fail with errors of CEL.
    if !wrong.is_empty() {
        return Err(refused(wrong));
    }
    keep_rules(&value, old).map_err(refused)?;
    // What is left are texts inside a pod template, such as a time, that only its own type knows.
    let chain = serde_json::from_value(value.clone())
        .map_err(|error| refused(vec![Reason::new("", error.to_string())]))?;
    Ok(Admitted { chain, value })
}

fn keep_rules(value: &Value, old: Option<&Value>) -> Result<(), Vec<Reason>> {
    Validator::new()
        .validate_compiled(&RULES, value, old)
        .map_err(|broken| {
            broken
                .iter()
                .map(|error| Reason::new(&error.field_path, error.message.as_str()))
                .collect()
        })
}

fn refused(reasons: Vec<Reason>) -> Refused {
    Refused { reasons }
}
