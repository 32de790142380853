//! The operator under exactly the roles of the chart: they are enough for all that it does, it does all
//! that they allow, and without one it shows that something is missing.

use futures::future::join_all;
use serde_json::Value;
use testkit::{ApiServer, Emulator, eventually};

use crate::rendered::{RELEASE, Rendered};
use crate::scenario::{
    Operator, QUICK, SOON, Testbed, chain, condition, granted, used, watchful_server,
};

/// People on call, and those who may discard, each of whom must name themselves.
const PEOPLE: &str = "rbac: {oncall: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}], discard: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: leads}]}\noverrides: {requireBy: true}";

/// A release whose objects are there, but for its pods.
async fn install(server: &ApiServer, namespace: &str, rendered: &Rendered) {
    create_namespaces(server, &[namespace]).await;
    let apply = ["apply", "-f", "-"];
    let objects = rendered.without("Deployment");
    let applied = server.kubectl_with_input(&apply, &objects).await;
    applied.expect_ok();
}

async fn create_namespaces(server: &ApiServer, names: &[&str]) {
    for name in names {
        let create = ["create", "namespace", name];
        server.kubectl(&create).await.expect_ok();
    }
}

fn values(emulator: &Emulator, more: &str) -> String {
    format!("{QUICK}emulatorHost: '{}'\n{more}", emulator.addr())
}

/// All that an operator ever does: it makes, changes, removes, releases, gives back.
async fn works(server: &ApiServer, namespaces: [&str; 2], operator: &Operator) {
    let first = Testbed::new(server, namespaces[0]).await;
    let second = Testbed::new(server, namespaces[1]).await;
    first
        .apply(&chain("orders", "Retain", &["fast", "middle", "slow"]))
        .await;
    first.settle("orders", operator).await;
    // A status that isn't what was written is read anew.
    first.forge("orders").await;
    eventually("a status that is put right", SOON, async || {
        let path = first.status("orders").await["path"].clone();
        (path != "forged", path)
    })
    .await;
    first.overrides("orders").await;
    first.redrives("orders").await;
    first.revisions("orders").await;
    // A stage that is removed takes its Deployment and its Service along when it has drained.
    first
        .apply(&chain("orders", "Retain", &["fast", "slow"]))
        .await;
    first.has_workers("orders", &["fast", "slow"]).await;
    first.settle("orders", operator).await;

    second.apply(&chain("parcels", "Orphan", &["fast"])).await;
    second.settle("parcels", operator).await;
    second.delete("parcels").await;
    second.has_workers("parcels", &["fast"]).await;
    let left = second
        .deployments
        .list(&kube::api::ListParams::default())
        .await;
    for deployment in left.unwrap() {
        let owners = deployment.metadata.owner_references.unwrap_or_default();
        let owners: Vec<&str> = owners.iter().map(|owner| &*owner.kind).collect();
        assert_eq!(owners, ["Namespace"]);
    }
    first.delete("orders").await;
    operator.process.terminate();
    assert_eq!(operator.process.exit(SOON).await, 0);
}

#[tokio::test]
async fn roles_in_named_namespaces_are_enough_and_no_more_than_that() {
    let server = watchful_server().await;
    let emulator = Emulator::start().await;
    create_namespaces(&server, &["shop", "hall"]).await;
    let values = values(&emulator, "watchNamespaces: [shop, hall]");
    let rendered = Rendered::of(&values).await;
    install(&server, "system", &rendered).await;
    let operator = Operator::start(&server, "system", &rendered).await;
    // A chain where it has no right to look is nobody's business.
    create_namespaces(&server, &["yard"]).await;
    let yard = Testbed::new(&server, "yard").await;
    server.serves_chains().await;
    yard.apply(&chain("alien", "Retain", &["fast"])).await;
    works(&server, ["shop", "hall"], &operator).await;
    assert_eq!(yard.status("alien").await, Value::Null);
    let (used, refused) = used(&server, "system");
    assert_eq!(refused, [""; 0]);
    assert_eq!(used, granted(&rendered));
    // Its own Lease, and no other; the namespaces that it serves, and no other.
    let may = async |verb: &str, what: &str, namespace: &str| {
        let account = format!("--as=system:serviceaccount:system:{RELEASE}");
        let ask = ["auth", "can-i", verb, what, "-n", namespace, &account];
        server.kubectl(&ask).await.stdout.trim().to_owned()
    };
    assert_eq!(
        may("update", "leases/executor-chain", "system").await,
        "yes"
    );
    assert_eq!(may("update", "leases/another", "system").await, "no");
    assert_eq!(may("get", "namespaces/kube-system", "shop").await, "yes");
    assert_eq!(may("get", "namespaces/shop", "shop").await, "yes");
    assert_eq!(may("get", "namespaces/yard", "yard").await, "no");
    assert_eq!(may("patch", "deployments", "shop").await, "yes");
    assert_eq!(may("patch", "deployments", "system").await, "no");
    assert_eq!(may("get", "secrets", "shop").await, "no");
}

#[tokio::test]
async fn a_role_of_the_cluster_is_enough_and_no_more_than_that() {
    let server = watchful_server().await;
    let emulator = Emulator::start().await;
    create_namespaces(&server, &["shop", "hall"]).await;
    let rendered = Rendered::of(&values(&emulator, "")).await;
    install(&server, "system", &rendered).await;
    let operator = Operator::start(&server, "system", &rendered).await;
    eventually("an operator that could lead", SOON, async || {
        operator.answers("/readyz").await == 200
    })
    .await;
    works(&server, ["shop", "hall"], &operator).await;
    let (used, refused) = used(&server, "system");
    assert_eq!(refused, [""; 0]);
    assert_eq!(used, granted(&rendered));
}

#[tokio::test]
async fn viewers_may_look_and_change_nothing() {
    let server = watchful_server().await;
    create_namespaces(&server, &["shop"]).await;
    let values =
        "rbac: {viewers: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}]}";
    let rendered = Rendered::of(values).await;
    install(&server, "system", &rendered).await;
    for (verb, what, namespace, may) in [
        ("list", "executorchains.executor-chain.dev", "shop", "yes"),
        ("get", "leases/executor-chain", "system", "yes"),
        ("list", "pods", "system", "yes"),
        // The verbs of a forwarded port, with and without WebSocket.
        ("get", "pods --subresource=portforward", "system", "yes"),
        ("create", "pods --subresource=portforward", "system", "yes"),
        ("get", "leases/another", "system", "no"),
        ("update", "leases/executor-chain", "system", "no"),
        ("patch", "executorchains.executor-chain.dev", "shop", "no"),
        ("list", "pods", "shop", "no"),
        ("get", "pods --subresource=portforward", "shop", "no"),
        ("create", "pods --subresource=exec", "system", "no"),
        ("get", "pods --subresource=log", "system", "no"),
        ("delete", "pods", "system", "no"),
        ("get", "secrets", "system", "no"),
    ] {
        let person = ["--as=ann", "--as-group=on-call"];
        let what: Vec<&str> = what.split(' ').collect();
        let ask = ["auth", "can-i", verb, "-n", namespace];
        let ask = [&ask[..], &what, &person].concat();
        let row = format!("{verb} {what:?} in {namespace}: {may}");
        // A role that was just bound is known to the API server a little later.
        eventually(&row, SOON, async || {
            let said = server.kubectl(&ask).await.stdout;
            (said.trim() == may, said)
        })
        .await;
    }
}

/// Point by point what people on call and those who may discard may do, and what they must not.
#[tokio::test]
async fn people_on_call_may_make_overrides_and_redrives_and_nothing_else() {
    let server = watchful_server().await;
    create_namespaces(&server, &["shop"]).await;
    let rendered = Rendered::of(PEOPLE).await;
    install(&server, "system", &rendered).await;
    let overrides = "chainoverrides.executor-chain.dev";
    let redrives = "chainredrives.executor-chain.dev";
    let discards = "chaindiscards.executor-chain.dev";
    let chains = "executorchains.executor-chain.dev";
    // The verb, the resource, whether people on call may, and whether the leads may.
    for (verb, what, on_call, leads) in [
        ("create", overrides, "yes", "no"),
        ("patch", overrides, "yes", "no"),
        ("get", overrides, "yes", "no"),
        ("list", overrides, "yes", "no"),
        ("watch", overrides, "yes", "no"),
        ("delete", overrides, "no", "no"),
        ("create", redrives, "yes", "no"),
        ("patch", redrives, "yes", "no"),
        ("get", redrives, "yes", "no"),
        ("list", redrives, "yes", "no"),
        ("delete", redrives, "no", "no"),
        ("create", discards, "no", "yes"),
        ("patch", discards, "no", "yes"),
        ("list", discards, "yes", "yes"),
        ("delete", discards, "no", "no"),
        (
            "patch",
            "chainredrives.executor-chain.dev --subresource=status",
            "no",
            "no",
        ),
        (
            "patch",
            "chaindiscards.executor-chain.dev --subresource=status",
            "no",
            "no",
        ),
        (
            "update",
            "chainoverrides.executor-chain.dev --subresource=status",
            "no",
            "no",
        ),
        (
            "patch",
            "chainoverrides.executor-chain.dev --subresource=status",
            "no",
            "no",
        ),
        ("get", chains, "no", "no"),
        ("patch", chains, "no", "no"),
        ("update", chains, "no", "no"),
        ("create", chains, "no", "no"),
        ("delete", chains, "no", "no"),
        (
            "patch",
            "executorchains.executor-chain.dev --subresource=status",
            "no",
            "no",
        ),
        ("patch", "deployments.apps", "no", "no"),
        ("patch", "deployments.apps --subresource=scale", "no", "no"),
        ("create", "pods", "no", "no"),
        ("create", "pods --subresource=exec", "no", "no"),
        ("create", "pods --subresource=portforward", "no", "no"),
        ("get", "secrets", "no", "no"),
        (
            "create",
            "rolebindings.rbac.authorization.k8s.io",
            "no",
            "no",
        ),
    ] {
        for (group, may) in [("on-call", on_call), ("leads", leads)] {
            let group = format!("--as-group={group}");
            let person = ["--as=ann", &group];
            let what: Vec<&str> = what.split(' ').collect();
            let ask = ["auth", "can-i", verb, "-n", "shop"];
            let ask = [&ask[..], &what, &person].concat();
            let row = format!("{verb} {what:?} {group}: {may}");
            eventually(&row, SOON, async || {
                let said = server.kubectl(&ask).await.stdout;
                (said.trim() == may, said)
            })
            .await;
        }
    }
}

/// With `overrides.requireBy`, what a redrive or a discard says of people is true, and stays.
#[tokio::test]
async fn redrives_and_discards_name_who_made_and_stopped_them() {
    let server = watchful_server().await;
    create_namespaces(&server, &["shop"]).await;
    let rendered = Rendered::of(PEOPLE).await;
    install(&server, "system", &rendered).await;
    for (kind, group, own) in [
        ("ChainRedrive", "on-call", "to: fast, rate: 20, "),
        ("ChainDiscard", "leads", ""),
    ] {
        let group = format!("--as-group={group}");
        let apply = async |name: &str, spec: &str| {
            let apply = ["apply", "--server-side", "-n", "shop", "-f", "-"];
            let manifest = format!(
                "apiVersion: executor-chain.dev/v1alpha1\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{chain: orders, {own}all: true, reason: INC-42{spec}}}\n"
            );
            let apply = [&apply[..], &["--as=ann", &group]].concat();
            server.kubectl_with_input(&apply, &manifest).await
        };
        // A policy that was just made is known to the API server a little later.
        let sentence = "spec.by must be your user name, ann: kubectl chain sets it";
        eventually(
            "a refusal of who pretends to be another",
            SOON,
            async || {
                let delete = ["delete", kind, "of-bob", "-n", "shop", "--ignore-not-found"];
                server.kubectl(&delete).await;
                let refused = apply("of-bob", ", by: bob").await;
                (
                    !refused.ok && refused.stderr.contains(sentence),
                    refused.stderr,
                )
            },
        )
        .await;
        let forged = apply("forged", ", by: ann, stopped: true, stoppedBy: bob").await;
        let sentence = "is created before it is stopped";
        assert!(forged.stderr.contains(sentence), "{forged:?}");
        apply("of-ann", ", by: ann").await.expect_ok();
        let stopped = apply("of-ann", ", by: ann, stopped: true, stoppedBy: bob").await;
        let sentence = "spec.stoppedBy must be your user name, ann";
        assert!(stopped.stderr.contains(sentence), "{stopped:?}");
        apply("of-ann", ", by: ann, stopped: true, stoppedBy: ann")
            .await
            .expect_ok();
    }
}

/// With `overrides.requireBy`, what an override says of people is true, and stays.
#[tokio::test]
async fn overrides_name_who_made_and_ended_them() {
    let server = watchful_server().await;
    create_namespaces(&server, &["shop"]).await;
    let values = "rbac: {oncall: [{apiGroup: rbac.authorization.k8s.io, kind: Group, name: on-call}]}\noverrides: {requireBy: true}";
    let rendered = Rendered::of(values).await;
    install(&server, "system", &rendered).await;
    let overrides = "chainoverrides.executor-chain.dev";
    let apply = async |name: &str, spec: &str| {
        let person = ["--as=ann", "--as-group=on-call"];
        let apply = ["apply", "--server-side", "-n", "shop", "-f", "-"];
        let manifest = format!(
            "apiVersion: executor-chain.dev/v1alpha1\nkind: ChainOverride\nmetadata: {{name: {name}}}\nspec: {{chain: orders, stages: [fast], paused: true, for: 10m, reason: INC-42{spec}}}\n"
        );
        let apply = [&apply[..], &person].concat();
        server.kubectl_with_input(&apply, &manifest).await
    };
    // A policy that was just made is known to the API server a little later.
    let sentence = "spec.by must be your user name, ann: kubectl chain sets it";
    eventually(
        "a refusal of who pretends to be another",
        SOON,
        async || {
            let name = "of-bob";
            let delete = [
                "delete",
                overrides,
                name,
                "-n",
                "shop",
                "--ignore-not-found",
            ];
            server.kubectl(&delete).await;
            let refused = apply(name, ", by: bob").await;
            (
                !refused.ok && refused.stderr.contains(sentence),
                refused.stderr,
            )
        },
    )
    .await;
    let nameless = apply("nameless", "").await;
    assert!(nameless.stderr.contains(sentence), "{nameless:?}");
    let forged = apply("forged", ", by: ann, ended: true, endedBy: bob").await;
    let sentence = "an override is created before it is ended";
    assert!(forged.stderr.contains(sentence), "{forged:?}");
    apply("of-ann", ", by: ann").await.expect_ok();
    let finalizer = r#"{"metadata": {"finalizers": ["example.com/stays"]}}"#;
    let patch = [
        "patch",
        overrides,
        "of-ann",
        "-n",
        "shop",
        "--type=merge",
        "-p",
        finalizer,
    ];
    let patch = [&patch[..], &["--as=ann", "--as-group=on-call"]].concat();
    let stays = server.kubectl(&patch).await;
    assert!(
        stays.stderr.contains("nothing else may delete it"),
        "{stays:?}"
    );
    let ended = apply("of-ann", ", by: ann, ended: true, endedBy: bob").await;
    let sentence = "spec.endedBy must be your user name, ann";
    assert!(ended.stderr.contains(sentence), "{ended:?}");
    apply("of-ann", ", by: ann, ended: true, endedBy: ann")
        .await
        .expect_ok();
}

/// Where a missing right shows.
#[derive(Debug, Clone, Copy)]
enum Shows {
    /// The chain is not ready, and its condition has the API server's words.
    InTheChain,
    /// Rounds fail, and are counted: the chain itself can't be told.
    InRounds,
    /// Failures of watches are counted, which an alert is made from.
    InWatches,
    InTheProbe,
    AtTheEnd,
}

/// Resource, verb or all of the rule's, and how it shows.
const MISSING: &[(&str, Option<&str>, Shows)] = &[
    ("executorchains", None, Shows::InTheProbe),
    ("executorchains", Some("get"), Shows::InRounds),
    ("executorchains", Some("watch"), Shows::InWatches),
    ("executorchains", Some("patch"), Shows::InTheChain),
    ("executorchains/status", None, Shows::InRounds),
    ("chainoverrides", Some("list"), Shows::InTheChain),
    ("chainoverrides", Some("watch"), Shows::InWatches),
    ("chainredrives", Some("list"), Shows::InWatches),
    ("chaindiscards", Some("watch"), Shows::InWatches),
    ("deployments", Some("list"), Shows::InTheChain),
    ("deployments", Some("create"), Shows::InTheChain),
    ("services", Some("patch"), Shows::InTheChain),
    ("services", Some("watch"), Shows::InWatches),
    ("pods", None, Shows::InTheChain),
    ("pods", Some("watch"), Shows::InWatches),
    ("httproutes", Some("create"), Shows::InTheChain),
    ("httproutes", Some("list"), Shows::InTheChain),
    ("gcpbackendpolicies", Some("patch"), Shows::InTheChain),
    ("namespaces", None, Shows::AtTheEnd),
    ("leases", None, Shows::InTheProbe),
];

/// Takes a right out of every role that gives it.
fn cut(list: &str, resource: &str, verb: Option<&str>) -> String {
    let mut list: Value = serde_json::from_str(list).unwrap();
    let mut count = 0;
    for item in list["items"].as_array_mut().unwrap() {
        let Some(rules) = item["rules"].as_array_mut() else {
            continue;
        };
        rules.retain_mut(|rule| {
            if !rule["resources"]
                .as_array()
                .unwrap()
                .contains(&resource.into())
            {
                return true;
            }
            let verbs = rule["verbs"].as_array_mut().unwrap();
            let before = verbs.len();
            verbs.retain(|it| verb.is_some_and(|verb| it != verb));
            count += before - verbs.len();
            !verbs.is_empty()
        });
    }
    assert!(count > 0, "{resource} {verb:?}: no role gives it");
    list.to_string()
}

#[tokio::test]
async fn what_is_missing_shows() {
    let server = watchful_server().await;
    let emulator = Emulator::start().await;
    server.install_crd(testkit::CRD).await;
    server.install_override_crd().await;
    server.install_redrive_crds().await;
    let rows = MISSING.iter().enumerate().map(async |(row, missing)| {
        let namespace = format!("cut-{row}");
        shows(&server, &emulator, &namespace, *missing).await;
    });
    // Some at a time: each is a process.
    let mut rows: Vec<_> = rows.collect();
    while !rows.is_empty() {
        let next: Vec<_> = rows.drain(..rows.len().min(4)).collect();
        join_all(next).await;
    }
}

async fn shows(
    server: &ApiServer,
    emulator: &Emulator,
    namespace: &str,
    (resource, verb, shows): (&str, Option<&str>, Shows),
) {
    let more = format!("watchNamespaces: [{namespace}]\ncrds: {{install: false}}");
    let rendered = Rendered::in_namespace(namespace, &values(emulator, &more)).await;
    create_namespaces(server, &[namespace]).await;
    let objects = cut(&rendered.without("Deployment"), resource, verb);
    let apply = ["apply", "-f", "-"];
    server
        .kubectl_with_input(&apply, &objects)
        .await
        .expect_ok();
    let operator = Operator::start(server, namespace, &rendered).await;
    let testbed = Testbed::new(server, namespace).await;
    server.serves_chains().await;
    testbed.apply(&chain(namespace, "Retain", &["fast"])).await;
    let what = format!("{shows:?} that {resource} {verb:?} is missing");
    let seen = async || match shows {
        Shows::InTheChain => {
            let (status, message) = condition(&testbed.status(namespace).await, "Ready");
            let is_told = status == "False" && message.contains("cannot ");
            (is_told, message)
        }
        Shows::InRounds => {
            // Only one that isn't what was written is read.
            if resource == "executorchains" {
                testbed.forge(namespace).await;
            }
            let metric = r#"executor_operator_reconciles_total{reason="KubernetesError"} "#;
            let count = operator.metric(metric).await;
            (count > 1, count.to_string())
        }
        Shows::InWatches => {
            let count = operator
                .metric("executor_operator_watch_failures_total ")
                .await;
            (count > 1, count.to_string())
        }
        Shows::InTheProbe => {
            let (_, refused) = used(server, namespace);
            let asked = refused
                .iter()
                .filter(|it| it.ends_with(&format!(" {resource}")));
            // More than once: it goes on asking, and is not ready meanwhile.
            let asked = asked.count() > 2 && operator.answers("/readyz").await == 503;
            (asked, format!("{refused:?}"))
        }
        Shows::AtTheEnd => {
            let code = operator.process.exit_code();
            let failed = code.is_some_and(|code| code != 0);
            (failed, format!("{code:?}"))
        }
    };
    eventually(&what, SOON, async || {
        let (shows, seen) = seen().await;
        (shows, format!("{seen}\n{}", operator.process.log_tail()))
    })
    .await;
}
