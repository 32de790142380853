//! Which headers of a push are the task's.
//!
//! A push mixes the headers of the producer, of Cloud Tasks, and of each proxy on the way. The handler
//! gets what it would get without a worker in between; the next stage gets what is the producer's.

use std::collections::BTreeMap;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// Headers of one connection (RFC 9110, section 7.6) or of one request on it.
const CONNECTION: [&str; 13] = [
    "accept-encoding",
    "connection",
    "content-length",
    "expect",
    "host",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
/// What Cloud Tasks sends with `X-CloudTasks-`, and in an older form with `X-AppEngine-`. Other names
/// with these prefixes are the producer's.
const DISPATCH: [&str; 8] = [
    "failfast",
    "queuename",
    "tasketa",
    "taskexecutioncount",
    "taskname",
    "taskpreviousresponse",
    "taskretrycount",
    "taskretryreason",
];
/// What proxies add, Google's among them.
const PROXY: [&str; 6] = [
    "forwarded",
    "via",
    "x-goog-authenticated-user-email",
    "x-goog-authenticated-user-id",
    "x-goog-iap-jwt-assertion",
    "x-real-ip",
];
const PROXY_PREFIXES: [&str; 2] = ["x-envoy-", "x-forwarded-"];
/// Space for what is added for the handler, so that the headers aren't copied to make some.
const ADDED: usize = 8;
/// Cloud Tasks' user agent. A producer's own stays.
const CLOUD_TASKS_AGENT: &str = "Google-Cloud-Tasks";

/// Whose token the `Authorization` header of a push holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenOrigin {
    /// The producer's. It stays with the task.
    Producer,
    /// Cloud Tasks made it for the task's own `oidcToken`. It is for the first stage alone, and its
    /// holder can use it for an hour.
    Task,
    /// Cloud Tasks made it for the queue, so that the worker can verify the push.
    Queue,
}

/// How far a header goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// No further than the worker.
    Worker,
    /// To the handler.
    Handler,
    /// With the task: to the handler, to the next stage, and into the event.
    Task,
}

/// The headers of a push, told apart.
#[derive(Debug, Clone, Copy)]
pub struct PushHeaders<'a> {
    /// All of them.
    pub all: &'a HeaderMap,
    /// The names that stay with the task although proxies add headers of that name.
    pub keep: &'a [HeaderName],
    /// Whose `Authorization` is.
    pub token: TokenOrigin,
    /// Whether the handler gets the queue's token.
    pub pass_token: bool,
}

impl PushHeaders<'_> {
    /// What the handler gets.
    pub fn for_handler(&self) -> HeaderMap {
        self.with(|reach| reach != Reach::Worker)
    }

    /// What stays with the task.
    pub fn of_task(&self) -> HeaderMap {
        self.with(|reach| reach == Reach::Task)
    }

    fn with(&self, wanted: impl Fn(Reach) -> bool) -> HeaderMap {
        let named: Vec<HeaderName> = self
            .all
            .get_all(header::CONNECTION)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|text| text.split(','))
            .filter_map(|name| name.trim().parse().ok())
            .collect();
        let kept = self
            .all
            .iter()
            .filter(|(name, value)| wanted(self.reach(name, value)) && !named.contains(name))
            .map(|(name, value)| (name.clone(), value.clone()));
        let mut headers = HeaderMap::with_capacity(self.all.len() + ADDED);
        headers.extend(kept);
        headers
    }

    fn reach(&self, name: &HeaderName, value: &HeaderValue) -> Reach {
        let text = name.as_str();
        if is_reserved(name) {
            Reach::Worker
        } else if *name == header::AUTHORIZATION {
            match self.token {
                TokenOrigin::Producer => Reach::Task,
                TokenOrigin::Task => Reach::Handler,
                TokenOrigin::Queue if self.pass_token => Reach::Handler,
                TokenOrigin::Queue => Reach::Worker,
            }
        } else if self.keep.contains(name) {
            Reach::Task
        } else if PROXY.contains(&text)
            || PROXY_PREFIXES
                .iter()
                .any(|prefix| text.starts_with(prefix))
            // The pushing client's own.
            || (*name == header::ACCEPT && value == "*/*")
            || (*name == header::USER_AGENT && value == CLOUD_TASKS_AGENT)
        {
            Reach::Handler
        } else {
            Reach::Task
        }
    }
}

/// Whether headers of this name are a connection's, Cloud Tasks', or this project's: no producer, and
/// no manifest, can set them for a handler.
pub fn is_reserved(name: &HeaderName) -> bool {
    let text = name.as_str();
    let dispatch = |prefix| {
        let name = text.strip_prefix(prefix);
        name.is_some_and(|name| DISPATCH.contains(&name))
    };
    CONNECTION.contains(&text)
        || text.starts_with(worker_contract::headers::PREFIX)
        || dispatch("x-cloudtasks-")
        || dispatch("x-appengine-")
}

/// The headers in the form of Cloud Tasks' API: one value per name. Several values are joined as in
/// RFC 9110 section 5.2, cookies as in RFC 6265. A value that isn't UTF-8 can't come from the API and is
/// left out.
pub fn to_api_headers(headers: &HeaderMap) -> BTreeMap<String, String> {
    headers
        .keys()
        .filter_map(|name| {
            let values: Option<Vec<&str>> = headers
                .get_all(name)
                .iter()
                .map(|value| std::str::from_utf8(value.as_bytes()).ok())
                .collect();
            let separator = if *name == header::COOKIE { "; " } else { ", " };
            Some((name.as_str().to_owned(), values?.join(separator)))
        })
        .collect()
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

    fn names(headers: &HeaderMap) -> Vec<String> {
        to_api_headers(headers).into_keys().collect()
    }

    #[test]
    fn each_header_goes_as_far_as_its_origin_says() {
        let producer = map(&[
            ("accept", "application/json"),
            ("content-type", "application/json"),
            ("traceparent", "00-1-2-01"),
            ("user-agent", "shop/1.0"),
            ("x-appengine-country", "de"),
            ("x-cloudtasks-projectname", "p"),
            ("x-cloudtasks-secret", "s"),
            ("x-customer", "acme"),
            ("x-google-sheet", "7"),
        ]);
        let hop = map(&[
            ("forwarded", "for=10.0.0.1"),
            ("via", "1.1 google"),
            ("x-envoy-attempt-count", "1"),
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-proto", "https"),
            ("x-goog-iap-jwt-assertion", "x"),
            ("x-real-ip", "10.0.0.1"),
        ]);
        let worker = map(&[
            ("accept-encoding", "gzip"),
            ("connection", "keep-alive, x-of-this-hop"),
            ("content-length", "3"),
            ("executor-ledger", "{}"),
            ("host", "worker"),
            ("x-appengine-queuename", "q"),
            ("x-cloudtasks-taskname", "t"),
            ("x-cloudtasks-tasketa", "1"),
            ("x-of-this-hop", "1"),
        ]);
        let mut all = producer.clone();
        all.extend(hop.clone());
        all.extend(worker);
        let push = PushHeaders {
            all: &all,
            keep: &[],
            token: TokenOrigin::Producer,
            pass_token: false,
        };
        assert_eq!(names(&push.of_task()), names(&producer));
        let mut both = producer;
        both.extend(hop);
        assert_eq!(names(&push.for_handler()), names(&both));
    }

    #[test]
    fn a_header_that_a_proxy_may_add_stays_with_the_task_if_the_manifest_says_so() {
        let all = map(&[("x-forwarded-host", "shop.example"), ("via", "1.1 google")]);
        let keep = [HeaderName::from_static("x-forwarded-host")];
        let push = PushHeaders {
            all: &all,
            keep: &keep,
            token: TokenOrigin::Producer,
            pass_token: false,
        };
        assert_eq!(names(&push.of_task()), ["x-forwarded-host"]);
    }

    #[test]
    fn the_pushing_clients_own_headers_do_not_stay_with_the_task() {
        let all = map(&[("accept", "*/*"), ("user-agent", "Google-Cloud-Tasks")]);
        let push = PushHeaders {
            all: &all,
            keep: &[],
            token: TokenOrigin::Producer,
            pass_token: false,
        };
        assert_eq!(names(&push.for_handler()), ["accept", "user-agent"]);
        assert_eq!(names(&push.of_task()), [""; 0]);
    }

    #[test]
    fn a_token_goes_as_far_as_its_origin_says() {
        let all = map(&[("authorization", "Bearer x")]);
        for (token, pass_token, handler, task) in [
            (TokenOrigin::Producer, false, 1, 1),
            (TokenOrigin::Task, false, 1, 0),
            (TokenOrigin::Queue, false, 0, 0),
            (TokenOrigin::Queue, true, 1, 0),
        ] {
            let push = PushHeaders {
                all: &all,
                keep: &[header::AUTHORIZATION],
                token,
                pass_token,
            };
            assert_eq!(push.for_handler().len(), handler, "{token:?}");
            assert_eq!(push.of_task().len(), task, "{token:?}");
        }
    }

    #[test]
    fn several_values_of_one_header_are_joined() {
        let push = map(&[
            ("accept", "text/html"),
            ("accept", "text/plain"),
            ("cookie", "a=1"),
            ("cookie", "b=2"),
        ]);
        assert_eq!(to_api_headers(&push)["accept"], "text/html, text/plain");
        assert_eq!(to_api_headers(&push)["cookie"], "a=1; b=2");
    }
}
