//! One pod: its process, and how far it is.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

use testkit::{Process, free_addr, http_get};
use tokio::task::spawn_blocking;
use worker_contract::ports::ADMIN;

use crate::environment::Ports;

/// How long a stopping pod still gets pushes: endpoints learn late. Shorter than any drain delay.
const LATE: Duration = Duration::from_millis(300);

/// A pod.
pub struct Pod {
    /// Its name.
    pub name: String,
    /// Its template's hash.
    pub hash: String,
    /// What Services select it by.
    pub labels: BTreeMap<String, String>,
    /// How long it may take to end.
    pub grace: Duration,
    /// Whether it takes pushes, as far as it was asked.
    pub ready: bool,
    /// What the API server was told last.
    pub told: Option<bool>,
    /// Since when it is to stop.
    pub stopping: Option<Instant>,
    ports: Ports,
    command: Command,
    process: Option<Process>,
}

/// An address that no other pod has, with the port where the operator scrapes a worker.
pub fn ports() -> Ports {
    Ports {
        tasks: free_addr(),
        admin: SocketAddr::from((free_address(), ADMIN)),
    }
}

/// One of the 16 million that lead to this machine. Other processes may run nodes too.
fn free_address() -> Ipv4Addr {
    let is_free = |it: &Ipv4Addr| TcpListener::bind((*it, ADMIN)).is_ok();
    let addresses = std::iter::repeat_with(|| {
        let [one, two, three, _] = fastrand::u32(..).to_be_bytes();
        // Not 127.0.0.x, where servers listen.
        Ipv4Addr::new(127, one.max(1), two, three.clamp(1, 254))
    });
    let mut addresses = addresses.take(100).filter(is_free);
    addresses.next().expect("16 million addresses aren't taken")
}

impl Pod {
    /// A pod that isn't started.
    pub fn new(
        name: String,
        hash: String,
        labels: BTreeMap<String, String>,
        grace: Duration,
        ports: Ports,
        command: Command,
    ) -> Self {
        Self {
            name,
            hash,
            labels,
            grace,
            ready: false,
            told: None,
            stopping: None,
            ports,
            command,
            process: None,
        }
    }

    /// The address that the API server knows.
    pub fn address(&self) -> IpAddr {
        self.ports.admin.ip()
    }

    /// Where pushes go, while they do.
    pub fn endpoint(&self) -> Option<SocketAddr> {
        let is_late = |since: Instant| since.elapsed() < LATE;
        let takes = self.stopping.map_or(self.ready, is_late);
        takes.then_some(self.ports.tasks)
    }

    /// Starts the process, or starts it again after it has died. Says whether it has ended for good.
    pub async fn tend(&mut self) -> bool {
        let is_running = self
            .process
            .as_ref()
            .is_some_and(|process| process.exit_code().is_none());
        match (self.stopping, is_running) {
            (None, true) => self.ready = http_get(self.ports.admin, "/readyz").await.is_ok(),
            (None, false) => {
                self.ready = false;
                // The old one's guard goes first: it would keep the ports of what it started.
                let (old, command) = (self.process.take(), copy(&self.command));
                let started = spawn_blocking(move || {
                    drop(old);
                    Process::spawn(&command)
                });
                self.process = started.await.ok();
            }
            (Some(since), true) => {
                if since.elapsed() > self.grace {
                    self.kill();
                }
            }
            (Some(_), false) => {
                let old = self.process.take();
                let _ = spawn_blocking(move || drop(old)).await;
                return true;
            }
        }
        false
    }

    /// Tells it to stop.
    pub fn stop(&mut self) {
        self.stopping = Some(Instant::now());
        self.ready = false;
        if let Some(process) = self.process.as_ref().filter(|it| it.exit_code().is_none()) {
            process.terminate();
        }
    }

    /// Ends the process without a word.
    pub fn kill(&self) {
        if let Some(process) = self.process.as_ref().filter(|it| it.exit_code().is_none()) {
            process.kill9();
        }
    }
}

/// A command can't be cloned.
fn copy(command: &Command) -> Command {
    let mut copy = Command::new(command.get_program());
    copy.args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => copy.env(name, value),
            None => copy.env_remove(name),
        };
    }
    copy
}
