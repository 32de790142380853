//! Child processes: they end as they should, and never later than the test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use testkit::{Process, eventually};

const WITHIN: Duration = Duration::from_secs(10);
/// Where the parent that is killed writes the ids of its descendants.
const PIDS_FILE: &str = "TESTKIT_PIDS_FILE";

fn sh(script: &str) -> Process {
    Process::spawn(Command::new("sh").args(["-c", script]))
}

/// Gone, or a zombie that its new parent has not reaped yet.
fn is_gone(pid: &str) -> bool {
    std::fs::read_to_string(Path::new("/proc").join(pid).join("stat"))
        .map_or(true, |stat| stat.contains(") Z "))
}

#[tokio::test]
async fn the_exit_code_is_the_programs_own() {
    assert_eq!(sh("exit 7").exit(WITHIN).await, 7);
    assert_eq!(sh("kill -KILL $$").exit(WITHIN).await, 128 + 9);
    assert_eq!(sh("no-such-program").exit(WITHIN).await, 127);
}

#[tokio::test]
async fn signals_reach_the_program() {
    let polite = sh("trap 'exit 3' TERM; echo ready; while :; do sleep 0.02; done");
    eventually("the trap", WITHIN, async || polite.log().contains("ready")).await;
    polite.terminate();
    assert_eq!(polite.exit(WITHIN).await, 3);

    let stubborn = sh("trap '' TERM; echo ready; while :; do sleep 0.02; done");
    eventually("the trap", WITHIN, async || {
        stubborn.log().contains("ready")
    })
    .await;
    stubborn.terminate();
    stubborn.kill9();
    assert_eq!(stubborn.exit(WITHIN).await, 128 + 9);
    // Nothing is left to signal, which is no error.
    stubborn.kill9();
}

#[tokio::test]
async fn the_log_holds_both_streams_and_the_environment_arrives() {
    let mut command = Command::new("sh");
    command
        .args(["-c", "echo out $GREETING; echo err >&2; pwd"])
        .env("GREETING", "hello")
        .current_dir("/usr");
    let process = Process::spawn(&command);
    assert_eq!(process.exit(WITHIN).await, 0);
    assert_eq!(process.log(), "out hello\nerr\n/usr\n");
}

#[tokio::test]
#[should_panic(
    expected = "the end of sh: not within 100ms; last seen: it still runs, and its log \
                           ends:\nstuck"
)]
async fn waiting_too_long_shows_the_log() {
    let process = sh("echo stuck; sleep 60");
    eventually("the line", WITHIN, async || !process.log().is_empty()).await;
    process.exit(Duration::from_millis(100)).await;
}

#[test]
fn a_dropped_program_is_gone_and_not_only_killed() {
    // What is only killed may hold its ports when the next one needs them.
    for _ in 0..50 {
        let process = sh("sleep 60");
        let folder = Path::new("/proc").join(process.pid().to_string());
        assert!(folder.exists());
        drop(process);
        assert!(!folder.exists(), "it is a zombie, or not even that");
    }
}

#[tokio::test]
async fn dropping_ends_what_the_program_started() {
    let process = sh("sleep 60 & echo $!; exit 0");
    assert_eq!(process.exit(WITHIN).await, 0);
    let log = process.log();
    let grandchild = log.trim();
    assert!(!is_gone(grandchild));
    drop(process);
    eventually("the end of the grandchild", WITHIN, async || {
        is_gone(grandchild)
    })
    .await;
}

#[tokio::test]
async fn descendants_die_with_a_killed_parent() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pids_file = folder.path().join("pids");
    let mut command = Command::new(std::env::current_exe().expect("a test knows its path"));
    command
        .args(["--ignored", "--exact", "the_parent_that_is_killed"])
        .env(PIDS_FILE, &pids_file);
    let parent = Process::spawn(&command);
    let pids = eventually("the descendants", WITHIN, async || {
        let pids = std::fs::read_to_string(&pids_file).ok()?;
        let pids: Vec<String> = pids.split_whitespace().map(str::to_owned).collect();
        (pids.len() == 3).then_some(pids)
    })
    .await;
    let (dir, pids) = pids.split_last().expect("three words");
    assert!(pids.iter().all(|pid| !is_gone(pid)));

    parent.kill9();
    assert_eq!(parent.exit(WITHIN).await, 128 + 9);
    eventually("the end of the descendants", WITHIN, async || {
        let left: Vec<_> = pids.iter().filter(|pid| !is_gone(pid)).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    eventually("the end of their folder", WITHIN, async || {
        !Path::new(dir).exists()
    })
    .await;
}

/// Not a test: the process that another test here kills.
#[test]
#[ignore = "started by descendants_die_with_a_killed_parent"]
fn the_parent_that_is_killed() {
    let Some(pids_file) = std::env::var_os(PIDS_FILE).map(PathBuf::from) else {
        return;
    };
    // Its own id, its child's, and the folder that the log is in.
    let script = r#"sleep 60 & echo $$ $! "$(dirname "$(readlink /proc/$$/fd/1)")" >"$0"; wait"#;
    let mut command = Command::new("sh");
    command.arg("-c").arg(script).arg(pids_file);
    let _process = Process::spawn(&command);
    std::thread::sleep(Duration::from_mins(1));
}
