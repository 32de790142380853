//! The programs of the pods, as the node sees them.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

/// The unit of a process' start, which Linux has fixed for programs: 100 a second.
const TICK: Duration = Duration::from_millis(10);

#[derive(Debug, Clone, Copy)]
pub struct Process {
    pub pid: u32,
}

pub fn of(program: &str) -> Vec<Process> {
    let Ok(entries) = std::fs::read_dir("/proc") else {
        return Vec::new();
    };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    pids.map(|pid| Process { pid })
        .filter(|process| process.runs(program))
        .collect()
}

impl Process {
    fn runs(self, program: &str) -> bool {
        let first = self.file("cmdline").unwrap_or_default();
        let first = first.split('\0').next().unwrap_or_default();
        PathBuf::from(first)
            .file_name()
            .is_some_and(|name| name == program)
    }

    pub fn resident_mib(self) -> anyhow::Result<f64> {
        let text = self.status("VmRSS:")?;
        let kib: f64 = text.trim_end_matches(" kB").parse()?;
        Ok(kib / 1024.0)
    }

    pub fn program_bytes(self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(format!("/proc/{}/exe", self.pid))?.len())
    }

    pub fn age(self) -> Option<Duration> {
        let stat = self.file("stat").ok()?;
        // Behind the name, which may hold anything; the start is the 22nd of all.
        let ticks = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?;
        let up = std::fs::read_to_string("/proc/uptime").ok()?;
        let up = Duration::from_secs_f64(up.split(' ').next()?.parse().ok()?);
        up.checked_sub(TICK * ticks.parse::<u32>().ok()?)
    }

    pub fn address(self) -> Option<IpAddr> {
        let routes = self.file("net/fib_trie").ok()?;
        let mut last = None;
        for line in routes.lines().map(str::trim) {
            if let Some(address) = line.strip_prefix("|-- ") {
                last = address.parse::<Ipv4Addr>().ok();
            } else if line == "/32 host LOCAL"
                && let Some(address) = last.filter(|address| !address.is_loopback())
            {
                return Some(address.into());
            }
        }
        None
    }

    /// Fails where it can do more than it has to.
    pub fn is_confined(self) -> anyhow::Result<()> {
        let users = self.status("Uid:")?;
        anyhow::ensure!(
            users.split_whitespace().all(|user| user != "0"),
            "it is root"
        );
        for (what, wanted) in [
            ("CapEff:", "0000000000000000"),
            ("CapBnd:", "0000000000000000"),
            ("NoNewPrivs:", "1"),
            // By a filter.
            ("Seccomp:", "2"),
        ] {
            let found = self.status(what)?;
            anyhow::ensure!(found == wanted, "{what} {found}");
        }
        let mounts = self.file("mountinfo")?;
        let root = mounts
            .lines()
            .find(|line| line.split(' ').nth(4) == Some("/"));
        let options = root.and_then(|line| line.split(' ').nth(5));
        let options = options.context("it has no root")?;
        anyhow::ensure!(
            options.split(',').any(|option| option == "ro"),
            "its root can be written: {options}"
        );
        Ok(())
    }

    fn status(self, what: &str) -> anyhow::Result<String> {
        let status = self.file("status")?;
        let line = status.lines().find_map(|line| line.strip_prefix(what));
        Ok(line
            .with_context(|| format!("no {what}"))?
            .trim()
            .to_owned())
    }

    fn file(self, name: &str) -> std::io::Result<String> {
        let bytes = std::fs::read(format!("/proc/{}/{name}", self.pid))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}
