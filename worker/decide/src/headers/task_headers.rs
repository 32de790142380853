//! Which headers of a push belong to the task, and which to the hop it came over.
//!
//! The task's headers go to the handler and to the next stage; the hop's are made anew on each
//! hop, and would be wrong or refused on the next.

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection, after RFC 9110 section 7.6 and the habits of proxies.
const OF_THE_HOP: [&str; 14] = [
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
/// Prefixes of headers that proxies, Cloud Tasks and we ourselves add. Cloud Tasks replaces the
/// Google ones when a task is created.
const PREFIXES_OF_THE_HOP: [&str; 6] = [
    "executor-",
    "x-appengine-",
    "x-cloudtasks-",
    "x-envoy-",
    "x-forwarded-",
    "x-google-",
];
/// What Cloud Tasks calls itself; a producer's own agent stays.
const CLOUD_TASKS_AGENT: &str = "Google-Cloud-Tasks";

/// Stands on the pushes of a queue whose token the operator has set, from the moment that it has: while
/// a token is turned on or off, workers are told of it later or earlier than the queue is.
const TOKEN_MARK: &str = "executor-token";

/// The task's own headers.
///
/// `oidc`: Cloud Tasks signs the pushes of this queue, so `Authorization` holds its token and not
/// the producer's. Nobody else may see it: whoever has it can push for an hour.
pub fn task_headers(push: &HeaderMap, oidc: bool) -> HeaderMap {
    let oidc = oidc || push.contains_key(TOKEN_MARK);
    let named: Vec<HeaderName> = push
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|text| text.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    push.iter()
        .filter(|(name, value)| !of_the_hop(name, value, oidc) && !named.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The same headers as Cloud Tasks' API takes them: one value a name. Several are joined as
/// RFC 9110 section 5.2 allows; a value that isn't UTF-8 can't have come from the API and is
/// left out.
pub fn as_map(headers: &HeaderMap) -> BTreeMap<String, String> {
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

fn of_the_hop(name: &HeaderName, value: &HeaderValue, oidc: bool) -> bool {
    let text = name.as_str();
    OF_THE_HOP.contains(&text)
        || PREFIXES_OF_THE_HOP
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
    fn the_producers_headers_travel_and_the_hops_do_not() {
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
            as_map(&task_headers(&push, oidc))
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
    fn a_queues_token_stays_here_even_if_the_worker_was_not_told_of_it() {
        let push = map(&[("authorization", "Bearer x"), ("executor-token", "spec")]);
        assert!(task_headers(&push, false).is_empty());
    }

    #[test]
    fn a_producers_agent_stays() {
        let push = map(&[("user-agent", "shop/1.0")]);
        assert_eq!(task_headers(&push, true).len(), 1);
    }

    #[test]
    fn several_values_become_one() {
        let push = map(&[("accept", "text/html"), ("accept", "text/plain")]);
        assert_eq!(as_map(&push)["accept"], "text/html, text/plain");
    }
}
