//! What the API server lets the operator do: the rights of its service account, and a policy.

use std::path::PathBuf;

use serde_json::json;
use testkit::{ApiServer, eventually};

use crate::testbed::{SOON, Testbed};

const ACCOUNT: &str = "operator";

/// A service account with all rights in a namespace, and a kubeconfig for it.
pub async fn give(server: &ApiServer, namespace: &str) -> PathBuf {
    set(server, namespace, &["*"]).await;
    server.service_account(namespace, ACCOUNT).await
}

/// From now on it may do this to Deployments, and all to everything else.
pub async fn set(server: &ApiServer, namespace: &str, deployments: &[&str]) {
    let all = ["*"];
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": ACCOUNT, "namespace": namespace},
        "rules": [
            {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": deployments},
            {"apiGroups": ["apps"], "resources": ["controllerrevisions"], "verbs": all},
            {"apiGroups": ["", "events.k8s.io", "executor-chain.dev"], "resources": all, "verbs": all},
        ],
    });
    let apply = ["apply", "-f", "-"];
    let applied = server.kubectl_with_input(&apply, &role.to_string()).await;
    applied.expect_ok();
}

/// Has the API server refuse every write of the Deployment of that name, and waits until it does; or
/// of none.
pub async fn refuse(testbed: &Testbed, deployment: Option<&str>) {
    let Testbed {
        server, namespace, ..
    } = testbed;
    let kinds = "validatingadmissionpolicy,validatingadmissionpolicybinding";
    let Some(deployment) = deployment else {
        let delete = ["delete", kinds, namespace];
        server.kubectl(&delete).await.expect_ok();
        return;
    };
    let policy = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [{
                "apiGroups": ["apps"],
                "apiVersions": ["v1"],
                "operations": ["CREATE", "UPDATE"],
                "resources": ["deployments"],
                "resourceNames": [deployment],
            }]},
            "validations": [{"expression": "false", "message": "no more of these here"}],
        },
    });
    let binding = json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {
            "policyName": namespace,
            "validationActions": ["Deny"],
            "matchResources": {"namespaceSelector": {"matchLabels": {
                "kubernetes.io/metadata.name": namespace,
            }}},
        },
    });
    let list = json!({"apiVersion": "v1", "kind": "List", "items": [policy, binding]});
    let apply = ["apply", "-f", "-"];
    let applied = server.kubectl_with_input(&apply, &list.to_string()).await;
    applied.expect_ok();
    let attempt = ["create", "deployment", deployment, "--image=any:1"];
    let attempt = [&attempt[..], &["--dry-run=server"]].concat();
    eventually("a policy that is in force", SOON, async || {
        let tried = testbed.kubectl(&attempt).await;
        let is_refused = tried.stderr.contains("no more of these here");
        is_refused.then_some(()).ok_or(tried)
    })
    .await;
}
