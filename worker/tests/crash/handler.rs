//! The handler that a task can kill: this test program once more, as a process of its own.

use std::process::Command;

use testkit::{Receiver, Recorded};

pub const POISON: &str = "poison";
const PORT: &str = "EXECUTOR_CHAIN_CRASH_HANDLER_PORT";
const RUN: &str = "handler runs: ";

/// One run, as the handler reported it before it answered or died.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub task: String,
    pub attempt: u8,
}

pub fn command(port: u16) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command
        .args(["--ignored", "--exact", "handler::serve", "--nocapture"])
        .env(PORT, port.to_string());
    command
}

pub fn runs(log: &str) -> impl Iterator<Item = Run> {
    log.lines().filter_map(|line| {
        // Not only at a line's start, since the test harness may have begun that line.
        let (_, run) = line.split_once(RUN)?;
        let (task, attempt) = run.split_once(' ')?;
        Some(Run {
            task: task.to_owned(),
            attempt: attempt.parse().ok()?,
        })
    })
}

#[test]
#[ignore = "no test: the handler of the test with the poison task, which starts it"]
fn serve() {
    let Ok(port) = std::env::var(PORT) else {
        return;
    };
    let _serving = Receiver::start_on(port.parse().unwrap(), |run: Recorded| async move {
        let task = run.header("executor-task");
        println!("{RUN}{task} {}", run.header("executor-attempt"));
        if run.body == POISON {
            std::process::exit(1);
        }
        (200, Vec::new(), Vec::new())
    });
    loop {
        std::thread::park();
    }
}
