//! kubectl, the way a person uses it.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Longer than any call that tests make, and shorter than a person's patience with a hung one.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How one run of kubectl, or of helm, ended.
#[derive(Debug, Clone)]
pub struct Kubectl {
    /// Whether the exit code was 0.
    pub ok: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error: warnings from the server, too.
    pub stderr: String,
}

impl Kubectl {
    /// Standard output of a run that must have gone well.
    pub fn expect_ok(self) -> String {
        assert!(self.ok, "it failed: {}", self.stderr);
        self.stdout
    }

    /// Standard error of a run that the server, or the program, must have refused.
    pub fn expect_refused(self) -> String {
        assert!(!self.ok, "it went through: {}", self.stdout);
        self.stderr
    }
}

/// Runs kubectl.
pub(crate) async fn run(kubeconfig: PathBuf, args: &[&str], stdin: &str) -> Kubectl {
    let mut command = Command::new(crate::binaries::kubectl());
    // Not in the home folder: its cache of resource kinds is kept by address, and outlives the
    // server that had the same port yesterday.
    let cache = kubeconfig.with_file_name("kubectl-cache");
    command
        .arg(format!("--request-timeout={}s", REQUEST_TIMEOUT.as_secs()))
        .args(args)
        .env("KUBECONFIG", kubeconfig)
        .env("KUBECACHEDIR", cache);
    finish(command, stdin).await
}

/// Runs a command to its end, on a thread where it may block.
pub async fn finish(mut command: Command, stdin: &str) -> Kubectl {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let stdin = stdin.to_owned();
    tokio::task::spawn_blocking(move || run_blocking(command, &stdin))
        .await
        .expect("it is installed, or built by hack/kube/build")
}

fn run_blocking(mut command: Command, stdin: &str) -> Kubectl {
    let mut child = command.spawn().unwrap_or_else(|error| {
        let program = command.get_program().display();
        panic!("{program}: {error}: run make test, or hack/kube/build")
    });
    let mut pipe = child.stdin.take().expect("standard input is piped");
    // Not an error: kubectl need not read what it refuses.
    let _ = pipe.write_all(stdin.as_bytes());
    drop(pipe);
    let output = child.wait_with_output().expect("a child can be waited for");
    Kubectl {
        ok: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}
