//! How pushes reach the workers: `spec.push`, parsed.

use std::fmt;

use cloudtasks::{Address, LocationPath, Scheme};
use crds::{ExecutorChain, Stage};

use super::gateway_host::{self, StageNames};
use crate::model::operator_settings::Settings;
use crate::model::problem::Problem;

/// The port of every stage's Service.
pub(crate) const SERVICE_PORT: u16 = 80;
/// The port on which a Gateway takes pushes.
const GATEWAY_PORT: u16 = 443;

/// How pushes reach the workers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Push {
    /// By each Service's cluster address.
    Cluster,
    /// By the user's own ingress.
    Url,
    /// By a Gateway, to which each stage's route is attached.
    Gateway(ParentGateway),
}

/// The Gateway that a chain's routes are attached to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParentGateway {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// The listener, if the spec names one.
    pub section_name: Option<String>,
}

impl fmt::Display for ParentGateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What the stages of a chain have in common while they are parsed.
pub(super) struct ChainContext<'a> {
    pub(super) namespace: &'a str,
    pub(super) name: &'a str,
    pub(super) parent: &'a LocationPath,
    pub(super) settings: &'a Settings,
}

/// How pushes reach the workers.
pub(super) fn push(chain: &ExecutorChain, namespace: &str) -> Push {
    let Some(push) = &chain.spec.push else {
        return Push::Cluster;
    };
    push.gateway.as_ref().map_or(Push::Url, |gateway| {
        Push::Gateway(ParentGateway {
            namespace: gateway
                .namespace
                .clone()
                .unwrap_or_else(|| namespace.to_owned()),
            name: gateway.name.clone(),
            section_name: gateway.section_name.clone(),
        })
    })
}

/// Where a stage's queue pushes to: the user's own ingress, the stage's host under a Gateway, or the
/// Service's cluster address.
pub(super) fn address(
    chain: &ExecutorChain,
    stage: &Stage,
    child: &str,
    context: &ChainContext<'_>,
) -> Result<Address, Problem> {
    let push = chain.spec.push.as_ref();
    let of = StageNames {
        namespace: context.namespace,
        chain: context.name,
        stage: &stage.name,
    };
    if let Some(gateway) = push.and_then(|push| push.gateway.as_ref()) {
        let host = gateway_host::host(&gateway.hostname, of);
        return Ok(Address {
            scheme: Scheme::Https,
            host: host
                .map_err(|why| Problem::invalid(format!("spec.push.gateway.hostname {why}")))?,
            port: GATEWAY_PORT,
        });
    }
    let Some(template) = push.and_then(|push| push.url.as_deref()) else {
        let domain = &context.settings.cluster_domain;
        let host = format!("{child}.{}.svc.{domain}", context.namespace);
        return Ok(Address {
            scheme: Scheme::Http,
            host,
            port: SERVICE_PORT,
        });
    };
    let url = gateway_host::fill(template, of);
    parse_address(&url).ok_or_else(|| {
        Problem::invalid(format!(
            "spec.push.url gives {url:?}: write only scheme, host, and port, such as https://push.example.com"
        ))
    })
}

fn parse_address(url: &str) -> Option<Address> {
    let (scheme, rest) = url.split_once("://")?;
    let (scheme, default_port) = match scheme {
        "http" => (Scheme::Http, 80),
        "https" => (Scheme::Https, 443),
        _ => return None,
    };
    let (host, port) = match rest.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (rest, default_port),
    };
    let labels_fit = host.split('.').all(|label| (1..=63).contains(&label.len()));
    labels_fit.then(|| Address {
        scheme,
        // Hosts are compared: in another case it is the same host.
        host: host.to_ascii_lowercase(),
        port,
    })
}
