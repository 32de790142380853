//! The environment, read once into a struct that is correct from then on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::str::FromStr;
use std::time::Duration;

use cloudtasks::{Endpoint, QueuePath};
use decide::{Notifier, NotifyOn, Routes, StagePolicy};
use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

use crate::duration;

mod oidc;

pub use oidc::Oidc;

/// Cloud Tasks waits half an hour for an answer at most, and something must be left for the
/// hand-over.
const LONGEST_RUN: Duration = Duration::from_mins(30);
/// What Cloud Tasks takes for a dispatch deadline of an HTTP task.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(15);
const LONGEST_DEADLINE: Duration = Duration::from_mins(30);
/// The longest URL that Cloud Tasks takes, in characters.
const LONGEST_URL: usize = 2083;

/// What one worker is told.
#[derive(Debug, Clone)]
pub struct Config {
    /// The stage, its queue, its neighbours and its rules.
    pub policy: StagePolicy,
    /// The user's HTTP server.
    pub handler: HandlerUrl,
    /// How long one run may take, connecting included.
    pub handler_timeout: Duration,
    /// Runs of the handler under way at once.
    pub concurrency: u32,
    /// How long the worker goes on accepting after it was asked to stop: a load balancer learns
    /// late that a pod is leaving.
    pub drain_delay: Duration,
    /// How long Cloud Tasks should wait for an answer of another stage's workers, by its queue.
    pub dispatch_deadlines: BTreeMap<QueuePath, Duration>,
    /// The token that each push must carry; `None` takes every push.
    pub oidc: Option<Oidc>,
    /// Where pushes arrive. Port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where health and metrics are asked for, apart from the tasks' own paths.
    pub admin: SocketAddr,
    /// Google, or an emulator.
    pub endpoint: Endpoint,
}

/// Where the handler is. Without a path a task keeps its own path and query; with one, they are
/// replaced by it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerUrl {
    /// HTTP or HTTPS.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// What replaces a task's own path and query.
    pub path: Option<PathAndQuery>,
}

/// A variable that is missing or wrong, in a sentence that says how to mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Not set, or empty.
    #[error("{variable} is not set: {mend}")]
    Missing {
        /// The variable.
        variable: &'static str,
        /// What to write there.
        mend: &'static str,
    },
    /// Set to something else than it should be.
    #[error("{variable} is {value:?}: {mend}")]
    Wrong {
        /// The variable.
        variable: &'static str,
        /// What is written there.
        value: String,
        /// What to write there.
        mend: String,
    },
}

impl Config {
    /// Reads the variables through `get`. An empty one counts as not set.
    pub fn from_vars(get: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let vars = Vars(get);
        let queue: QueuePath = vars.required(
            "QUEUE",
            "write the queue's full path, projects/PROJECT/locations/LOCATION/queues/QUEUE",
        )?;
        let downstream = vars.other_than("DOWNSTREAM_QUEUE", &queue)?;
        let max_attempts = vars.text(
            "MAX_ATTEMPTS",
            "write how often the handler runs, such as 3",
        )?;
        let handler = vars.text(
            "HANDLER_URL",
            "write where the handler listens, such as http://127.0.0.1:8080",
        )?;
        let endpoint = Endpoint::from_emulator_host(vars.get("CLOUD_TASKS_EMULATOR_HOST"));
        Ok(Self {
            policy: StagePolicy {
                chain: vars.chain()?,
                stage: vars.required("STAGE", "write the stage's name")?,
                max_attempts: wrong_unless(
                    max_attempts.parse::<NonZeroU32>().ok(),
                    "MAX_ATTEMPTS",
                    &max_attempts,
                    "write a whole number from 1 to 4294967295",
                )?,
                lookup_queues: vars.list("LOOKUP_QUEUES")?,
                notifier: vars.notifier(&queue)?,
                give_up_after: vars.duration(
                    "GIVE_UP_AFTER",
                    "480h",
                    Duration::from_millis(1),
                    None,
                )?,
                routes: vars.routes()?,
                queue,
                downstream,
            },
            handler: handler_url(&handler)?,
            handler_timeout: vars.duration(
                "HANDLER_TIMEOUT",
                "60s",
                Duration::from_millis(1),
                Some(LONGEST_RUN),
            )?,
            concurrency: vars.concurrency()?,
            drain_delay: vars.duration("DRAIN_DELAY", "0s", Duration::ZERO, None)?,
            dispatch_deadlines: vars.deadlines()?,
            oidc: vars.oidc(&endpoint)?,
            listen: vars.address("LISTEN_ADDR", "0.0.0.0:9480")?,
            admin: vars.address("ADMIN_ADDR", "0.0.0.0:9481")?,
            endpoint,
        })
    }
}

impl Config {
    /// The dispatch deadline of a task that is handed to `queue`: the longest there is, where nothing
    /// else is known. The next stage's own time-out ends a run before.
    pub(crate) fn deadline_on(&self, queue: &QueuePath) -> Duration {
        let known = self.dispatch_deadlines.get(queue);
        known.copied().unwrap_or(LONGEST_DEADLINE)
    }
}

struct Vars<'a>(&'a dyn Fn(&str) -> Option<String>);

impl Vars<'_> {
    fn get(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    fn text(&self, variable: &'static str, mend: &'static str) -> Result<String, ConfigError> {
        self.get(variable)
            .ok_or(ConfigError::Missing { variable, mend })
    }

    fn required<T>(&self, variable: &'static str, mend: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        parsed(variable, &self.text(variable, mend)?)
    }

    fn chain(&self) -> Result<String, ConfigError> {
        let text = self.text("CHAIN", "write the chain's name")?;
        // It stands in a header and in a URI.
        let legal = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/');
        let fits = text.len() <= 200 && text.bytes().all(legal);
        wrong_unless(
            fits.then(|| text.clone()),
            "CHAIN",
            &text,
            "use at most 200 letters, digits, periods, hyphens, underscores and slashes",
        )
    }

    /// A queue that would lead back to where the task is, if it were `own`.
    fn other_than(
        &self,
        variable: &'static str,
        own: &QueuePath,
    ) -> Result<Option<QueuePath>, ConfigError> {
        let Some(text) = self.get(variable) else {
            return Ok(None);
        };
        let queue: QueuePath = parsed(variable, &text)?;
        let other = (queue != *own).then_some(queue);
        wrong_unless(
            other,
            variable,
            &text,
            "this is QUEUE itself; write another queue",
        )
        .map(Some)
    }

    fn list(&self, variable: &'static str) -> Result<Vec<QueuePath>, ConfigError> {
        let text = self.get(variable).unwrap_or_default();
        words(&text).map(|item| parsed(variable, item)).collect()
    }

    fn deadlines(&self) -> Result<BTreeMap<QueuePath, Duration>, ConfigError> {
        const NAME: &str = "DISPATCH_DEADLINES";
        let text = self.get(NAME).unwrap_or_default();
        let mend = "write QUEUE=DURATION for each queue, with commas between, each from 15s to 30m";
        let deadline = |item: &str| {
            let (queue, deadline) = item.split_once('=')?;
            let deadline = duration::parse(deadline)?;
            let fits = (SHORTEST_DEADLINE..=LONGEST_DEADLINE).contains(&deadline);
            Some((queue.parse().ok()?, fits.then_some(deadline)?))
        };
        words(&text)
            .map(|item| wrong_unless(deadline(item), NAME, item, mend))
            .collect()
    }

    fn notifier(&self, own: &QueuePath) -> Result<Option<Notifier>, ConfigError> {
        let on = self.notify_on()?;
        let queue = self.other_than("NOTIFIER_QUEUE", own)?;
        let url = self.get("NOTIFIER_URL");
        if queue.is_none() && url.is_none() && !on.succeeded && !on.failed {
            return Ok(None);
        }
        let queue = queue.ok_or(ConfigError::Missing {
            variable: "NOTIFIER_QUEUE",
            mend: "write the full path of the queue that carries the notifications, or NOTIFY_ON=None",
        })?;
        let url = url.ok_or(ConfigError::Missing {
            variable: "NOTIFIER_URL",
            mend: "write the URL that notifications are sent to, or NOTIFY_ON=None",
        })?;
        let absolute = url.parse::<Uri>().ok().filter(|uri| {
            url.len() <= LONGEST_URL
                && matches!(uri.scheme_str(), Some("http" | "https"))
                && uri.host().is_some()
        });
        wrong_unless(
            absolute,
            "NOTIFIER_URL",
            &url,
            "write an http or https URL of at most 2083 characters",
        )?;
        Ok(Some(Notifier {
            queue,
            url,
            retired: self.list("RETIRED_NOTIFIER_QUEUES")?,
            on,
        }))
    }

    fn notify_on(&self) -> Result<NotifyOn, ConfigError> {
        const NAME: &str = "NOTIFY_ON";
        // Here an empty value says something else than none.
        let Some(text) = (self.0)(NAME) else {
            return Ok(NotifyOn {
                succeeded: true,
                failed: true,
            });
        };
        let mut on = NotifyOn {
            succeeded: false,
            failed: false,
        };
        for word in words(&text) {
            match word {
                "Succeeded" => on.succeeded = true,
                "Failed" => on.failed = true,
                "None" => {}
                _ => {
                    let mend = "write Succeeded, Failed, both with a comma between, or None";
                    return wrong_unless(None, NAME, &text, mend);
                }
            }
        }
        Ok(on)
    }

    fn routes(&self) -> Result<Routes, ConfigError> {
        let Some(text) = self.get("ROUTES") else {
            return Ok(Routes::default());
        };
        serde_json::from_str(&text).map_err(|error| ConfigError::Wrong {
            variable: "ROUTES",
            mend: format!("write a JSON list of {{\"match\": …, \"to\": …}} ({error})"),
            value: text,
        })
    }

    fn concurrency(&self) -> Result<u32, ConfigError> {
        let text = self.get("CONCURRENCY").unwrap_or_else(|| "100".to_owned());
        let number = text
            .parse::<u32>()
            .ok()
            .filter(|number| (1..=10_000).contains(number));
        wrong_unless(
            number,
            "CONCURRENCY",
            &text,
            "write a whole number from 1 to 10000",
        )
    }

    fn duration(
        &self,
        variable: &'static str,
        default: &str,
        least: Duration,
        below: Option<Duration>,
    ) -> Result<Duration, ConfigError> {
        let text = self.get(variable).unwrap_or_else(|| default.to_owned());
        let value = duration::parse(&text)
            .filter(|value| *value >= least && below.is_none_or(|below| *value < below));
        let mend = match (below, least.is_zero()) {
            (Some(_), _) => "write a duration above 0s and below 30m, such as 60s or 1m30s",
            (None, false) => "write a duration above 0s, such as 480h",
            (None, true) => "write a duration such as 0s, 500ms or 1m30s",
        };
        wrong_unless(value, variable, &text, mend)
    }

    fn address(&self, variable: &'static str, default: &str) -> Result<SocketAddr, ConfigError> {
        let text = self.get(variable).unwrap_or_else(|| default.to_owned());
        let mend = "write an IP address and a port, such as 0.0.0.0:9480";
        wrong_unless(text.parse().ok(), variable, &text, mend)
    }
}

fn handler_url(text: &str) -> Result<HandlerUrl, ConfigError> {
    let split = |text: &str| {
        let parts = text.parse::<Uri>().ok()?.into_parts();
        let scheme = parts
            .scheme
            .filter(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS)?;
        // `http://host` and `http://host/` look the same once parsed: both are without a path.
        let path = parts.path_and_query.filter(|path| path.as_str() != "/");
        Some(HandlerUrl {
            scheme,
            authority: parts.authority?,
            path,
        })
    };
    let mend = "write an http or https URL, such as http://127.0.0.1:8080";
    wrong_unless(split(text), "HANDLER_URL", text, mend)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
}

fn parsed<T>(variable: &'static str, text: &str) -> Result<T, ConfigError>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error: T::Err| ConfigError::Wrong {
        variable,
        value: text.to_owned(),
        mend: error.to_string(),
    })
}

fn wrong_unless<T>(
    value: Option<T>,
    variable: &'static str,
    text: &str,
    mend: &str,
) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::Wrong {
        variable,
        value: text.to_owned(),
        mend: mend.to_owned(),
    })
}
