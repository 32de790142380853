//! Pushes by a Gateway, on an API server that has the CRDs of the Gateway API and of GKE's policies as
//! they are published. Nothing serves a Gateway there: what its controller would say of a route, the
//! tests say.

use std::collections::{BTreeMap, BTreeSet};

use cloudtasks::{Queue, Scheme};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use plan::model::gateway_resource::GatewayResourceKind;
use plan::model::gateway_resource::GatewayResourceKind::{
    BackendPolicy, HealthCheckPolicy, HttpRoute,
};
use serde_json::{Value, json};
use testkit::{ApiServer, CRD, Emulator, eventually};
use tokio::sync::OnceCell;

use crate::testbed::{
    ORDERS, Queues, SOON, Testbed, condition, named, says, with_emulator, without,
};

const GATEWAY_API: &str = "gateway.networking.k8s.io";
const GKE: &str = "networking.gke.io";

const QUICK: &[&str] = &[
    "--leader-election=false",
    "--hand-over-time=1s",
    "--address-delay=1s",
    "--queue-poll-interval=500ms",
];

/// The orders under a Gateway, with hosts in this domain.
fn by_gateway(domain: &str) -> String {
    let push = format!(
        "push: {{gateway: {{name: external, namespace: infra, sectionName: https, hostname: '{{stage}}-{{chain}}.{domain}'}}}}"
    );
    ORDERS.replace("  project: demo\n", &format!("  project: demo\n  {push}\n"))
}

/// The control plane of all tests here that need the CRDs from the start.
async fn server() -> &'static ApiServer {
    static INSTALLED: OnceCell<ApiServer> = OnceCell::const_new();
    INSTALLED
        .get_or_init(async || {
            let server = ApiServer::start().await;
            server.install_crd(CRD).await;
            server.install_crds_of(GATEWAY_API).await;
            server.install_crds_of(GKE).await;
            server
        })
        .await
}

async fn gateway_testbed(prefix: &str) -> (Testbed, Emulator, Queues) {
    let emulator = Emulator::start().await;
    let server = server().await;
    let namespace = server.namespace(prefix).await;
    let addr = emulator.addr();
    let testbed = Testbed::of(server, namespace, server.kubeconfig(), addr, QUICK).await;
    let queues = Queues::of(&emulator).await;
    (testbed, emulator, queues)
}

fn api(testbed: &Testbed, kind: GatewayResourceKind) -> Api<DynamicObject> {
    Api::namespaced_with(testbed.client.clone(), &testbed.namespace, &kind.resource())
}

async fn list(testbed: &Testbed, kind: GatewayResourceKind) -> Vec<DynamicObject> {
    // A kind is served a moment after it was installed.
    eventually("a list", SOON, async || {
        api(testbed, kind).list(&ListParams::default()).await
    })
    .await
    .items
}

async fn hosts(testbed: &Testbed) -> Vec<String> {
    let routes = list(testbed, HttpRoute).await;
    let host = |route: &DynamicObject| route.data["spec"]["hostnames"][0].clone();
    let hosts = routes
        .iter()
        .map(|route| host(route).as_str().unwrap().to_owned());
    let mut hosts: Vec<String> = hosts.collect();
    hosts.sort();
    hosts
}

async fn has_hosts(testbed: &Testbed, wanted: &[&str]) {
    eventually("routes", SOON, async || {
        let hosts = hosts(testbed).await;
        let log = testbed.operator.log_tail();
        (hosts == wanted, format!("{hosts:?}\n{log}"))
    })
    .await;
}

/// What a controller says of every route that there is.
async fn gateway_says(testbed: &Testbed, status: &str, reason: &str, message: &str) {
    for route in list(testbed, HttpRoute).await {
        let said = |kind: &str, reason: &str| {
            json!({
                "type": kind,
                "status": status,
                "reason": reason,
                "message": message,
                "lastTransitionTime": "2026-01-01T00:00:00Z",
                "observedGeneration": route.metadata.generation,
            })
        };
        let conditions = [said("Accepted", reason), said("Reconciled", "Reconciled")];
        let said = json!({"status": {"parents": [{
            "parentRef": route.data["spec"]["parentRefs"][0],
            "controllerName": "networking.gke.io/gateway",
            "conditions": conditions,
        }]}});
        let api = api(testbed, HttpRoute);
        let name = route.name_any();
        let parameters = PatchParams::default();
        let patch = Patch::Merge(said);
        let said = api.patch_status(&name, &parameters, &patch).await;
        // It may be gone meanwhile.
        assert!(said.is_ok() || api.get_opt(&name).await.unwrap().is_none());
    }
}

/// Waits until the chain is ready, with pods that get ready and a Gateway that takes its routes.
async fn settle(testbed: &Testbed, chain: &str) {
    eventually("a chain that is ready", SOON, async || {
        testbed.pods_are_ready().await;
        gateway_says(testbed, "True", "Accepted", "").await;
        testbed.status_if(chain, |it| says(it, "Ready=True")).await
    })
    .await;
}

/// Where a queue pushes to.
fn address(queue: &Queue) -> Option<(Scheme, &str, u16)> {
    let address = queue.http_target.as_ref()?.address.as_ref()?;
    Some((address.scheme, &address.host, address.port))
}

async fn pushes_to(queues: &Queues, id: &str, host: &str) {
    let is_it = |found: &Queue| address(found) == Some((Scheme::Https, host, 443));
    queues.becomes(id, host, is_it).await;
}

async fn reachable(testbed: &Testbed, status: &str, reason: &str) -> String {
    let wanted = format!("PushesReachable={status} {reason}");
    let seen = testbed.says("orders", &wanted).await;
    condition(&seen, "PushesReachable").message.clone()
}

const HOSTS: [&str; 3] = [
    "fast-orders.push.example",
    "middle-orders.push.example",
    "slow-orders.push.example",
];

#[tokio::test]
async fn routes_and_policies_are_created_and_nothing_is_written_twice() {
    let (testbed, _emulator, queues) = gateway_testbed("gateway").await;
    testbed.apply(&by_gateway("push.example")).await;
    has_hosts(&testbed, &HOSTS).await;
    let sentence = reachable(&testbed, "False", "RoutePending").await;
    assert!(sentence.contains("infra/external"), "{sentence}");
    settle(&testbed, "orders").await;
    reachable(&testbed, "True", "RoutesAccepted").await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;

    let chain = testbed.chains().get("orders").await.unwrap();
    let uid = chain.uid();
    let mut versions = BTreeMap::new();
    for kind in GatewayResourceKind::ALL {
        let objects = list(&testbed, kind).await;
        assert_eq!(objects.len(), 3, "{kind}");
        for object in objects {
            let owner = &object.owner_references()[0];
            assert_eq!(Some(&owner.uid), uid.as_ref());
            versions.insert((kind, object.name_any()), object.resource_version());
        }
    }
    let route = &list(&testbed, HttpRoute).await[0];
    let backend = &route.data["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!(backend["name"], "orders-fast");
    assert_eq!(route.data["spec"]["parentRefs"][0]["sectionName"], "https");
    let policy = api(&testbed, BackendPolicy).get("orders-fast").await;
    // A run of a minute, 90 s around it, and 10 s more.
    assert_eq!(policy.unwrap().data["spec"]["default"]["timeoutSec"], 160);

    let writes = testbed.writes("").await;
    testbed.rounds_pass("orders", 3).await;
    let metrics = testbed.metrics().await;
    assert_eq!(testbed.writes("").await, writes, "{metrics:?}");
    for kind in GatewayResourceKind::ALL {
        for object in list(&testbed, kind).await {
            let key = (kind, object.name_any());
            assert_eq!(versions[&key], object.resource_version(), "{key:?}");
        }
    }
}

#[tokio::test]
async fn the_example_becomes_ready() {
    let (testbed, _emulator, queues) = gateway_testbed("gateway-example").await;
    let example = include_str!("../../../examples/gateway.yaml");
    testbed.apply(example).await;
    settle(&testbed, "invoices").await;
    let host = format!("fast-invoices-{}.push.example.com", testbed.namespace);
    pushes_to(&queues, "invoices", &host).await;
    let writes = testbed.writes("").await;
    testbed.rounds_pass("invoices", 5).await;
    assert_eq!(testbed.writes("").await, writes);
}

#[tokio::test]
async fn a_changed_or_deleted_route_or_policy_is_corrected() {
    let (testbed, _emulator, _queues) = gateway_testbed("gateway-drift").await;
    testbed.apply(&by_gateway("push.example")).await;
    settle(&testbed, "orders").await;
    for kind in GatewayResourceKind::ALL {
        let name = list(&testbed, kind).await[0].name_any();
        let api = api(&testbed, kind);
        let before = api.get(&name).await.unwrap();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        eventually("what was deleted", SOON, async || {
            let found = api.get_opt(&name).await.unwrap()?;
            (found.uid() != before.uid()).then_some(())
        })
        .await;
    }
    let edits = [
        (HttpRoute, json!({"hostnames": ["else.example"]})),
        (BackendPolicy, json!({"default": {"timeoutSec": 30}})),
        (
            HealthCheckPolicy,
            json!({"default": {"checkIntervalSec": 60}}),
        ),
    ];
    for (kind, spec) in edits {
        let before = list(&testbed, kind).await.remove(0);
        let name = before.name_any();
        let patch = Patch::Merge(json!({"spec": spec}));
        let api = api(&testbed, kind);
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
        eventually("what was changed", SOON, async || {
            let found = api.get(&name).await.unwrap();
            let is_back = found.data["spec"] == before.data["spec"];
            (is_back, found.data)
        })
        .await;
    }
    // Its controller takes the new one, and the chain is well again.
    settle(&testbed, "orders").await;
}

#[tokio::test]
async fn without_the_gateway_api_a_chain_says_so_and_another_is_served() {
    let (testbed, _emulator, _queues) = with_emulator("no-gateway").await;
    testbed.apply(&by_gateway("push.example")).await;
    let sentence = testbed.not_ready("orders", "GatewayApiMissing").await;
    let words = "this cluster has no HTTPRoute of the Gateway API";
    assert!(sentence.contains(words), "{sentence}");
    testbed.apply(&named("parcels", ORDERS)).await;
    testbed.settle("parcels").await;
    let fast = testbed.deployments().get_opt("orders-fast").await;
    assert!(fast.unwrap().is_none());
}

#[tokio::test]
async fn kinds_that_are_installed_later_are_used_from_then_on() {
    let emulator = Emulator::start().await;
    let testbed = Testbed::on_a_server_of_its_own(Some(CRD), &emulator).await;
    let queues = Queues::of(&emulator).await;
    testbed.apply(&by_gateway("push.example")).await;
    testbed.not_ready("orders", "GatewayApiMissing").await;
    testbed.server.install_crds_of(GATEWAY_API).await;
    has_hosts(&testbed, &HOSTS).await;
    settle(&testbed, "orders").await;
    pushes_to(&queues, "incoming-3", HOSTS[2]).await;
    // It is asked for less often when nothing is missing.
    testbed.server.install_crds_of(GKE).await;
    eventually("policies", 2 * SOON, async || {
        for kind in [BackendPolicy, HealthCheckPolicy] {
            let found = list(&testbed, kind).await.len();
            if found < 3 {
                return Err(found);
            }
        }
        Ok(())
    })
    .await;
    settle(&testbed, "orders").await;
    // And a route is watched there too.
    let name = list(&testbed, HttpRoute).await[0].name_any();
    let routes = api(&testbed, HttpRoute);
    routes
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    has_hosts(&testbed, &HOSTS).await;
}

#[tokio::test]
async fn a_queue_moves_when_its_route_is_accepted_and_the_former_address_stays_for_a_while() {
    let (testbed, _emulator, queues) = gateway_testbed("gateway-moves").await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    let address = async || queues.get("incoming").await.http_target.unwrap().address;
    let before = address().await;
    testbed.apply(&by_gateway("push.example")).await;
    has_hosts(&testbed, &HOSTS).await;
    reachable(&testbed, "False", "RoutePending").await;
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(address().await, before);

    let not_allowed = "the listener allows no routes from this namespace";
    gateway_says(&testbed, "False", "NotAllowedByListeners", not_allowed).await;
    let sentence = reachable(&testbed, "False", "RouteNotAccepted").await;
    assert!(sentence.contains(not_allowed), "{sentence}");
    let sentence = testbed.not_ready("orders", "RouteNotAccepted").await;
    assert!(sentence.contains(HOSTS[0]), "{sentence}");
    testbed.rounds_pass("orders", 3).await;
    assert_eq!(address().await, before);

    settle(&testbed, "orders").await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;

    // Another host: the old route is there for as long as the queue pushes to it.
    testbed.apply(&by_gateway("tasks.example")).await;
    let new = HOSTS.map(|host| host.replace("push.", "tasks."));
    let new = new.each_ref().map(String::as_str);
    let mut both = [HOSTS, new].concat();
    both.sort_unstable();
    has_hosts(&testbed, &both).await;
    testbed.rounds_pass("orders", 3).await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;
    settle(&testbed, "orders").await;
    pushes_to(&queues, "incoming", new[0]).await;
    has_hosts(&testbed, &new).await;

    // And back.
    testbed.apply(ORDERS).await;
    let is_back = async || address().await == before;
    eventually("the cluster address", SOON, is_back).await;
    has_hosts(&testbed, &[]).await;
    for kind in GatewayResourceKind::ALL {
        eventually("nothing", SOON, async || {
            let left = list(&testbed, kind).await;
            (left.is_empty(), left)
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_stage_loses_its_route() {
    let (testbed, _emulator, _queues) = gateway_testbed("gateway-removed").await;
    let yaml = by_gateway("push.example");
    testbed.apply(&yaml).await;
    settle(&testbed, "orders").await;
    testbed.apply(&without(&yaml, "middle")).await;
    eventually("one stage less", SOON, async || {
        testbed.pods_are_ready().await;
        for kind in GatewayResourceKind::ALL {
            let left = list(&testbed, kind).await;
            if left.len() != 2 {
                return Err(format!(
                    "{kind}: {}\n{}",
                    left.len(),
                    testbed.operator.log_tail()
                ));
            }
        }
        Ok(())
    })
    .await;
    has_hosts(&testbed, &[HOSTS[0], HOSTS[2]]).await;
}

#[tokio::test]
async fn of_two_chains_with_one_host_the_older_has_it() {
    let (testbed, _emulator, queues) = gateway_testbed("gateway-two").await;
    let first = by_gateway("push.example").replace("'{stage}-{chain}.", "'{stage}.");
    testbed.apply(&first).await;
    settle(&testbed, "orders").await;
    let second = named("parcels", &first);
    testbed.apply(&second).await;
    let sentence = testbed.not_ready("parcels", "NameTaken").await;
    let owner = format!("{}/orders (namespace/name)", testbed.namespace);
    assert!(sentence.contains(&owner), "{sentence}");
    assert!(sentence.contains("fast.push.example"), "{sentence}");
    let chain = testbed.chains().get("orders").await.unwrap();
    assert!(says(&chain.status.unwrap(), "Ready=True"));
    // With hosts of its own it is served, beside the first.
    testbed
        .apply(&second.replace("'{stage}.", "'{stage}-{chain}."))
        .await;
    settle(&testbed, "parcels").await;
    pushes_to(&queues, "parcels", "fast-parcels.push.example").await;
    pushes_to(&queues, "incoming", "fast.push.example").await;
}

#[tokio::test]
async fn a_deleted_chain_deletes_or_releases_its_routes() {
    let (testbed, _emulator, _queues) = gateway_testbed("gateway-end").await;
    for (policy, left) in [("Retain", 0), ("Orphan", 3)] {
        let policy = format!("  project: demo\n  deletionPolicy: {policy}\n");
        let yaml = by_gateway("push.example").replace("  project: demo\n", &policy);
        testbed.apply(&yaml).await;
        settle(&testbed, "orders").await;
        testbed.delete("orders").await;
        for kind in GatewayResourceKind::ALL {
            let objects = list(&testbed, kind).await;
            assert_eq!(objects.len(), left, "{kind}");
            let owners = objects.iter().flat_map(ResourceExt::owner_references);
            let owners: BTreeSet<_> = owners.map(|owner| &*owner.kind).collect();
            assert!(!owners.contains("ExecutorChain"), "{kind}: {owners:?}");
        }
    }
    // A chain of that name takes them over.
    testbed.apply(&by_gateway("push.example")).await;
    settle(&testbed, "orders").await;
    let uid = testbed.chains().get("orders").await.unwrap().uid();
    for kind in GatewayResourceKind::ALL {
        let objects = list(&testbed, kind).await;
        assert_eq!(objects.len(), 3);
        let is_owned = |it: &DynamicObject| {
            let owners = it.owner_references();
            owners.iter().any(|owner| Some(&owner.uid) == uid.as_ref())
        };
        assert!(objects.iter().all(is_owned), "{kind}");
    }
}

/// What the operator may do: all, but with routes only this.
fn role(namespace: &str, routes: &[&str]) -> Value {
    let all = ["*"];
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "operator", "namespace": namespace},
        "rules": [
            {"apiGroups": ["", "apps", "events.k8s.io", "executor-chain.dev"], "resources": all, "verbs": all},
            {"apiGroups": [GATEWAY_API], "resources": ["httproutes"], "verbs": routes},
            {
                "apiGroups": [GKE],
                "resources": ["gcpbackendpolicies", "healthcheckpolicies"],
                "verbs": RIGHTS,
            },
        ],
    })
}

/// All that it needs for one of these kinds.
const RIGHTS: [&str; 6] = ["get", "list", "watch", "create", "patch", "delete"];

#[tokio::test]
async fn without_the_right_to_routes_a_chain_says_so_and_goes_on_with_it() {
    let emulator = Emulator::start().await;
    let server = server().await;
    let namespace = server.namespace("gateway-rights").await;
    let grant = async |routes: &[&str]| {
        let role = role(&namespace, routes).to_string();
        let apply = ["apply", "-f", "-"];
        server.kubectl_with_input(&apply, &role).await.expect_ok();
    };
    grant(&["get"]).await;
    let kubeconfig = server.service_account(&namespace, "operator").await;
    let addr = emulator.addr();
    let testbed = Testbed::of(server, namespace.clone(), &kubeconfig, addr, QUICK).await;

    // Who has no use for routes needs no rights to them.
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    testbed.apply(&by_gateway("push.example")).await;
    let sentence = testbed.not_ready("orders", "KubernetesError").await;
    for words in [
        "one HTTPRoute for each stage",
        "httproutes.gateway.networking.k8s.io",
        "patch",
    ] {
        assert!(sentence.contains(words), "{sentence}");
    }
    grant(&RIGHTS).await;
    settle(&testbed, "orders").await;
    // And these are enough for the end of routes.
    testbed.apply(ORDERS).await;
    has_hosts(&testbed, &[]).await;
}
