//! What a benchmark ran on: nothing that names the machine.

use std::fmt;
use std::fs::read_to_string;

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Machine {
    cores: usize,
    memory: String,
    cpu: String,
    os: String,
    kernel: String,
}

impl Machine {
    pub fn this() -> Self {
        let unknown = || "unknown".to_owned();
        let cpu = value("/proc/cpuinfo", "model name", ':');
        let os = value("/etc/os-release", "PRETTY_NAME", '=');
        let kernel = read_to_string("/proc/sys/kernel/osrelease");
        let memory = value("/proc/meminfo", "MemTotal", ':');
        let kibibytes: Option<f64> = memory
            .and_then(|it| it.split(' ').next().map(str::to_owned))
            .and_then(|it| it.parse().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(1, Into::into),
            memory: kibibytes.map_or_else(unknown, |it| format!("{:.0} GiB", it / 1_048_576.0)),
            cpu: cpu.unwrap_or_else(unknown),
            os: os.map_or_else(unknown, |it| it.trim_matches('"').to_owned()),
            kernel: kernel.map_or_else(|_| unknown(), |it| it.trim().to_owned()),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            cores,
            memory,
            cpu,
            os,
            kernel,
        } = self;
        write!(f, "{cores} cores, {memory}, {cpu}, {os}, Linux {kernel}")
    }
}

/// The value of the first line with this key.
fn value(path: &str, key: &str, separator: char) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let mut pairs = text.lines().filter_map(|line| line.split_once(separator));
    let found = pairs.find(|(name, _)| name.trim() == key);
    found.map(|(_, value)| value.trim().to_owned())
}
