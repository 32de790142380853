//! The read-only API: chains as they are now, from the leader's memory.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use testkit::{ApiServer, Emulator, StatsAnswer, StatsProxy, eventually, task};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::pods::{pod, report_ready, worker};
use crate::testbed::{ORDERS, Queues, SOON, Testbed, http, named, queue, served, without};

impl Testbed {
    /// Waits until the API shows a chain as `wanted` says.
    async fn shows(&self, chain: &str, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/api/v1/chains/{}/{chain}", self.namespace);
        eventually(what, SOON, async || {
            let (status, live) = self.api(&path).await;
            if status == 200 && wanted(&live) {
                return Ok(live);
            }
            Err(format!("{status} {live}\n{}", self.operator.log_tail()))
        })
        .await
    }
}

/// A stage of a chain.
fn stage<'a>(live: &'a Value, name: &str) -> &'a Value {
    let mut stages = live["stages"].as_array().unwrap().iter();
    stages.find(|it| it["name"] == name).unwrap()
}

#[tokio::test]
async fn a_chain_is_shown_with_the_numbers_of_its_queues_until_it_is_gone() {
    let emulator = Emulator::start().await;
    let proxy = StatsProxy::start(emulator.addr()).await;
    let args = ["--queue-stats-interval=500ms"];
    let testbed = Testbed::at("live", proxy.addr(), &args).await;
    let empty = eventually("a list without chains", SOON, async || {
        let (status, all) = testbed.api("/api/v1/chains").await;
        (status == 200).then_some(all)
    });
    assert_eq!(empty.await["items"], Value::Array(Vec::new()));

    let paused = "queue: incoming-2, maxAttempts: 2, paused: true";
    let orders = ORDERS.replace("queue: incoming-2, maxAttempts: 2", paused);
    testbed.apply(&orders).await;
    testbed.settle("orders").await;
    let queues = Queues::of(&emulator).await;
    let middle = queue("incoming-2");
    for id in ["a", "b"] {
        let task = task(&middle, id, "x");
        queues.create_task(&middle, &task).await.unwrap();
    }
    let live = testbed
        .shows("orders", "two tasks", |live| {
            stage(live, "middle")["queueNumbers"]["tasks"] == 2
        })
        .await;
    assert_eq!(stage(&live, "middle")["state"]["is"], "paused");
    assert_eq!(
        stage(&live, "fast")["settings"]["maxDispatchesPerSecond"],
        400.0
    );
    assert_eq!(live["notifier"]["queueNumbers"]["tasks"], 0);
    let (_, all) = testbed.api("/api/v1/chains").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 1);

    // Whatever the reason, it is said.
    for (answer, reason) in [
        (StatsAnswer::Silent, "stale"),
        (StatsAnswer::Absent, "absent"),
        (StatsAnswer::PermissionDenied, "forbidden"),
    ] {
        proxy.answer(answer);
        testbed
            .shows("orders", reason, |live| {
                let stages = live["stages"].as_array().unwrap().iter();
                let unknown = |it: &Value| it["queueNumbers"]["unknown"] == reason;
                stages.chain([&live["notifier"]]).all(unknown)
            })
            .await;
    }

    let edited = orders.replace("maxDispatchesPerSecond: 400", "maxDispatchesPerSecond: 300");
    testbed.apply(&edited).await;
    testbed
        .shows("orders", "the new rate", |live| {
            stage(live, "fast")["settings"]["maxDispatchesPerSecond"] == 300.0
        })
        .await;
    testbed.delete("orders").await;
    eventually("no chain", SOON, async || {
        let path = format!("/api/v1/chains/{}/orders", testbed.namespace);
        let (status, said) = testbed.api(&path).await;
        (status == 404, said)
    })
    .await;
}

#[tokio::test]
async fn numbers_that_nobody_has_are_unknown_with_their_reason() {
    let (testbed, _emulator, _queues) = served("live-unknown", &[], ORDERS).await;
    let live = testbed
        .shows("orders", "why there are no numbers", |live| {
            stage(live, "fast")["queueNumbers"]["unknown"] == "unimplemented"
        })
        .await;
    for stage in live["stages"].as_array().unwrap() {
        // Nobody runs pods here: at first nobody was asked.
        let unknown = &stage["workerNumbers"]["unknown"];
        assert!(unknown == "pending" || unknown == "noPods", "{stage}");
    }
    assert_eq!(live["findings"], Value::Array(Vec::new()));
}

#[tokio::test]
async fn a_namespace_without_rights_is_named_until_they_are_given() {
    let emulator = Emulator::start().await;
    let server = ApiServer::shared_with_crd().await;
    let namespace = server.namespace("live-rights").await;
    let yard = server.namespace("yard").await;
    let grant = async |to: &str| {
        let (all, name) = (["*"], "all");
        let role = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
            "metadata": {"name": name, "namespace": to},
            "rules": [{"apiGroups": all, "resources": all, "verbs": all}],
        });
        let binding = json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": {"name": name, "namespace": to},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": "operator", "namespace": namespace}],
        });
        let apply = ["apply", "-f", "-"];
        for object in [role, binding] {
            let object = object.to_string();
            server.kubectl_with_input(&apply, &object).await.expect_ok();
        }
    };
    grant(&namespace).await;
    let kubeconfig = server.service_account(&namespace, "operator").await;
    let args = ["--leader-election", "false", "--namespace", &yard];
    let addr = emulator.addr();
    let testbed = Testbed::of(server, namespace.clone(), &kubeconfig, addr, &args).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;

    let (_, all) = testbed.api("/api/v1/chains").await;
    assert_eq!(all["items"].as_array().unwrap().len(), 1);
    assert_eq!(all["unlistedNamespaces"], json!([yard]));
    let page = http("GET", testbed.admin(), "/").await;
    let says = format!("the chains in namespace {yard} are missing");
    assert!(page.contains(&says), "{page}");

    grant(&yard).await;
    eventually("both namespaces", SOON, async || {
        let (_, all) = testbed.api("/api/v1/chains").await;
        (all.get("unlistedNamespaces").is_none(), all)
    })
    .await;
}

#[tokio::test]
async fn viewers_share_the_calls_to_cloud_tasks() {
    let emulator = Emulator::start().await;
    let proxy = StatsProxy::start(emulator.addr()).await;
    let args = ["--queue-stats-interval=1h"];
    let testbed = Testbed::at("viewers", proxy.addr(), &args).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    assert_eq!(proxy.lists().len(), 1);

    let begun = Instant::now();
    let mut viewers = Vec::new();
    for _ in 0..20 {
        viewers.push(open_events(&testbed).await);
    }
    eventually("more lists", SOON, async || {
        let lists = proxy.lists().len();
        (lists >= 3, lists)
    })
    .await;
    // A second and a third list are five seconds apart, however many look.
    assert!(begun.elapsed() >= Duration::from_secs(5));
    for viewer in &mut viewers {
        let mut event = [0; 1];
        viewer.read_exact(&mut event).await.unwrap();
    }
}

/// An open stream of events.
async fn open_events(testbed: &Testbed) -> TcpStream {
    let addr = testbed.admin();
    let mut stream = TcpStream::connect(addr).await.unwrap();
    let request = format!("GET /api/v1/events HTTP/1.1\r\nHost: {addr}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn nothing_can_be_changed_on_the_admin_port() {
    let (testbed, _emulator, _queues) = served("read-only", &[], ORDERS).await;
    let name = format!("{}/orders", testbed.namespace);
    let (page, json) = (format!("/chains/{name}"), format!("/api/v1/chains/{name}"));
    let read = ["/", &page, "/api/v1/chains", &json];
    for path in read {
        let answer = http("GET", testbed.admin(), path).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK"), "{path}: {answer}");
        assert!(answer.contains("orders"), "{path}: {answer}");
    }
    let others = ["/healthz", "/readyz", "/metrics", "/api/v1/events"];
    for path in read.into_iter().chain(others) {
        for method in ["POST", "PUT", "PATCH", "DELETE"] {
            let answer = http(method, testbed.admin(), path).await;
            let wanted = "HTTP/1.1 405 Method Not Allowed";
            assert!(answer.starts_with(wanted), "{method} {path}: {answer}");
        }
    }
}

#[tokio::test]
async fn a_page_of_another_chains_worker_counts_as_no_answer() {
    let ip = "127.11.7.5";
    let args = ["--worker-poll-interval=300ms"];
    let (testbed, _emulator, _queues) = Testbed::with("labels", &args).await;
    let manifest =
        without(&without(ORDERS, "middle"), "slow").replace("replicas: 2", "replicas: 1");
    testbed.apply(&manifest).await;
    testbed.apply(&named("parcels", &manifest)).await;
    for chain in ["orders", "parcels"] {
        testbed.settle(chain).await;
    }
    // The address of a pod of parcels has gone over to one of orders.
    let _worker = worker(&testbed, "orders-fast", ip).await;
    for chain in ["orders", "parcels"] {
        let name = format!("{chain}-fast-1");
        let pods = pod(&testbed, &format!("{chain}-fast"), &name).await;
        report_ready(&pods, &name, ip).await;
    }
    testbed
        .shows("parcels", "a silent worker", |live| {
            stage(live, "fast")["workerNumbers"]["unknown"] == "stale"
        })
        .await;
    testbed
        .shows("orders", "its own numbers", |live| {
            stage(live, "fast")["workerNumbers"]["podsAsked"] == 1
        })
        .await;
}

#[tokio::test]
async fn what_tasks_contain_is_not_shown() {
    // Of the loopback range, and nobody else's.
    let ip = "127.11.7.4";
    let args = ["--worker-poll-interval=300ms"];
    let (testbed, _emulator, _queues) = Testbed::with("secrets", &args).await;
    let manifest = without(&without(ORDERS, "middle"), "slow")
        .replace(
            "image: 'shop:1',",
            "image: 'shop:1', env: [{name: KEY, value: marker-of-spec}],",
        )
        .replace(
            "replicas: 2}",
            "replicas: 1, \
             handler: {headers: [{name: X-Key, value: marker-of-handler}]}, \
             routes: [{match: {header: {name: X-Category, value: marker-of-category}}, to: fail}]}",
        );
    testbed.apply(&manifest).await;
    testbed.settle("orders").await;
    let worker = worker(&testbed, "orders-fast", ip).await;
    let pods = pod(&testbed, "orders-fast", "orders-fast-1").await;
    report_ready(&pods, "orders-fast-1", ip).await;

    let pushed = format!("{ip}:9480");
    let head = "/marker-of-path HTTP/1.1\r\n\
                X-CloudTasks-QueueName: incoming\r\n\
                X-CloudTasks-TaskName: marker-of-task\r\n\
                X-CloudTasks-TaskRetryCount: 0\r\n\
                X-CloudTasks-TaskExecutionCount: 0\r\n\
                Authorization: Bearer marker-of-token\r\n\
                X-Category: marker-of-header\r\n\
                X: ";
    let path = format!("/api/v1/chains/{}/orders", testbed.namespace);
    let live = eventually("runs that can't start", SOON, async || {
        let answer = http("POST", &pushed, head).await;
        let (_, live) = testbed.api(&path).await;
        let unreachable = &stage(&live, "fast")["workerNumbers"]["runs"]["unreachable"];
        if unreachable.as_u64().is_some_and(|count| count > 0) {
            return Ok(live);
        }
        Err(format!("{answer}\n{live}"))
    })
    .await;
    assert_eq!(stage(&live, "fast")["workerNumbers"]["podsAsked"], 1);
    for path in [&path, "/api/v1/chains"] {
        let shown = http("GET", testbed.admin(), path).await;
        assert!(shown.contains("orders"), "{shown}");
        assert!(!shown.contains("marker"), "{shown}");
    }

    // One that no longer answers has no numbers.
    worker.kill9();
    testbed
        .shows("orders", "a silent worker", |live| {
            stage(live, "fast")["workerNumbers"]["unknown"] == "stale"
        })
        .await;
}
