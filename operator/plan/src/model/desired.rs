//! The parsed spec. What can be wrong with a spec that passed the schema is found here, once.

mod gateway_host;
mod isolation_rules;
mod push;
mod worker_template;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use cloudtasks::{Address, LocationPath, NameError, OidcToken, QueuePath, Scheme};
use crds::{
    DeletionPolicy, DriftPolicy, EndCause, ExecutorChain, Oidc, Outcome, RateLimits, RetryAfter,
    Route, Stage, WorkerTemplate, child_name,
};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource, ResourceExt};
use worker_contract::env::DEFAULT_HANDLER_TIMEOUT;
use worker_contract::limits::{AROUND_A_RUN, DISPATCH_DEADLINE_MAX};

use super::host_name::HostName;
use super::operator_settings::{Settings, Timing};
use super::overrides::{Overridden, OverrideField};
use super::problem::Problem;
use push::{ChainContext, address, push};
use worker_template::worker_template;

pub use isolation_rules::{FailureThreshold, IsolationRule, Percent};
pub(crate) use push::SERVICE_PORT;
pub use push::{ParentGateway, Push};
pub(crate) use worker_template::merge;

/// Where a handler container listens when the spec doesn't say.
const DEFAULT_PORT: u16 = 8080;

/// A chain as it should be.
#[derive(Debug, Clone)]
pub struct Desired {
    /// The chain's namespace.
    pub namespace: String,
    /// The chain's name.
    pub name: String,
    /// What makes the chain the owner of its children; `None` where there is no API server.
    pub owner: Option<OwnerReference>,
    /// The chain's namespace as a second owner of its children, if it is known.
    pub namespace_owner: Option<OwnerReference>,
    /// What is written on the queues: cluster, namespace and name.
    pub queue_owner: String,
    /// How the client is notified.
    pub notifier: DesiredNotifier,
    /// Where tasks are kept that end without a success.
    pub parking: Option<DesiredParking>,
    /// The stages, first one first.
    pub stages: Vec<DesiredStage>,
    /// The token that each push carries.
    pub oidc: Option<Oidc>,
    /// How pushes reach the workers.
    pub push: Push,
    /// What happens to changes made outside the operator.
    pub drift_policy: DriftPolicy,
    /// What becomes of queues that are no longer needed.
    pub deletion_policy: DeletionPolicy,
    /// Whether the chain is deleted, and finishes its tasks first.
    pub finishes: bool,
    /// How long to wait where nothing can be observed.
    pub timing: Timing,
    /// How long a worker accepts pushes after SIGTERM.
    pub drain_delay: Duration,
    /// The headers that stay with a task although proxies add headers of that name.
    pub keep_headers: Vec<String>,
    /// The image of the workers.
    pub worker_image: String,
    /// What is added to the workers and their objects.
    pub worker_template: WorkerTemplate,
    /// The emulator that the workers use, if not Google.
    pub emulator_host: Option<String>,
    /// When overrides next change something by themselves.
    pub overrides_change: Option<Timestamp>,
}

/// How the client is notified.
#[derive(Debug, Clone)]
pub struct DesiredNotifier {
    /// The queue that carries the notifications.
    pub queue: QueuePath,
    /// Where they are sent.
    pub url: String,
    /// Which outcomes are notified.
    pub outcomes: Vec<Outcome>,
    /// How fast.
    pub rate_limits: Option<RateLimits>,
    /// The token that they carry.
    pub oidc: Option<crds::NotifierOidc>,
}

impl DesiredNotifier {
    /// The host of its URL. One with a user isn't read: programs differ in where its host begins.
    pub fn host(&self) -> Option<HostName> {
        let url: http::Uri = self.url.parse().ok()?;
        let authority = url.authority().filter(|it| !it.as_str().contains('@'))?;
        authority.host().parse().ok()
    }

    /// Whether the spec has limits for the queue.
    pub fn sets_limits(&self) -> bool {
        sets_limits(self.rate_limits)
    }
}

/// Whether a spec with these limits of the notifier's queue sets any.
pub(super) fn sets_limits(limits: Option<RateLimits>) -> bool {
    limits.unwrap_or_default() != RateLimits::default()
}

/// Where tasks are kept that end without a success.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredParking {
    /// The queue that keeps them.
    pub queue: QueuePath,
    /// For which causes; none: for all.
    pub keep: Vec<EndCause>,
}

/// One stage as it should be.
#[derive(Debug, Clone)]
pub struct DesiredStage {
    /// Its identity within the chain.
    pub name: String,
    /// The name of its Deployment and Service.
    pub child: String,
    /// Its queue.
    pub queue: QueuePath,
    /// How often the handler runs for a task.
    pub max_attempts: NonZeroU32,
    /// How fast the queue dispatches.
    pub rate_limits: Option<RateLimits>,
    /// How long a failed task waits.
    pub backoff: Option<crds::Backoff>,
    /// Where the queue pushes to.
    pub address: Address,
    /// How many pods; `None`: the operator doesn't set it.
    pub replicas: Option<i32>,
    /// How many tasks one pod runs at once.
    pub concurrency: Option<i32>,
    /// The longest that a task may stay in the stage.
    pub give_up_after: Option<Duration>,
    /// What runs the tasks.
    pub handler: HandlerAt,
    /// How its requests look.
    pub requests: Option<crds::Handler>,
    /// How long one run may take.
    pub timeout: Duration,
    /// The pods, as the user described them.
    pub template: PodTemplateSpec,
    /// Shortcuts.
    pub routes: Vec<(crds::RouteMatch, Target)>,
    /// Which categories leave the stage while they hang or fail.
    pub isolate: Vec<IsolationRule>,
    /// How long a pod holds at most whose handler fails for nearly all tasks.
    pub hold_on_outage: Option<Duration>,
    /// Whether the handler says when a task comes again.
    pub retry_after: RetryAfter,
    /// How long a task that is handed over to the stage waits first.
    pub delay: Option<Duration>,
    /// Whether the spec says something about a pause, and what.
    pub paused: Option<bool>,
    /// What overrides have replaced: the fields above have their values.
    pub overridden: BTreeMap<OverrideField, Overridden>,
}

/// What runs a stage's tasks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandlerAt {
    /// A container of the pod.
    Container {
        /// Its port.
        port: u16,
        /// Replaces the task's own path.
        path: Option<String>,
    },
    /// Somewhere else.
    Url(String),
}

impl HandlerAt {
    /// As the worker gets it.
    pub fn url(&self) -> String {
        match self {
            Self::Container { port, path } => {
                // By name: a handler may listen on either loopback address.
                format!(
                    "http://localhost:{port}{}",
                    path.as_deref().unwrap_or_default()
                )
            }
            Self::Url(url) => url.clone(),
        }
    }
}

/// Where a shortcut leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// To a later stage's queue.
    Queue(QueuePath),
    /// To the failed outcome.
    Fail,
}

impl DesiredStage {
    /// How long Cloud Tasks should wait for an answer of this stage's workers.
    pub fn dispatch_deadline(&self) -> Duration {
        (self.timeout + AROUND_A_RUN).min(DISPATCH_DEADLINE_MAX)
    }
}

impl Desired {
    /// Parses a chain.
    pub fn new(chain: &ExecutorChain, settings: &Settings) -> Result<Self, Problem> {
        let spec = &chain.spec;
        let namespace = chain.namespace().unwrap_or_else(|| "default".to_owned());
        let name = chain.name_any();
        let parent = location(spec.project.as_deref(), spec.location.as_deref(), settings)?;
        let context = ChainContext {
            namespace: &namespace,
            name: &name,
            parent: &parent,
            settings,
        };
        let stages: Vec<DesiredStage> = spec
            .stages
            .iter()
            .map(|stage| DesiredStage::new(chain, stage, &context))
            .collect::<Result<_, _>>()?;
        let push = push(chain, &namespace);
        hosts_are_apart(&push, &stages)?;
        let desired = Self {
            queue_owner: settings.queue_owner(&namespace, &name),
            owner: owner_of(chain),
            namespace_owner: None,
            notifier: DesiredNotifier {
                queue: queue(&parent, &spec.notifier.queue)?,
                url: web_address(&spec.notifier.url)
                    .map_err(|why| Problem::invalid(format!("notifier.url {why}")))?,
                outcomes: spec.notifier.outcomes.clone(),
                rate_limits: spec.notifier.rate_limits,
                oidc: spec.notifier.oidc.clone(),
            },
            parking: spec
                .parking
                .as_ref()
                .map(|parking| DesiredParking::new(parking, &parent))
                .transpose()?,
            oidc: spec.oidc.clone(),
            stages,
            push,
            drift_policy: spec.drift_policy,
            deletion_policy: spec.deletion_policy,
            finishes: spec.deletion_policy == DeletionPolicy::Drain
                && chain.metadata.deletion_timestamp.is_some(),
            timing: settings.timing,
            drain_delay: spec.drain_delay.0,
            keep_headers: spec.keep_headers.clone(),
            worker_image: settings.worker_image.clone(),
            worker_template: worker_template(
                &settings.worker_template,
                spec.worker_template.as_ref(),
            )?,
            emulator_host: settings.emulator_host.clone(),
            overrides_change: None,
            namespace,
            name,
        };
        desired.refuse_token_in_the_clear()?;
        desired.refuse_missing_volumes()?;
        Ok(desired)
    }

    /// Cloud Tasks sends a token over HTTPS only; an emulator over both.
    fn refuse_token_in_the_clear(&self) -> Result<(), Problem> {
        let mut stages = self.stages.iter();
        let notifier = &self.notifier;
        if notifier.oidc.is_some()
            && self.emulator_host.is_none()
            && !notifier.url.starts_with("https:")
        {
            return Err(Problem::invalid(format!(
                "notifier.url is {}, but Cloud Tasks sends tokens only over https: use an https URL, or omit notifier.oidc",
                notifier.url
            )));
        }
        let is_clear = |stage: &&DesiredStage| stage.address.scheme == Scheme::Http;
        match stages.find(is_clear) {
            Some(stage) if self.oidc.is_some() && self.emulator_host.is_none() => {
                Err(Problem::invalid(format!(
                    "stage {} has the address http://{}, but Cloud Tasks sends tokens only over https: set push.url to an https URL, or omit oidc",
                    stage.name, stage.address.host
                )))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The API server would refuse the Deployment.
    fn refuse_missing_volumes(&self) -> Result<(), Problem> {
        let lacks = |stage: &&DesiredStage, name: &str| {
            let pod = stage.template.spec.as_ref();
            let mut volumes = pod.iter().flat_map(|pod| pod.volumes.iter().flatten());
            !volumes.any(|volume| volume.name == name)
        };
        for mount in &self.worker_template.volume_mounts {
            if let Some(stage) = self.stages.iter().find(|stage| lacks(stage, &mount.name)) {
                return Err(Problem::invalid(format!(
                    "workerTemplate.volumeMounts has the volume {}, which stage {} lacks: add it to template.spec.volumes of this stage, or remove the mount",
                    mount.name, stage.name
                )));
            }
        }
        Ok(())
    }

    /// The queue after the stage at `index`, none after the last.
    pub fn downstream(&self, index: usize) -> Option<&QueuePath> {
        self.stages.get(index + 1).map(|stage| &stage.queue)
    }

    /// The queues that the workers of the stage at `index` hand tasks over to.
    pub fn hand_over_targets(&self, index: usize) -> BTreeSet<QueuePath> {
        let stage = &self.stages[index];
        let shortcuts = stage.routes.iter().filter_map(|(_, to)| match to {
            Target::Queue(queue) => Some(queue),
            Target::Fail => None,
        });
        let isolated = stage.isolate.iter().map(|rule| &rule.to);
        let all = shortcuts.chain(isolated).chain(self.downstream(index));
        all.cloned().collect()
    }

    /// The token that the spec puts on the queues.
    pub fn token(&self) -> Option<OidcToken> {
        let oidc = self.oidc.as_ref()?;
        Some(OidcToken {
            service_account_email: oidc.service_account_email.clone(),
            audience: oidc.audiences.first()?.clone(),
        })
    }

    /// Every queue that the spec names, the notifier's first.
    pub fn queues(&self) -> impl Iterator<Item = &QueuePath> {
        self.pushing_queues().chain(self.parking_queue())
    }

    /// Those that push: not the parking queue.
    pub fn pushing_queues(&self) -> impl Iterator<Item = &QueuePath> {
        std::iter::once(&self.notifier.queue).chain(self.stages.iter().map(|stage| &stage.queue))
    }

    /// The queue that keeps tasks which end without a success.
    pub fn parking_queue(&self) -> Option<&QueuePath> {
        self.parking.as_ref().map(|parking| &parking.queue)
    }
}

impl DesiredParking {
    fn new(parking: &crds::Parking, parent: &LocationPath) -> Result<Self, Problem> {
        Ok(Self {
            queue: queue(parent, &parking.queue)?,
            keep: parking.keep.clone().unwrap_or_default(),
        })
    }
}

/// Two stages with one host and port would get each other's tasks.
fn hosts_are_apart(push: &Push, stages: &[DesiredStage]) -> Result<(), Problem> {
    let field = match push {
        // The Services of two stages never have one name.
        Push::Cluster => return Ok(()),
        Push::Url => "spec.push.url",
        Push::Gateway(_) => "spec.push.gateway.hostname",
    };
    let mut hosts: BTreeMap<(&str, u16), &str> = BTreeMap::new();
    for stage in stages {
        let Address { host, port, .. } = &stage.address;
        if let Some(other) = hosts.insert((host, *port), &stage.name) {
            return Err(Problem::invalid(format!(
                "{field} gives the stages {other} and {} the same host {host}: change the template so that each stage has its own host",
                stage.name
            )));
        }
    }
    Ok(())
}

impl DesiredStage {
    fn new(
        chain: &ExecutorChain,
        stage: &Stage,
        context: &ChainContext<'_>,
    ) -> Result<Self, Problem> {
        let max_attempts = u32::try_from(stage.max_attempts)
            .ok()
            .and_then(NonZeroU32::new)
            .ok_or_else(|| invalid(stage, "maxAttempts must be at least 1"))?;
        let child = child_name(context.name, &stage.name);
        Ok(Self {
            queue: queue(context.parent, &stage.queue)?,
            max_attempts,
            rate_limits: stage.rate_limits,
            backoff: stage.backoff,
            address: address(chain, stage, &child, context)?,
            replicas: stage.replicas,
            concurrency: stage.concurrency,
            give_up_after: stage.give_up_after.map(|time| time.0),
            handler: handler(stage)?,
            requests: stage.handler.clone(),
            timeout: timeout(stage),
            template: stage
                .template
                .clone()
                .or_else(|| chain.spec.template.clone())
                .unwrap_or_default(),
            routes: stage
                .routes
                .iter()
                .map(|route| Ok((route.matches.clone(), target(chain, route, context)?)))
                .collect::<Result<_, Problem>>()?,
            isolate: stage
                .isolate
                .iter()
                .map(|rule| isolation_rule(chain, stage, rule, context))
                .collect::<Result<_, Problem>>()?,
            hold_on_outage: stage.hold_on_outage.map(|time| time.0),
            retry_after: stage.retry_after.unwrap_or_default(),
            delay: stage.delay.map(|time| time.0),
            paused: stage.paused,
            overridden: BTreeMap::new(),
            name: stage.name.clone(),
            child,
        })
    }
}

fn invalid(stage: &Stage, message: impl fmt::Display) -> Problem {
    Problem::invalid(format!("stage {}: {message}", stage.name))
}

/// What makes a chain the owner of its children. It doesn't hold up the chain's deletion, which is the
/// finalizer's task.
pub fn owner_of(chain: &impl Resource<DynamicType = ()>) -> Option<OwnerReference> {
    let owner = chain.controller_owner_ref(&())?;
    Some(OwnerReference {
        block_owner_deletion: None,
        ..owner
    })
}

/// Where the queues of a chain are that has these fields in its spec.
pub fn location(
    project: Option<&str>,
    location: Option<&str>,
    settings: &Settings,
) -> Result<LocationPath, Problem> {
    Ok(LocationPath {
        project: or_default(project, settings.project.as_ref(), "project")?,
        location: or_default(location, settings.location.as_ref(), "location")?,
    })
}

fn or_default<T: FromStr<Err = NameError> + Clone>(
    given: Option<&str>,
    default: Option<&T>,
    field: &str,
) -> Result<T, Problem> {
    if let Some(text) = given {
        return parsed(text);
    }
    default.cloned().ok_or_else(|| {
        Problem::invalid(format!(
            "spec.{field} is missing and the operator has no default: set it, or start the operator with --{field}"
        ))
    })
}

fn parsed<T: FromStr<Err = NameError>>(text: &str) -> Result<T, Problem> {
    text.parse()
        .map_err(|error: NameError| Problem::invalid(error.to_string()))
}

fn queue(parent: &LocationPath, id: &str) -> Result<QueuePath, Problem> {
    Ok(parent.queue(parsed(id)?))
}

fn handler(stage: &Stage) -> Result<HandlerAt, Problem> {
    let Some(handler) = &stage.handler else {
        return Ok(HandlerAt::Container {
            port: DEFAULT_PORT,
            path: None,
        });
    };
    if let Some(url) = &handler.url {
        let url = web_address(url).map_err(|why| invalid(stage, format!("handler.url {why}")))?;
        return Ok(HandlerAt::Url(url));
    }
    let port = match handler.port {
        None => DEFAULT_PORT,
        Some(port) => u16::try_from(port).map_err(|_| {
            invalid(
                stage,
                format!("handler.port {port} is not a port: use 1 to 65535"),
            )
        })?,
    };
    let handler = HandlerAt::Container {
        port,
        path: handler.path.clone(),
    };
    web_address(&handler.url())
        .map_err(|why| invalid(stage, format!("handler.path gives {why}")))?;
    Ok(handler)
}

/// A URL that a worker can use; else what is wrong with it.
fn web_address(url: &str) -> Result<String, String> {
    let why = |what: &str| {
        format!(
            "{url:?} is not a URL ({what}): write scheme, host and, where needed, port and path, such as https://api.example.com/task-events"
        )
    };
    let uri: http::Uri = url.parse().map_err(|error| why(&format!("{error}")))?;
    let authority = uri.authority().ok_or_else(|| why("it has no host"))?;
    if authority.host().is_empty() {
        return Err(why("it has no host"));
    }
    // `Uri` reads an invalid port as no port.
    let has_port = authority.as_str().ends_with(|c: char| c.is_ascii_digit())
        && authority
            .as_str()
            .rsplit_once(':')
            .is_some_and(|(_, port)| !port.contains(']'));
    if has_port && authority.port_u16().is_none_or(|port| port == 0) {
        return Err(why("its port is not between 1 and 65535"));
    }
    Ok(url.to_owned())
}

fn timeout(stage: &Stage) -> Duration {
    stage
        .handler
        .as_ref()
        .and_then(|handler| handler.timeout)
        .map_or(DEFAULT_HANDLER_TIMEOUT, |timeout| timeout.0)
}

fn target(
    chain: &ExecutorChain,
    route: &Route,
    context: &ChainContext<'_>,
) -> Result<Target, Problem> {
    if route.to == "fail" {
        return Ok(Target::Fail);
    }
    let stage = stage_named(chain, &route.to).ok_or_else(|| {
        Problem::invalid(format!(
            "a route leads to {}, which is not a stage of this chain",
            route.to
        ))
    })?;
    queue(context.parent, &stage.queue).map(Target::Queue)
}

fn stage_named<'a>(chain: &'a ExecutorChain, name: &str) -> Option<&'a Stage> {
    let mut stages = chain.spec.stages.iter();
    stages.find(|stage| stage.name == name)
}

fn isolation_rule(
    chain: &ExecutorChain,
    stage: &Stage,
    given: &crds::IsolationRule,
    context: &ChainContext<'_>,
) -> Result<IsolationRule, Problem> {
    let to = if let Some(name) = &given.to {
        stage_named(chain, name).ok_or_else(|| {
            let message = format!("isolate leads to {name}, which is not a stage of this chain");
            invalid(stage, message)
        })?
    } else {
        let stages = chain.spec.stages.iter();
        let next = stages.skip_while(|it| it.name != stage.name).nth(1);
        next.ok_or_else(|| invalid(stage, "isolate leads nowhere, since no stage comes next"))?
    };
    let to = queue(context.parent, &to.queue)?;
    IsolationRule::new(given, to).map_err(|why| invalid(stage, why))
}
