//! Who applies a chain, and whether it would revert an edit.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ManagedFieldsEntry;
use plan::objects::revision::managers_of_spec;

use super::target::FIELD_MANAGER;

/// Managers of programs that apply a chain again and again. Argo CD and Helm don't always use Apply.
const REVERTING: [&str; 7] = [
    "argocd-controller",
    "argocd-application-controller",
    "kustomize-controller",
    "helm-controller",
    "helm",
    "fluxcd",
    "fleet-agent",
];

/// Who has applied the spec of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owners {
    /// Programs that would revert an edit.
    Reverting(Vec<String>),
    /// People or scripts that have a manifest, which doesn't come by itself.
    Manifest,
    /// Nobody.
    None,
}

/// Who has applied the spec of a chain.
pub(super) fn owners<'a>(entries: impl IntoIterator<Item = &'a ManagedFieldsEntry>) -> Owners {
    let mut reverting = Vec::new();
    let mut has_manifest = false;
    for entry in managers_of_spec(entries) {
        let manager = entry.manager.as_deref().unwrap_or_default();
        let applies = entry.operation.as_deref() == Some("Apply");
        if manager == FIELD_MANAGER {
            continue;
        }
        if manager.starts_with("kubectl") {
            has_manifest |= applies || manager == "kubectl-client-side-apply";
        } else if applies || REVERTING.iter().any(|it| it.eq_ignore_ascii_case(manager)) {
            let name = manager.to_owned();
            if !reverting.contains(&name) {
                reverting.push(name);
            }
        }
    }
    if !reverting.is_empty() {
        Owners::Reverting(reverting)
    } else if has_manifest {
        Owners::Manifest
    } else {
        Owners::None
    }
}

impl Owners {
    /// What to know before the spec of a chain is changed.
    pub(super) fn warning(&self, chain: &str) -> Option<String> {
        match self {
            Self::Reverting(managers) => Some(format!(
                "{chain} is applied by {}, which will revert this at its next sync. Suspend it first (Flux: flux suspend, Argo CD: turn off automated sync), or use throttle, pause or scale: overrides are not reverted.",
                managers.join(", ")
            )),
            Self::Manifest => Some(format!(
                "{chain} was applied with kubectl: change the manifest too, or the next kubectl apply brings the newer spec back."
            )),
            Self::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn entry(manager: &str, operation: &str, fields: &Value) -> ManagedFieldsEntry {
        let entry = json!({"manager": manager, "operation": operation, "fieldsV1": fields});
        serde_json::from_value(entry).unwrap()
    }

    #[test]
    fn who_applies_a_chain_is_told_from_its_managed_fields() {
        let (spec, metadata) = (json!({"f:spec": {}}), json!({"f:metadata": {}}));
        let reverting =
            |names: &[&str]| Owners::Reverting(names.iter().map(|&it| it.to_owned()).collect());
        for (row, entries, expected) in [
            ("nobody", vec![], Owners::None),
            (
                "Flux",
                vec![entry("kustomize-controller", "Apply", &spec)],
                reverting(&["kustomize-controller"]),
            ),
            (
                "Argo CD and Helm without Apply",
                vec![
                    entry("argocd-controller", "Update", &spec),
                    entry("Helm", "Update", &spec),
                ],
                reverting(&["argocd-controller", "Helm"]),
            ),
            (
                "a program that is not known, and applies",
                vec![
                    entry("deployer", "Apply", &spec),
                    entry("kubectl", "Apply", &spec),
                ],
                reverting(&["deployer"]),
            ),
            (
                "one that applies labels only",
                vec![entry("argocd-controller", "Apply", &metadata)],
                Owners::None,
            ),
            (
                "a person with a manifest",
                vec![entry("kubectl-client-side-apply", "Update", &spec)],
                Owners::Manifest,
            ),
            (
                "a person with a manifest for the server",
                vec![entry("kubectl", "Apply", &spec)],
                Owners::Manifest,
            ),
            (
                "a person with an editor, and this program",
                vec![
                    entry("kubectl-edit", "Update", &spec),
                    entry(FIELD_MANAGER, "Update", &spec),
                ],
                Owners::None,
            ),
        ] {
            assert_eq!(owners(&entries), expected, "{row}");
            let warns = expected.warning("orders").is_some();
            assert_eq!(warns, expected != Owners::None, "{row}");
        }
    }
}
