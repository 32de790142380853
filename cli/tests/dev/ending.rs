//! How it ends, and how it refuses to begin.

use std::future::pending;
use std::process::Command;

use testkit::{Process, Receiver, binary, eventually, free_port};
use tokio::net::{TcpListener, TcpStream};

use crate::program::{Dev, ORDERS, SOON};

/// Nothing answers there any more: the emulator has ended too.
async fn is_silent(listen: &str) {
    eventually("a closed port", SOON, async || {
        TcpStream::connect(listen).await.err().map(drop)
    })
    .await;
}

#[tokio::test]
async fn ctrl_c_ends_all_of_it_even_while_handlers_run() {
    let handler = Receiver::start(|_| pending());
    let dev = Dev::start(ORDERS, &["--handler", &handler.url("")]).await;
    dev.send(&["--count", "3"]).await;
    eventually("three runs", SOON, async || handler.requests().len() == 3).await;
    dev.process.signal("INT");
    assert_eq!(dev.process.exit(std::time::Duration::from_secs(5)).await, 0);
    is_silent(&dev.listen).await;
}

#[tokio::test]
async fn an_interrupted_account_is_no_success() {
    let handler = Receiver::start(|_| pending());
    let dev = Dev::start(ORDERS, &["--handler", &handler.url(""), "--tasks", "3"]).await;
    eventually("three runs", SOON, async || handler.requests().len() == 3).await;
    dev.process.signal("INT");
    assert_eq!(dev.process.exit(SOON).await, 1);
    assert!(
        dev.process
            .log()
            .contains("interrupted before all tasks had ended")
    );
}

#[tokio::test]
async fn killed_outright_it_leaves_no_emulator_behind() {
    let dev = Dev::start(ORDERS, &[]).await;
    dev.process.kill9();
    is_silent(&dev.listen).await;
}

#[tokio::test]
async fn what_it_cant_start_with_is_a_sentence() {
    for (manifest, options, sentence) in [
        (
            ORDERS.replace("maxAttempts: 3", "maxAttempts: 0"),
            vec![],
            "maxAttempts",
        ),
        (
            ORDERS.to_owned(),
            vec!["--handler", "ftp://127.0.0.1"],
            "write http://HOST:PORT",
        ),
        (
            ORDERS.to_owned(),
            vec!["--fail-once", "2"],
            "write a number from 0 to 1",
        ),
    ] {
        let dev = Dev::spawn(&manifest, &options);
        assert_ne!(dev.process.exit(SOON).await, 0);
        let log = dev.process.log();
        assert!(log.contains(sentence), "{log}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_a_sentence_and_so_is_a_dev_that_isnt_there() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let listen = taken.local_addr().unwrap().to_string();
    let dev = Dev::spawn_on(&listen, ORDERS, &[]);
    assert_ne!(dev.process.exit(SOON).await, 0);
    let log = dev.process.log();
    assert!(log.contains("choose another --listen"), "{log}");
    drop(taken);
    let (code, said) = dev.send(&[]).await;
    assert_ne!(code, 0);
    assert!(
        said.contains("start `executor-chain dev`, or set its address with --to"),
        "{said}"
    );
}

#[tokio::test]
async fn it_ends_when_nobody_reads_what_it_prints() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = folder.path().join("chain.yaml");
    std::fs::write(&manifest, ORDERS).unwrap();
    let program = binary("executor-chain");
    let listen = format!("127.0.0.1:{}", free_port());
    let mut shell = Command::new("sh");
    // `head` ends after the first line; the next ones break the pipe.
    shell.args([
        "-c",
        "\"$0\" dev \"$1\" --listen \"$2\" --tasks 20 | head -n 1",
    ]);
    shell.arg(program).arg(&manifest).arg(&listen);
    let process = Process::spawn(&shell);
    process.exit(SOON).await;
    assert!(!process.log().contains("panicked"), "{}", process.log());
}
