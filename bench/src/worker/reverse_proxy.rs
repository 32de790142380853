//! Who stands before the handler: the worker, nginx, or Go's `httputil.ReverseProxy`.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::Context;
use testkit::{Process, free_addr, http_get};
use tokio::net::TcpStream;
use tokio::time::sleep;

use crate::testbed::program;
use crate::usage::Usage;
use crate::worker::pinned::{installed, measured};

/// Longer than any of them takes to start.
const SOON: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReverseProxy {
    /// The worker, which notifies of failures only: a pure proxy, as the others are.
    Worker,
    /// The worker, which notifies of each success: one `CreateTask` for each push.
    Notifying,
    /// The worker without its line of log for each push.
    WithoutLog,
    /// A worker whose tasks have attempts left, and nobody to be handed to.
    Failing,
    /// A worker whose tasks have one attempt, and another queue to go to.
    HandingOver,
    Nginx,
    Go,
}

#[derive(Debug, Clone, Copy)]
pub struct Upstreams {
    pub handler: SocketAddr,
    pub emulator: SocketAddr,
}

pub struct Running {
    pub addr: SocketAddr,
    pub ready_after: Duration,
    process: Process,
    _folder: Option<tempfile::TempDir>,
}

impl ReverseProxy {
    pub const ALL: [Self; 5] = [
        Self::Worker,
        Self::Nginx,
        Self::Go,
        Self::Notifying,
        Self::WithoutLog,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Worker => "the worker",
            Self::Notifying => "the worker, notifying each success",
            Self::WithoutLog => "the worker, RUST_LOG=warn",
            Self::Failing => "the worker, whose handler fails",
            Self::HandingOver => "the worker, which hands over",
            Self::Nginx => "nginx",
            Self::Go => "Go's ReverseProxy",
        }
    }

    /// Starts it on a core of its own. `None` where this machine doesn't have the program.
    pub async fn start(self, upstreams: Upstreams) -> anyhow::Result<Option<Running>> {
        let addr = free_addr();
        let admin = free_addr();
        let mut folder = None;
        let mut command;
        match self {
            Self::Worker
            | Self::Notifying
            | Self::WithoutLog
            | Self::Failing
            | Self::HandingOver => {
                command = measured(program("executor-worker")?);
                self.tell(&mut command, upstreams, addr, admin);
            }
            Self::Nginx => {
                let Some(nginx) = installed("nginx") else {
                    return Ok(None);
                };
                let place = tempfile::tempdir()?;
                let config = place.path().join("nginx.conf");
                std::fs::write(&config, nginx_config(place.path(), addr, upstreams.handler))?;
                command = measured(nginx);
                command.arg("-c").arg(config);
                command.arg("-p").arg(place.path());
                folder = Some(place);
            }
            Self::Go => {
                let Ok(proxy) = program("go-proxy") else {
                    return Ok(None);
                };
                command = measured(proxy);
                command.args(["-listen", &addr.to_string()]);
                command.args(["-to", &format!("http://{}", upstreams.handler)]);
                command.env("GOMAXPROCS", "1");
            }
        }
        let begin = Instant::now();
        let process = Process::spawn_unlogged(&command);
        while !self.is_ready(addr, admin).await {
            anyhow::ensure!(begin.elapsed() < SOON, "{} doesn't get ready", self.name());
            sleep(Duration::from_micros(500)).await;
        }
        Ok(Some(Running {
            addr,
            ready_after: begin.elapsed(),
            process,
            _folder: folder,
        }))
    }

    async fn is_ready(self, addr: SocketAddr, admin: SocketAddr) -> bool {
        if matches!(self, Self::Nginx | Self::Go) {
            return TcpStream::connect(addr).await.is_ok();
        }
        http_get(admin, "/readyz").await.is_ok()
    }

    fn tell(
        self,
        command: &mut Command,
        upstreams: Upstreams,
        addr: SocketAddr,
        admin: SocketAddr,
    ) {
        let queue = |id| format!("projects/demo/locations/europe-west1/queues/{id}");
        let told = if self == Self::Notifying {
            "Succeeded,Failed"
        } else {
            "Failed"
        };
        command
            .env("CHAIN", "bench/orders")
            .env("STAGE", "fast")
            .env("QUEUE", queue("incoming"))
            .env(
                "MAX_ATTEMPTS",
                if self == Self::HandingOver { "1" } else { "3" },
            )
            .env("HANDLER_URL", format!("http://{}", upstreams.handler))
            .env("CONCURRENCY", "1000")
            .env("NOTIFY_ON", told)
            .env("NOTIFIER_QUEUE", queue("notifier"))
            .env("NOTIFIER_URL", "https://api.example.com/task-events")
            .env("LISTEN_ADDR", addr.to_string())
            .env("ADMIN_ADDR", admin.to_string())
            .env("CLOUD_TASKS_EMULATOR_HOST", upstreams.emulator.to_string());
        if self == Self::WithoutLog {
            command.env("RUST_LOG", "warn");
        }
        if self == Self::HandingOver {
            command.env("DOWNSTREAM_QUEUE", queue("incoming-2"));
        }
    }
}

impl Running {
    /// Of all its processes together: nginx has two.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let pid = self.process.pid();
        let mut usage = Usage::of(pid)?;
        let children = format!("/proc/{pid}/task/{pid}/children");
        let children = std::fs::read_to_string(children).unwrap_or_default();
        for child in children.split_whitespace() {
            let child = Usage::of(child.parse().context("no number of a process")?)?;
            usage.cpu_ms += child.cpu_ms;
            usage.resident_mib += child.resident_mib;
        }
        Ok(usage)
    }
}

/// One process that serves, connections to the handler that are kept, no log, no file for a body of
/// 64 KB.
fn nginx_config(folder: &Path, listen: SocketAddr, handler: SocketAddr) -> String {
    let folder = folder.display();
    format!(
        "daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log crit;
events {{ worker_connections 4096; multi_accept on; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  client_body_buffer_size 128k;
  keepalive_requests 1000000000;
  tcp_nodelay on;
  upstream handler {{
    server {handler};
    keepalive 512;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen} backlog=4096;
    location / {{
      proxy_pass http://handler;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
    }}
  }}
}}
"
    )
}
