//! Pushes by a Gateway: routes, policies, and when a queue pushes there.

use std::time::Duration;

use crds::conditions::Reason;
use kube::ResourceExt;
use plan::model::gateway_resource::GatewayResourceKind::{BackendPolicy, HttpRoute};
use plan::model::gateway_resource::{Availability, GatewayResourceKind};
use plan::{ChainView, Deletion, Desired, Observed, Plan, plan};

use crate::golden::{said, seen, sentence, with, with_field};
use crate::phases::{round, state, without_slow};
use crate::world::{
    ORDERS, Transcript, apply, chain, desired, gateway_objects_mut, gateway_says, planned, roll,
    settings, settle, status, with_gateways,
};

const TEMPLATE: &str = "{stage}-{chain}-{namespace}.push.example.com";

/// The orders, with this for their Gateway.
fn under(gateway: &str) -> String {
    with(
        "  project: my-project\n",
        &format!("  project: my-project\n  push: {{gateway: {{{gateway}}}}}\n"),
    )
}

pub fn by_gateway() -> String {
    under(&format!(
        "name: external, namespace: infra, sectionName: https, hostname: '{TEMPLATE}'"
    ))
}

/// A world with Gateways in which the chain is as it should be.
pub fn settled(yaml: &str) -> Observed {
    let mut observed = Observed::default();
    with_gateways(&mut observed);
    settle(&mut observed, &desired(yaml));
    observed
}

fn text(plans: &[Plan]) -> String {
    let plans: Vec<String> = plans.iter().map(ToString::to_string).collect();
    plans.join("\n")
}

fn names(observed: &Observed, kind: GatewayResourceKind) -> Vec<&String> {
    observed
        .gateway_objects(kind)
        .map(|(name, _)| name)
        .collect()
}

#[test]
fn a_gateway_gets_a_route_and_two_policies() {
    let drain = with_field("drainDelay: 60s");
    let yaml = by_gateway().replace(
        "  project: my-project\n",
        "  project: my-project\n  drainDelay: 60s\n",
    );
    assert_ne!(yaml, drain);
    let yaml = yaml.replace(
        "replicas: 2\n",
        "replicas: 2\n    handler: {timeout: 9m30s}\n",
    );
    let observed = settled(&yaml);
    let objects = GatewayResourceKind::ALL.map(|kind| {
        let mut objects = observed.gateway_objects(kind);
        let (_, object) = objects
            .find(|(name, _)| name.starts_with("orders-fast"))
            .unwrap();
        let mut object = object.clone();
        object.metadata.managed_fields = None;
        object.data.as_object_mut().unwrap().remove("status");
        serde_saphyr::to_string(&object).unwrap()
    });
    insta::assert_snapshot!(objects.join("---\n"));
}

#[test]
fn a_new_chain_under_a_gateway_is_paused_until_its_routes_are_accepted() {
    let mut observed = Observed::default();
    with_gateways(&mut observed);
    insta::assert_snapshot!(text(&settle(&mut observed, &desired(&by_gateway()))));
}

#[test]
fn a_cluster_without_gkes_policies_gets_a_route_alone() {
    let mut observed = Observed::default();
    let routes = Availability::Served(std::collections::BTreeMap::new());
    observed.availability.insert(HttpRoute, routes);
    let plan = planned(&by_gateway(), &observed).unwrap();
    let text = plan.to_string();
    assert_eq!(text.matches("apply HTTPRoute").count(), 2, "{text}");
    assert!(!text.contains("Policy"), "{text}");
}

#[test]
fn a_queue_moves_to_a_gateway_when_its_route_is_accepted_and_back() {
    let mut transcript = Transcript::default();
    let mut observed = settled(ORDERS);
    let yaml = by_gateway();
    transcript.add(
        "the spec names a Gateway",
        &round(&mut observed, &yaml, 1, 0),
    );
    // Nobody has said anything of it.
    let waiting = round(&mut observed, &yaml, 1, 0);
    assert!(waiting.is_empty(), "{waiting}");
    transcript.add("the Gateway has reported nothing", &waiting);
    assert!(waiting.recheck_in().is_some());
    transcript.add(
        "PushesReachable",
        &said(&yaml, &observed, "PushesReachable"),
    );
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    transcript.add(
        "the Gateway accepts the routes",
        &round(&mut observed, &yaml, 1, 0),
    );
    assert!(round(&mut observed, &yaml, 1, 0).is_empty());
    transcript.add(
        "PushesReachable",
        &said(&yaml, &observed, "PushesReachable"),
    );
    // Back: the old way stays for a minute.
    transcript.add(
        "back to cluster addresses",
        &text(&settle(&mut observed, &desired(ORDERS))),
    );
    assert_eq!(names(&observed, HttpRoute).len(), 0);
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn another_hostname_leaves_the_old_route_until_its_queue_has_moved() {
    let mut transcript = Transcript::default();
    let mut observed = settled(&by_gateway());
    let to = by_gateway().replace("push.example.com", "tasks.example.com");
    transcript.add(
        "the spec has another hostname",
        &round(&mut observed, &to, 1, 0),
    );
    assert_eq!(names(&observed, HttpRoute).len(), 4);
    // However long it takes.
    round(&mut observed, &to, 300, 0);
    assert_eq!(names(&observed, HttpRoute).len(), 4);
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    transcript.add("its route is accepted", &round(&mut observed, &to, 1, 0));
    round(&mut observed, &to, 0, 0);
    let waiting = round(&mut observed, &to, 59, 0);
    assert!(waiting.is_empty(), "{waiting}");
    transcript.add(
        "60 s after the queue moved",
        &round(&mut observed, &to, 1, 0),
    );
    assert_eq!(names(&observed, HttpRoute).len(), 2);
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn another_gateway_with_the_same_hosts_gets_routes_beside_the_old_ones() {
    let mut observed = settled(&by_gateway());
    let to = by_gateway().replace("name: external", "name: other");
    insta::assert_snapshot!(text(&settle(&mut observed, &desired(&to))));
}

#[test]
fn stages_that_change_places_while_their_queues_move_never_hand_a_task_back() {
    let mut observed = settled(ORDERS);
    // The queues push to the workers by their old addresses, whatever the spec says now.
    let yaml = by_gateway();
    let (head, stages) = yaml.split_once("  - name: fast").unwrap();
    let (fast, slow) = stages.split_once("  - name: slow").unwrap();
    let swapped = format!("{head}  - name: slow{slow}  - name: fast{fast}");
    let plan = round(&mut observed, &swapped, 1, 0).to_string();
    let wait =
        "stage slow hands tasks over as the spec says once no former worker can hand tasks back";
    assert!(plan.contains(wait), "{plan}");
    settle(&mut observed, &desired(&swapped));
}

#[test]
fn a_gateway_that_refuses_keeps_the_queue_where_it_is() {
    let mut observed = settled(ORDERS);
    let yaml = by_gateway();
    round(&mut observed, &yaml, 1, 0);
    gateway_says(&mut observed, "Accepted", "False", "NotAllowedByListeners");
    for _ in 0..3 {
        assert!(round(&mut observed, &yaml, 3600, 0).is_empty());
    }
    let status = seen(&yaml, &observed);
    insta::assert_snapshot!(sentence(&status, "PushesReachable"), @"RouteNotAccepted: the Gateway infra/external refuses these routes or fails to serve them: fast-orders-shop.push.example.com (Accepted is False, NotAllowedByListeners: says the Gateway), slow-orders-shop.push.example.com (Accepted is False, NotAllowedByListeners: says the Gateway)");
    assert!(sentence(&status, "Ready").starts_with("RouteNotAccepted"));
    // What GKE says once its load balancer has tried.
    for (condition, reason) in [
        ("ResolvedRefs", "BackendNotFound"),
        ("Reconciled", "ReconciliationFailed"),
    ] {
        gateway_says(&mut observed, condition, "False", reason);
        assert!(round(&mut observed, &yaml, 3600, 0).is_empty());
        let said = said(&yaml, &observed, "PushesReachable");
        assert!(said.contains(reason), "{said}");
    }
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    assert_eq!(round(&mut observed, &yaml, 1, 0).steps.len(), 2);
}

#[test]
fn a_gateway_that_reports_nothing_is_trusted_after_a_while() {
    let mut observed = settled(ORDERS);
    let yaml = by_gateway();
    round(&mut observed, &yaml, 1, 0);
    assert!(round(&mut observed, &yaml, 599, 0).is_empty());
    // What is said of an older route, or of another Gateway, says nothing.
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    let routes = gateway_objects_mut(&mut observed, HttpRoute);
    for (index, route) in routes.values_mut().enumerate() {
        let parent = &mut route.data["status"]["parents"][0];
        if index == 0 {
            parent["parentRef"]["name"] = "another".into();
        } else {
            parent["conditions"][0]["observedGeneration"] = 1.into();
            route.metadata.generation = Some(2);
        }
    }
    assert!(round(&mut observed, &yaml, 0, 0).is_empty());
    assert_eq!(round(&mut observed, &yaml, 1, 0).steps.len(), 2);
    insta::assert_snapshot!(said(&yaml, &observed, "PushesReachable"), @"RoutePending: the Gateway infra/external has not reported that it serves the routes of fast-orders-shop.push.example.com, slow-orders-shop.push.example.com: new routes take some minutes. If this lasts, check that the Gateway and its listener exist");
}

#[test]
fn a_queue_whose_route_is_refused_is_paused_after_a_while() {
    let mut transcript = Transcript::default();
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    gateway_says(&mut observed, "Accepted", "False", "NotAllowedByListeners");
    assert!(round(&mut observed, &yaml, 1, 0).is_empty());
    transcript.add("refused for 30 s", &round(&mut observed, &yaml, 30, 0));
    transcript.add("Paused", &said(&yaml, &observed, "Paused"));
    let waiting = round(&mut observed, &yaml, 30, 0);
    transcript.add("still refused", &waiting);
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    transcript.add("accepted", &round(&mut observed, &yaml, 1, 0));
    assert_eq!(state(&observed, "incoming").1, None);
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_load_balancer_that_fails_to_update_serves_its_older_state() {
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    observed.now += Duration::from_hours(1);
    gateway_says(&mut observed, "Reconciled", "False", "ReconciliationFailed");
    for _ in 0..3 {
        assert!(round(&mut observed, &yaml, 60, 0).is_empty());
    }
    let said = said(&yaml, &observed, "Ready");
    assert!(said.starts_with("RouteNotAccepted"), "{said}");
}

#[test]
fn a_queue_waits_until_gkes_load_balancer_has_the_route() {
    let yaml = by_gateway();
    let mut observed = settled(ORDERS);
    round(&mut observed, &yaml, 1, 0);
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    let mut elsewhere = observed.clone();
    let routes = gateway_objects_mut(&mut observed, HttpRoute);
    for route in routes.values_mut() {
        let parent = &mut route.data["status"]["parents"][0];
        parent["conditions"].as_array_mut().unwrap().truncate(1);
    }
    assert!(round(&mut observed, &yaml, 1, 0).is_empty());
    assert_eq!(
        round(&mut observed, &yaml, 600, 0).steps.len(),
        2,
        "trusted"
    );
    // Other controllers have no such word.
    let routes = gateway_objects_mut(&mut elsewhere, HttpRoute);
    for route in routes.values_mut() {
        let parent = &mut route.data["status"]["parents"][0];
        parent["controllerName"] = "example.com/gateway".into();
        parent["conditions"].as_array_mut().unwrap().truncate(1);
    }
    assert_eq!(round(&mut elsewhere, &yaml, 1, 0).steps.len(), 2);
}

#[test]
fn a_removed_stage_keeps_its_route_until_it_has_drained() {
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    let (head, _) = yaml.split_once("  - name: slow").unwrap();
    assert!(without_slow().len() < head.len());
    round(&mut observed, head, 1, 1);
    roll(&mut observed);
    gateway_says(&mut observed, "Accepted", "True", "Accepted");
    round(&mut observed, head, 600, 1);
    assert_eq!(names(&observed, HttpRoute).len(), 2);
    insta::assert_snapshot!(text(&settle(&mut observed, &desired(head))));
    for kind in GatewayResourceKind::ALL {
        assert_eq!(names(&observed, kind).len(), 1, "{kind}");
    }
}

#[test]
fn a_renamed_stage_moves_to_a_host_of_its_own() {
    let mut observed = settled(&by_gateway());
    let to = by_gateway().replace("name: fast", "name: quick");
    insta::assert_snapshot!(text(&settle(&mut observed, &desired(&to))));
}

#[test]
fn the_old_route_of_a_renamed_stage_that_keeps_its_host_goes_first() {
    let yaml = by_gateway();
    let (only, _) = yaml.split_once("  - name: slow").unwrap();
    let only = only.replace(TEMPLATE, "{chain}.push.example.com");
    let mut observed = settled(&only);
    let to = only.replace("name: fast", "name: quick");
    insta::assert_snapshot!(text(&settle(&mut observed, &desired(&to))));
}

/// How long the load balancer waits for the first stage's workers.
fn patience(observed: &Observed) -> (u64, u64) {
    let policy = observed
        .gateway_object(BackendPolicy, "orders-fast")
        .unwrap();
    let spec = &policy.data["spec"]["default"];
    let drain = &spec["connectionDraining"]["drainingTimeoutSec"];
    (
        spec["timeoutSec"].as_u64().unwrap(),
        drain.as_u64().unwrap(),
    )
}

#[test]
fn the_load_balancer_waits_for_former_pods_that_may_take_longer() {
    let mut transcript = Transcript::default();
    let short = by_gateway();
    let long = short.replace(
        "replicas: 2\n",
        "replicas: 2\n    handler: {timeout: 10m}\n",
    );
    let mut observed = settled(&short);
    assert_eq!(patience(&observed), (160, 160));
    // It is told before there are pods that take longer.
    transcript.add("a longer time-out", &round(&mut observed, &long, 1, 0));
    assert_eq!(patience(&observed), (700, 700));
    roll(&mut observed);
    round(&mut observed, &long, 1, 0);
    // Shorter again: a pod that was told to stop may be at work for ten minutes.
    let former = observed.pods.clone();
    transcript.add("a shorter time-out", &round(&mut observed, &short, 1, 0));
    roll(&mut observed);
    observed.pods.extend(former.clone());
    observed.pods.extend(former);
    let waiting = round(&mut observed, &short, 1, 0);
    transcript.add("former pods run", &waiting);
    assert!(waiting.recheck_in().is_some());
    assert_eq!(patience(&observed), (700, 700));
    roll(&mut observed);
    transcript.add(
        "former pods have ended",
        &round(&mut observed, &short, 1, 0),
    );
    assert_eq!(patience(&observed), (160, 160));
    assert!(round(&mut observed, &short, 1, 0).waits.is_empty());
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn a_route_that_was_changed_or_deleted_by_hand_is_restored() {
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    let routes = gateway_objects_mut(&mut observed, HttpRoute);
    routes.pop_first();
    let (_, other) = routes.iter_mut().next().unwrap();
    other.metadata.managed_fields.as_mut().unwrap()[0].fields_v1 = None;
    let first = round(&mut observed, &yaml, 1, 0);
    insta::assert_snapshot!(first.to_string());
}

#[test]
fn a_deleted_chain_deletes_or_releases_its_routes_and_policies() {
    use crds::DeletionPolicy::{Orphan, Retain};
    let mut transcript = Transcript::default();
    let yaml = by_gateway();
    let desired = desired(&yaml);
    for policy in [Retain, Orphan] {
        let mut observed = settled(&yaml);
        let end = |observed: &Observed| {
            plan::plan_deletion(
                Deletion::ByPolicy(policy),
                &desired.queue_owner,
                desired.owner.as_ref(),
                observed,
            )
        };
        let plan = end(&observed);
        transcript.add(&format!("{policy:?}"), &plan);
        apply(&mut observed, &plan);
        assert!(end(&observed).is_empty());
        let left = GatewayResourceKind::ALL.map(|kind| names(&observed, kind).len());
        assert_eq!(left, if policy == Orphan { [2; 3] } else { [0; 3] });
        // It takes them over again.
        settle(&mut observed, &desired);
        assert_eq!(names(&observed, HttpRoute).len(), 2);
    }
    insta::assert_snapshot!(transcript.to_string());
}

#[test]
fn kinds_that_the_cluster_lacks_are_refused_with_a_message() {
    let yaml = by_gateway();
    let desired = desired(&yaml);
    let mut observed = settled(&yaml);
    let problem = |observed: &Observed| plan(ChainView::new(&desired, observed)).unwrap_err();
    let said = |observed: &Observed| {
        let problem = problem(observed);
        let told = said(&yaml, observed, "PushesReachable");
        assert_eq!(told, format!("{}: {}", problem.reason, problem.message));
        told
    };
    let mut without = Observed::default();
    insta::assert_snapshot!(said(&without), @"GatewayApiMissing: spec.push.gateway names the Gateway infra/external, but this cluster has no HTTPRoute of the Gateway API (httproutes.gateway.networking.k8s.io, v1): enable the Gateway API (on GKE: gcloud container clusters update NAME --gateway-api=standard), or use push.url");
    let forbidden = Availability::Forbidden("httproutes is forbidden".into());
    without.availability.insert(HttpRoute, forbidden.clone());
    insta::assert_snapshot!(said(&without), @"KubernetesError: spec.push.gateway needs one HTTPRoute for each stage, but the operator may not read them: grant the operator's role get, list, watch, create, patch and delete on httproutes.gateway.networking.k8s.io (httproutes is forbidden)");
    observed.availability.insert(BackendPolicy, forbidden);
    insta::assert_snapshot!(said(&observed), @"KubernetesError: spec.push.gateway needs one GCPBackendPolicy for each stage, but the operator may not read them: grant the operator's role get, list, watch, create, patch and delete on gcpbackendpolicies.networking.gke.io (httproutes is forbidden)");
}

#[test]
fn a_host_or_a_name_of_another_owner_is_refused() {
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    let host = "fast-orders-shop.push.example.com";
    let other = "stock/orders-shop".to_owned();
    observed.taken_hosts.insert(host.into(), other);
    let problem = planned(&yaml, &observed).unwrap_err();
    assert_eq!(problem.reason, Reason::NameTaken);
    insta::assert_snapshot!(problem.message, @"the host fast-orders-shop.push.example.com of stage fast is already used by chain stock/orders-shop (namespace/name): use another spec.push.gateway.hostname, such as {stage}--{chain}--{namespace}.push.example.com");
    observed.taken_hosts.clear();
    let policies = gateway_objects_mut(&mut observed, BackendPolicy);
    let theirs = policies.get_mut("orders-slow").unwrap();
    theirs.metadata.labels = None;
    theirs.metadata.owner_references = None;
    let problem = planned(&yaml, &observed).unwrap_err();
    assert_eq!(problem.reason, Reason::NameTaken);
    insta::assert_snapshot!(problem.message, @"GCPBackendPolicy orders-slow exists and doesn't belong to this chain: rename the stage, or delete the GCPBackendPolicy");
}

#[test]
fn a_hostname_that_gives_no_host_is_refused() {
    for (template, why) in [
        ("{stage}", "it has no domain"),
        ("{stage}-.example.com", "must begin and end with"),
        ("{stage}..example.com", "must begin and end with"),
        ("push.example.com", "the same host"),
    ] {
        let yaml = under(&format!("name: external, hostname: '{template}'"));
        let problem = Desired::new(&chain(&yaml), &settings()).unwrap_err();
        assert_eq!(problem.reason, Reason::InvalidSpec);
        assert!(problem.message.contains(why), "{problem}");
        assert!(
            problem.message.contains("push.gateway.hostname"),
            "{problem}"
        );
    }
}

#[test]
fn the_status_says_whether_google_can_reach_the_push_address() {
    let told = |yaml: &str, emulator: Option<&str>| {
        let mut settings = settings();
        settings.emulator_host = emulator.map(str::to_owned);
        let desired = Desired::new(&chain(yaml), &settings).unwrap();
        let mut observed = Observed::default();
        with_gateways(&mut observed);
        settle(&mut observed, &desired);
        let before = crds::ExecutorChainStatus::default();
        let status = status(&before, &desired, &observed);
        let of = |kind: &str| {
            let mut conditions = status.conditions.iter();
            let found = conditions.find(|it| it.type_ == kind).unwrap();
            format!("{kind} {}: {}", found.status, sentence(&status, kind))
        };
        [of("PushesReachable"), of("Ready")].join("\n")
    };
    let url = |url: &str| {
        let push = format!("  project: my-project\n  push: {{url: '{url}'}}\n");
        with("  project: my-project\n", &push)
    };
    insta::assert_snapshot!(told(ORDERS, Some("emulator:8123")), @r#"
PushesReachable True: ClusterAddress: queues push to the cluster addresses of the Services, which an emulator inside the cluster can reach
Ready True: AsSpecified: every queue and every worker is as the spec says
"#);
    insta::assert_snapshot!(told(ORDERS, None), @r#"
PushesReachable False: ClusterAddress: queues push to the cluster addresses of the Services, which Google can't reach: set spec.push. Until then tasks wait in their queues
Ready False: ClusterAddress: queues push to the cluster addresses of the Services, which Google can't reach: set spec.push. Until then tasks wait in their queues
"#);
    insta::assert_snapshot!(told(&url("https://{stage}.push.example.com"), None), @r#"
PushesReachable Unknown: OwnIngress: queues push to spec.push.url; the operator doesn't check whether that address leads to the workers
Ready True: AsSpecified: every queue and every worker is as the spec says
"#);
    insta::assert_snapshot!(told(&url("http://{stage}.shop.svc.cluster.local"), None), @r#"
PushesReachable False: PrivateAddress: queues push to fast.shop.svc.cluster.local, slow.shop.svc.cluster.local, in a private network that Google can't reach: set spec.push.url to a public host. Until then tasks wait in their queues
Ready False: PrivateAddress: queues push to fast.shop.svc.cluster.local, slow.shop.svc.cluster.local, in a private network that Google can't reach: set spec.push.url to a public host. Until then tasks wait in their queues
"#);
    insta::assert_snapshot!(told(&url("http://{stage}.shop.svc.cluster.local"), Some("emulator:8123")), @r#"
PushesReachable Unknown: OwnIngress: queues push to spec.push.url; the operator doesn't check whether that address leads to the workers
Ready True: AsSpecified: every queue and every worker is as the spec says
"#);
    insta::assert_snapshot!(told(&by_gateway(), None), @r#"
PushesReachable True: RoutesAccepted: the Gateway infra/external has accepted the route of every stage
Ready True: AsSpecified: every queue and every worker is as the spec says
"#);
}

#[test]
fn the_addresses_of_an_ingress_have_the_stages_names_in_them() {
    let yaml =
        with_field("push: {url: 'https://{stage}-{chain}-{namespace}.push.example.com:8443'}");
    let desired = desired(&yaml);
    let addresses = desired
        .stages
        .iter()
        .map(|stage| format!("{:?}", stage.address));
    insta::assert_snapshot!(addresses.collect::<Vec<_>>().join("\n"), @r#"
Address { scheme: Https, host: "fast-orders-shop.push.example.com", port: 8443 }
Address { scheme: Https, host: "slow-orders-shop.push.example.com", port: 8443 }
"#);
    let long = yaml.replace("name: fast", &format!("name: {}", "x".repeat(60)));
    let problem = Desired::new(&chain(&long), &settings()).unwrap_err();
    assert!(problem.message.contains("spec.push.url gives"), "{problem}");
}

#[test]
fn a_second_plan_changes_nothing() {
    let yaml = by_gateway();
    let mut observed = settled(&yaml);
    let hash = |observed: &Observed| {
        let routes = observed.gateway_objects(HttpRoute);
        let hashes = routes.map(|(_, route)| route.annotations().clone());
        hashes.collect::<Vec<_>>()
    };
    let before = hash(&observed);
    assert!(round(&mut observed, &yaml, 3600, 0).is_empty());
    assert_eq!(hash(&observed), before);
}
