//! The settings of a queue as text.

use std::fmt;

use cloudtasks::{Address, HttpTarget, OidcToken, QueueSettings, Scheme};

use super::queue_headers;

/// Settings as text: those that are set.
pub(crate) struct SettingsText<'a>(pub &'a QueueSettings);

impl fmt::Display for SettingsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut parts = self.0.texts();
        parts.extend(self.0.http_target.as_ref().map(target));
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
    let text = match token {
        None => address,
        Some(OidcToken {
            service_account_email,
            audience,
        }) => format!("{address}, with a token of {service_account_email} for {audience}"),
    };
    headers.iter().fold(text, |text, (key, value)| {
        // Other headers may be secrets.
        let is_ours = queue_headers::OUR_HEADERS.contains(&key.as_str());
        format!("{text}, {key} {}", if is_ours { value } else { "…" })
    })
}
