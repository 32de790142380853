//! What stands in the objects.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use testkit::binary;
use testkit::helm::without_a_cluster;

use crate::rendered::{ALL, CHART, RELEASE, Rendered, SYSTEM};

const CRD: &str = include_str!("../../../crds/executorchains.yaml");
const OVERRIDE_CRD: &str = include_str!("../../../crds/chainoverrides.yaml");
const REDRIVE_CRD: &str = include_str!("../../../crds/chainredrives.yaml");
const DISCARD_CRD: &str = include_str!("../../../crds/chaindiscards.yaml");
const VALUES: &str = include_str!("../../executor-chain/values.yaml");
const VALIDATION: &str = include_str!("../../executor-chain/templates/_validate.tpl");
const SCHEMA: &str = include_str!("../../executor-chain/values.schema.json");

#[tokio::test]
async fn helm_finds_no_fault() {
    let said = without_a_cluster(&["lint", "--strict", CHART]).await;
    let said = said.expect_ok();
    let words = "1 chart(s) linted, 0 chart(s) failed";
    assert!(said.contains(words), "{said}");
}

#[tokio::test]
async fn the_operator_is_called_as_the_documentation_says() {
    let rendered = Rendered::of("").await;
    for kind in ["Deployment", "ServiceAccount"] {
        assert_eq!(rendered.only(kind)["metadata"]["name"], RELEASE, "{kind}");
    }
    let roles = rendered.of_kind("Role").into_iter();
    let mut namespaces = roles.map(|role| &role["metadata"]["namespace"]);
    assert!(namespaces.all(|namespace| namespace == SYSTEM));
    for object in [rendered.only("Deployment"), rendered.only("ServiceAccount")] {
        assert_eq!(object["metadata"]["namespace"], SYSTEM);
    }
}

#[tokio::test]
async fn pods_run_under_the_restricted_profile() {
    for values in ["", ALL] {
        let rendered = Rendered::of(values).await;
        let pod = &rendered.only("Deployment")["spec"]["template"]["spec"];
        let context = &pod["securityContext"];
        assert_eq!(context["runAsNonRoot"], true);
        // A number: the kubelet can't see whether a name is root's.
        assert!(context["runAsUser"].as_u64().unwrap() > 0);
        assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault");
        let container = &pod["containers"][0]["securityContext"];
        let expected = json!({
            "allowPrivilegeEscalation": false,
            "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"]},
        });
        assert_eq!(container, &expected);
    }
}

/// `OpenShift` gives each namespace user IDs of its own, and refuses others.
#[tokio::test]
async fn the_user_id_can_be_left_out() {
    let values = "podSecurityContext: {runAsUser: null, runAsGroup: null}";
    let rendered = Rendered::of(values).await;
    let pod = &rendered.only("Deployment")["spec"]["template"]["spec"];
    let expected = json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}});
    assert_eq!(pod["securityContext"], expected);
}

#[tokio::test]
async fn values_of_the_workers_reach_the_operator() {
    for (values, expected) in [
        (
            "",
            json!({
                "env": [],
                "resources": {"requests": {"cpu": "50m", "memory": "32Mi"}},
                "securityContext": {},
            }),
        ),
        (
            ALL,
            json!({
                "env": [{"name": "RUST_LOG", "value": "\"warn\""}],
                "resources": {
                    "requests": {"cpu": "50m", "memory": "32Mi"},
                    "limits": {"memory": "64Mi"},
                },
                "securityContext": {"runAsUser": 1000},
            }),
        ),
    ] {
        let arguments = Rendered::of(values).await.arguments();
        let template = arguments
            .iter()
            .find_map(|it| it.strip_prefix("--worker-template="))
            .unwrap();
        let found: Value = serde_json::from_str(template).unwrap();
        assert_eq!(found, expected);
    }
}

#[tokio::test]
async fn tenants_reach_the_operator_which_can_read_them() {
    let is_list = |it: &String| it.starts_with("--tenants");
    let without = Rendered::of("").await.arguments();
    assert!(!without.iter().any(is_list), "{without:?}");
    let arguments = Rendered::of(ALL).await.arguments();
    let list = arguments.iter().find(|it| is_list(it)).unwrap();
    let expected = json!({
        "shop": {
            "projects": ["my-project"],
            "queuePrefixes": ["shop-"],
            "serviceAccounts": ["pusher@my-project.iam.gserviceaccount.com"],
            "pushHosts": ["*.shop.example.com"],
        },
        "*": {"projects": []},
    });
    let found: Value = serde_json::from_str(list.strip_prefix("--tenants=").unwrap()).unwrap();
    assert_eq!(found, expected);
    // It doesn't get as far as a cluster if it can't read its arguments.
    for (list, is_read) in [(list.as_str(), true), ("--tenants={\"shop\": null}", false)] {
        let mut operator = std::process::Command::new(binary("executor-operator"));
        let no_cluster = operator.arg(list).env("KUBECONFIG", "/dev/null").output();
        let said = String::from_utf8(no_cluster.unwrap().stderr).unwrap();
        assert_eq!(!said.contains("--tenants"), is_read, "{said}");
    }
}

#[test]
fn a_variable_that_a_chain_may_not_set_is_refused_in_the_values_too() {
    let mut rules = crds::RULES.iter();
    let rule = rules.find(|it| it.message.starts_with("workerTemplate.env has a variable"));
    let names: Vec<&str> = rule.unwrap().rule.split('\'').skip(1).step_by(2).collect();
    assert!(names.contains(&"QUEUE"), "{names:?}");
    for name in names {
        assert!(VALIDATION.contains(&format!("\"{name}\"")), "{name}");
    }
}

#[tokio::test]
async fn two_operators_have_a_lease_and_one_that_stays_when_nodes_are_drained() {
    let rendered = Rendered::of("").await;
    assert_eq!(rendered.only("Deployment")["spec"]["replicas"], 2);
    let arguments = rendered.arguments();
    assert!(arguments.contains(&format!("--lease-namespace={SYSTEM}")));
    assert!(arguments.contains(&format!("--lease-name={RELEASE}")));
    let budget = rendered.only("PodDisruptionBudget");
    assert_eq!(budget["spec"]["minAvailable"], 1);
    // Of one it would hold up the drain for ever.
    let one = Rendered::of("replicas: 1").await;
    assert!(one.of_kind("PodDisruptionBudget").is_empty());
}

#[tokio::test]
async fn every_selector_finds_the_operator_and_the_probes_its_port() {
    let rendered = Rendered::of(ALL).await;
    let template = &rendered.only("Deployment")["spec"]["template"];
    let labels = template["metadata"]["labels"].as_object().unwrap();
    let selectors = [
        &rendered.only("Deployment")["spec"]["selector"]["matchLabels"],
        &rendered.only("PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        &rendered.only("NetworkPolicy")["spec"]["podSelector"]["matchLabels"],
        &rendered.only("PodMonitoring")["spec"]["selector"]["matchLabels"],
        &rendered.only("Service")["spec"]["selector"],
    ];
    for selector in selectors {
        let selector = selector.as_object().unwrap();
        assert!(!selector.is_empty());
        for (name, value) in selector {
            assert_eq!(labels.get(name), Some(value), "{name}");
        }
    }
    let service = &rendered.only("Service")["metadata"]["labels"];
    let monitor = &rendered.only("ServiceMonitor")["spec"]["selector"]["matchLabels"];
    for (name, value) in monitor.as_object().unwrap() {
        assert_eq!(service.get(name), Some(value), "{name}");
    }
    let container = &template["spec"]["containers"][0];
    assert_eq!(container["ports"][0]["containerPort"], 9481);
    let port = &container["ports"][0]["name"];
    for probe in ["readinessProbe", "livenessProbe"] {
        assert_eq!(&container[probe]["httpGet"]["port"], port, "{probe}");
    }
}

#[tokio::test]
async fn values_reach_the_pods() {
    let rendered = Rendered::of(ALL).await;
    let pod = &rendered.only("Deployment")["spec"]["template"]["spec"];
    let container = &pod["containers"][0];
    let image = "registry.example.com/executor-operator:1.2.3";
    let spread = &pod["topologySpreadConstraints"][0];
    let expected = [
        (&container["image"], json!(image)),
        (&container["imagePullPolicy"], json!("Always")),
        (&pod["imagePullSecrets"], json!([{"name": "registry"}])),
        (&pod["priorityClassName"], json!("system-cluster-critical")),
        (&spread["topologyKey"], json!("zone")),
        (&container["env"][1]["name"], json!("GOOGLE_CLOUD_PROJECT")),
    ];
    for (found, expected) in expected {
        assert_eq!(found, &expected);
    }
    let arguments = rendered.arguments();
    for argument in [
        "--worker-image=registry.example.com/executor-worker:1.2.3",
        "--project=my-project",
        "--location=europe-west1",
        "--emulator-host=cloud-tasks.emulators.svc:8123",
        "--cluster=blue",
        "--leader-election=true",
    ] {
        let is_given = arguments.contains(&argument.to_owned());
        assert!(is_given, "{argument}: {arguments:?}");
    }
    let annotations = &rendered.only("ServiceAccount")["metadata"]["annotations"];
    let account = "operator@my-project.iam.gserviceaccount.com";
    assert_eq!(annotations["iam.gke.io/gcp-service-account"], account);
    let more: BTreeSet<&str> = rendered
        .of_kind("ConfigMap")
        .into_iter()
        .filter_map(|it| it["metadata"]["name"].as_str())
        .collect();
    let expected = ["executor-chain-dashboard", "executor-chain-more", "text"];
    assert_eq!(more, BTreeSet::from(expected));
}

fn namespaces(rendered: &Rendered, kind: &str) -> Vec<Value> {
    let objects = rendered.of_kind(kind).into_iter();
    let namespaces = objects.map(|it| it["metadata"]["namespace"].clone());
    namespaces.collect()
}

fn as_floats(value: &mut Value) {
    match value {
        Value::Number(number) => *value = json!(number.as_f64()),
        Value::Array(values) => values.iter_mut().for_each(as_floats),
        Value::Object(values) => values.values_mut().for_each(as_floats),
        _ => {}
    }
}

#[tokio::test]
async fn every_flag_of_the_operator_is_a_value_or_the_charts_own() {
    // Off for one replica alone, by extraArgs; where the pods are; and the port of probes and metrics.
    let own = ["--leader-election", "--pod-namespace", "--admin-addr"];
    let help = std::process::Command::new(binary("executor-operator"));
    let help = { help }.arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let lines = help.lines().map(str::trim_start);
    let flags: BTreeSet<&str> = lines
        .filter(|line| line.starts_with("--"))
        .map(|line| line.split([' ', '[']).next().unwrap())
        .collect();
    assert!(flags.len() > 10, "{help}");
    let rendered = Rendered::of(&format!("{ALL}watchNamespaces: [shop]")).await;
    let arguments = rendered.arguments();
    let given: BTreeSet<&str> = arguments
        .iter()
        .map(|it| it.split('=').next().unwrap())
        .collect();
    let missing: Vec<_> = flags
        .difference(&given)
        .filter(|it| !own.contains(it))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[tokio::test]
async fn the_crd_is_the_one_of_the_repository_and_stays() {
    let rendered = Rendered::of("").await;
    let goes = Rendered::of("crds: {keep: false}").await;
    let of_kind = |rendered: &Rendered| -> Vec<Value> {
        let crds = rendered.of_kind("CustomResourceDefinition").into_iter();
        crds.cloned().collect()
    };
    let (kept, gone) = (of_kind(&rendered), of_kind(&goes));
    let all = [CRD, OVERRIDE_CRD, REDRIVE_CRD, DISCARD_CRD];
    assert_eq!((kept.len(), gone.len()), (all.len(), all.len()));
    for (number, shipped) in all.into_iter().enumerate() {
        let mut shipped: Value = serde_saphyr::from_str(shipped).unwrap();
        let mut spec = kept[number]["spec"].clone();
        // 500.0 in one is 500 in the other.
        as_floats(&mut spec);
        as_floats(&mut shipped);
        assert!(spec == shipped["spec"], "{spec}\n{shipped}");
        let policy = &kept[number]["metadata"]["annotations"]["helm.sh/resource-policy"];
        assert_eq!(policy, "keep");
        assert!(gone[number]["metadata"].get("annotations").is_none());
    }
    let without = Rendered::of("crds: {install: false}").await;
    assert!(without.of_kind("CustomResourceDefinition").is_empty());
}

#[tokio::test]
async fn named_namespaces_get_a_role_each_and_the_cluster_one_uid() {
    let rendered = Rendered::of("watchNamespaces: [shop, hall]").await;
    let roles = rendered.of_operator("Role").into_iter();
    let namespaces: Vec<_> = roles.map(|it| &it["metadata"]["namespace"]).collect();
    assert_eq!(namespaces, ["shop", "hall", SYSTEM]);
    let cluster = rendered.only("ClusterRole");
    let uid = json!([{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}]);
    assert_eq!(cluster["rules"], uid);
    let arguments = rendered.arguments();
    assert!(arguments.contains(&"--namespace=shop,hall".to_owned()));

    let named = Rendered::of("{watchNamespaces: [shop], operator: {cluster: blue}}").await;
    assert!(named.of_kind("ClusterRole").is_empty());
    assert!(named.of_kind("ClusterRoleBinding").is_empty());

    let none = Rendered::of("rbac: {create: false}").await;
    for kind in ["Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"] {
        assert!(none.of_kind(kind).is_empty(), "{kind}");
    }
}

#[tokio::test]
async fn viewers_get_roles_and_are_bound_to_them_if_they_are_named() {
    let on_call =
        json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "on-call"}]);
    let named = format!("rbac: {{viewers: {on_call}}}");
    let in_namespaces = format!("{named}\nwatchNamespaces: [shop, hall]");
    for (values, kind, namespaces) in [
        ("", "ClusterRole", &[Value::Null][..]),
        (&named, "ClusterRole", &[Value::Null]),
        (&in_namespaces, "Role", &[json!("shop"), json!("hall")]),
    ] {
        let rendered = Rendered::of(values).await;
        let roles = ["Role", "ClusterRole"].map(|kind| rendered.of_viewers(kind));
        let (port, chains): (Vec<_>, Vec<_>) = roles.concat().into_iter().partition(|role| {
            let name = role["metadata"]["name"].as_str().unwrap();
            name == format!("{RELEASE}-viewer")
        });
        let [port] = port[..] else { panic!("{port:?}") };
        assert_eq!(port["metadata"]["namespace"], SYSTEM);
        let found: Vec<_> = chains
            .iter()
            .map(|role| &role["metadata"]["namespace"])
            .collect();
        assert_eq!(found, namespaces.iter().collect::<Vec<_>>(), "{values}");
        for role in chains {
            assert_eq!(role["kind"], kind);
            let expected = json!([{
                "apiGroups": ["executor-chain.dev"],
                "resources": ["executorchains"],
                "verbs": ["get", "list", "watch"],
            }]);
            assert_eq!(role["rules"], expected);
            let label = &role["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"];
            assert_eq!(label == "true", kind == "ClusterRole", "{role}");
        }
        let bindings = ["RoleBinding", "ClusterRoleBinding"].map(|kind| rendered.of_viewers(kind));
        let bindings = bindings.concat();
        let count = if values.is_empty() {
            0
        } else {
            namespaces.len() + 1
        };
        assert_eq!(bindings.len(), count, "{values}");
        for binding in bindings {
            assert_eq!(binding["subjects"], on_call);
            assert_eq!(binding["roleRef"]["name"], binding["metadata"]["name"]);
        }
    }
}

#[tokio::test]
async fn every_binding_binds_a_role_to_the_operator() {
    for values in ["", "watchNamespaces: [shop, hall]"] {
        let rendered = Rendered::of(values).await;
        for (role, binding) in [
            ("Role", "RoleBinding"),
            ("ClusterRole", "ClusterRoleBinding"),
        ] {
            let key = |it: &Value| (it["namespace"].clone(), it["name"].clone());
            let roles = rendered.of_operator(role).into_iter();
            let roles: Vec<_> = roles.map(|it| key(&it["metadata"])).collect();
            let bindings = rendered.of_operator(binding);
            assert_eq!(bindings.len(), roles.len());
            for binding in bindings {
                let of = &binding["roleRef"];
                assert_eq!(of["kind"], role);
                let namespace = binding["metadata"]["namespace"].clone();
                assert!(roles.contains(&(namespace, of["name"].clone())), "{of}");
                let expected =
                    json!([{"kind": "ServiceAccount", "name": RELEASE, "namespace": SYSTEM}]);
                assert_eq!(binding["subjects"], expected);
            }
        }
    }
}

#[tokio::test]
async fn gateways_take_rights_that_can_be_left_out() {
    let groups = |rendered: &Rendered| -> BTreeSet<String> {
        let rules = rendered.of_operator("ClusterRole")[0]["rules"].clone();
        let rules = rules.as_array().unwrap().iter();
        rules
            .map(|it| it["apiGroups"][0].as_str().unwrap().to_owned())
            .collect()
    };
    let with = groups(&Rendered::of("").await);
    let without = groups(&Rendered::of("gateway: {enabled: false}").await);
    let more: Vec<_> = with.difference(&without).collect();
    assert_eq!(more, ["gateway.networking.k8s.io", "networking.gke.io"]);
}

#[tokio::test]
async fn earlier_specs_take_rights_that_can_be_left_out() {
    let of_revisions = |rendered: &Rendered| {
        let rules = rendered.of_operator("ClusterRole")[0]["rules"].clone();
        let mut rules = rules.as_array().unwrap().iter();
        rules.any(|it| it["resources"] == json!(["controllerrevisions"]))
    };
    assert!(of_revisions(&Rendered::of("").await));
    let none = Rendered::of("operator: {revisionHistoryLimit: 0}").await;
    assert!(!of_revisions(&none));
    let flag = "--revision-history-limit=0".to_owned();
    assert!(none.arguments().contains(&flag));
}

#[tokio::test]
async fn nothing_but_the_metrics_port_is_let_in() {
    let rendered = Rendered::of(ALL).await;
    let policy = &rendered.only("NetworkPolicy")["spec"];
    assert_eq!(policy["policyTypes"], json!(["Ingress", "Egress"]));
    let expected = json!([{"ports": [{"port": "admin", "protocol": "TCP"}], "from": [{"namespaceSelector": {}}]}]);
    assert_eq!(policy["ingress"], expected);
    let out = policy["egress"].as_array().unwrap();
    let ports: Vec<u64> = out[0]["ports"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["port"].as_u64())
        .collect();
    // The emulator's is the last.
    assert_eq!(ports, [53, 53, 443, 6443, 80, 988, 8123]);
    assert_eq!(out[1]["ports"], json!([{"port": 9481, "protocol": "TCP"}]));
}

#[tokio::test]
async fn workers_are_scraped_where_chains_are_served() {
    let all =
        Rendered::of("{podMonitoring: {enabled: true}, serviceMonitor: {enabled: true}}").await;
    assert_eq!(
        all.only("PodMonitor")["spec"]["namespaceSelector"],
        json!({"any": true})
    );
    let workers = &all.only("ClusterPodMonitoring")["spec"];
    let label = json!([{"key": "executor-chain.dev/chain", "operator": "Exists"}]);
    assert_eq!(workers["selector"]["matchExpressions"], label);

    let values = "{podMonitoring: {enabled: true}, serviceMonitor: {enabled: true}, watchNamespaces: [shop]}";
    let named = Rendered::of(values).await;
    let shop = json!({"matchNames": ["shop"]});
    assert_eq!(named.only("PodMonitor")["spec"]["namespaceSelector"], shop);
    assert!(named.of_kind("ClusterPodMonitoring").is_empty());
    assert_eq!(namespaces(&named, "PodMonitoring"), [SYSTEM, "shop"]);
}

/// What a person may set is in both files: the schema refuses everything else.
#[test]
fn the_schema_knows_each_value_and_no_other() {
    fn leaves(path: &str, value: &Value, found: &mut BTreeSet<String>) {
        match value.as_object().filter(|it| !it.is_empty()) {
            Some(values) => values
                .iter()
                .for_each(|(name, value)| leaves(&format!("{path}.{name}"), value, found)),
            None => {
                found.insert(path.to_owned());
            }
        }
    }
    fn known(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
        match schema["properties"].as_object() {
            Some(properties) => properties
                .iter()
                .for_each(|(name, schema)| known(&format!("{path}.{name}"), schema, found)),
            None => {
                found.insert(path.to_owned());
            }
        }
    }
    let (mut values, mut schema) = (BTreeSet::new(), BTreeSet::new());
    let mut all: Value = serde_saphyr::from_str(VALUES).unwrap();
    // Kubernetes' own, in which anything may stand.
    all["resources"] = json!({"requests": {}, "limits": {}, "claims": []});
    all["worker"]["resources"] = all["resources"].clone();
    all["podSecurityContext"] = json!({});
    all["dashboard"]["labels"] = json!({});
    // Helm gives it to each chart.
    all["global"] = json!({});
    leaves("", &all, &mut values);
    known("", &serde_json::from_str(SCHEMA).unwrap(), &mut schema);
    assert_eq!(values, schema);
}
