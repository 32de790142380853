//! What keeps other web sites out, and the page free of them.

use std::net::IpAddr;

use axum::extract::Request;
use axum::http::uri::Authority;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::answers;

/// Headers of each answer. Numbers of a minute ago are wrong, so nothing may be cached.
const HEADERS: [(HeaderName, HeaderValue); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'",
        ),
    ),
    (
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    ),
    (
        header::REFERRER_POLICY,
        HeaderValue::from_static("no-referrer"),
    ),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
];

/// Refuses hosts that another web site may have pointed here, and adds the headers.
pub(crate) async fn guard(request: Request, next: Next) -> Response {
    let mut response = if is_ours(&request) {
        next.run(request).await
    } else {
        let error = "the host of this address may belong to another web site: use an IP address, \
                     localhost, or a name that ends in .svc or .svc.cluster.local";
        answers::of_problem(StatusCode::MISDIRECTED_REQUEST, error)
    };
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(name, value);
    }
    response
}

/// Whether a request's host is one that no other web site can have. A site can point a name of its own at
/// a forwarded port on 127.0.0.1; the browser would then let its scripts read the answers.
fn is_ours(request: &Request) -> bool {
    let named = request.headers().get(header::HOST);
    let host = match (request.uri().authority(), named) {
        (Some(authority), _) => Some(authority.host().to_owned()),
        (None, Some(host)) => host
            .to_str()
            .ok()
            .and_then(|host| host.parse::<Authority>().ok())
            .map(|authority| authority.host().to_owned()),
        // No browser leaves it out.
        (None, None) => return true,
    };
    host.is_some_and(|host| is_private_name(&host))
}

fn is_private_name(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    // The registry of top-level domains has none of these, and gives none to a name without a dot.
    let suffixes = [".localhost", ".svc", ".cluster.local"];
    bare.parse::<IpAddr>().is_ok()
        || !host.contains('.')
        || suffixes.iter().any(|suffix| host.ends_with(suffix))
}

#[cfg(test)]
mod tests {
    use super::is_private_name;

    #[test]
    fn names_that_anyone_can_register_are_refused() {
        for host in [
            "127.0.0.1",
            "10.8.0.3",
            "[::1]",
            "localhost",
            "LOCALHOST",
            "orders.localhost",
            "executor-chain",
            "executor-chain.ops.svc",
            "executor-chain.ops.svc.cluster.local.",
        ] {
            assert!(is_private_name(host), "{host}");
        }
        for host in [
            "example.com",
            "127.0.0.1.nip.io",
            "localhost.example.com",
            "a.svc.example.com",
        ] {
            assert!(!is_private_name(host), "{host}");
        }
    }
}
