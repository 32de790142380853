//! What happened to a task, in order, to find out why a case fails.

use std::fmt;
use std::sync::{Arc, Mutex};

/// The lines so far. Clones write to the same.
#[derive(Clone, Default)]
pub struct Trace(Arc<Mutex<Vec<String>>>);

impl Trace {
    pub fn note(&self, stage: &str, what: impl fmt::Display) {
        self.0.lock().unwrap().push(format!("  {stage}: {what}"));
    }
}

impl fmt::Display for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.lock().unwrap().join("\n"))
    }
}

/// Text that stays as it is in the panic of `eventually`, lines included.
pub struct Plain(pub String);

impl fmt::Debug for Plain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
