//! The emulator's process.
//!
//! It is a process of its own because it writes a line to standard error for each dispatch, with no
//! switch for it, and because nothing but the end of its process stops it.

use std::process::Stdio;
use std::time::Duration;

use cloudtasks::{CloudTasks, Endpoint};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, Command};

use crate::args::EmulatorOptions;
use crate::error::Error;

/// Variables that would send the emulator's pushes to a proxy.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];
const PATIENCE: Duration = Duration::from_millis(20);
const TRIES: u32 = 500;

/// Serves the emulator in this process, until it ends.
pub async fn serve(options: EmulatorOptions) -> Result<(), Error> {
    let address = options.listen;
    let listener = TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })?;
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

/// An emulator as a child of this process; it ends when this one does, however that happens.
#[derive(Debug)]
pub struct Emulator {
    child: Child,
    /// Its end is the child's end.
    _stdin: Option<ChildStdin>,
}

impl Emulator {
    /// Starts one and waits until it answers.
    pub async fn start(listen: std::net::SocketAddr) -> Result<(Self, CloudTasks), Error> {
        // A child that can't listen would only be seen as one that doesn't answer.
        let probe = TcpListener::bind(listen)
            .await
            .map_err(|source| Error::Listen {
                address: listen,
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
            // Ctrl-C in a terminal goes to the whole group; the emulator has to outlive the workers.
            .process_group(0)
            .kill_on_drop(true);
        for proxy in PROXIES {
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
        for _ in 0..TRIES {
            if let Some(status) = self.child.try_wait()? {
                return Err(Error::Emulator(format!("ended at once ({status})")));
            }
            match CloudTasks::connect(&endpoint).await {
                Ok(queues) => return Ok(queues),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(PATIENCE).await;
        }
        Err(Error::Emulator(format!("does not answer: {last}")))
    }

    /// Waits for its end, which nobody wants.
    pub async fn ended(&mut self) -> Error {
        match self.child.wait().await {
            Ok(status) => Error::Emulator(format!("ended ({status})")),
            Err(error) => Error::Io(error),
        }
    }
}
