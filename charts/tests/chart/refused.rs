//! Invalid values, each refused with an error that says what to write.

use futures::future::join_all;

use crate::rendered::{SYSTEM, template};

#[rustfmt::skip]
const INVALID: &[(&str, &str)] = &[
    // Unknown values.
    ("replica: 2", "at '/replica': value must be 'omitted: the chart has no value of this name"),
    ("image: {name: x}", "at '/image/name': value must be 'omitted: the chart has no value of this name"),
    ("worker: {tag: x}", "at '/worker/tag': value must be 'omitted: the chart has no value of this name"),
    ("operator: {gateafter: 30s}", "at '/operator/gateafter': value must be 'omitted: the chart has no value of this name"),
    ("crds: {keeps: true}", "at '/crds/keeps': value must be 'omitted: the chart has no value of this name"),
    ("resources: {request: {cpu: 1}}", "at '/resources/request': value must be 'omitted: the chart has no value of this name"),
    ("watchNamespace: shop", "at '/watchNamespace': value must be 'omitted: the chart has no value of this name"),
    ("tenants: {shop: {project: [a]}}", "at '/tenants/shop/project': value must be 'omitted: an entry has projects, queuePrefixes, serviceAccounts, and pushHosts'"),
    // Wrong types.
    ("replicas: two", "at '/replicas': got string, want integer"),
    ("replicas: -1", "at '/replicas': minimum: got -1, want 0"),
    ("image: {repository: ''}", "at '/image/repository': minLength: got 0, want 1"),
    ("image: {pullPolicy: Sometimes}", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("image: {tag: 1.10}", "at '/image/tag': got number, want string"),
    ("crds: {install: 'no'}", "at '/crds/install': got string, want boolean"),
    ("watchNamespaces: shop", "at '/watchNamespaces': got string, want array"),
    ("serviceAccount: {annotations: {a: 1}}", "at '/serviceAccount/annotations/a': got number, want string"),
    ("operator: {cloudTasksCallsPerSecond: 0}", "minimum: got 0, want 1"),
    ("operator: {concurrency: 0}", "minimum: got 0, want 1"),
    ("operator: {revisionHistoryLimit: -1}", "minimum: got -1, want 0"),
    ("tenants: [shop]", "at '/tenants': got array, want object"),
    // Forgotten values, which would allow anything.
    ("tenants: {shop: }", "at '/tenants/shop': got null, want object"),
    ("tenants: {shop: {projects: }}", "at '/tenants/shop/projects': got null, want array"),
    ("tenants: {shop: {queuePrefixes: shop-}}", "at '/tenants/shop/queuePrefixes': got string, want array"),
    ("tenants: {shop: {pushHosts: [1]}}", "at '/tenants/shop/pushHosts/0': got number, want string"),
    // Rules that the schema can't express.
    ("operator: {gateAfter: soon}", r#"operator.gateAfter is "soon": write a duration such as 500ms, 30s or 1m30s"#),
    ("operator: {queuePollInterval: '5'}", r#"operator.queuePollInterval is "5": write a duration"#),
    ("operator: {queueStatsInterval: '15'}", r#"operator.queueStatsInterval is "15": write a duration"#),
    ("operator: {workerPollInterval: '15'}", r#"operator.workerPollInterval is "15": write a duration"#),
    ("serviceMonitor: {interval: often}", r#"serviceMonitor.interval is "often": write a duration"#),
    ("emulatorHost: 'http://x:1'", r#"emulatorHost is "http://x:1": write host:port, such as cloud-tasks.emulators.svc:8123"#),
    ("emulatorHost: x", r#"emulatorHost is "x": write host:port"#),
    ("watchNamespaces: [Shop]", r#"watchNamespaces has "Shop", which is not a valid namespace name"#),
    ("watchNamespaces: ['shop,hall']", r#"watchNamespaces has "shop,hall", which is not a valid namespace name"#),
    ("watchNamespaces: [shop, shop]", "watchNamespaces has a duplicate: list each namespace once"),
    ("tenants: {Shop: {}}", r#"tenants has "Shop", which is not a valid namespace name: write the name of a namespace, or "*" for all that are not named"#),
    ("tenants: {'sh*': {}}", r#"tenants has "sh*", which is not a valid namespace name"#),
    ("tenants: {shop: {projects: [projects/a]}}", r#"tenants.shop.projects has "projects/a": write a project ID"#),
    ("tenants: {shop: {queuePrefixes: ['']}}", r#"tenants.shop.queuePrefixes has "": write how the names of queues begin, such as shop-, without *"#),
    ("tenants: {'*': {queuePrefixes: ['shop-*']}}", r#"tenants.*.queuePrefixes has "shop-*": write how the names of queues begin"#),
    ("tenants: {shop: {serviceAccounts: [pusher]}}", r#"tenants.shop.serviceAccounts has "pusher": write an email address"#),
    ("tenants: {shop: {pushHosts: ['https://a.example.com']}}", r#"tenants.shop.pushHosts has "https://a.example.com": write only a host"#),
    ("tenants: {shop: {pushHosts: ['*']}}", r#"tenants.shop.pushHosts has "*": write only a host"#),
    ("operator: {extraArgs: ['--tenants={}']}", "operator.extraArgs has --tenants={}: set the value tenants instead"),
    ("rbac: {viewers: [{kind: Team, name: a}]}", "at '/rbac/viewers/0/kind': value must be one of 'User', 'Group', 'ServiceAccount'"),
    ("rbac: {viewers: [{kind: Group}]}", "at '/rbac/viewers/0': missing property 'name'"),
    ("location: europe west", r#"location is "europe west": write a Cloud Tasks location, such as europe-west1"#),
    ("project: projects/x", r#"project is "projects/x": write a project ID, such as my-project"#),
    ("image: {repository: 'operator:1'}", r#"the repository "operator:1" contains a tag: set the value tag next to it instead"#),
    ("worker: {env: [{name: RUST_LOG, value: warn}, {name: QUEUE, value: a}]}", "worker.env has QUEUE, which the operator sets for each chain: remove it"),
    ("worker: {env: [{value: a}]}", "at '/worker/env/0': missing property 'name'"),
    ("worker: {resources: {request: {cpu: 1}}}", "at '/worker/resources/request': value must be 'omitted: the chart has no value of this name"),
    ("operator: {extraArgs: ['--worker-template={}']}", "operator.extraArgs has --worker-template={}: set the value worker instead"),
    ("worker: {image: {repository: 'worker:1'}}", r#"the repository "worker:1" contains a tag"#),
    ("serviceAccount: {create: false}", "set serviceAccount.name to the service account of the operator"),
    ("operator: {extraArgs: [--leader-election=false]}", "replicas is 2 and leader election is off"),
    ("operator: {extraArgs: [--namespace=shop]}", "operator.extraArgs has --namespace=shop: set the value watchNamespaces instead"),
    ("operator: {extraArgs: [--gate-after, 1m]}", "operator.extraArgs has --gate-after: set the value operator.gateAfter instead"),
    ("operator: {extraArgs: [--admin-addr=0.0.0.0:80]}", "operator.extraArgs has --admin-addr=0.0.0.0:80: remove it, because probes and metrics need port 9481"),
    ("operator: {extraArgs: [-h]}", "operator.extraArgs has -h, which is not a flag: write --flag=value"),
];

#[tokio::test]
async fn an_invalid_value_is_refused_with_its_error() {
    let tried = INVALID.iter().map(async |(values, sentence)| {
        let said = template(SYSTEM, values).await.expect_refused();
        (!said.contains(sentence)).then(|| format!("{values}\n  not: {sentence}\n  but: {said}"))
    });
    let wrong: Vec<String> = join_all(tried).await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
