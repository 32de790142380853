//! How the handler is called.

use std::time::Duration;

use decide::headers::is_reserved;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderName, HeaderValue, Uri};
use serde_json::Value;
use worker_contract::{env, limits};

use super::error::ConfigError;
use super::parse::{EnvVars, valid};

/// How the handler is called.
#[derive(Debug, Clone)]
pub struct HandlerConfig {
    /// Where the handler is.
    pub url: HandlerUrl,
    /// How long one run may take, including the connect.
    pub timeout: Duration,
    /// The Host header. None is the URL's host and port.
    pub host: Option<HeaderValue>,
    /// Headers with fixed values. They replace the task's.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// Whether it gets Cloud Tasks' headers.
    pub cloud_tasks_headers: bool,
    /// Whether it gets the token of a push, once that is verified.
    pub pass_token: bool,
}

/// The handler's URL. If it has a path, that replaces each task's own path and query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerUrl {
    /// HTTP or HTTPS.
    pub scheme: Scheme,
    /// Host and port.
    pub authority: Authority,
    /// Replaces a task's own path and query.
    pub path: Option<PathAndQuery>,
}

impl HandlerUrl {
    /// What a connection to the handler is made to: host and port.
    pub(crate) fn target(&self) -> (&str, u16) {
        let host = self.authority.host();
        // An IPv6 address has brackets in a URL.
        let host = host
            .strip_prefix('[')
            .and_then(|it| it.strip_suffix(']'))
            .unwrap_or(host);
        let is_https = self.scheme == Scheme::HTTPS;
        let port = self.authority.port_u16();
        (host, port.unwrap_or(if is_https { 443 } else { 80 }))
    }
}

impl EnvVars<'_> {
    pub(super) fn handler(&self) -> Result<HandlerConfig, ConfigError> {
        let url = self.text(
            env::HANDLER_URL,
            "write the handler's URL, such as http://127.0.0.1:8080",
        )?;
        Ok(HandlerConfig {
            url: handler_url(&url)?,
            timeout: self.duration(
                env::HANDLER_TIMEOUT,
                env::DEFAULT_HANDLER_TIMEOUT,
                Duration::from_millis(1),
                Some(limits::HANDLER_TIMEOUT_BELOW),
            )?,
            host: self.handler_host()?,
            headers: self.handler_headers()?,
            cloud_tasks_headers: self.passes(env::HANDLER_CLOUD_TASKS_HEADERS, true)?,
            pass_token: self.passes(env::HANDLER_TOKEN, false)?,
        })
    }

    fn handler_host(&self) -> Result<Option<HeaderValue>, ConfigError> {
        let Some(text) = self.get(env::HANDLER_HOST) else {
            return Ok(None);
        };
        let host = text.parse::<Authority>().ok();
        let host = host.filter(|host| !host.as_str().contains('@'));
        let host = host.and_then(|host| host.as_str().parse().ok());
        let fix = "write a host, or a host and a port, such as orders.example.com";
        valid(host, env::HANDLER_HOST, &text, fix).map(Some)
    }

    fn handler_headers(&self) -> Result<Vec<(HeaderName, HeaderValue)>, ConfigError> {
        let text = self
            .get(env::HANDLER_HEADERS)
            .unwrap_or_else(|| "[]".into());
        let fix = "write a JSON list of {\"name\": …, \"value\": …}, without headers that Cloud Tasks, \
                   this worker or the connection sets";
        let list: Option<Vec<Value>> = serde_json::from_str(&text).ok();
        let headers = list.and_then(|list| list.iter().map(handler_header).collect());
        let variable = env::HANDLER_HEADERS;
        headers.ok_or(ConfigError::InvalidSecret { variable, fix })
    }

    fn passes(&self, variable: &'static str, default: bool) -> Result<bool, ConfigError> {
        let Some(text) = self.get(variable) else {
            return Ok(default);
        };
        let value = match text.as_str() {
            "Pass" => Some(true),
            "Drop" => Some(false),
            _ => None,
        };
        valid(value, variable, &text, "write Pass or Drop")
    }
}

fn handler_header(header: &Value) -> Option<(HeaderName, HeaderValue)> {
    let name: HeaderName = header.get("name")?.as_str()?.parse().ok()?;
    let value = header.get("value")?.as_str()?.parse().ok()?;
    (!is_reserved(&name)).then_some((name, value))
}

fn handler_url(text: &str) -> Result<HandlerUrl, ConfigError> {
    let split = |text: &str| {
        let parts = text.parse::<Uri>().ok()?.into_parts();
        let scheme = parts
            .scheme
            .filter(|s| *s == Scheme::HTTP || *s == Scheme::HTTPS)?;
        // Once parsed, `http://host` and `http://host/` are equal: both count as without a path.
        let path = parts.path_and_query.filter(|path| path.as_str() != "/");
        Some(HandlerUrl {
            scheme,
            authority: parts.authority?,
            path,
        })
    };
    let fix = "write an http or https URL, such as http://127.0.0.1:8080";
    valid(split(text), env::HANDLER_URL, text, fix)
}
