//! The settings of a queue as text.

use std::fmt;

use cloudtasks::{Address, HttpTarget, OidcToken, QueueSettings, Scheme};

use super::queue_headers;

/// Settings as text: those that are set.
pub(crate) struct SettingsText<'a>(pub &'a QueueSettings);

impl fmt::Display for SettingsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let QueueSettings {
            max_dispatches_per_second,
            max_concurrent_dispatches,
            max_attempts,
            max_retry_duration,
            min_backoff,
            max_backoff,
            max_doublings,
            http_target,
        } = self.0;
        let parts = [
            max_dispatches_per_second.map(|rate| format!("rate {rate}/s")),
            max_concurrent_dispatches.map(|dispatches| format!("concurrent {dispatches}")),
            max_attempts.map(|attempts| match attempts {
                -1 => "unlimited attempts".to_owned(),
                attempts => format!("attempts {attempts}"),
            }),
            max_retry_duration.map(|limit| match limit {
                None => "no retry limit".to_owned(),
                Some(limit) => format!("retry limit {limit:?}"),
            }),
            min_backoff.map(|time| format!("backoff from {time:?}")),
            max_backoff.map(|time| format!("backoff to {time:?}")),
            max_doublings.map(|doublings| format!("doublings {doublings}")),
            http_target.as_ref().map(target),
        ];
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        f.write_str(&parts.join(", "))
    }
}

fn target(target: &HttpTarget) -> String {
    let HttpTarget {
        address,
        headers,
        token,
        unmanaged: _,
    } = target;
    let address = address.as_ref().map_or_else(
        || "each task's own address".to_owned(),
        |Address { scheme, host, port }| {
            let scheme = match scheme {
                Scheme::Http => "http",
                Scheme::Https => "https",
            };
            format!("to {scheme}://{host}:{port}")
        },
    );
    let text = token.as_ref().map_or_else(
        || address.clone(),
        |OidcToken {
             service_account_email,
             audience,
         }| format!("{address}, with a token of {service_account_email} for {audience}"),
    );
    headers.iter().fold(text, |text, (key, value)| {
        // Other headers may be secrets.
        let value = if queue_headers::OUR_HEADERS.contains(&key.as_str()) {
            value
        } else {
            "…"
        };
        format!("{text}, {key} {value}")
    })
}
