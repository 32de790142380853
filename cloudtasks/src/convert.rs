//! Converts our values to messages of `google.cloud.tasks.v2` and back.

use std::time::Duration;

use jiff::Timestamp;
use prost::Message as _;

use crate::error::Error;
use crate::names::{NameError, QueuePath};
use crate::proto;
use crate::proto::http_target::{AuthorizationHeader, Header, HeaderOverride};
use crate::proto::uri_override::{Scheme as ProtoScheme, UriOverrideEnforceMode};
use crate::queue::{Queue, QueueSettings, QueueState};
use crate::v2beta3;
use crate::values::{
    Address, HttpTarget, Method, NewTask, OidcToken, QueueStats, Scheme, TaskInfo, UnmanagedTarget,
    WholeTask,
};

fn invalid(what: &str, error: &NameError) -> Error {
    Error::Away {
        message: format!("the response has an invalid {what}: {error}"),
    }
}

pub(crate) fn queue(message: proto::Queue) -> Result<Queue, Error> {
    let path = message
        .name
        .parse()
        .map_err(|error| invalid("queue name", &error))?;
    let state = match message.state() {
        proto::queue::State::Paused => QueueState::Paused,
        proto::queue::State::Disabled => QueueState::Disabled,
        proto::queue::State::Running | proto::queue::State::Unspecified => QueueState::Running,
    };
    let rates = message.rate_limits.unwrap_or_default();
    let retry = message.retry_config.unwrap_or_default();
    Ok(Queue {
        path,
        state,
        max_dispatches_per_second: rates.max_dispatches_per_second,
        max_concurrent_dispatches: rates.max_concurrent_dispatches,
        max_attempts: retry.max_attempts,
        max_retry_duration: retry
            .max_retry_duration
            .map(duration)
            .filter(|limit| !limit.is_zero()),
        min_backoff: retry.min_backoff.map(duration).unwrap_or_default(),
        max_backoff: retry.max_backoff.map(duration).unwrap_or_default(),
        max_doublings: retry.max_doublings,
        http_target: message.http_target.map(http_target),
    })
}

pub(crate) fn queue_message(path: &QueuePath, settings: &QueueSettings) -> proto::Queue {
    let QueueSettings {
        max_dispatches_per_second,
        max_concurrent_dispatches,
        max_attempts,
        max_retry_duration,
        min_backoff,
        max_backoff,
        max_doublings,
        http_target,
    } = settings;
    let mask = settings.mask();
    let sets = |part: &str| mask.iter().any(|path| path.starts_with(part));
    proto::Queue {
        name: path.to_string(),
        rate_limits: sets("rate_limits.").then(|| proto::RateLimits {
            max_dispatches_per_second: max_dispatches_per_second.unwrap_or_default(),
            max_concurrent_dispatches: max_concurrent_dispatches.unwrap_or_default(),
            ..Default::default()
        }),
        retry_config: sets("retry_config.").then(|| proto::RetryConfig {
            max_attempts: max_attempts.unwrap_or_default(),
            max_retry_duration: max_retry_duration.flatten().map(duration_message),
            min_backoff: min_backoff.map(duration_message),
            max_backoff: max_backoff.map(duration_message),
            max_doublings: max_doublings.unwrap_or_default(),
        }),
        http_target: http_target.as_ref().map(http_target_message),
        ..Default::default()
    }
}

/// A queue's name and numbers. A count below zero, which the API doesn't have, is none.
pub(crate) fn queue_stats(
    message: &v2beta3::Queue,
) -> Result<(QueuePath, Option<QueueStats>), Error> {
    let path = message
        .name
        .parse()
        .map_err(|error| invalid("queue name", &error))?;
    let count = |count: i64| u64::try_from(count).unwrap_or_default();
    let stats = message.stats.map(|stats| QueueStats {
        tasks: count(stats.tasks_count),
        // A zero time is none: it would be a lag of half a century.
        oldest: stats
            .oldest_estimated_arrival_time
            .filter(|time| time.seconds > 0)
            .and_then(|time| Timestamp::new(time.seconds, time.nanos).ok()),
        executed_last_minute: count(stats.executed_last_minute_count),
        in_flight: count(stats.concurrent_dispatches_count),
        effective_rate: stats.effective_execution_rate,
    });
    Ok((path, stats))
}

fn http_target(mut message: proto::HttpTarget) -> HttpTarget {
    let headers = std::mem::take(&mut message.header_overrides)
        .into_iter()
        .filter_map(|header| header.header)
        .map(|header| (header.key.to_ascii_lowercase(), header.value))
        .collect();
    let address = message.uri_override.as_mut().and_then(take_address);
    // An empty override is none: otherwise the same target would differ from itself after an update.
    message.uri_override = message
        .uri_override
        .filter(|uri| *uri != proto::UriOverride::default());
    let token = match message.authorization_header.take() {
        Some(AuthorizationHeader::OidcToken(token)) => Some(OidcToken {
            service_account_email: token.service_account_email,
            audience: token.audience,
        }),
        other => {
            message.authorization_header = other;
            None
        }
    };
    HttpTarget {
        address,
        headers,
        token,
        unmanaged: UnmanagedTarget(message.encode_to_vec()),
    }
}

/// Takes the enforced address out. With `IF_NOT_EXISTS` the task's own address wins, so the queue's
/// stays among the unmanaged fields.
fn take_address(uri: &mut proto::UriOverride) -> Option<Address> {
    if uri.uri_override_enforce_mode() == UriOverrideEnforceMode::IfNotExists {
        return None;
    }
    let host = uri.host.take()?;
    let scheme = match uri.scheme() {
        ProtoScheme::Http => Scheme::Http,
        // Google's documentation: an unset scheme means HTTPS.
        ProtoScheme::Https | ProtoScheme::Unspecified => Scheme::Https,
    };
    let default_port = match scheme {
        Scheme::Http => 80,
        Scheme::Https => 443,
    };
    let port = uri
        .port
        .take()
        .and_then(|port| u16::try_from(port).ok())
        .unwrap_or(default_port);
    uri.scheme = None;
    uri.uri_override_enforce_mode = UriOverrideEnforceMode::Unspecified as i32;
    Some(Address { scheme, host, port })
}

fn http_target_message(target: &HttpTarget) -> proto::HttpTarget {
    let HttpTarget {
        address,
        headers,
        token,
        unmanaged,
    } = target;
    let mut message = proto::HttpTarget::decode(unmanaged.0.as_slice())
        .expect("only this module encodes it, from such a message");
    if let Some(Address { scheme, host, port }) = address {
        let uri = message.uri_override.get_or_insert_default();
        if uri.uri_override_enforce_mode() == UriOverrideEnforceMode::IfNotExists {
            // Once enforced, they would replace each task's own path and query.
            uri.path_override = None;
            uri.query_override = None;
        }
        uri.scheme = Some(match scheme {
            Scheme::Http => ProtoScheme::Http as i32,
            Scheme::Https => ProtoScheme::Https as i32,
        });
        uri.host = Some(host.clone());
        uri.port = Some(i64::from(*port));
        uri.uri_override_enforce_mode = UriOverrideEnforceMode::Always as i32;
    }
    if let Some(token) = token {
        message.authorization_header = Some(AuthorizationHeader::OidcToken(oidc_message(token)));
    }
    message.header_overrides = headers
        .iter()
        .map(|(key, value)| HeaderOverride {
            header: Some(Header {
                key: key.clone(),
                value: value.clone(),
            }),
        })
        .collect();
    message
}

fn oidc_message(token: &OidcToken) -> proto::OidcToken {
    proto::OidcToken {
        service_account_email: token.service_account_email.clone(),
        audience: token.audience.clone(),
    }
}

pub(crate) fn task_message(task: &NewTask) -> proto::Task {
    let NewTask {
        path,
        url,
        method,
        headers,
        body,
        dispatch_deadline,
        schedule_time,
        oidc_token,
    } = task;
    proto::Task {
        name: path.as_ref().map(ToString::to_string).unwrap_or_default(),
        dispatch_deadline: dispatch_deadline.map(duration_message),
        schedule_time: schedule_time.map(timestamp_message),
        message_type: Some(proto::task::MessageType::HttpRequest(proto::HttpRequest {
            url: url.clone(),
            http_method: match method {
                Method::Post => proto::HttpMethod::Post,
                Method::Get => proto::HttpMethod::Get,
                Method::Head => proto::HttpMethod::Head,
                Method::Put => proto::HttpMethod::Put,
                Method::Delete => proto::HttpMethod::Delete,
                Method::Patch => proto::HttpMethod::Patch,
                Method::Options => proto::HttpMethod::Options,
            } as i32,
            headers: headers.clone().into_iter().collect(),
            body: body.clone(),
            authorization_header: oidc_token.as_ref().map(|token| {
                proto::http_request::AuthorizationHeader::OidcToken(oidc_message(token))
            }),
        })),
        ..Default::default()
    }
}

pub(crate) fn task_info(message: &proto::Task) -> Result<TaskInfo, Error> {
    let path = message
        .name
        .parse()
        .map_err(|error| invalid("task name", &error))?;
    let http = http_request(message);
    Ok(TaskInfo {
        path,
        created: timestamp(message.create_time),
        scheduled: timestamp(message.schedule_time),
        first_dispatched: message
            .first_attempt
            .as_ref()
            .and_then(|attempt| attempt.dispatch_time)
            .map(|time| timestamp(Some(time))),
        dispatch_count: message.dispatch_count,
        response_count: message.response_count,
        dispatch_deadline: message.dispatch_deadline.map(duration),
        url: http.map(|http| http.url.clone()).unwrap_or_default(),
        method: http.and_then(|http| method(http.http_method())),
        headers: http
            .map(|http| http.headers.clone().into_iter().collect())
            .unwrap_or_default(),
    })
}

pub(crate) fn whole_task(message: &proto::Task) -> Result<WholeTask, Error> {
    Ok(WholeTask {
        info: task_info(message)?,
        body: http_request(message)
            .map(|http| http.body.clone())
            .unwrap_or_default(),
    })
}

fn http_request(message: &proto::Task) -> Option<&proto::HttpRequest> {
    match &message.message_type {
        Some(proto::task::MessageType::HttpRequest(http)) => Some(http),
        _ => None,
    }
}

fn method(method: proto::HttpMethod) -> Option<Method> {
    match method {
        proto::HttpMethod::Post => Some(Method::Post),
        proto::HttpMethod::Get => Some(Method::Get),
        proto::HttpMethod::Head => Some(Method::Head),
        proto::HttpMethod::Put => Some(Method::Put),
        proto::HttpMethod::Delete => Some(Method::Delete),
        proto::HttpMethod::Patch => Some(Method::Patch),
        proto::HttpMethod::Options => Some(Method::Options),
        proto::HttpMethod::Unspecified => None,
    }
}

fn timestamp(message: Option<prost_types::Timestamp>) -> Timestamp {
    message
        .and_then(|time| Timestamp::new(time.seconds, time.nanos).ok())
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

fn timestamp_message(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: time.as_second(),
        nanos: time.subsec_nanosecond(),
    }
}

fn duration(message: prost_types::Duration) -> Duration {
    Duration::try_from(message).unwrap_or_default()
}

fn duration_message(duration: Duration) -> prost_types::Duration {
    prost_types::Duration {
        seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
        nanos: i32::try_from(duration.subsec_nanos()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use crate::proto::{HttpMethod, OAuthToken, PathOverride, UriOverride};

    use super::*;

    fn address(host: &str) -> Address {
        Address {
            scheme: Scheme::Http,
            host: host.into(),
            port: 8080,
        }
    }

    #[test]
    fn unmanaged_fields_of_a_target_survive_an_update() {
        let token = OAuthToken {
            service_account_email: "pusher@demo.iam.gserviceaccount.com".into(),
            scope: "orders".into(),
        };
        let path = PathOverride {
            path: "/tasks".into(),
        };
        let manual = proto::HttpTarget {
            uri_override: Some(UriOverride {
                host: Some("old.example.com".into()),
                path_override: Some(path.clone()),
                ..UriOverride::default()
            }),
            http_method: HttpMethod::Put as i32,
            authorization_header: Some(AuthorizationHeader::OauthToken(token.clone())),
            ..proto::HttpTarget::default()
        };
        let mut target = http_target(manual);
        target.address = Some(address("new"));
        target.headers = BTreeMap::from([("a".into(), "b".into())]);

        let message = http_target_message(&target);
        let uri = message.uri_override.clone().unwrap();
        assert_eq!(uri.host.as_deref(), Some("new"));
        assert_eq!(uri.port, Some(8080));
        assert_eq!(
            uri.uri_override_enforce_mode(),
            UriOverrideEnforceMode::Always
        );
        assert_eq!(uri.path_override, Some(path));
        assert_eq!(message.http_method(), HttpMethod::Put);
        assert_eq!(
            message.authorization_header,
            Some(AuthorizationHeader::OauthToken(token.clone()))
        );
        // A second read is equal, so no second update follows.
        assert_eq!(http_target(message), target);

        // Our token replaces another one: with both set, either could win.
        target.token = Some(OidcToken {
            service_account_email: token.service_account_email,
            audience: "orders".into(),
        });
        let target = http_target(http_target_message(&target));
        let ours = target.token.as_ref().unwrap();
        assert_eq!(ours.audience, "orders");
        let without = HttpTarget {
            token: None,
            ..target
        };
        assert_eq!(http_target_message(&without).authorization_header, None);
    }

    #[test]
    fn an_override_that_is_not_enforced_is_kept_until_an_address_is_set() {
        let suggested = proto::HttpTarget {
            uri_override: Some(UriOverride {
                host: Some("old.example.com".into()),
                port: Some(8443),
                path_override: Some(PathOverride {
                    path: "/tasks".into(),
                }),
                uri_override_enforce_mode: UriOverrideEnforceMode::IfNotExists as i32,
                ..UriOverride::default()
            }),
            ..proto::HttpTarget::default()
        };
        let mut target = http_target(suggested.clone());
        assert_eq!(target.address, None, "the task's own address wins");
        assert_eq!(http_target_message(&target), suggested);
        target.address = Some(address("new"));
        let uri = http_target_message(&target).uri_override.unwrap();
        assert_eq!(uri.host.as_deref(), Some("new"));
        assert_eq!(uri.path_override, None, "each task keeps its own path");
    }

    #[test]
    fn a_target_with_managed_fields_only_has_no_unmanaged_ones() {
        let target = HttpTarget {
            address: Some(address("new")),
            ..HttpTarget::default()
        };
        assert_eq!(http_target(http_target_message(&target)), target);
    }
}
