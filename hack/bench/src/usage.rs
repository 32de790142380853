//! What a process has used up, as /proc tells.

use anyhow::Context;

/// A tick of the times in /proc. Only a C call could ask for it, and Linux has had this one on all
/// machines that we run on.
const TICK_MS: f64 = 10.0;

/// What a process has used up.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    pub cpu_ms: f64,
    pub resident_mib: f64,
}

impl Usage {
    /// Time on the processor so far, and memory now.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            let path = format!("/proc/{pid}/{file}");
            std::fs::read_to_string(path).context("the process has ended")
        };
        let stat = read("stat")?;
        // After the name, which may hold spaces: the state is the third field of all.
        let (_, rest) = stat.rsplit_once(')').context("no name in /proc")?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let ticks = |field: usize| fields.get(field).and_then(|it| it.parse::<f64>().ok());
        let (user, system) = (ticks(11), ticks(12));
        let status = read("status")?;
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|it| it.trim().trim_end_matches(" kB").parse::<f64>().ok());
        Ok(Self {
            cpu_ms: (user.context("no time in /proc")? + system.context("no time in /proc")?)
                * TICK_MS,
            resident_mib: resident.context("no memory in /proc")? / 1024.0,
        })
    }
}
