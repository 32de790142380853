//! The task's own headers, without the hop-by-hop headers of a push.
//!
//! The task's headers go to the handler and to the next stage. Hop-by-hop headers describe one
//! connection or one dispatch; on the next hop they would be wrong or refused.

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection: RFC 9110 section 7.6, and what proxies add.
const HOP_BY_HOP: [&str; 14] = [
    "connection",
    "content-length",
    "expect",
    "forwarded",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
];
/// Prefixes of the headers that proxies, Cloud Tasks and this project add. Cloud Tasks replaces the
/// Google ones when a task is created.
const HOP_BY_HOP_PREFIXES: [&str; 6] = [
    worker_contract::headers::PREFIX,
    "x-appengine-",
    "x-cloudtasks-",
    "x-envoy-",
    "x-forwarded-",
    "x-google-",
];
/// Cloud Tasks' user agent. A producer's own stays.
const CLOUD_TASKS_AGENT: &str = "Google-Cloud-Tasks";

/// The task's own headers.
///
/// `oidc`: Cloud Tasks signs the pushes of this queue, so `Authorization` holds its token and not the
/// producer's. It is removed, because its holder can push for an hour.
pub fn task_headers(push: &HeaderMap, oidc: bool) -> HeaderMap {
    // While a token is turned on or off, the queue may have it and this worker not know of it yet.
    let oidc = oidc || push.contains_key(worker_contract::headers::TOKEN);
    let named: Vec<HeaderName> = push
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    push.iter()
        .filter(|(name, value)| !is_hop_by_hop(name, value, oidc) && !named.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The headers in the form of Cloud Tasks' API: one value per name. Several values are joined as in
/// RFC 9110 section 5.2. A value that isn't UTF-8 can't come from the API and is left out.
pub fn to_api_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .keys()
        .filter_map(|name| {
            let values: Option<Vec<&str>> = headers
                .get_all(name)
                .iter()
                .map(|value| std::str::from_utf8(value.as_bytes()).ok())
                .collect();
            Some((name.as_str().to_owned(), values?.join(", ")))
        })
        .collect()
}

fn is_hop_by_hop(name: &HeaderName, value: &HeaderValue, oidc: bool) -> bool {
    let text = name.as_str();
    HOP_BY_HOP.contains(&text)
        || HOP_BY_HOP_PREFIXES
            .iter()
            .any(|prefix| text.starts_with(prefix))
        || (name == header::USER_AGENT && value == CLOUD_TASKS_AGENT)
        || (name == header::AUTHORIZATION && oidc)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    HeaderName::from_static(name),
                    HeaderValue::from_static(value),
                )
            })
            .collect()
    }

    #[test]
    fn producer_headers_are_kept_and_hop_by_hop_headers_are_not() {
        let push = map(&[
            ("host", "worker"),
            ("content-length", "3"),
            ("connection", "keep-alive, x-of-this-hop"),
            ("x-of-this-hop", "1"),
            ("via", "1.1 google"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-cloudtasks-taskname", "t"),
            ("executor-ledger", "{}"),
            ("user-agent", "Google-Cloud-Tasks"),
            ("content-type", "application/json"),
            ("traceparent", "00-1-2-01"),
            ("x-customer", "acme"),
            ("authorization", "Bearer x"),
        ]);
        let kept = |oidc| {
            to_api_headers(&task_headers(&push, oidc))
                .into_keys()
                .collect::<Vec<_>>()
        };
        assert_eq!(kept(true), ["content-type", "traceparent", "x-customer"]);
        assert_eq!(
            kept(false),
            ["authorization", "content-type", "traceparent", "x-customer"]
        );
    }

    #[test]
    fn a_queues_token_is_removed_even_if_the_worker_is_not_configured_for_it() {
        let push = map(&[("authorization", "Bearer x"), ("executor-token", "spec")]);
        assert!(task_headers(&push, false).is_empty());
    }

    #[test]
    fn a_producers_user_agent_is_kept() {
        let push = map(&[("user-agent", "shop/1.0")]);
        assert_eq!(task_headers(&push, true).len(), 1);
    }

    #[test]
    fn several_values_of_one_header_are_joined() {
        let push = map(&[("accept", "text/html"), ("accept", "text/plain")]);
        assert_eq!(to_api_headers(&push)["accept"], "text/html, text/plain");
    }
}
