//! The machine's load: a figure from a machine that has other work too reads otherwise.

use serde::{Deserialize, Serialize};

/// How many processes wanted to run, averaged over a minute, before and after.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Load {
    pub before: f64,
    pub after: f64,
}

pub fn now() -> f64 {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let first = text.split(' ').next().and_then(|it| it.parse().ok());
    first.unwrap_or(f64::NAN)
}
