//! Pushes by a Gateway, on an API server that has the CRDs of the Gateway API and of GKE's policies as
//! they are published. Nothing serves a Gateway there: what its controller would say of a route, the
//! tests say.

use std::collections::BTreeMap;

use cloudtasks::{CloudTasks, Scheme};
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use plan::model::gateway_resource::GatewayResourceKind;
use serde_json::{Value, json};
use testkit::{ApiServer, CRD, Emulator, eventually};
use tokio::sync::OnceCell;

use crate::place::{self, ORDERS, Place, SOON, condition, is_true, queue};

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

async fn place(prefix: &str) -> (Place, Emulator, CloudTasks) {
    let emulator = Emulator::start().await;
    let server = server().await;
    let namespace = server.namespace(prefix).await;
    let addr = emulator.addr().to_string();
    let place = Place::of(server, namespace, server.kubeconfig(), &addr, QUICK).await;
    let queues = emulator.cloud_tasks().await;
    (place, emulator, queues)
}

fn api(place: &Place, kind: GatewayResourceKind) -> Api<DynamicObject> {
    Api::namespaced_with(place.client.clone(), &place.namespace, &kind.resource())
}

async fn list(place: &Place, kind: GatewayResourceKind) -> Vec<DynamicObject> {
    // A kind is served a moment after it was installed.
    eventually("a list", SOON, async || {
        api(place, kind).list(&ListParams::default()).await
    })
    .await
    .items
}

async fn hosts(place: &Place) -> Vec<String> {
    let routes = list(place, GatewayResourceKind::HttpRoute).await;
    let hosts = routes.iter().map(|route| {
        route.data["spec"]["hostnames"][0]
            .as_str()
            .unwrap()
            .to_owned()
    });
    let mut hosts: Vec<String> = hosts.collect();
    hosts.sort();
    hosts
}

async fn has_hosts(place: &Place, wanted: &[&str]) {
    eventually("routes", SOON, async || {
        let hosts = hosts(place).await;
        if hosts == wanted {
            Ok(())
        } else {
            Err(format!("{hosts:?}\n{}", place.operator.log_tail()))
        }
    })
    .await;
}

/// What a controller says of every route that there is.
async fn gateway_says(place: &Place, status: &str, reason: &str, message: &str) {
    for route in list(place, GatewayResourceKind::HttpRoute).await {
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
        let api = api(place, GatewayResourceKind::HttpRoute);
        let name = route.name_any();
        let parameters = PatchParams::default();
        let patch = Patch::Merge(said);
        let said = api.patch_status(&name, &parameters, &patch).await;
        // It may be gone meanwhile.
        assert!(said.is_ok() || api.get_opt(&name).await.unwrap().is_none());
    }
}

/// Waits until the chain is ready, with pods that get ready and a Gateway that takes its routes.
async fn settle(place: &Place, chain: &str) {
    eventually("a chain that is ready", SOON, async || {
        place.pods_are_ready().await;
        gateway_says(place, "True", "Accepted", "").await;
        let found = place.chains().get(chain).await.unwrap();
        let status = found.status.unwrap_or_default();
        let is_current = status.observed_generation == found.metadata.generation;
        if is_current && is_true(&status, "Ready") {
            return Ok(());
        }
        let log = place.operator.log_tail();
        Err(format!("{status:?}\nthe operator's log ends:\n{log}"))
    })
    .await;
}

/// Where a queue pushes to.
async fn address(queues: &CloudTasks, id: &str) -> Option<(Scheme, String, u16)> {
    let found = queues.get_queue(&queue(id)).await.ok()?;
    let address = found.http_target?.address?;
    Some((address.scheme, address.host, address.port))
}

async fn pushes_to(queues: &CloudTasks, id: &str, host: &str) {
    eventually("a queue that pushes there", SOON, async || {
        let address = address(queues, id).await;
        let wanted = Some((Scheme::Https, host.to_owned(), 443));
        (address == wanted).then_some(()).ok_or(address)
    })
    .await;
}

async fn reachable(place: &Place, status: &str, reason: &str) -> String {
    let is_it = |seen: &crds::ExecutorChainStatus| {
        condition(seen, "PushesReachable").is_some_and(|(is, why, _)| is == status && why == reason)
    };
    let seen = place.status("orders", reason, is_it).await;
    condition(&seen, "PushesReachable").unwrap().2
}

const HOSTS: [&str; 3] = [
    "fast-orders.push.example",
    "middle-orders.push.example",
    "slow-orders.push.example",
];

#[tokio::test]
async fn routes_and_policies_are_created_and_nothing_is_written_twice() {
    let (place, _emulator, queues) = place("gateway").await;
    place.apply(&by_gateway("push.example")).await;
    has_hosts(&place, &HOSTS).await;
    let sentence = reachable(&place, "False", "RoutePending").await;
    assert!(sentence.contains("infra/external"), "{sentence}");
    settle(&place, "orders").await;
    reachable(&place, "True", "RoutesAccepted").await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;

    let chain = place.chains().get("orders").await.unwrap();
    let uid = chain.uid();
    let mut versions = BTreeMap::new();
    for kind in GatewayResourceKind::ALL {
        let objects = list(&place, kind).await;
        assert_eq!(objects.len(), 3, "{kind}");
        for object in objects {
            let owner = &object.owner_references()[0];
            assert_eq!(Some(&owner.uid), uid.as_ref());
            versions.insert((kind, object.name_any()), object.resource_version());
        }
    }
    let route = &list(&place, GatewayResourceKind::HttpRoute).await[0];
    let backend = &route.data["spec"]["rules"][0]["backendRefs"][0];
    assert_eq!(backend["name"], "orders-fast");
    assert_eq!(route.data["spec"]["parentRefs"][0]["sectionName"], "https");
    let policy = api(&place, GatewayResourceKind::BackendPolicy)
        .get("orders-fast")
        .await;
    // A run of a minute, 90 s around it, and 10 s more.
    assert_eq!(policy.unwrap().data["spec"]["default"]["timeoutSec"], 160);

    let writes = place.writes("").await;
    place.rounds_pass("orders", 3).await;
    assert_eq!(
        place.writes("").await,
        writes,
        "{:?}",
        place.metrics().await
    );
    for kind in GatewayResourceKind::ALL {
        for object in list(&place, kind).await {
            let key = (kind, object.name_any());
            assert_eq!(versions[&key], object.resource_version(), "{key:?}");
        }
    }
}

#[tokio::test]
async fn the_example_becomes_ready() {
    let (place, _emulator, queues) = place("gateway-example").await;
    let example = include_str!("../../../examples/gateway.yaml");
    place.apply(example).await;
    settle(&place, "invoices").await;
    let host = format!("fast-invoices-{}.push.example.com", place.namespace);
    pushes_to(&queues, "invoices", &host).await;
    let writes = place.writes("").await;
    place.rounds_pass("invoices", 5).await;
    assert_eq!(place.writes("").await, writes);
}

#[tokio::test]
async fn a_changed_or_deleted_route_or_policy_is_corrected() {
    let (place, _emulator, _queues) = place("gateway-drift").await;
    place.apply(&by_gateway("push.example")).await;
    settle(&place, "orders").await;
    for kind in GatewayResourceKind::ALL {
        let name = list(&place, kind).await[0].name_any();
        let api = api(&place, kind);
        let before = api.get(&name).await.unwrap();
        api.delete(&name, &DeleteParams::default()).await.unwrap();
        eventually("what was deleted", SOON, async || {
            let found = api.get_opt(&name).await.unwrap()?;
            (found.uid() != before.uid()).then_some(())
        })
        .await;
    }
    let edits = [
        (
            GatewayResourceKind::HttpRoute,
            json!({"hostnames": ["else.example"]}),
        ),
        (
            GatewayResourceKind::BackendPolicy,
            json!({"default": {"timeoutSec": 30}}),
        ),
        (
            GatewayResourceKind::HealthCheckPolicy,
            json!({"default": {"checkIntervalSec": 60}}),
        ),
    ];
    for (kind, spec) in edits {
        let before = list(&place, kind).await.remove(0);
        let name = before.name_any();
        let patch = Patch::Merge(json!({"spec": spec}));
        let api = api(&place, kind);
        api.patch(&name, &PatchParams::default(), &patch)
            .await
            .unwrap();
        eventually("what was changed", SOON, async || {
            let found = api.get(&name).await.unwrap();
            let is_back = found.data["spec"] == before.data["spec"];
            is_back.then_some(()).ok_or(found.data)
        })
        .await;
    }
    // Its controller takes the new one, and the chain is well again.
    settle(&place, "orders").await;
}

#[tokio::test]
async fn without_the_gateway_api_a_chain_says_so_and_another_is_served() {
    let (place, _emulator, _queues) = place::with_emulator("no-gateway").await;
    place.apply(&by_gateway("push.example")).await;
    let sentence = place.not_ready("orders", "GatewayApiMissing").await;
    assert!(
        sentence.contains("this cluster has no HTTPRoute of the Gateway API"),
        "{sentence}"
    );
    let other = ORDERS
        .replace("name: orders}", "name: parcels}")
        .replace("queue: incoming", "queue: parcels");
    place.apply(&other).await;
    place.settle("parcels").await;
    assert!(
        place
            .deployments()
            .get_opt("orders-fast")
            .await
            .unwrap()
            .is_none()
    );
}

#[tokio::test]
async fn kinds_that_are_installed_later_are_used_from_then_on() {
    let emulator = Emulator::start().await;
    let place = Place::on_a_server_of_its_own(CRD, &emulator).await;
    let queues = emulator.cloud_tasks().await;
    place.apply(&by_gateway("push.example")).await;
    place.not_ready("orders", "GatewayApiMissing").await;
    place.server.install_crds_of(GATEWAY_API).await;
    has_hosts(&place, &HOSTS).await;
    settle(&place, "orders").await;
    pushes_to(&queues, "incoming-3", HOSTS[2]).await;
    // It is asked for less often when nothing is missing.
    place.server.install_crds_of(GKE).await;
    eventually("policies", 2 * SOON, async || {
        for kind in [
            GatewayResourceKind::BackendPolicy,
            GatewayResourceKind::HealthCheckPolicy,
        ] {
            let found = list(&place, kind).await.len();
            if found < 3 {
                return Err(found);
            }
        }
        Ok(())
    })
    .await;
    settle(&place, "orders").await;
    // And a route is watched there too.
    let name = list(&place, GatewayResourceKind::HttpRoute).await[0].name_any();
    let routes = api(&place, GatewayResourceKind::HttpRoute);
    routes
        .delete(&name, &DeleteParams::default())
        .await
        .unwrap();
    has_hosts(&place, &HOSTS).await;
}

#[tokio::test]
async fn a_queue_moves_when_its_route_is_accepted_and_the_former_address_stays_for_a_while() {
    let (place, _emulator, queues) = place("gateway-moves").await;
    place.apply(ORDERS).await;
    place.settle("orders").await;
    let before = address(&queues, "incoming").await;
    place.apply(&by_gateway("push.example")).await;
    has_hosts(&place, &HOSTS).await;
    reachable(&place, "False", "RoutePending").await;
    place.rounds_pass("orders", 3).await;
    assert_eq!(address(&queues, "incoming").await, before);

    let not_allowed = "the listener allows no routes from this namespace";
    gateway_says(&place, "False", "NotAllowedByListeners", not_allowed).await;
    let sentence = reachable(&place, "False", "RouteNotAccepted").await;
    assert!(sentence.contains(not_allowed), "{sentence}");
    let sentence = place.not_ready("orders", "RouteNotAccepted").await;
    assert!(sentence.contains(HOSTS[0]), "{sentence}");
    place.rounds_pass("orders", 3).await;
    assert_eq!(address(&queues, "incoming").await, before);

    settle(&place, "orders").await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;

    // Another host: the old route is there for as long as the queue pushes to it.
    place.apply(&by_gateway("tasks.example")).await;
    let new = HOSTS.map(|host| host.replace("push.", "tasks."));
    let both: Vec<&str> = HOSTS
        .iter()
        .copied()
        .chain(new.iter().map(String::as_str))
        .collect();
    let mut both = both;
    both.sort_unstable();
    has_hosts(&place, &both).await;
    place.rounds_pass("orders", 3).await;
    pushes_to(&queues, "incoming", HOSTS[0]).await;
    settle(&place, "orders").await;
    pushes_to(&queues, "incoming", &new[0]).await;
    has_hosts(&place, &new.each_ref().map(String::as_str)).await;

    // And back.
    place.apply(ORDERS).await;
    eventually("the cluster address", SOON, async || {
        (address(&queues, "incoming").await == before).then_some(())
    })
    .await;
    has_hosts(&place, &[]).await;
    for kind in GatewayResourceKind::ALL {
        eventually("nothing", SOON, async || {
            let left = list(&place, kind).await;
            left.is_empty().then_some(()).ok_or(left)
        })
        .await;
    }
}

#[tokio::test]
async fn a_removed_stage_loses_its_route() {
    let (place, _emulator, _queues) = place("gateway-removed").await;
    let yaml = by_gateway("push.example");
    place.apply(&yaml).await;
    settle(&place, "orders").await;
    let lines = yaml.lines().filter(|line| !line.contains("name: middle"));
    place.apply(&lines.collect::<Vec<_>>().join("\n")).await;
    eventually("one stage less", SOON, async || {
        place.pods_are_ready().await;
        for kind in GatewayResourceKind::ALL {
            let left = list(&place, kind).await;
            if left.len() != 2 {
                return Err(format!(
                    "{kind}: {}\n{}",
                    left.len(),
                    place.operator.log_tail()
                ));
            }
        }
        Ok(())
    })
    .await;
    has_hosts(&place, &[HOSTS[0], HOSTS[2]]).await;
}

#[tokio::test]
async fn of_two_chains_with_one_host_the_older_has_it() {
    let (place, _emulator, queues) = place("gateway-two").await;
    let first = by_gateway("push.example").replace("'{stage}-{chain}.", "'{stage}.");
    place.apply(&first).await;
    settle(&place, "orders").await;
    let second = first
        .replace("name: orders}", "name: parcels}")
        .replace("queue: incoming", "queue: parcels");
    place.apply(&second).await;
    let sentence = place.not_ready("parcels", "NameTaken").await;
    let owner = format!("{}/orders (namespace/name)", place.namespace);
    assert!(sentence.contains(&owner), "{sentence}");
    assert!(sentence.contains("fast.push.example"), "{sentence}");
    let chain = place.chains().get("orders").await.unwrap();
    assert!(is_true(&chain.status.unwrap(), "Ready"));
    // With hosts of its own it is served, beside the first.
    place
        .apply(&second.replace("'{stage}.", "'{stage}-{chain}."))
        .await;
    settle(&place, "parcels").await;
    pushes_to(&queues, "parcels", "fast-parcels.push.example").await;
    pushes_to(&queues, "incoming", "fast.push.example").await;
}

#[tokio::test]
async fn a_deleted_chain_deletes_or_releases_its_routes() {
    let (place, _emulator, _queues) = place("gateway-end").await;
    for (policy, left) in [("Retain", 0), ("Orphan", 3)] {
        let policy = format!("  project: demo\n  deletionPolicy: {policy}\n");
        let yaml = by_gateway("push.example").replace("  project: demo\n", &policy);
        place.apply(&yaml).await;
        settle(&place, "orders").await;
        place
            .kubectl(&["delete", "chain", "orders", "--timeout=20s"])
            .await
            .expect_ok();
        for kind in GatewayResourceKind::ALL {
            let objects = list(&place, kind).await;
            assert_eq!(objects.len(), left, "{kind}");
            assert!(objects.iter().all(|it| it.owner_references().is_empty()));
        }
    }
    // A chain of that name takes them over.
    place.apply(&by_gateway("push.example")).await;
    settle(&place, "orders").await;
    let uid = place.chains().get("orders").await.unwrap().uid();
    for kind in GatewayResourceKind::ALL {
        let objects = list(&place, kind).await;
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
    let in_it = ["-n", &namespace];
    let account = ["create", "serviceaccount", "operator"];
    server
        .kubectl(&[&account[..], &in_it].concat())
        .await
        .expect_ok();
    let grant = async |routes: &[&str]| {
        let role = role(&namespace, routes).to_string();
        let apply = ["apply", "-f", "-"];
        server.kubectl_with_input(&apply, &role).await.expect_ok();
    };
    grant(&["get"]).await;
    let subject = format!("--serviceaccount={namespace}:operator");
    let bind = [
        "create",
        "rolebinding",
        "operator",
        "--role=operator",
        &subject,
    ];
    server
        .kubectl(&[&bind[..], &in_it].concat())
        .await
        .expect_ok();
    let kubeconfig = server.kubeconfig_of(&namespace, "operator").await;
    let addr = emulator.addr().to_string();
    let place = Place::of(server, namespace.clone(), &kubeconfig, &addr, QUICK).await;

    // Who has no use for routes needs no rights to them.
    place.apply(ORDERS).await;
    place.settle("orders").await;
    place.apply(&by_gateway("push.example")).await;
    let sentence = place.not_ready("orders", "KubernetesError").await;
    for words in [
        "one HTTPRoute for each stage",
        "httproutes.gateway.networking.k8s.io",
        "patch",
    ] {
        assert!(sentence.contains(words), "{sentence}");
    }
    grant(&RIGHTS).await;
    settle(&place, "orders").await;
    // And these are enough for the end of routes.
    place.apply(ORDERS).await;
    has_hosts(&place, &[]).await;
}
