//! The Cloud Tasks emulator as a process of its own.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint, Method, NewTask, QueuePath};

use crate::binaries::binary;
use crate::ports::free_port;
use crate::process::Process;
use crate::wait::eventually;

const READY_WITHIN: Duration = Duration::from_secs(20);
const LOOK_TIMEOUT: Duration = Duration::from_secs(1);

/// A running emulator, which forgets everything when dropped.
///
/// In a process of its own, because it writes a line to standard error for each dispatch, and
/// because nothing but the end of its process ends it.
#[derive(Debug)]
pub struct Emulator {
    addr: SocketAddr,
    process: Process,
}

impl Emulator {
    /// Starts one without queues on a free port, and waits until it answers.
    pub async fn start() -> Self {
        Self::start_on(free_port()).await
    }

    /// Starts one on the port of an earlier one, as if that had restarted and lost its memory.
    pub async fn start_on(port: u16) -> Self {
        Self::run(port, &[]).await
    }

    /// Starts one whose pushes go through a proxy, which knows the hosts that this machine doesn't;
    /// pushes to this machine's own address go straight there.
    pub async fn start_behind(proxy: SocketAddr) -> Self {
        let variables = [
            ("HTTP_PROXY", format!("http://{proxy}")),
            ("NO_PROXY", "127.0.0.1".to_owned()),
        ];
        Self::run(free_port(), &variables).await
    }

    async fn run(port: u16, variables: &[(&str, String)]) -> Self {
        let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let mut command = Command::new(binary("executor-chain"));
        command
            .args(["emulator", "--listen", &addr.to_string()])
            .envs(variables.iter().cloned());
        let process = Process::spawn_unlogged(&command);
        let emulator = Self { addr, process };
        eventually("the emulator's answer", READY_WITHIN, async || {
            if let Some(code) = emulator.process.exit_code() {
                panic!("the emulator on {addr} ended with exit code {code}");
            }
            tokio::task::spawn_blocking(move || answers(addr))
                .await
                .expect("it does not panic")
        })
        .await;
        emulator
    }

    /// Where it listens: gRPC, REST and its own control paths.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// A client for it.
    pub async fn cloud_tasks(&self) -> CloudTasks {
        CloudTasks::connect(&Endpoint::Emulator(self.addr.to_string()))
            .await
            .unwrap_or_else(|error| panic!("a client for the emulator: {error}"))
    }

    /// The emulator's process, to freeze or to kill.
    pub fn process(&self) -> &Process {
        &self.process
    }
}

/// A task that is created with this id: a POST without headers.
pub fn task(queue: &QueuePath, id: &str, body: impl Into<Vec<u8>>) -> NewTask {
    NewTask {
        path: Some(queue.task(id.parse().expect("a legal id"))),
        url: "http://producer.invalid/orders".to_owned(),
        method: Method::Post,
        headers: BTreeMap::new(),
        body: body.into(),
        dispatch_deadline: None,
        schedule_time: None,
        oidc_token: None,
    }
}

/// Whether it serves a page. A port that accepts is not enough: the kernel accepts for a server
/// that has not begun to serve.
fn answers(addr: SocketAddr) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&addr, LOOK_TIMEOUT)?;
    stream.set_read_timeout(Some(LOOK_TIMEOUT))?;
    write!(
        stream,
        "GET /jwks HTTP/1.1\r\nHost: {addr}\r\nConnection: close\r\n\r\n"
    )?;
    let mut start = [0; 12];
    stream.read_exact(&mut start)?;
    if &start == b"HTTP/1.1 200" {
        Ok(())
    } else {
        let start = String::from_utf8_lossy(&start);
        Err(std::io::Error::other(format!("the answer {start}")))
    }
}
