//! Redrives and discards by command: on a running `dev`, with a real mover; and on a cluster with no more rights
//! than people on call have.

use std::io::Write as _;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use testkit::{ApiServer, Process, Receiver, eventually, free_addr};

use crate::act::{on_call, path};
use crate::program::{Ended, Programs};

const SOON: Duration = Duration::from_secs(30);

const PARKING: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  parking: {queue: orders-parked}
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 1}
";

struct Session {
    programs: Programs,
    admin: String,
    listen: String,
    fails: Arc<AtomicBool>,
    _dev: Process,
    _handler: Receiver,
}

impl Session {
    /// A `dev` whose handler fails until it is told otherwise: for half of the tasks for good.
    async fn begin() -> Self {
        let fails = Arc::new(AtomicBool::new(true));
        let failing = Arc::clone(&fails);
        let handler = Receiver::start(move |run| {
            let code = match (failing.load(Ordering::Relaxed), run.header("x-tenant")) {
                (false, _) => 200,
                (true, "acme") => 500,
                (true, _) => 400,
            };
            std::future::ready((code, Vec::new(), Vec::new()))
        });
        let programs = Programs::new();
        let file = programs.folder().join("chain.yaml");
        std::fs::write(&file, PARKING).unwrap();
        let (listen, admin) = (free_addr().to_string(), free_addr().to_string());
        let url = handler.url("");
        let words = [
            "dev",
            path(&file),
            "--listen",
            &listen,
            "--admin",
            &admin,
            "--handler",
            &url,
        ];
        let dev = Process::spawn(&programs.command("executor-chain", &words));
        let page = format!("page: http://{admin}/");
        eventually("a dev that runs", SOON, async || {
            let log = dev.log();
            (log.contains(&page), log)
        })
        .await;
        Self {
            programs,
            admin,
            listen,
            fails,
            _dev: dev,
            _handler: handler,
        }
    }

    async fn send(&self, count: &str, tenant: &str) {
        let tenant = format!("x-tenant: {tenant}");
        let file = self.programs.folder().join("chain.yaml");
        let words = [
            "send",
            path(&file),
            "--to",
            &self.listen,
            "--count",
            count,
            "--header",
            &tenant,
        ];
        let sent = self.programs.run("executor-chain", &words).await;
        assert_eq!(sent.code, 0, "{sent:?}");
    }

    async fn run(&self, words: &[&str]) -> Ended {
        let words = [words, &["--dev", &self.admin]].concat();
        self.programs.plugin(&words).await
    }

    /// Runs a command that reads what is typed in.
    async fn typed(&self, text: &str, words: &[&str]) -> Ended {
        let words = [words, &["--dev", &self.admin]].concat();
        let mut command = self.programs.command("kubectl-chain", &words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        command.stderr(Stdio::piped());
        let text = text.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut input = child.stdin.take().unwrap();
            input.write_all(text.as_bytes()).unwrap();
            drop(input);
            child.wait_with_output().unwrap()
        });
        let output = output.await.unwrap();
        Ended {
            code: output.status.code().unwrap(),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    async fn parked(&self, wanted: u64) {
        eventually("parked tasks", SOON, async || {
            let parked = self.run(&["parked", "orders", "-o", "json"]).await;
            let parked: Value = serde_json::from_str(&parked.stdout).unwrap_or_default();
            (parked["tasks"] == wanted, parked)
        })
        .await;
    }
}

const REDRIVE: [&str; 10] = [
    "redrive",
    "orders",
    "--to",
    "fast",
    "--rate",
    "50",
    "--where",
    "status=500",
    "--reason",
    "INC-42",
];

#[tokio::test(flavor = "multi_thread")]
async fn parked_tasks_of_dev_run_again_and_the_others_are_discarded() {
    let session = Session::begin().await;
    session.send("3", "acme").await;
    session.send("2", "other").await;
    session.parked(5).await;
    session.fails.store(false, Ordering::Relaxed);

    let dry = session.run(&[&REDRIVE[..], &["--dry-run"]].concat()).await;
    let sentence = "3 parked tasks of chain orders would move to stage fast, 50 a second.\n";
    assert_eq!((dry.code, &*dry.stdout), (0, sentence), "{dry:?}");
    let done = session
        .run(&[&REDRIVE[..], &["--name", "one"]].concat())
        .await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout
            .ends_with("Done: 3 tasks were moved to stage fast.\n"),
        "{done:?}"
    );
    session.parked(2).await;

    let discard = ["discard", "orders", "--all", "--reason", "INC-42"];
    let wrong = session.typed("3\n", &discard).await;
    assert_eq!(wrong.code, 1, "{wrong:?}");
    assert!(wrong.stderr.contains("nothing is deleted"), "{wrong:?}");
    session.parked(2).await;
    let done = session.typed("2\n", &discard).await;
    assert_eq!(done.code, 0, "{done:?}");
    assert!(
        done.stdout.ends_with("Done: 2 tasks were deleted.\n"),
        "{done:?}"
    );
    session.parked(0).await;

    let list = session.run(&["redrives", "orders", "-o", "json"]).await;
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list["redrives"][0]["status"]["moved"], 3);
    assert_eq!(list["discards"][0]["status"]["moved"], 2);
    let list = session.run(&["redrives", "orders"]).await;
    assert!(list.stdout.contains("one"), "{list:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_canary_of_dev_that_fails_again_stops_and_a_redrive_can_be_changed() {
    let session = Session::begin().await;
    session.send("6", "acme").await;
    session.parked(6).await;
    // The handler is still broken.
    let canary = ["--canary", "2", "--within", "20s", "--at-least", "100%"];
    let failed = session.run(&[&REDRIVE[..], &canary].concat()).await;
    assert_eq!(failed.code, 1, "{failed:?}");
    assert!(
        failed
            .stdout
            .contains("CanaryFailed: too few of the canary's tasks"),
        "{failed:?}"
    );
    session.parked(6).await;

    session.fails.store(false, Ordering::Relaxed);
    let slow = "redrive orders --to fast --rate 0.1 --all --reason INC-42 --no-wait --name slow";
    let slow: Vec<&str> = slow.split(' ').collect();
    assert_eq!(session.run(&slow).await.code, 0);
    let again = slow
        .iter()
        .map(|word| if *word == "slow" { "next" } else { word });
    let again: Vec<&str> = again.collect();
    assert_eq!(session.run(&again).await.code, 0);
    let both = session.run(&["redrive", "orders", "--rate", "400"]).await;
    assert!(both.stderr.contains("choose one with --name"), "{both:?}");
    let stop = session
        .run(&["redrive", "orders", "stop", "--name", "next"])
        .await;
    assert_eq!(stop.code, 0, "{stop:?}");
    assert!(stop.stdout.contains("Stopped: it was stopped"), "{stop:?}");
    let faster = session.run(&["redrive", "orders", "--rate", "400"]).await;
    assert_eq!(faster.code, 0, "{faster:?}");
    session.parked(0).await;
    let none = session.run(&["redrive", "orders", "stop"]).await;
    eventually("nothing that runs", SOON, async || {
        let none = session.run(&["redrive", "orders", "stop"]).await;
        (none.stderr.contains("runs or waits"), none)
    })
    .await;
    drop(none);
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_made() {
    let programs = Programs::new();
    for (words, sentence) in [
        ("redrive orders", "write --to STAGE, --rate N"),
        ("redrive orders --to fast", "--rate <N>"),
        (
            "redrive orders --to fast --rate 20 --reason x",
            "write --where NAME=VALUE or --since DURATION",
        ),
        (
            "redrive orders --to fast --rate 20 --reason x --where color=red",
            "is not a filter",
        ),
        (
            "redrive orders --to fast --rate 501 --reason x --all",
            "is not a rate",
        ),
        (
            "redrive orders --to fast --rate 20 --reason x --all --where status=500",
            "cannot be used",
        ),
        ("redrive orders stop --rate 3", "cannot be used"),
        ("discard orders --all", "--reason <TEXT>"),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        let words = [&words[..], &["--dev", "127.0.0.1:9"]].concat();
        let ended = programs.plugin(&words).await;
        assert_eq!(ended.code, 1, "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(sentence), "{words:?}: {ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_call_make_redrives_and_no_discards() {
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("redrivers").await;
    let nobody = server.namespace("nobody").await;
    on_call(server, &namespace).await;
    let kubeconfig = server.kubeconfig_of(&namespace, "jane").await;
    let programs = Programs::new();
    let run = async |words: &str| {
        let words: Vec<&str> = words.split(' ').collect();
        let place = ["--kubeconfig", path(&kubeconfig), "-n", &namespace];
        let operator = ["--operator-namespace", &nobody];
        programs
            .plugin(&[&words[..], &place, &operator].concat())
            .await
    };
    let made = "redrive orders --to fast --rate 20 --all --reason INC-42 --no-wait --name one";
    // A role that was just bound is known to the API server a little later.
    let made: Ended = eventually("a redrive", SOON, async || {
        let made = run(made).await;
        if made.code == 0 { Ok(made) } else { Err(made) }
    })
    .await;
    assert!(made.stdout.contains("they can't be counted"), "{made:?}");
    let get = [
        "get",
        "chainredrive",
        "one",
        "-n",
        &namespace,
        "-o",
        "jsonpath={.spec.by}",
    ];
    let by = server.kubectl(&get).await.expect_ok();
    assert_eq!(by, format!("system:serviceaccount:{namespace}:jane"));
    assert_eq!(run("redrive orders --rate 100").await.code, 0);
    let list = run("redrives").await;
    assert!(
        list.stdout.contains("one") && list.stdout.contains("Not seen"),
        "{list:?}"
    );

    let words = "discard orders --all --reason INC-42 --no-wait";
    let refused = run(words).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    let right = "rbac.discard gives the right";
    assert!(refused.stderr.contains(right), "{refused:?}");
    // Nobody is asked for what is refused then.
    assert!(!refused.stdout.contains("Type "), "{refused:?}");

    let (of, resource) = (
        format!("-n={namespace}"),
        "chaindiscards.executor-chain.dev",
    );
    let role = format!("--resource={resource}");
    let role = ["create", "role", "discard", "--verb=create,get", &role, &of];
    server.kubectl(&role).await.expect_ok();
    let jane = format!("--serviceaccount={namespace}:jane");
    let bind = [
        "create",
        "rolebinding",
        "discard",
        "--role=discard",
        &jane,
        &of,
    ];
    server.kubectl(&bind).await.expect_ok();
    let asked = eventually("a question", SOON, async || {
        let asked = run(words).await;
        if asked.code == 4 {
            Err(asked)
        } else {
            Ok(asked)
        }
    })
    .await;
    assert!(
        asked.stdout.contains("Type the name of the chain"),
        "{asked:?}"
    );
    assert!(asked.stderr.contains("nothing is deleted"), "{asked:?}");
    let list = ["get", resource, "-o", "name", &of];
    assert_eq!(server.kubectl(&list).await.expect_ok(), "");
}
