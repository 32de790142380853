//! The emulator, as a child process.
//!
//! In this process it could neither be stopped nor be silenced: it writes a line to standard error for
//! each dispatch.

use std::process::Stdio;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};

use crate::args::EmulatorOptions;
use crate::error::Error;

/// With one of these set, the emulator would push through a proxy.
const PROXY_VARIABLES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];
const LISTEN: &str = "--listen";
const RETRY_INTERVAL: Duration = Duration::from_millis(20);
const MAX_RETRIES: u32 = 500;

/// Runs the emulator in this process.
pub async fn serve(options: EmulatorOptions) -> Result<(), Error> {
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen {
            address,
            option: LISTEN,
            source,
        })?;
    let issuer = format!("http://{address}");
    let served = cloud_tasks_emulator::serve(listener, issuer, Vec::new());
    if options.until_stdin_closes {
        tokio::select! {
            served = served => served.map_err(|error| Error::Emulator(error.to_string()))?,
            () = stdin_closes() => {}
        }
    } else {
        served
            .await
            .map_err(|error| Error::Emulator(error.to_string()))?;
    }
    Ok(())
}

async fn stdin_closes() {
    let mut stdin = tokio::io::stdin();
    let mut ignored = [0; 64];
    while stdin.read(&mut ignored).await.is_ok_and(|read| read > 0) {}
}

/// An emulator in a child process, which ends with this one, even after a crash.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// The child exits when it closes.
    _stdin: Option<ChildStdin>,
}

impl Emulator {
    /// Starts the emulator and waits until it answers.
    pub async fn start(listen: std::net::SocketAddr) -> Result<(Self, CloudTasks), Error> {
        // The child's own error is not visible: it would only seem not to answer.
        let probe = TcpListener::bind(listen)
            .await
            .map_err(|source| Error::Listen {
                address: listen,
                option: LISTEN,
                source,
            })?;
        drop(probe);
        let program = std::env::current_exe()?;
        let mut command = Command::new(program);
        command
            .args([
                "emulator",
                "--until-stdin-closes",
                "--listen",
                &listen.to_string(),
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C reaches the whole process group, but the emulator must outlive the workers.
            .process_group(0)
            .kill_on_drop(true);
        for proxy in PROXY_VARIABLES {
            command.env_remove(proxy);
        }
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        let mut emulator = Self {
            child,
            _stdin: stdin,
        };
        let queues = emulator.connect(listen).await?;
        Ok((emulator, queues))
    }

    async fn connect(&mut self, listen: std::net::SocketAddr) -> Result<CloudTasks, Error> {
        let endpoint = Endpoint::Emulator(listen.to_string());
        let mut last = String::new();
        for _ in 0..MAX_RETRIES {
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::Emulator(format!("exited at its start ({status})")));
            }
            match CloudTasks::connect(&endpoint).await {
                Ok(queues) => return Ok(queues),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
        Err(Error::Emulator(format!("does not answer: {last}")))
    }

    /// Waits until the process ends, which is always an error.
    pub async fn ended(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => Error::Emulator(format!("exited ({status})")),
            Err(error) => Error::Io(error),
        }
    }
}
