//! What was seen of chains, and what was not.

use std::fmt;
use std::time::Duration;

use console::{ChainList, LiveChain, Unknown, unlisted};
use jiff::Timestamp;

/// Chains, and why some of their numbers may be missing.
#[derive(Debug)]
pub struct Seen {
    /// When they were so.
    pub at: Timestamp,
    /// After this time there is something new.
    pub interval: Duration,
    /// The chains.
    pub chains: Vec<LiveChain>,
    /// Why numbers are missing.
    pub gaps: Vec<Gap>,
}

/// Why numbers, or chains, are missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gap {
    /// A right is missing.
    Right(Right),
    /// An operator is missing, or doesn't answer.
    Operator(String),
    /// An operator can't list these namespaces, so their chains are missing.
    Unlisted(Vec<String>),
}

/// A right of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Right {
    /// What may be done: `get`.
    pub verb: String,
    /// To what: `pods/portforward`.
    pub resource: String,
    /// Where. `None` in all namespaces.
    pub namespace: Option<String>,
}

impl Right {
    /// A right in a namespace.
    pub fn new(verb: &str, resource: &str, namespace: Option<&str>) -> Self {
        Self {
            verb: verb.to_owned(),
            resource: resource.to_owned(),
            namespace: namespace.map(str::to_owned),
        }
    }

    /// The right that the API server names in its refusal, which may be another one than was expected:
    /// since Kubernetes 1.35 a port-forward needs two.
    #[must_use]
    pub fn refused(self, message: &str) -> Self {
        let named = message.split_once(" cannot ").and_then(|(_, rest)| {
            let (verb, rest) = rest.split_once(" resource \"")?;
            let (resource, _) = rest.split_once('"')?;
            Some((verb.to_owned(), resource.to_owned()))
        });
        match named {
            Some((verb, resource)) => Self {
                verb,
                resource,
                ..self
            },
            None => self,
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match &self.namespace {
            Some(namespace) => write!(f, " in namespace {namespace}"),
            None => f.write_str(" in all namespaces"),
        }
    }
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Right(right) => write!(f, "you lack the right to {right}"),
            Self::Operator(reason) => f.write_str(reason),
            Self::Unlisted(namespaces) => f.write_str(&unlisted(namespaces).unwrap_or_default()),
        }
    }
}

impl Seen {
    /// No chains, now.
    pub fn nothing() -> Self {
        Self {
            at: Timestamp::now(),
            interval: Duration::ZERO,
            chains: Vec::new(),
            gaps: Vec::new(),
        }
    }

    /// The chains as the API lists them.
    pub fn list(self) -> ChainList {
        let unlisted = self.gaps.into_iter().filter_map(|gap| match gap {
            Gap::Unlisted(namespaces) => Some(namespaces),
            Gap::Right(_) | Gap::Operator(_) => None,
        });
        ChainList {
            at: self.at,
            interval: self.interval,
            unlisted: unlisted.flatten().collect(),
            items: self.chains,
        }
    }

    /// Adds what another operator shows. The older time counts for all.
    pub fn add(&mut self, other: Self) {
        let Self {
            at,
            interval,
            chains,
            gaps,
        } = other;
        self.at = self.at.min(at);
        self.interval = self.interval.max(interval);
        self.chains.extend(chains);
        self.gaps.extend(gaps);
    }

    /// Whether an operator isn't there to ask, so that numbers are missing.
    pub fn lacks_an_operator(&self) -> bool {
        let is_unlisted = |gap: &Gap| matches!(gap, Gap::Unlisted(_));
        !self.gaps.iter().all(is_unlisted)
    }

    /// Whether a right is missing.
    pub fn lacks_a_right(&self) -> bool {
        self.gaps.iter().any(|gap| matches!(gap, Gap::Right(_)))
    }

    /// Whether a number of a chain is unknown, so that nothing found doesn't mean that nothing is wrong.
    pub fn is_incomplete(&self) -> bool {
        !self.gaps.is_empty() || self.chains.iter().any(has_unknown)
    }
}

fn has_unknown(chain: &LiveChain) -> bool {
    let LiveChain {
        stages,
        notifier,
        parking,
        ..
    } = chain;
    let parking = parking.as_ref();
    notifier.queue_numbers.unknown().is_some()
        || parking.is_some_and(|it| it.queue_numbers.unknown().is_some())
        || stages.iter().any(|stage| {
            // Without pods that are to be there, nothing can be asked.
            let is_scaled_to_none =
                stage.pods.desired == 0 && stage.worker_numbers.unknown() == Some(Unknown::NoPods);
            stage.queue_numbers.unknown().is_some()
                || (stage.worker_numbers.unknown().is_some() && !is_scaled_to_none)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_that_an_operator_cannot_list_are_named_and_make_no_number_unknown() {
        let mut seen = Seen::nothing();
        let unlisted = vec!["yard".to_owned()];
        seen.gaps.push(Gap::Unlisted(unlisted.clone()));
        assert!(seen.is_incomplete() && !seen.lacks_an_operator() && !seen.lacks_a_right());
        let [line] = &crate::inspect::terminal::gaps(&seen)[..] else {
            panic!("one line: {seen:?}");
        };
        assert!(line.contains("namespace yard are missing"), "{line}");
        assert_eq!(seen.list().unlisted, unlisted);
    }

    #[test]
    fn the_api_server_names_the_right_that_is_missing() {
        let expected = || Right::new("get", "pods/portforward", Some("executor-chain"));
        let rows = [
            (
                r#"pods "a" is forbidden: User "jane" cannot create resource "pods/portforward" in API group "" in the namespace "executor-chain""#,
                "create pods/portforward in namespace executor-chain",
            ),
            ("no", "get pods/portforward in namespace executor-chain"),
            (
                " cannot get",
                "get pods/portforward in namespace executor-chain",
            ),
        ];
        for (message, right) in rows {
            assert_eq!(expected().refused(message).to_string(), right, "{message}");
        }
        let everywhere = Right::new("list", "pods", None);
        assert_eq!(everywhere.to_string(), "list pods in all namespaces");
    }
}
