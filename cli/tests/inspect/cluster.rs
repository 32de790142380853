//! A cluster: a real API server, and a stand-in for a kubelet that forwards ports of pods.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use console::Standby;
use serde_json::json;
use testkit::{ApiServer, Process, eventually, http_get, kubelet};

use crate::program::Programs;
use crate::served::{Served, failing};

const SOON: Duration = Duration::from_secs(30);
const CHAIN: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata: {name: orders}
spec:
  project: demo
  location: europe-west1
  notifier: {queue: orders-notifier, url: 'https://api.example.com/task-events'}
  template: {spec: {containers: [{name: handler, image: 'shop:1'}]}}
  stages:
  - {name: fast, queue: incoming, maxAttempts: 3}
";
/// Where a person looks who names no namespace of the operator.
const OPERATORS: &str = "executor-chain";

/// Applies the chain in a namespace of its own, which it returns.
async fn chain(server: &ApiServer) -> String {
    let namespace = server.namespace("shop").await;
    let apply = ["apply", "-n", &namespace, "-f", "-"];
    server.kubectl_with_input(&apply, CHAIN).await.expect_ok();
    namespace
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Pods as the chart makes them, on a node that forwards their ports.
pub async fn pods(server: &ApiServer, namespace: &str, names: &[&str]) {
    for name in names {
        let pod = json!({
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "labels": {"app.kubernetes.io/name": "executor-chain"}},
            "spec": {
                "nodeName": namespace,
                "automountServiceAccountToken": false,
                "containers": [{
                    "name": "operator",
                    "image": "operator:1",
                    "args": ["--lease-name=operator", format!("--lease-namespace={namespace}")],
                    "ports": [{"name": "admin", "containerPort": 9481}],
                }],
            },
        });
        create(server, namespace, &pod.to_string()).await;
    }
}

pub async fn lease(server: &ApiServer, namespace: &str, holder: &str) {
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "operator"},
        "spec": {"holderIdentity": holder},
    });
    create(server, namespace, &lease.to_string()).await;
}

async fn create(server: &ApiServer, namespace: &str, object: &str) {
    let apply = ["apply", "-n", namespace, "-f", "-"];
    server.kubectl_with_input(&apply, object).await.expect_ok();
}

/// Two operators: `op-1` leads, and has the chain; `op-0` stands by. The Lease names `holder`.
async fn operators(server: &ApiServer, namespace: &str, holder: &str, of: &str) {
    create_account(server, namespace, "default").await;
    let standby = Standby {
        leader: Some("op-1".into()),
    };
    let answers = BTreeMap::from([
        ("op-0".to_owned(), Served(Err(standby)).start().await),
        (
            "op-1".to_owned(),
            Served(Ok(vec![failing(of, "orders")])).start().await,
        ),
    ]);
    kubelet::forward_ports(server, namespace, answers).await;
    pods(server, namespace, &["op-0", "op-1"]).await;
    lease(server, namespace, holder).await;
}

/// No controller makes the account that pods need.
pub async fn create_account(server: &ApiServer, namespace: &str, name: &str) {
    let create = ["create", "serviceaccount", name, "-n", namespace];
    server.kubectl(&create).await.expect_ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_operator_the_api_server_shows_what_it_has() {
    let server = ApiServer::shared_with_crd().await;
    let (programs, namespace) = (Programs::new(), chain(server).await);
    let nobody = server.namespace("nobody").await;
    let place = ["--kubeconfig", path(server.kubeconfig()), "-n", &namespace];
    let place = [&place[..], &["--operator-namespace", &nobody]].concat();
    let top = programs.plugin(&[&["top"], &place[..]].concat()).await;
    assert_eq!(top.code, 0, "{top:?}");
    assert!(
        top.stdout.contains("orders") && top.stdout.contains("fast"),
        "{top:?}"
    );
    let missing =
        format!("kubectl chain: namespace {nobody} has no operator: no pod has the label");
    assert!(top.stderr.starts_with(&missing), "{top:?}");
    assert!(
        top.stderr
            .contains("so these columns are unknown: RATE, IN FLIGHT"),
        "{top:?}"
    );
    let why = programs
        .plugin(&[&["why", "orders"], &place[..]].concat())
        .await;
    assert_eq!(why.code, 3, "nothing is known: {why:?}");
    let why = programs
        .plugin(&[&["why", "returns"], &place[..]].concat())
        .await;
    assert_eq!(why.code, 1, "{why:?}");
    assert!(
        why.stderr
            .contains(&format!("no chain returns in namespace {namespace}")),
        "{why:?}"
    );
    let ui = programs
        .plugin(&[&["ui", "--no-open"], &place[..]].concat())
        .await;
    assert_eq!(ui.code, 3, "{ui:?}");
    let json = [&["top", "-o", "json"], &place[..]].concat();
    let json = programs.plugin(&json).await.stdout;
    let list: serde_json::Value = serde_json::from_str(&json).unwrap();
    let queue = &list["items"][0]["stages"][0]["queueNumbers"];
    assert_eq!(*queue, json!({"unknown": "noOperator"}), "{list}");
}

/// The rights one by one: what is missing is named, until nothing is.
#[tokio::test(flavor = "multi_thread")]
async fn the_right_that_is_missing_is_named() {
    let server = ApiServer::shared_with_crd().await;
    let (programs, namespace) = (Programs::new(), chain(server).await);
    let operators_at = server.namespace("operators").await;
    operators(server, &operators_at, "op-1_0123456789abcdef", &namespace).await;
    create_account(server, &namespace, "jane").await;
    let kubeconfig = server.kubeconfig_of(&namespace, "jane").await;
    let why = async || {
        let place = ["--kubeconfig", path(&kubeconfig), "-n", &namespace];
        let operator = ["--operator-namespace", &operators_at];
        programs
            .plugin(&[&["why", "orders"], &place[..], &operator].concat())
            .await
    };
    let allow = async |place: &str, verb: &str, resource: &str| {
        let name = resource.replace(['/', '.'], "-");
        let role = [
            "create",
            "role",
            &name,
            "-n",
            place,
            "--verb",
            verb,
            "--resource",
            resource,
        ];
        server.kubectl(&role).await.expect_ok();
        let account = format!("--serviceaccount={namespace}:jane");
        let bind = [
            "create",
            "rolebinding",
            &name,
            "-n",
            place,
            &account,
            "--role",
            &name,
        ];
        server.kubectl(&bind).await.expect_ok();
    };
    let chains = "executorchains.executor-chain.dev";
    // What is missing, where, and what gives it.
    let rows = [
        (
            format!("get executorchains in namespace {namespace}"),
            &namespace,
            "get",
            chains,
        ),
        (
            format!("list pods in namespace {operators_at}"),
            &operators_at,
            "get,list",
            "pods",
        ),
        (
            format!("get leases in namespace {operators_at}"),
            &operators_at,
            "get",
            "leases.coordination.k8s.io",
        ),
        (
            format!("get pods/portforward in namespace {operators_at}"),
            &operators_at,
            "get,create",
            "pods/portforward",
        ),
    ];
    for (missing, place, verb, resource) in rows {
        let sentence = format!("you lack the right to {missing}");
        // An authorizer learns of a new role by a watch.
        eventually(&sentence, SOON, async || {
            let ended = why().await;
            (ended.code == 4 && ended.stderr.contains(&sentence), ended)
        })
        .await;
        allow(place, verb, resource).await;
    }
    eventually("findings", SOON, async || {
        let ended = why().await;
        (ended.code == 2 && ended.stderr.is_empty(), ended)
    })
    .await;
}

/// With the roles of the chart, and nothing more. The Lease may name one that leads no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_the_chart_sees_what_the_leader_has() {
    let server = ApiServer::shared_with_crd().await;
    let (programs, namespace) = (Programs::new(), chain(server).await);
    server
        .kubectl(&["create", "namespace", OPERATORS])
        .await
        .expect_ok();
    operators(server, OPERATORS, "op-0_0123456789abcdef", &namespace).await;
    create_account(server, OPERATORS, "jane").await;
    let roles = viewers().await;
    create(server, OPERATORS, &roles).await;
    let kubeconfig = server.kubeconfig_of(OPERATORS, "jane").await;
    let place = ["--kubeconfig", path(&kubeconfig)];
    let why = ["why", "orders", "-n", &namespace];
    let ended = programs.plugin(&[&why[..], &place].concat()).await;
    assert_eq!((ended.code, &*ended.stderr), (2, ""), "{ended:?}");
    assert!(
        ended.stdout.contains("the handler fails: 7 of 7 runs"),
        "{ended:?}"
    );
    let ended = programs
        .plugin(&[&["top", "-A"], &place[..]].concat())
        .await;
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
    assert!(ended.stdout.contains("orders"), "{ended:?}");

    // One that no operator shows.
    let other = server.namespace("other").await;
    create(server, &other, CHAIN).await;
    let why = ["why", "orders", "-n", &other];
    let ended = programs.plugin(&[&why[..], &place].concat()).await;
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended.stderr.contains("no operator serves this chain"),
        "{ended:?}"
    );

    let words = [&["ui", "orders", "-n", &namespace, "--no-open"], &place[..]].concat();
    let page = Process::spawn(&programs.command("kubectl-chain", &words));
    let address = eventually("the address of the page", SOON, async || {
        let log = page.log();
        let address = log.split("page: http://").nth(1)?;
        let (address, rest) = address.split_once('/')?;
        assert!(
            rest.starts_with(&format!("chains/{namespace}/orders")),
            "{log}"
        );
        address.parse().ok()
    })
    .await;
    // The Lease still names the one that stands by.
    let standby = http_get(address, "/api/v1/chains")
        .await
        .unwrap_err()
        .to_string();
    assert!(standby.contains("503 {\"leader\":\"op-1\"}"), "{standby}");
    lease(server, OPERATORS, "op-1_fedcba9876543210").await;
    let list = http_get(address, "/api/v1/chains").await.unwrap();
    assert!(list.contains("the handler fails: 7 of 7 runs"), "{list}");
}

/// The chart's roles for viewers, bound to an account.
async fn viewers() -> String {
    let chart = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/executor-chain");
    let subject = json!([{"kind": "ServiceAccount", "name": "jane", "namespace": OPERATORS}]);
    let viewers = format!("rbac.viewers={subject}");
    let args = [
        "template",
        OPERATORS,
        chart,
        "--namespace",
        OPERATORS,
        // The Lease's name is the release's.
        "--set=fullnameOverride=operator",
        "--set-json",
        &viewers,
        "--show-only=templates/viewers.yaml",
    ];
    testkit::helm::without_a_cluster(&args).await.expect_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn names_of_chains_and_namespaces_complete() {
    let server = ApiServer::shared_with_crd().await;
    let (programs, namespace) = (Programs::new(), chain(server).await);
    let kubeconfig = ["--kubeconfig", path(server.kubeconfig())];
    let complete = async |words: &[&str]| {
        let ended = programs.run("kubectl_complete-chain", words).await;
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{ended:?}");
        ended.stdout
    };
    let words = [&["why", "-n", &namespace], &kubeconfig[..], &["or"]].concat();
    assert_eq!(complete(&words).await, "orders\n:4\n");
    let history = [&["history"], &words[1..]].concat();
    assert_eq!(complete(&history).await, "orders\n:4\n");
    let words = [&["top"], &kubeconfig[..], &["-n", &namespace[..2]]].concat();
    assert!(complete(&words).await.contains(&format!("{namespace}\n")));
    let words = [&["ui"], &kubeconfig[..], &["--context", ""]].concat();
    assert_eq!(complete(&words).await, "testkit\n:4\n");
    let commands = complete(&[""]).await;
    for command in ["top\tShow what", "why\tName what", "ui\tOpen the page"] {
        assert!(commands.contains(command), "{commands}");
    }
    assert!(!commands.contains("completion"), "{commands}");
    assert_eq!(
        complete(&["top", "-o", "w"]).await,
        "wide\tAll columns\n:4\n"
    );

    let script = programs
        .run("executor-chain", &["completion", "bash"])
        .await;
    assert!(script.stdout.contains("COMPLETE=\"bash\""), "{script:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kubeconfig_that_can_not_be_used_is_an_error() {
    let programs = Programs::new();
    let ended = programs.plugin(&["top", "--kubeconfig", "/nowhere"]).await;
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended
            .stderr
            .starts_with("kubectl chain: no access to a cluster"),
        "{ended:?}"
    );
}
