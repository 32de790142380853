//! Which chains are looked at.

use console::LiveChain;

/// The chains that are looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// Those of this namespace. `None`: of all.
    pub namespace: Option<String>,
    /// The one of this name. `None`: all.
    pub name: Option<String>,
}

impl Scope {
    /// Those of the list that are looked at.
    pub fn of(&self, chains: Vec<LiveChain>) -> Vec<LiveChain> {
        let mut chains = chains;
        chains.retain(|chain| self.has(&chain.namespace, &chain.name));
        chains
    }

    /// Whether a chain is looked at.
    pub fn has(&self, namespace: &str, name: &str) -> bool {
        let is =
            |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|it| it == value);
        is(&self.namespace, namespace) && is(&self.name, name)
    }

    /// Those of the namespaces in which something is looked at.
    pub fn of_namespaces(&self, namespaces: Vec<String>) -> Vec<String> {
        let mut namespaces = namespaces;
        let wanted = self.namespace.as_ref();
        namespaces.retain(|namespace| wanted.is_none_or(|wanted| wanted == namespace));
        namespaces
    }

    /// Where it is, in words.
    pub fn place(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("namespace {namespace}"),
            None => "all namespaces".to_owned(),
        }
    }
}
