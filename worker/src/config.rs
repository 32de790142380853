//! The worker's configuration, read once from the environment and valid from then on.

mod error;
mod handler;
mod mover;
mod oidc;
mod parse;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use cloudtasks::{Endpoint, OidcToken, QueuePath};
use decide::headers::is_reserved;
use decide::{
    EndCause, IsolationRules, NotifierPolicy, NotifyOn, ParkingPolicy, RetryAfter, Routes,
    StagePolicy,
};
use http::{HeaderName, Uri};
use worker_contract::{duration, env, limits, ports};

use oidc::default_issuers;
use parse::{EnvVars, comma_separated, parsed, valid};

pub use error::ConfigError;
pub use handler::{HandlerConfig, HandlerUrl};
pub use mover::MoverConfig;
pub use oidc::OidcConfig;

const ONE_MILLISECOND: Duration = Duration::from_millis(1);

/// The configuration of one worker.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stage's policy.
    pub policy: StagePolicy,
    /// How the user's HTTP server is called.
    pub handler: HandlerConfig,
    /// Headers that stay with the task although proxies add headers of that name.
    pub keep_headers: Arc<[HeaderName]>,
    /// The runs of the handler at once.
    pub concurrency: u32,
    /// How long the worker accepts pushes after SIGTERM: a load balancer learns late that a pod is
    /// terminating.
    pub drain_delay: Duration,
    /// The dispatch deadlines of tasks that are handed over, by their next queue.
    pub dispatch_deadlines: BTreeMap<QueuePath, Duration>,
    /// How long tasks that are handed over wait, by their next queue.
    pub delays: BTreeMap<QueuePath, Duration>,
    /// The token that each push must carry. None accepts every push.
    pub oidc: Option<OidcConfig>,
    /// The issuers of the tokens that Cloud Tasks makes for a task's own `oidcToken`.
    pub token_issuers: Vec<String>,
    /// The token that notifications carry. Cloud Tasks makes it.
    pub notifier_oidc: Option<OidcToken>,
    /// The addresses to try for pushes, in order. Port 0 is any free port.
    pub listen: Vec<SocketAddr>,
    /// The addresses to try for health and metrics, in order.
    pub admin: Vec<SocketAddr>,
    /// Google, or an emulator.
    pub endpoint: Endpoint,
}

impl Config {
    /// Reads the variables through `get`. An empty one counts as not set.
    pub fn from_vars(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = EnvVars(get);
        let queue: QueuePath = vars.required(
            env::QUEUE,
            "write the queue's full path, projects/PROJECT/locations/LOCATION/queues/QUEUE",
        )?;
        let downstream = vars.other_queue(env::DOWNSTREAM_QUEUE, &queue)?;
        let max_attempts = vars.text(
            env::MAX_ATTEMPTS,
            "write how often the handler runs, such as 3",
        )?;
        let endpoint = Endpoint::from_emulator_host(vars.get(env::CLOUD_TASKS_EMULATOR_HOST));
        Ok(Self {
            policy: StagePolicy {
                chain: vars.chain()?,
                stage: vars.required(env::STAGE, "write the stage's name")?,
                max_attempts: valid(
                    max_attempts.parse::<NonZeroU32>().ok(),
                    env::MAX_ATTEMPTS,
                    &max_attempts,
                    "write a whole number from 1 to 4294967295",
                )?,
                lookup_queues: vars.list(env::LOOKUP_QUEUES)?,
                notifier: vars.notifier(&queue)?,
                parking: vars.parking(&queue)?,
                retired_parking: vars.list(env::RETIRED_PARKING_QUEUES)?,
                give_up_after: vars.duration(
                    env::GIVE_UP_AFTER,
                    env::DEFAULT_GIVE_UP_AFTER,
                    ONE_MILLISECOND,
                    None,
                )?,
                routes: vars.routes()?,
                isolation: vars.isolation()?,
                tell_categories: vars.tell_categories()?,
                hold_on_outage: vars.hold_on_outage()?,
                retry_after: vars.retry_after()?,
                queue,
                downstream,
            },
            handler: vars.handler()?,
            keep_headers: vars.keep_headers()?,
            concurrency: vars.concurrency()?,
            drain_delay: vars.duration(env::DRAIN_DELAY, Duration::ZERO, Duration::ZERO, None)?,
            dispatch_deadlines: vars.dispatch_deadlines()?,
            delays: vars.delays()?,
            oidc: vars.oidc(&endpoint)?,
            token_issuers: default_issuers(&endpoint),
            notifier_oidc: vars.notifier_oidc()?,
            listen: vars.addresses(env::LISTEN_ADDR, ports::PUSHES)?,
            admin: vars.addresses(env::ADMIN_ADDR, ports::ADMIN)?,
            endpoint,
        })
    }

    /// The dispatch deadline of a task that is handed over to `queue`. The default is the longest: the
    /// next stage's own time-out ends a run earlier.
    pub(crate) fn dispatch_deadline(&self, queue: &QueuePath) -> Duration {
        let known = self.dispatch_deadlines.get(queue);
        known.copied().unwrap_or(limits::DISPATCH_DEADLINE_MAX)
    }

    /// The dispatch deadline of a task that is put off: as a hand-over to this stage would set it.
    pub(crate) fn own_dispatch_deadline(&self) -> Duration {
        let around = self.handler.timeout.saturating_add(limits::AROUND_A_RUN);
        around.min(limits::DISPATCH_DEADLINE_MAX)
    }

    /// How long a task that is handed over to `queue` waits there.
    pub(crate) fn delay(&self, queue: &QueuePath) -> Option<Duration> {
        self.delays.get(queue).copied()
    }
}

impl EnvVars<'_> {
    fn chain(&self) -> Result<String, ConfigError> {
        let text = self.text(env::CHAIN, "write the chain's name")?;
        // The name becomes part of a header and of a URI.
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        let fits = text.len() <= 200 && text.bytes().all(legal);
        valid(
            fits.then(|| text.clone()),
            env::CHAIN,
            &text,
            "use at most 200 letters, digits, periods, hyphens, underscores and slashes",
        )
    }

    /// A queue other than `own`, which would lead back to where the task is.
    fn other_queue(
        &self,
        variable: &'static str,
        own: &QueuePath,
    ) -> Result<Option<QueuePath>, ConfigError> {
        let Some(text) = self.get(variable) else {
            return Ok(None);
        };
        let queue: QueuePath = parsed(variable, &text)?;
        let other = (queue != *own).then_some(queue);
        let fix = "this is QUEUE itself; write another queue";
        valid(other, variable, &text, fix).map(Some)
    }

    fn dispatch_deadlines(&self) -> Result<BTreeMap<QueuePath, Duration>, ConfigError> {
        self.by_queue(
            env::DISPATCH_DEADLINES,
            limits::DISPATCH_DEADLINE_MIN..=limits::DISPATCH_DEADLINE_MAX,
            "write QUEUE=DURATION for each queue, with commas between, each from 15s to 30m",
        )
    }

    fn delays(&self) -> Result<BTreeMap<QueuePath, Duration>, ConfigError> {
        self.by_queue(
            env::DELAYS,
            ONE_MILLISECOND..=limits::DELAY_MAX,
            "write QUEUE=DURATION for each queue, with commas between, each up to 24h",
        )
    }

    fn by_queue(
        &self,
        variable: &'static str,
        range: RangeInclusive<Duration>,
        fix: &'static str,
    ) -> Result<BTreeMap<QueuePath, Duration>, ConfigError> {
        let text = self.get(variable).unwrap_or_default();
        let entry = |item: &str| {
            let (queue, time) = item.split_once('=')?;
            let time = duration::parse(time).filter(|it| range.contains(it))?;
            Some((queue.parse().ok()?, time))
        };
        comma_separated(&text)
            .map(|item| valid(entry(item), variable, item, fix))
            .collect()
    }

    fn isolation(&self) -> Result<IsolationRules, ConfigError> {
        let Some(text) = self.get(env::ISOLATE) else {
            return Ok(IsolationRules::default());
        };
        serde_json::from_str(&text).map_err(|error| ConfigError::Invalid {
            variable: env::ISOLATE,
            fix: format!("write a JSON list of {{\"header\": …, \"to\": …}} ({error})"),
            value: text,
        })
    }

    fn tell_categories(&self) -> Result<bool, ConfigError> {
        let text = self.get(env::TELL_CATEGORIES).unwrap_or_default();
        let tells = match text.as_str() {
            "" | "false" => Some(false),
            "true" => Some(true),
            _ => None,
        };
        valid(tells, env::TELL_CATEGORIES, &text, "write true or false")
    }

    fn hold_on_outage(&self) -> Result<Option<Duration>, ConfigError> {
        let Some(text) = self.get(env::HOLD_ON_OUTAGE) else {
            return Ok(None);
        };
        let time = duration::parse(&text).filter(|it| limits::HOLD.contains(it));
        let fix = "write a duration from 10s to 24h, such as 30m";
        valid(time, env::HOLD_ON_OUTAGE, &text, fix).map(Some)
    }

    fn retry_after(&self) -> Result<RetryAfter, ConfigError> {
        let text = self.get(env::RETRY_AFTER).unwrap_or_default();
        let retry_after = match text.as_str() {
            "" | env::FOLLOW_RETRY_AFTER => Some(RetryAfter::Follow),
            env::IGNORE_RETRY_AFTER => Some(RetryAfter::Ignore),
            _ => None,
        };
        let fix = "write Follow or Ignore";
        valid(retry_after, env::RETRY_AFTER, &text, fix)
    }

    fn notifier(&self, own: &QueuePath) -> Result<Option<NotifierPolicy>, ConfigError> {
        let on = self.notify_on()?;
        let queue = self.other_queue(env::NOTIFIER_QUEUE, own)?;
        let url = self.get(env::NOTIFIER_URL);
        if queue.is_none() && url.is_none() && !on.succeeded && !on.failed {
            return Ok(None);
        }
        let queue = queue.ok_or(ConfigError::Missing {
            variable: env::NOTIFIER_QUEUE,
            fix: "write the full path of the queue that carries the notifications, or NOTIFY_ON=None",
        })?;
        let url = url.ok_or(ConfigError::Missing {
            variable: env::NOTIFIER_URL,
            fix: "write the URL that notifications are sent to, or NOTIFY_ON=None",
        })?;
        let absolute = url.parse::<Uri>().ok().filter(|uri| {
            url.len() <= limits::URL_LENGTH
                && matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
        });
        valid(
            absolute,
            env::NOTIFIER_URL,
            &url,
            "write an http or https URL of at most 2083 characters",
        )?;
        Ok(Some(NotifierPolicy {
            queue,
            url,
            retired: self.list(env::RETIRED_NOTIFIER_QUEUES)?,
            on,
        }))
    }

    fn parking(&self, own: &QueuePath) -> Result<Option<ParkingPolicy>, ConfigError> {
        let Some(queue) = self.other_queue(env::PARKING_QUEUE, own)? else {
            return Ok(None);
        };
        let text = self.get(env::PARKING_KEEP).unwrap_or_default();
        let keep = comma_separated(&text)
            .map(|item| parsed(env::PARKING_KEEP, item))
            .collect::<Result<BTreeSet<EndCause>, _>>()?;
        Ok(Some(ParkingPolicy {
            queue,
            keep: if keep.is_empty() {
                EndCause::all()
            } else {
                keep
            },
        }))
    }

    fn keep_headers(&self) -> Result<Arc<[HeaderName]>, ConfigError> {
        let names: Vec<HeaderName> = self.list(env::KEEP_HEADERS)?;
        let reserved = names.iter().find(|name| is_reserved(name));
        let text = reserved.map(HeaderName::as_str).unwrap_or_default();
        let fix = "leave it out: Cloud Tasks, this worker or the connection sets it";
        valid(
            reserved.is_none().then_some(()),
            env::KEEP_HEADERS,
            text,
            fix,
        )?;
        Ok(names.into())
    }

    fn notify_on(&self) -> Result<NotifyOn, ConfigError> {
        // Not set means both, and empty means none.
        let Some(text) = (self.0)(env::NOTIFY_ON) else {
            return Ok(NotifyOn {
                succeeded: true,
                failed: true,
            });
        };
        let mut on = NotifyOn {
            succeeded: false,
            failed: false,
        };
        for item in comma_separated(&text) {
            match item {
                "Succeeded" => on.succeeded = true,
                "Failed" => on.failed = true,
                "None" => {}
                _ => {
                    let fix = "write Succeeded, Failed, both with a comma between, or None";
                    return valid(None, env::NOTIFY_ON, &text, fix);
                }
            }
        }
        Ok(on)
    }

    fn routes(&self) -> Result<Routes, ConfigError> {
        let Some(text) = self.get(env::ROUTES) else {
            return Ok(Routes::default());
        };
        serde_json::from_str(&text).map_err(|error| ConfigError::Invalid {
            variable: env::ROUTES,
            fix: format!("write a JSON list of {{\"match\": …, \"to\": …}} ({error})"),
            value: text,
        })
    }

    fn concurrency(&self) -> Result<u32, ConfigError> {
        let Some(text) = self.get(env::CONCURRENCY) else {
            return Ok(env::DEFAULT_CONCURRENCY);
        };
        let number = text.parse().ok();
        let number = number.filter(|number| limits::CONCURRENCY.contains(number));
        let fix = "write a whole number from 1 to 10000";
        valid(number, env::CONCURRENCY, &text, fix)
    }
}
