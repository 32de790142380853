//! The programs of the pods, as the node sees them.

use std::path::PathBuf;

/// A process of a program of ours.
#[derive(Debug, Clone, Copy)]
pub struct Process {
    pub pid: u32,
    pub resident_mib: f64,
}

/// All that run a program of this name.
pub fn of(program: &str) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.filter(|pid| runs(*pid, program))
        .filter_map(|pid| {
            Some(Process {
                pid,
                resident_mib: resident(pid)?,
            })
        })
        .collect()
}

fn runs(pid: u32, program: &str) -> bool {
    let first = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let first = first.split(|it| *it == 0).next().unwrap_or_default();
    let path = PathBuf::from(String::from_utf8_lossy(first).into_owned());
    path.file_name().is_some_and(|name| name == program)
}

fn resident(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|it| it.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().ok()?;
    Some(kib / 1024.0)
}
