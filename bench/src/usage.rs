//! What a process has used up, as /proc tells.

use anyhow::Context;

/// The times of threads in /proc are in nanoseconds; a process' own is in ticks, of which an idle one
/// has too few.
const NANOSECONDS: f64 = 1e6;

#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu_ms: f64,
    pub resident_mib: f64,
    pub peak_mib: f64,
}

impl Usage {
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let threads = std::fs::read_dir(format!("/proc/{pid}/task"));
        let mut cpu_ms = 0.0;
        for thread in threads.context("the process has ended")? {
            // One that ends meanwhile has no more to tell.
            let text = std::fs::read_to_string(thread?.path().join("schedstat"));
            let text = text.unwrap_or_default();
            let ran = text.split(' ').next().and_then(|it| it.parse::<f64>().ok());
            cpu_ms += ran.unwrap_or(0.0) / NANOSECONDS;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))
            .context("the process has ended")?;
        let mebibytes = |name: &str| {
            let mut lines = status.lines();
            let found = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let kibibytes = found.and_then(|it| it.trim().trim_end_matches(" kB").parse().ok());
            kibibytes.map(|it: f64| it / 1024.0)
        };
        Ok(Self {
            cpu_ms,
            resident_mib: mebibytes("VmRSS").context("no memory in /proc")?,
            peak_mib: mebibytes("VmHWM").context("no memory in /proc")?,
        })
    }
}
