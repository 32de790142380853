//! A program under test, or one that tests need, as a child process.

use std::fmt;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::wait::eventually;

/// Only unsafe code could ask the kernel for a signal at the parent's death; a shell that reads a
/// pipe does the same.
const GUARD: &str = include_str!("guard.sh");

/// Everything under test is on this machine, and a proxy would break the emulator's pushes.
const PROXIES: [&str; 6] = [
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// A child process that dies, with all that it started, when this value is dropped or when the
/// test process ends, be it by `kill -9`.
///
/// It reads nothing from standard input, and ignores SIGINT and SIGQUIT until it installs handlers
/// of its own.
pub struct Process {
    name: String,
    guard: Mutex<Child>,
    pid: u32,
    dir: PathBuf,
    log: PathBuf,
}

impl Process {
    /// Starts `command`'s program with its arguments, environment and working folder; other
    /// settings of `command` count for nothing. Standard output and error go to [`Self::log`].
    pub fn spawn(command: &Command) -> Self {
        let dir = new_dir();
        let log = dir.join("log");
        Self::spawn_in(dir, log, command)
    }

    /// As [`Self::spawn`], for programs that write more than a disk should keep.
    pub fn spawn_unlogged(command: &Command) -> Self {
        Self::spawn_in(new_dir(), PathBuf::from("/dev/null"), command)
    }

    /// Starts `command` with `dir` as its folder, which goes when the process goes.
    pub(crate) fn spawn_in(dir: PathBuf, log: PathBuf, command: &Command) -> Self {
        let program = command.get_program();
        let name = Path::new(program)
            .file_name()
            .unwrap_or(program)
            .to_string_lossy()
            .into_owned();
        let mut guarded = Command::new("sh");
        guarded
            .args(["-c", GUARD, "guard"])
            .args([&dir, &log])
            .arg(program)
            .args(command.get_args())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .process_group(0);
        for proxy in PROXIES {
            guarded.env_remove(proxy);
        }
        for (key, value) in command.get_envs() {
            match value {
                Some(value) => guarded.env(key, value),
                None => guarded.env_remove(key),
            };
        }
        if let Some(folder) = command.get_current_dir() {
            guarded.current_dir(folder);
        }
        let mut guard = guarded
            .spawn()
            .unwrap_or_else(|error| panic!("sh, which is to start {name}: {error}"));
        let stdout = guard.stdout.take().expect("standard output is piped");
        let mut line = String::new();
        let pid = BufReader::new(stdout)
            .read_line(&mut line)
            .ok()
            .and_then(|_| line.trim().parse().ok())
            .unwrap_or_else(|| panic!("the guard of {name} ended before it started anything"));
        Self {
            name,
            guard: Mutex::new(guard),
            pid,
            dir,
            log,
        }
    }

    /// The program's process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends SIGTERM: the way Kubernetes asks a container to end.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends SIGKILL to the program alone; what it started lives until this value is dropped.
    pub fn kill9(&self) {
        self.signal("KILL");
    }

    /// Sends a signal by its name without `SIG`. `STOP` and `CONT` make a process that is alive
    /// but gets nothing done, such as a leader whose lease runs out. Does nothing after the end.
    pub fn signal(&self, name: &str) {
        let mut guard = self.guard();
        let pipe = guard.stdin.as_mut().expect("taken only when dropped");
        writeln!(pipe, "{name}")
            .unwrap_or_else(|error| panic!("the guard of {} is gone: {error}", self.name));
    }

    /// The exit code, once the program has ended: 128 + n where signal n ended it.
    pub fn exit_code(&self) -> Option<i32> {
        self.guard()
            .try_wait()
            .expect("a child can be waited for")
            .map(|status| status.code().unwrap_or(-1))
    }

    /// Waits for the end and returns the exit code as [`Self::exit_code`] does. Panics with the
    /// log's end when the program runs on after `within`.
    pub async fn exit(&self, within: Duration) -> i32 {
        let what = format!("the end of {}", self.name);
        eventually(&what, within, async || {
            self.exit_code().ok_or_else(|| Running(self.log_tail()))
        })
        .await
    }

    /// What the program has written so far, standard output and error mixed.
    pub fn log(&self) -> String {
        std::fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The last lines of [`Self::log`].
    pub fn log_tail(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// A folder of the process's own. The guard removes it at the end.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whatever panicked while it held the lock left the child as it was.
    fn guard(&self) -> MutexGuard<'_, Child> {
        self.guard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut guard = self.guard();
        drop(guard.stdin.take());
        // Only an error to report could come of this, in a drop that may be part of a panic.
        let _ = guard.wait();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (process {})", self.name, self.pid)
    }
}

/// A fresh folder for one process.
pub(crate) fn new_dir() -> PathBuf {
    tempfile::Builder::new()
        .prefix("testkit-")
        .tempdir()
        .expect("a temporary folder can be made")
        .keep()
}

/// Keeps the log's lines as lines in a panic's message.
struct Running(String);

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "it still runs, and its log ends:\n{}", self.0)
    }
}
