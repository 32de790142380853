//! What a namespace's chains may use, and the sentence that refuses the rest.

use crds::conditions::Reason;
use plan::{Desired, Problem, Settings, Tenants, refuse_not_allowed};
use serde_json::{Value, json};

use crate::golden::with_field;
use crate::world::{ORDERS, chain, settings};

const PUSHER: &str = "pusher@my-project.iam.gserviceaccount.com";

/// Tokens to the stages' own ingress, and one to the receiver of notifications.
fn public() -> String {
    let notifier = format!(
        "task-events', oidc: {{serviceAccountEmail: {PUSHER}, audience: events}}}}\n  oidc: {{serviceAccountEmail: {PUSHER}, audiences: [orders]}}\n  push: {{url: 'https://{{stage}}.{{namespace}}.push.example.com'}}"
    );
    ORDERS.replace("task-events'}", &notifier)
}

/// Everything that `public` names.
fn all() -> Value {
    json!({
        "projects": ["other", "my-project"],
        "queuePrefixes": ["incoming", "orders-"],
        "serviceAccounts": [PUSHER],
        "pushHosts": ["api.example.com", "*.push.example.com"],
    })
}

fn refusal(yaml: &str, tenants: &Value) -> Result<(), Problem> {
    let settings = Settings {
        tenants: tenants.to_string().parse::<Tenants>().unwrap(),
        ..settings()
    };
    let desired = Desired::new(&chain(yaml), &settings).unwrap();
    refuse_not_allowed(&desired, &settings.tenants)
}

#[test]
fn what_the_entry_of_the_namespace_allows_is_not_refused() {
    let empty =
        json!({"projects": [], "queuePrefixes": [], "serviceAccounts": [], "pushHosts": []});
    for tenants in [
        json!({}),
        json!({"shop": {}}),
        json!({"shop": all()}),
        json!({"*": all()}),
        json!({"shop": all(), "*": empty, "hall": empty}),
    ] {
        assert_eq!(refusal(&public(), &tenants), Ok(()), "{tenants}");
    }
}

#[test]
fn a_chain_without_push_and_tokens_needs_neither_hosts_nor_accounts() {
    let tenants = json!({"shop": {"serviceAccounts": [], "pushHosts": []}});
    assert_eq!(refusal(ORDERS, &tenants), Ok(()));
}

/// Everything allowed, but for a list of its own.
fn with_list(field: &str, list: Value) -> Value {
    let mut tenant = all();
    tenant[field] = list;
    json!({ "shop": tenant })
}

fn replaced(from: &str, to: &str) -> String {
    assert!(public().contains(from), "{from}");
    public().replace(from, to)
}

fn gateway(hostname: &str) -> String {
    let gateway = format!("gateway: {{name: external, hostname: '{hostname}'}}");
    replaced(
        "url: 'https://{stage}.{namespace}.push.example.com'",
        &gateway,
    )
}

fn are_refused(rows: &[(String, Value, &str)]) {
    for (yaml, tenants, sentence) in rows {
        let problem = refusal(yaml, tenants).unwrap_err();
        assert_eq!(problem.reason, Reason::NotAllowed);
        assert!(problem.message.contains(sentence), "{problem}\n{sentence}");
    }
}

#[test]
fn what_is_not_in_a_list_is_refused_with_what_is() {
    are_refused(&[
        (
            public(),
            json!({"hall": {}}),
            "the operator's tenants have no entry for namespace shop, so its chains may use nothing: ask the administrator",
        ),
        (
            public(),
            with_list("projects", json!(["demo", "other"])),
            "project my-project is not allowed: chains in namespace shop may use only the projects demo, other. Use one of these, or ask the administrator to change the operator's tenants (a value of its chart)",
        ),
        (
            public(),
            with_list("projects", json!([])),
            "project my-project is not allowed: chains in namespace shop may use no projects. To use it, ask",
        ),
        (
            public(),
            with_list("queuePrefixes", json!(["incoming"])),
            "queue orders-notifier of the notifier is not allowed: chains in namespace shop may use only queues that begin with incoming. Use",
        ),
        (
            with_field("parking: {queue: parked}"),
            with_list("queuePrefixes", json!(["incoming", "orders-"])),
            "queue parked of parking is not allowed: chains in namespace shop may use only queues that begin with incoming, orders-. Use",
        ),
        (
            replaced("queue: incoming-2", "queue: hall-2"),
            json!({"shop": all()}),
            "queue hall-2 of stage slow is not allowed",
        ),
        (
            // Case matters in the names of queues.
            replaced("queue: incoming-2", "queue: Incoming-2"),
            json!({"shop": all()}),
            "queue Incoming-2 of stage slow is not allowed",
        ),
        (
            public(),
            with_list("serviceAccounts", json!(["a@b.example"])),
            "service account pusher@my-project.iam.gserviceaccount.com of oidc is not allowed: chains in namespace shop may use only the service accounts a@b.example. Use",
        ),
        (
            replaced(
                &format!("{PUSHER}, audience: events"),
                "a@b.example, audience: events",
            ),
            json!({"shop": all()}),
            "service account a@b.example of notifier.oidc is not allowed",
        ),
    ]);
}

#[test]
fn a_host_that_gets_tokens_is_refused_wherever_it_is_named() {
    let rows = [
        (
            replaced(
                "{stage}.{namespace}.push.example.com",
                "{stage}.hall.svc.cluster.local",
            ),
            "host fast.hall.svc.cluster.local of stage fast is not allowed: chains in namespace shop may use only the push hosts api.example.com, *.push.example.com. Use",
        ),
        (
            gateway("{stage}.hall.example.com"),
            "host fast.hall.example.com of stage fast is not allowed",
        ),
        (
            replaced("api.example.com", "fast.hall.example.com"),
            "the host of notifier.url https://fast.hall.example.com/task-events with notifier.oidc is not allowed",
        ),
        (
            replaced("api.example.com", "api.example.com@hall.example.com"),
            "the host of notifier.url https://api.example.com@hall.example.com/task-events with",
        ),
        (
            replaced("api.example.com", "hall.example.com@api.example.com"),
            "the host of notifier.url https://hall.example.com@api.example.com/task-events with",
        ),
    ];
    are_refused(&rows.map(|(yaml, sentence)| (yaml, json!({"shop": all()}), sentence)));
    // Each stage has a host.
    let fast = json!(["fast.shop.push.example.com", "api.example.com"]);
    let of_slow = "host slow.shop.push.example.com of stage slow is not allowed";
    are_refused(&[(public(), with_list("pushHosts", fast), of_slow)]);
    let by_gateway = gateway("{stage}.{namespace}.push.example.com");
    assert_eq!(refusal(&by_gateway, &json!({"shop": all()})), Ok(()));
}

#[test]
fn a_url_without_a_token_may_have_any_host() {
    let without = public().replace(
        &format!(", oidc: {{serviceAccountEmail: {PUSHER}, audience: events}}"),
        "",
    );
    let tenants = json!({"shop": {"pushHosts": ["*.push.example.com"]}});
    assert_eq!(refusal(&without, &tenants), Ok(()));
}

#[test]
fn the_default_project_of_the_operator_has_to_be_allowed_too() {
    let settings = Settings {
        project: "default-project".parse().ok(),
        tenants: r#"{"shop": {"projects": ["my-project"]}}"#.parse().unwrap(),
        ..settings()
    };
    let yaml = ORDERS.replace("  project: my-project\n", "");
    let desired = Desired::new(&chain(&yaml), &settings).unwrap();
    let problem = refuse_not_allowed(&desired, &settings.tenants).unwrap_err();
    let words = "project default-project is not allowed";
    assert!(problem.message.starts_with(words), "{problem}");
}
