//! Overrides by command: on a running `dev`, and on a cluster with no more rights than people on call have.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cloudtasks::{Queue, QueueState};
use kube::Api;
use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, Process, eventually, fake_pods, free_addr, operator};

use crate::program::{Ended, Programs};

const SOON: Duration = Duration::from_secs(30);
const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/orders.yaml");

pub const CHAIN: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3, rateLimits: {maxDispatchesPerSecond: 400}}
  - {name: slow, queue: incoming-2, maxAttempts: 1, rateLimits: {maxDispatchesPerSecond: 20}}
";

/// A `dev` that runs the example, and the address of its page.
pub async fn dev(programs: &Programs) -> (Process, String) {
    let (listen, admin) = (free_addr().to_string(), free_addr().to_string());
    let words = ["dev", EXAMPLE, "--listen", &listen, "--admin", &admin];
    let dev = Process::spawn(&programs.command("executor-chain", &words));
    let page = format!("page: http://{admin}/");
    eventually("a dev that runs", SOON, async || {
        let log = dev.log();
        (log.contains(&page), log)
    })
    .await;
    (dev, admin)
}

/// The rate of the first stage.
async fn rate(programs: &Programs, admin: &str) -> f64 {
    let top = programs
        .plugin(&["top", "--dev", admin, "-o", "json"])
        .await;
    let list: Value = serde_json::from_str(&top.stdout).unwrap_or_else(|_| panic!("{top:?}"));
    let settings = &list["items"][0]["stages"][0]["settings"];
    settings["maxDispatchesPerSecond"].as_f64().unwrap()
}

fn is(rate: f64, wanted: f64) -> bool {
    (rate - wanted).abs() < f64::EPSILON
}

#[tokio::test]
async fn a_stage_of_dev_is_throttled_and_released() {
    let programs = Programs::new();
    let (_dev, admin) = dev(&programs).await;
    let run = async |words: &str| {
        let words: Vec<&str> = words.split(' ').chain(["--dev", &admin]).collect();
        programs.run("executor-chain", &words).await
    };
    let throttle = "throttle orders fast --rate 5 --for 10m --reason INC-42 --name inc-42";
    let planned = run(&format!("{throttle} --dry-run")).await;
    assert_eq!(planned.code, 0, "{planned:?}");
    let steps = "Steps:\n  1. update queue incoming (rate 5/s, ";
    assert!(planned.stdout.starts_with(steps), "{planned:?}");
    // No task has run yet.
    let unknown = "No pod restarts.\nNo forecast: ";
    assert!(planned.stdout.contains(unknown), "{planned:?}");
    assert!(is(rate(&programs, &admin).await, 500.0));
    let none = run("overrides").await;
    assert_eq!(none.stdout, "no overrides in namespace default\n");

    let done = run(throttle).await;
    assert_eq!((done.code, &*done.stderr), (0, ""), "{done:?}");
    assert!(
        done.stdout.contains("inc-42: 5/s on fast until "),
        "{done:?}"
    );
    let undo = format!("Undo: executor-chain undo inc-42 --dev {admin}\n");
    assert!(done.stdout.ends_with(&undo), "{done:?}");
    assert!(is(rate(&programs, &admin).await, 5.0));
    let again = run(throttle).await;
    assert_eq!(again.code, 1, "{again:?}");
    assert!(again.stderr.contains("override inc-42 exists"), "{again:?}");
    let why = run("why orders").await;
    let overridden = "Overridden: fast: 500/s, overridden with 5/s until ";
    assert!(why.stdout.contains(overridden), "{why:?}");

    // Two are in force now, so one has to be named.
    let pause = "pause orders fast,slow --for 10m --reason deploy --name deploy";
    assert_eq!(run(pause).await.code, 0);
    let undo = run("undo").await;
    assert!(
        undo.stderr.contains("name one of inc-42, deploy"),
        "{undo:?}"
    );
    let resume = run("resume orders fast").await;
    assert_eq!(resume.code, 1, "{resume:?}");
    assert!(
        resume
            .stderr
            .contains("override deploy pauses fast, slow, not only fast"),
        "{resume:?}"
    );
    let alone = run("resume orders fast --for 5m --reason needed --name alone").await;
    assert_eq!(alone.code, 0, "{alone:?}");
    let overrides = run("overrides").await;
    let states: Vec<(&str, &str)> = overrides
        .stdout
        .lines()
        .skip(1)
        .map(|line| {
            let mut cells = line.split("  ").filter(|cell| !cell.is_empty());
            let name = cells.next().unwrap();
            (name, cells.nth(3).unwrap().trim())
        })
        .collect();
    let mut states = states;
    states.sort_unstable();
    let expected = [
        ("alone", "Applied"),
        ("deploy", "PartlyApplied"),
        ("inc-42", "Applied"),
    ];
    assert_eq!(states, expected, "{overrides:?}");
    for name in ["alone", "deploy", "inc-42"] {
        let ended = run(&format!("undo {name}")).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    assert!(is(rate(&programs, &admin).await, 500.0));
    let undo = run("undo inc-42").await;
    assert!(
        undo.stderr.contains("override inc-42 has ended already"),
        "{undo:?}"
    );
    let undo = run("undo").await;
    assert!(undo.stderr.contains("no override is in force"), "{undo:?}");
    let plan = run(&format!("plan -f {EXAMPLE}")).await;
    assert_eq!(
        (plan.code, &*plan.stdout),
        (0, "Nothing would change.\n"),
        "{plan:?}"
    );
}

/// Each with its sentence, before anything is changed.
#[tokio::test]
async fn what_makes_no_sense_is_refused() {
    let programs = Programs::new();
    let (_dev, admin) = dev(&programs).await;
    let why = ["--for", "10m", "--reason", "INC-42", "--dev", &admin];
    for (words, sentence) in [
        (
            &["throttle", "orders", "fasst", "--rate", "5"][..],
            "has no stage fasst",
        ),
        (
            &["throttle", "parcels", "fast", "--rate", "5"],
            "no chain parcels",
        ),
        (
            &["throttle", "orders", "fast", "--rate", "0"],
            "above 0, at most 500. To stop the stage: pause",
        ),
        (
            &["throttle", "orders", "fast", "--rate", "501"],
            "above 0, at most 500",
        ),
        (
            &["throttle", "orders", "fast", "--concurrency", "0"],
            "0 is not in 1..=5000",
        ),
        (&["throttle", "orders", "fast"], "--rate <N>"),
        (&["scale", "orders", "fast", "--replicas", "-1"], "-1"),
        (
            &[
                "scale",
                "orders",
                "fast",
                "--replicas",
                "1",
                "--restore-over",
                "5m",
            ],
            "use it only with throttle --rate or pause",
        ),
        (
            &["pause", "orders", "fast", "--name", "Inc 42"],
            "is not a name",
        ),
    ] {
        let ended = programs.plugin(&[words, &why].concat()).await;
        assert_eq!(ended.code, 1, "{words:?}: {ended:?}");
        assert!(ended.stderr.contains(sentence), "{words:?}: {ended:?}");
    }
    for (making, sentence) in [
        (
            &["--for", "0s", "--reason", "INC-42"][..],
            "must be from 1m to 168h (7 days)",
        ),
        (
            &["--for", "169h", "--reason", "INC-42"],
            "to change a setting for longer, edit the chain",
        ),
        (
            &["--for", "soon", "--reason", "INC-42"],
            "is not a duration",
        ),
        (&["--for", "10m", "--reason", " "], "say why in a few words"),
        (&["--for", "10m"], "--reason <TEXT>"),
        (&["--reason", "INC-42"], "--for <DURATION>"),
    ] {
        let words = [&["pause", "orders", "fast", "--dev", &admin], making].concat();
        let ended = programs.plugin(&words).await;
        assert_eq!(ended.code, 1, "{making:?}: {ended:?}");
        assert!(ended.stderr.contains(sentence), "{making:?}: {ended:?}");
    }
    let none = programs.plugin(&["overrides", "--dev", &admin]).await;
    assert_eq!(none.stdout, "no overrides in namespace default\n");
}

/// The chart's role for people on call in a namespace, bound to an account of it.
pub async fn on_call(server: &ApiServer, namespace: &str) {
    let create = ["create", "serviceaccount", "jane", "-n", namespace];
    server.kubectl(&create).await.expect_ok();
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/executor-chain");
    let subject = json!([{"kind": "ServiceAccount", "name": "jane", "namespace": namespace}]);
    let args = [
        "template",
        "executor-chain",
        chart,
        "--namespace",
        namespace,
        &format!("--set=watchNamespaces={{{namespace}}}"),
        "--set-json",
        &format!("rbac.oncall={subject}"),
        "--show-only=templates/oncall.yaml",
    ];
    let role = testkit::helm::without_a_cluster(&args).await.expect_ok();
    let apply = ["apply", "-f", "-"];
    server.kubectl_with_input(&apply, &role).await.expect_ok();
}

pub fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A person on call, an operator, and a chain that it serves.
struct Shift {
    server: &'static ApiServer,
    programs: Programs,
    namespace: String,
    kubeconfig: PathBuf,
    /// Where no operator is: the person has no right to ask one.
    nobody: String,
    emulator: Emulator,
    operator: Process,
}

impl Shift {
    async fn begin() -> Self {
        let server = ApiServer::shared_with_crd().await;
        let namespace = server.namespace("on-call").await;
        on_call(server, &namespace).await;
        let emulator = Emulator::start().await;
        let cloud_tasks = emulator.addr().to_string();
        let mut command = operator::command(server.kubeconfig(), &namespace, &cloud_tasks);
        let admin = free_addr().to_string();
        command.args(["--leader-election", "false", "--admin-addr", &admin]);
        let shift = Self {
            programs: Programs::new(),
            kubeconfig: server.kubeconfig_of(&namespace, "jane").await,
            nobody: server.namespace("nobody").await,
            operator: Process::spawn(&command),
            server,
            namespace,
            emulator,
        };
        let apply = ["apply", "-n", &shift.namespace, "-f", "-"];
        server.kubectl_with_input(&apply, CHAIN).await.expect_ok();
        shift.has_rate(400.0).await;
        shift
    }

    async fn queue(&self) -> Result<Queue, cloudtasks::Error> {
        let queue = "projects/demo/locations/europe-west1/queues/incoming";
        let queues = self.emulator.cloud_tasks().await;
        queues.get_queue(&queue.parse().unwrap()).await
    }

    async fn has_rate(&self, wanted: f64) {
        eventually("the rate", SOON, async || {
            let found = self.queue().await;
            let found = found.map(|found| found.max_dispatches_per_second);
            let is_there = found.as_ref().is_ok_and(|found| is(*found, wanted));
            (is_there, format!("{found:?}\n{}", self.operator.log_tail()))
        })
        .await;
    }

    async fn run(&self, words: &[&str]) -> Ended {
        self.run_in(&self.namespace, words).await
    }

    async fn run_in(&self, namespace: &str, words: &[&str]) -> Ended {
        let place = ["--kubeconfig", path(&self.kubeconfig), "-n", namespace];
        let operator = ["--operator-namespace", &self.nobody];
        let words = [words, &place, &operator].concat();
        self.programs.plugin(&words).await
    }

    fn jane(&self) -> String {
        format!("system:serviceaccount:{}:jane", self.namespace)
    }
}

const THROTTLE: [&str; 11] = [
    "throttle", "orders", "fast", "--rate", "5", "--for", "10m", "--reason", "INC-42", "--name",
    "inc-42",
];

#[tokio::test(flavor = "multi_thread")]
async fn people_on_call_throttle_pause_and_undo_with_no_other_right() {
    let shift = Shift::begin().await;
    // A role that was just bound is known to the API server a little later.
    let done: Ended = eventually("an override", SOON, async || {
        let done = shift.run(&THROTTLE).await;
        if done.code == 0 { Ok(done) } else { Err(done) }
    })
    .await;
    let nobody = &shift.nobody;
    let no_plan = format!("no plan: you lack the right to list pods in namespace {nobody}");
    assert!(done.stderr.contains(&no_plan), "{done:?}");
    assert!(done.stdout.contains("in force after "), "{done:?}");
    shift.has_rate(5.0).await;
    let namespace = &shift.namespace;
    let made = [
        "get",
        "chainoverride",
        "inc-42",
        "-n",
        namespace,
        "-o",
        "json",
    ];
    let made = [&made[..], &["--show-managed-fields"]].concat();
    let made = shift.server.kubectl(&made).await.expect_ok();
    let made: Value = serde_json::from_str(&made).unwrap();
    assert_eq!(made["spec"]["by"], shift.jane());
    // Flux takes back fields of managers whose name begins with kubectl.
    let managers = made["metadata"]["managedFields"].as_array().unwrap().iter();
    let managers: Vec<&str> = managers.map(|it| it["manager"].as_str().unwrap()).collect();
    assert!(managers.contains(&"executor-chain-cli"), "{managers:?}");
    let is_kubectl = |it: &&str| it.starts_with("kubectl");
    assert!(!managers.iter().any(is_kubectl), "{managers:?}");
    let listed = shift.run(&["overrides", "orders", "-o", "json"]).await;
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    let said = &listed["items"][0]["status"]["conditions"][0]["reason"];
    assert_eq!(said, "Applied");

    let pause = "pause orders * --for 10m --reason INC-42 --name all";
    let pause: Vec<&str> = pause.split(' ').collect();
    assert_eq!(shift.run(&pause).await.code, 0);
    let paused = shift.queue().await.unwrap();
    assert_eq!(paused.state, QueueState::Paused);
    // A queue is not resumed before a worker is ready.
    let deployments = Api::namespaced(shift.server.client().await, namespace);
    fake_pods::report_all_ready(&deployments).await.unwrap();
    for name in ["all", "inc-42"] {
        let ended = shift.run(&["undo", name]).await;
        assert_eq!(ended.code, 0, "{ended:?}");
    }
    shift.has_rate(400.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn people_on_call_may_do_nothing_else() {
    let shift = Shift::begin().await;
    let scale = "scale orders slow --replicas 3 --for 10m --reason x";
    let scale: Vec<&str> = scale.split(' ').collect();
    let sentence = "ReplicasNotSet: replicas of stage slow isn't set";
    eventually("an override that does nothing", SOON, async || {
        let scaled = shift.run(&scale).await;
        let is_said = scaled.code == 3 && scaled.stdout.contains(sentence);
        (is_said, scaled)
    })
    .await;
    let plan = shift.run(&["plan", "-f", EXAMPLE]).await;
    assert_eq!(plan.code, 4, "{plan:?}");
    let as_jane = format!("--as={}", shift.jane());
    let edit = r#"{"spec":{"drainDelay":"1s"}}"#;
    for words in [
        &["patch", "chain", "orders", "--type=merge", "-p", edit][..],
        &["delete", "chainoverride", "inc-42"],
        &["scale", "deployment", "orders-fast", "--replicas=9"],
        &["delete", "chain", "orders"],
    ] {
        let words = [words, &["-n", &shift.namespace, &as_jane]].concat();
        let tried = shift.server.kubectl(&words).await;
        assert!(tried.stderr.contains("forbidden"), "{words:?}: {tried:?}");
    }
    let elsewhere = shift.server.namespace("elsewhere").await;
    let refused = shift.run_in(&elsewhere, &THROTTLE).await;
    assert_eq!(refused.code, 4, "{refused:?}");
    let sentence = format!(
        "you lack the right to create chainoverrides in namespace {elsewhere}; the chart's value rbac.oncall"
    );
    assert!(refused.stderr.contains(&sentence), "{refused:?}");
}

/// Nobody leads: what is made waits, and the command says so.
#[tokio::test]
async fn without_an_operator_the_command_says_what_it_waits_for() {
    let server = ApiServer::shared_with_crd().await;
    let programs = Programs::new();
    let namespace = server.namespace("alone").await;
    let nobody = server.namespace("nobody").await;
    let place = ["--kubeconfig", path(server.kubeconfig()), "-n", &namespace];
    let pause = [
        "pause", "orders", "fast", "--for", "10m", "--reason", "x", "--name", "inc-42",
    ];
    let pause = [&pause[..], &place, &["--operator-namespace", &nobody]].concat();
    let dry = programs
        .plugin(&[&pause[..], &["--dry-run"]].concat())
        .await;
    assert_eq!(dry.code, 3, "{dry:?}");
    let waits = programs.plugin(&pause).await;
    assert_eq!(waits.code, 3, "{waits:?}");
    let sentence = "inc-42 is made, and not in force yet: no operator has seen it";
    assert!(waits.stdout.contains(sentence), "{waits:?}");
}
