//! The program under test, under one of its names.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

/// How a run has ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// A folder with the program under all of its names.
pub struct Programs(TempDir);

impl Programs {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["executor-chain", "kubectl-chain", "kubectl_complete-chain"] {
            let program = testkit::binary("executor-chain");
            std::os::unix::fs::symlink(program, folder.path().join(name)).unwrap();
        }
        Self(folder)
    }

    pub fn folder(&self) -> PathBuf {
        self.0.path().to_owned()
    }

    pub fn command(&self, name: &str, words: &[&str]) -> Command {
        let mut command = Command::new(self.0.path().join(name));
        command.args(words);
        // What a person has set up is not part of a test.
        for variable in [
            "KUBECONFIG",
            "EXECUTOR_CHAIN_OPERATOR_NAMESPACE",
            "COMPLETE",
        ] {
            command.env_remove(variable);
        }
        command
    }

    /// Runs the program to its end.
    pub async fn run(&self, name: &str, words: &[&str]) -> Ended {
        run(self.command(name, words)).await
    }

    /// Runs `kubectl-chain` to its end.
    pub async fn plugin(&self, words: &[&str]) -> Ended {
        self.run("kubectl-chain", words).await
    }
}

pub async fn run(mut command: Command) -> Ended {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap());
    let output = output.await.unwrap();
    Ended {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}
