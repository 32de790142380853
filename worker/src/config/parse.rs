//! Reads and parses single variables.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;
use std::time::Duration;

use worker_contract::{duration, ports};

use super::error::ConfigError;

/// The environment: a variable's value by its name.
pub(super) struct EnvVars<'a>(pub &'a dyn Fn(&str) -> Option<String>);

impl EnvVars<'_> {
    /// A variable's value. An empty one counts as not set.
    pub fn get(&self, variable: &str) -> Option<String> {
        (self.0)(variable).filter(|value| !value.is_empty())
    }

    pub fn text(&self, variable: &'static str, fix: &'static str) -> Result<String, ConfigError> {
        self.get(variable)
            .ok_or(ConfigError::Missing { variable, fix })
    }

    pub fn required<T>(&self, variable: &'static str, fix: &'static str) -> Result<T, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        parsed(variable, &self.text(variable, fix)?)
    }

    pub fn list<T>(&self, variable: &'static str) -> Result<Vec<T>, ConfigError>
    where
        T: FromStr<Err: fmt::Display>,
    {
        let text = self.get(variable).unwrap_or_default();
        comma_separated(&text)
            .map(|item| parsed(variable, item))
            .collect()
    }

    /// A duration of at least `min` and below `below`.
    pub fn duration(
        &self,
        variable: &'static str,
        default: Duration,
        min: Duration,
        below: Option<Duration>,
    ) -> Result<Duration, ConfigError> {
        let Some(text) = self.get(variable) else {
            return Ok(default);
        };
        let value = duration::parse(&text)
            .filter(|value| *value >= min && below.is_none_or(|below| *value < below));
        let fix = match (below, min.is_zero()) {
            (Some(_), _) => "write a duration above 0s and below 30m, such as 60s or 1m30s",
            (None, false) => "write a duration above 0s, such as 480h",
            (None, true) => "write a duration such as 0s, 500ms or 1m30s",
        };
        valid(value, variable, &text, fix)
    }

    /// The addresses to try, in order: every address of this machine if the variable isn't set.
    pub fn addresses(
        &self,
        variable: &'static str,
        default_port: u16,
    ) -> Result<Vec<SocketAddr>, ConfigError> {
        let Some(text) = self.get(variable) else {
            return Ok(ports::any_family(default_port));
        };
        let fix = "write an IP address and a port, such as 127.0.0.1:9480 or [::1]:9480";
        let address = text.parse().ok().map(|address| vec![address]);
        valid(address, variable, &text, fix)
    }
}

pub(super) fn comma_separated(text: &str) -> impl Iterator<Item = &str> {
    text.split(',')
        .map(str::trim)
        .filter(|item| !item.is_empty())
}

pub(super) fn parsed<T>(variable: &'static str, text: &str) -> Result<T, ConfigError>
where
    T: FromStr<Err: fmt::Display>,
{
    text.parse().map_err(|error: T::Err| ConfigError::Invalid {
        variable,
        value: text.to_owned(),
        fix: error.to_string(),
    })
}

/// The value, or the error that `text` is not valid.
pub(super) fn valid<T>(
    value: Option<T>,
    variable: &'static str,
    text: &str,
    fix: &str,
) -> Result<T, ConfigError> {
    value.ok_or_else(|| ConfigError::Invalid {
        variable,
        value: text.to_owned(),
        fix: fix.to_owned(),
    })
}
