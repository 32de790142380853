//! Two namespaces whose chains may use different things.

use cloudtasks::QueueState;
use serde_json::{Value, json};
use testkit::{Emulator, eventually};

use crate::phases::put_task;
use crate::testbed::{ORDERS, Queues, SOON, Testbed, named, with_emulator};

const PATIENCE: &[&str] = &["--deletion-patience", "3s"];
const TENANTS: &str = "TENANTS";

/// What the chains of a tenant may use.
fn entry(tenant: &str) -> Value {
    json!({
        "projects": ["demo"],
        "queuePrefixes": [format!("{tenant}-")],
        "serviceAccounts": [format!("{tenant}@demo.example")],
        "pushHosts": [format!("*.{tenant}.example.com")],
    })
}

/// A chain of a tenant that uses one of each.
fn chain_of(tenant: &str) -> String {
    let token = format!("oidc: {{serviceAccountEmail: {tenant}@demo.example, ");
    let url = format!(
        "https://events.{tenant}.example.com/', {token}audience: events}}}}\n  {token}audiences: [push]}}\n  push: {{url: 'https://{{stage}}.{tenant}.example.com'}}"
    );
    named(tenant, ORDERS)
        .replace(
            &format!("queue: {tenant}"),
            &format!("queue: {tenant}-incoming"),
        )
        .replace("queue: orders-", &format!("queue: {tenant}-"))
        .replace("https://api.example.com/task-events'}", &url)
}

/// Serves a further namespace, which it returns, and knows the tenants shop and hall: shop is the testbed's
/// own namespace.
async fn two_tenants(prefix: &str) -> (Testbed, Emulator, Queues, String) {
    let server = testkit::ApiServer::shared_with_crd().await;
    let hall = server.namespace("hall").await;
    let (mut testbed, emulator, queues) = Testbed::with(prefix, &["--namespace", &hall]).await;
    let tenants = json!({&testbed.namespace: entry("shop"), &hall: entry("hall")});
    testbed.restart_with(TENANTS, &tenants.to_string()).await;
    (testbed, emulator, queues, hall)
}

/// The queues of all projects' location of this name.
async fn ids(queues: &Queues) -> Vec<String> {
    let all = queues.all().await.into_iter();
    all.map(|queue| queue.path.id.to_string()).collect()
}

#[tokio::test]
async fn what_another_tenant_may_use_is_refused_with_its_sentence() {
    let (testbed, _emulator, queues, hall) = two_tenants("tenants").await;
    let args = ["-n", &hall, "apply", "-f", "-"];
    let of_hall = chain_of("hall");
    let applied = testbed.server.kubectl_with_input(&args, &of_hall).await;
    applied.expect_ok();
    queues.becomes("hall-incoming", "a queue", |_| true).await;

    let gateway = "push: {gateway: {name: external, hostname: '{stage}.hall.example.com'}}";
    let rows = [
        (
            "project: demo",
            "project: theirs",
            "project theirs is not allowed: chains in namespace NAMESPACE may use only the projects demo. Use one of these, or ask the administrator",
        ),
        (
            "queue: shop-incoming-2",
            "queue: hall-incoming-9",
            "queue hall-incoming-9 of stage middle is not allowed: chains in namespace NAMESPACE may use only queues that begin with shop-. Use",
        ),
        (
            "queue: shop-notifier",
            "queue: hall-notifier",
            "queue hall-notifier of the notifier is not allowed",
        ),
        (
            "shop@demo.example, audiences",
            "hall@demo.example, audiences",
            "service account hall@demo.example of oidc is not allowed: chains in namespace NAMESPACE may use only the service accounts shop@demo.example. Use",
        ),
        (
            "shop@demo.example, audience:",
            "hall@demo.example, audience:",
            "service account hall@demo.example of notifier.oidc is not allowed",
        ),
        (
            "{stage}.shop.example.com",
            "{stage}.hall.example.com",
            "host fast.hall.example.com of stage fast is not allowed: chains in namespace NAMESPACE may use only the push hosts *.shop.example.com. Use",
        ),
        (
            "push: {url: 'https://{stage}.shop.example.com'}",
            gateway,
            "host fast.hall.example.com of stage fast is not allowed",
        ),
        (
            "https://events.shop.example.com/",
            "https://fast.hall.example.com/",
            "the host of notifier.url https://fast.hall.example.com/ with notifier.oidc is not allowed",
        ),
    ];
    for (index, (from, to, _)) in rows.iter().enumerate() {
        let manifest = chain_of("shop");
        assert!(
            manifest.contains(from),
            "nothing to replace: {from}\n{manifest}"
        );
        let name = format!("name: refused-{index}}}");
        let manifest = manifest.replace(from, to).replace("name: shop}", &name);
        testbed.apply(&manifest).await;
    }
    for (index, (_, _, sentence)) in rows.iter().enumerate() {
        let chain = format!("refused-{index}");
        let said = testbed.not_ready(&chain, "NotAllowed").await;
        let sentence = sentence.replace("NAMESPACE", &testbed.namespace);
        assert!(said.contains(&sentence), "{said}");
        // It has nothing to finalize.
        testbed.delete(&chain).await;
    }
    let left = ids(&queues).await;
    assert!(left.iter().all(|id| id.starts_with("hall-")), "{left:?}");
    assert!(testbed.list_deployments().await.is_empty());

    testbed.apply(&chain_of("shop")).await;
    testbed.settle("shop").await;
}

#[tokio::test]
async fn a_chain_is_served_after_the_administrator_has_allowed_what_it_names() {
    let (mut testbed, _emulator, _queues) = with_emulator("widened").await;
    let none = json!({"other": {}});
    testbed.restart_with(TENANTS, &none.to_string()).await;
    testbed.apply(ORDERS).await;
    let said = testbed.not_ready("orders", "NotAllowed").await;
    assert!(said.contains("so its chains may use nothing"), "{said}");
    let others = json!({"*": {"queuePrefixes": ["incoming", "orders-"]}});
    testbed.restart_with(TENANTS, &others.to_string()).await;
    testbed.settle("orders").await;
}

#[tokio::test]
async fn an_edit_that_is_not_allowed_changes_nothing() {
    let (mut testbed, _emulator, queues) = with_emulator("edited").await;
    let tenants = json!({"*": {"queuePrefixes": ["incoming", "orders-"]}});
    testbed.restart_with(TENANTS, &tenants.to_string()).await;
    testbed.apply(ORDERS).await;
    testbed.settle("orders").await;
    let before = (queues.all().await, testbed.deployment_versions().await);
    let more = "  - {name: last, queue: theirs, maxAttempts: 1}\n";
    let edited = ORDERS.replace("maxAttempts: 3", "maxAttempts: 4") + more;
    testbed.apply(&edited).await;
    let said = testbed.not_ready("orders", "NotAllowed").await;
    assert!(said.contains("queue theirs of stage last"), "{said}");
    testbed.rounds_pass("orders", 2).await;
    let after = (queues.all().await, testbed.deployment_versions().await);
    assert_eq!(after, before);
}

#[tokio::test]
async fn a_chain_that_is_no_longer_allowed_goes_on_and_is_deleted_by_its_policy() {
    let (mut testbed, _emulator, queues) = Testbed::with("tightened", PATIENCE).await;
    let policies = ["Retain", "Drain", "Delete", "Orphan"];
    let name = |policy: &str| policy.to_lowercase();
    for policy in policies {
        let spec = format!("  project: demo\n  deletionPolicy: {policy}\n");
        let manifest = named(&name(policy), ORDERS).replace("  project: demo\n", &spec);
        testbed.apply(&manifest).await;
    }
    for policy in policies {
        testbed.settle(&name(policy)).await;
        put_task(&queues, &format!("{}-2", name(policy))).await;
    }
    let before = (queues.all().await, testbed.deployment_versions().await);

    let tenants = json!({"*": {"projects": ["another"]}});
    testbed.restart_with(TENANTS, &tenants.to_string()).await;
    for policy in policies {
        testbed.not_ready(&name(policy), "NotAllowed").await;
        testbed.rounds_pass(&name(policy), 1).await;
    }
    let after = (queues.all().await, testbed.deployment_versions().await);
    assert_eq!(after, before, "its workers go on");

    // Then only the spec says where its queues are.
    let workers = [
        "delete",
        "deployment",
        "-l",
        "executor-chain.dev/chain=retain",
    ];
    testbed.kubectl(&workers).await.expect_ok();
    for policy in policies {
        testbed.delete(&name(policy)).await;
    }
    for (policy, state) in [
        ("retain-2", QueueState::Paused),
        ("drain-2", QueueState::Paused),
        ("orphan-2", QueueState::Running),
    ] {
        assert_eq!(queues.get(policy).await.state, state, "{policy}");
    }
    let left = ids(&queues).await;
    assert!(!left.iter().any(|id| id.starts_with("delete")), "{left:?}");
    let orphans = async || {
        let left = testbed.deployment_versions().await;
        left.keys().all(|name| name.starts_with("orphan-"))
    };
    eventually("the orphan's workers alone", SOON, orphans).await;
}

#[tokio::test]
async fn an_edit_that_is_refused_sets_no_limits_and_leaves_none_to_others() {
    let (testbed, _emulator, queues, hall) = two_tenants("refused-edits").await;
    let limited = |chain: &str, rate: &str| {
        let limits = format!("-notifier, rateLimits: {{maxDispatchesPerSecond: {rate}}}, ");
        chain.replace("-notifier, ", &limits)
    };
    let shop = limited(&chain_of("shop"), "5");
    testbed.apply(&shop).await;
    queues.has_rate("shop-notifier", 5.0).await;
    testbed.settle("shop").await;
    // A chain of hall has used its queue, and has released it.
    let in_hall = async |args: &[&str], input: &str| {
        let args = [&["-n", hall.as_str()], args].concat();
        let done = testbed.server.kubectl_with_input(&args, input).await;
        done.expect_ok();
    };
    let of_hall = chain_of("hall");
    in_hall(&["apply", "-f", "-"], &of_hall).await;
    queues.becomes("hall-incoming", "a queue", |_| true).await;
    in_hall(&["delete", "chain", "hall", "--timeout=20s"], "").await;

    let refused = shop.replace("queue: shop-notifier", "queue: hall-notifier");
    testbed.apply(&refused).await;
    testbed.not_ready("shop", "NotAllowed").await;
    in_hall(&["apply", "-f", "-"], &limited(&of_hall, "7")).await;
    queues.has_rate("hall-notifier", 7.0).await;

    // Its workers still notify through its former queue.
    let more = limited(&chain_of("shop"), "9")
        .replace("name: shop}", "name: more}")
        .replace("{stage}.shop", "{stage}-more.shop")
        .replace("queue: shop-incoming", "queue: shop-more");
    testbed.apply(&more).await;
    let rival = "QueuesReady=False QueueOwnedByAnother";
    testbed.says("more", rival).await;
    testbed.rounds_pass("more", 2).await;
    queues.has_rate("shop-notifier", 5.0).await;
}
