//! Which of a chain's objects is meant.

use std::fmt;

use super::gateway_resource::GatewayResourceKind;

/// The kinds of object that a chain has in Kubernetes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObjectKind {
    /// The workers of a stage.
    Deployment,
    /// Their address.
    Service,
    /// What a Gateway needs at a Service.
    Gateway(GatewayResourceKind),
}

impl ObjectKind {
    /// The object of this kind and name.
    pub fn named(self, name: impl Into<String>) -> ObjectName {
        let name = name.into();
        ObjectName { kind: self, name }
    }
}

impl fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Deployment => f.write_str("deployment"),
            Self::Service => f.write_str("service"),
            Self::Gateway(kind) => kind.fmt(f),
        }
    }
}

/// The name of an object of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectName {
    /// Its kind.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.name)
    }
}
