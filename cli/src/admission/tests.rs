//! Files that kubectl would reject before it asks the API server.

use serde_json::json;

use super::*;

const MANIFEST: &str = "
apiVersion: executor-chain.dev/v1alpha1
kind: ExecutorChain
metadata:
  name: orders
spec:
  notifier: {queue: orders-notifier, url: https://api.example.com}
  stages:
    - name: only
      queue: incoming
      maxAttempts: 3
      handler: {url: 'http://127.0.0.1:3000'}
";

fn rejection_of(text: &str) -> String {
    admit(text, None).unwrap_err().to_string()
}

#[track_caller]
fn assert_rejected(text: &str, rejection: &str) {
    assert_eq!(rejection_of(text), rejection);
}

/// The manifest, with something else in place of its attempts.
fn with(field: &str) -> String {
    MANIFEST.replace("maxAttempts: 3", field)
}

#[test]
fn defaults_are_filled_in() {
    let admitted = admit(MANIFEST, None).unwrap();
    let spec = &admitted.value["spec"];
    assert_eq!(spec["drainDelay"], "10s");
    assert_eq!(spec["deletionPolicy"], "Retain");
    assert_eq!(spec["notifier"]["outcomes"], json!(["Succeeded", "Failed"]));
    assert_eq!(admitted.chain.spec.drain_delay.to_string(), "10s");
    // The result is a valid `old`.
    let again = admit(MANIFEST, Some(&admitted.value)).unwrap();
    assert_eq!(again, admitted);
}

#[test]
fn nulls_and_the_status_are_dropped() {
    let text = MANIFEST
        .replace(
            "spec:",
            "status: {path: incoming, ready: 5}\nspec:\n  drainDelay: ~\n  oidc:",
        )
        .replace("maxAttempts: 3", "maxAttempts: 3\n      replicas: null");
    let admitted = admit(&text, None).unwrap();
    assert_eq!(admitted, admit(MANIFEST, None).unwrap());
    let required = with("maxAttempts: ~");
    assert_rejected(&required, "spec.stages[0].maxAttempts: is required");
    let unknown = MANIFEST.replace("spec:", "spec:\n  oicd:");
    let rejection = rejection_of(&unknown);
    assert!(
        rejection.starts_with("unknown field \"spec.oicd\""),
        "{rejection}"
    );
}

#[test]
fn numbers_are_read_as_kubectl_reads_them() {
    let text = with("maxAttempts: 3.0\n      replicas: 010\n      paused: yes");
    let stage = &admit(&text, None).unwrap().chain.spec.stages[0];
    let read = (stage.max_attempts, stage.replicas, stage.paused);
    assert_eq!(read, (3, Some(8), Some(true)));
    let large = with("maxAttempts: 3000000000");
    assert_rejected(
        &large,
        "spec.stages[0].maxAttempts: must be at most 2147483647, but is 3000000000",
    );
}

#[test]
fn a_syntax_error_has_line_and_column() {
    let error = rejection_of("apiVersion: executor-chain.dev/v1alpha1\nkind: [ExecutorChain\n");
    assert_eq!(error, "unclosed bracket '[' at line 2, column 7");
    let error = rejection_of(&with("queue: other"));
    assert!(error.contains("duplicate mapping key: queue"), "{error}");
    assert!(error.contains("line 11, column 7"), "{error}");
}

#[test]
fn a_file_with_more_or_less_than_one_document_is_rejected() {
    assert!(admit(&format!("---{MANIFEST}---\n"), None).is_ok());
    assert_rejected(
        &format!("{MANIFEST}---{MANIFEST}"),
        "the file has 2 documents: keep one ExecutorChain",
    );
    for empty in ["", "# nothing\n", "---\n"] {
        assert_rejected(empty, "the file has no manifest: write one ExecutorChain");
    }
    assert_rejected(
        "- a\n- b\n",
        "the file is not a manifest: begin with apiVersion, kind, metadata and spec",
    );
}

#[test]
fn another_kind_is_rejected_without_errors_for_its_fields() {
    assert_rejected(
        "kind: Deployment\nspec: {replicas: 1}",
        "apiVersion: is missing: write executor-chain.dev/v1alpha1\n\
         kind: must be ExecutorChain, but is \"Deployment\"\n\
         metadata.name: is missing: name the chain; its Deployments and Services begin with this name",
    );
    let newer = MANIFEST.replace("v1alpha1", "v1");
    assert_rejected(
        &newer,
        "apiVersion: must be executor-chain.dev/v1alpha1, but is \"executor-chain.dev/v1\"",
    );
}

#[test]
fn an_edit_of_the_name_is_rejected() {
    let old = admit(MANIFEST, None).unwrap().value;
    let renamed = MANIFEST.replace("name: orders\n", "name: payments\n");
    let rejection = admit(&renamed, Some(&old)).unwrap_err();
    assert_eq!(
        rejection.to_string(),
        "metadata.name: can't be changed from \"orders\" to \"payments\": start another \
         `executor-chain dev` for another chain"
    );
}

#[test]
fn each_error_has_a_line() {
    let text = with("maxAttempts: 0\n      concurrency: 0\n      x: 1");
    let lines = rejection_of(&text);
    let lines: Vec<&str> = lines.lines().collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert_eq!(
        lines[0],
        "spec.stages[0].maxAttempts: must be at least 1, but is 0"
    );
}
