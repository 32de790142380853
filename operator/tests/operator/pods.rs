//! Pods of a stage, and a real worker for one of them: no kubelet runs any.

use std::collections::BTreeMap;
use std::process::Command;

use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, Patch, PatchParams, PostParams};
use serde_json::json;
use testkit::{Process, binary};

use crate::testbed::Testbed;

async fn deployment(testbed: &Testbed, name: &str) -> Deployment {
    testbed.deployments().get(name).await.unwrap()
}

/// A pod of a stage as its Deployment is now.
pub async fn pod(testbed: &Testbed, stage: &str, name: &str) -> Api<Pod> {
    let deployment = serde_json::to_value(deployment(testbed, stage).await).unwrap();
    let template = &deployment["spec"]["template"];
    let mut spec = template["spec"].clone();
    // Nobody runs it: all that counts is its environment.
    spec["initContainers"] = json!([]);
    spec["containers"][0]["readinessProbe"] = json!(null);
    let pod = json!({
        "metadata": {"name": name, "labels": template["metadata"]["labels"]},
        "spec": spec,
    });
    let pods: Api<Pod> = Api::namespaced(testbed.client.clone(), &testbed.namespace);
    let pod = serde_json::from_value(pod).unwrap();
    pods.create(&PostParams::default(), &pod).await.unwrap();
    pods
}

/// As a kubelet reports a pod that is ready.
pub async fn report_ready(pods: &Api<Pod>, name: &str, ip: &str) {
    let status = Patch::Merge(
        json!({"status": {"podIP": ip, "phase": "Running", "conditions": [
            {"type": "Ready", "status": "True"},
        ]}}),
    );
    let parameters = PatchParams::default();
    let patched = pods.patch_status(name, &parameters, &status);
    patched.await.unwrap();
}

/// A real worker of a stage, on an address of its own as pods have one.
pub async fn worker(testbed: &Testbed, stage: &str, ip: &str) -> Process {
    let deployment = deployment(testbed, stage).await;
    let pod = deployment.spec.as_ref().unwrap().template.spec.as_ref();
    let env = pod.unwrap().containers[0].env.iter().flatten();
    let mut variables: BTreeMap<String, String> = env
        .map(|it| (it.name.clone(), it.value.clone().unwrap_or_default()))
        .collect();
    variables.insert("LISTEN_ADDR".into(), format!("{ip}:9480"));
    variables.insert("ADMIN_ADDR".into(), format!("{ip}:9481"));
    variables.insert("DRAIN_DELAY".into(), "0s".into());
    let mut command = Command::new(binary("executor-worker"));
    command.envs(variables);
    Process::spawn(&command)
}
