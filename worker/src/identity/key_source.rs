//! Fetches the issuer's keys.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use serde_json::Value;

use crate::transport::{Connector, connector};

/// How long a fetch may take. A push may wait for it, and this is little of its dispatch deadline.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(5);
/// The largest key set, in bytes. Google's has about 2,000.
const MAX_BYTES: usize = 256 * 1024;
/// The most keys. Google publishes two or three.
const MAX_KEYS: usize = 100;
/// How long keys are fresh if the issuer doesn't say.
const DEFAULT_MAX_AGE: Duration = Duration::from_hours(1);
/// The range of the issuer's `max-age`. A shorter one would overload the issuer, a longer one would keep
/// a withdrawn key valid.
const MIN_MAX_AGE: Duration = Duration::from_mins(1);
const MAX_MAX_AGE: Duration = Duration::from_hours(24);

/// The keys by their ids.
pub(super) type KeySet = HashMap<String, DecodingKey>;

/// The issuer's key set at its URL.
#[derive(Debug)]
pub(super) struct KeySource {
    client: Client<Connector, Empty<Bytes>>,
    url: Uri,
}

/// The result of a fetch.
#[derive(Debug)]
pub(super) struct FetchedKeys {
    pub keys: KeySet,
    pub max_age: Duration,
}

/// Why a fetch failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0} can't be reached ({1}): allow the worker to connect to it")]
    Unreachable(Uri, String),
    #[error("{0} doesn't answer within {FETCH_TIMEOUT:?}: allow the worker to connect to it")]
    TimedOut(Uri),
    #[error("{0} answers {1}: set OIDC_JWKS_URL to the URL of a JSON Web Key Set")]
    Status(Uri, StatusCode),
    #[error(
        "{0} answers without a key for RS256: set OIDC_JWKS_URL to the URL of a JSON Web Key Set"
    )]
    NoKeys(Uri),
}

impl KeySource {
    pub(super) fn new(url: Uri) -> Self {
        let client = Client::builder(TokioExecutor::new())
            // Fetches are hours apart.
            .pool_max_idle_per_host(0)
            .build(connector(url.scheme(), FETCH_TIMEOUT / 2));
        Self { client, url }
    }

    pub(super) async fn fetch(&self) -> Result<FetchedKeys, FetchError> {
        let fetched = tokio::time::timeout(FETCH_TIMEOUT, self.ask()).await;
        fetched.unwrap_or_else(|_| Err(FetchError::TimedOut(self.url.clone())))
    }

    async fn ask(&self) -> Result<FetchedKeys, FetchError> {
        let unreachable = |error: &dyn std::fmt::Display| {
            FetchError::Unreachable(self.url.clone(), error.to_string())
        };
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.url.clone())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .expect("a URI and a constant header make a request");
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| unreachable(&error))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(FetchError::Status(self.url.clone(), head.status));
        }
        let body = Limited::new(body, MAX_BYTES).collect().await;
        let body = body.map_err(|error| unreachable(&error))?.to_bytes();
        let keys = keys(&body);
        if keys.is_empty() {
            // The cached keys are better than none.
            return Err(FetchError::NoKeys(self.url.clone()));
        }
        Ok(FetchedKeys {
            keys,
            max_age: max_age(&head.headers),
        })
    }
}

/// The keys of a set that can verify RS256 signatures.
fn keys(body: &[u8]) -> KeySet {
    let set: Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten().take(MAX_KEYS);
    keys.filter_map(|key| {
        let key: Jwk = serde_json::from_value(key.clone()).ok()?;
        let common = &key.common;
        let is_rsa = matches!(key.algorithm, AlgorithmParameters::RSA(_));
        let is_rs256 = common
            .key_algorithm
            .is_none_or(|it| it == KeyAlgorithm::RS256);
        let signs = common
            .public_key_use
            .as_ref()
            .is_none_or(|it| *it == PublicKeyUse::Signature);
        let decoding = DecodingKey::from_jwk(&key).ok()?;
        (is_rsa && is_rs256 && signs).then_some((key.common.key_id?, decoding))
    })
    .collect()
}

fn max_age(headers: &HeaderMap) -> Duration {
    let values = headers.get_all(header::CACHE_CONTROL).iter();
    let values = values.filter_map(|value| value.to_str().ok());
    let max_age = values
        .flat_map(|value| value.split(','))
        .filter_map(|word| word.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, age)| age.trim_matches('"').parse().ok());
    max_age
        .map_or(DEFAULT_MAX_AGE, Duration::from_secs)
        .clamp(MIN_MAX_AGE, MAX_MAX_AGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuers_max_age_counts_within_bounds() {
        for (said, seconds) in [
            (None, 3600),
            (Some("public, max-age=19442, must-revalidate"), 19442),
            (Some("Max-Age=\"600\""), 600),
            (Some("max-age=0"), 60),
            (Some("no-store"), 3600),
            (Some("max-age=99999999999"), 86400),
            (Some("max-age=soon"), 3600),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(said) = said {
                headers.insert(header::CACHE_CONTROL, said.parse().unwrap());
            }
            assert_eq!(max_age(&headers).as_secs(), seconds, "{said:?}");
        }
    }

    #[test]
    fn only_keys_for_rs256_are_used() {
        let body = br#"{"keys": [
            {"kty": "RSA", "kid": "ours", "use": "sig", "alg": "RS256", "n": "AQAB", "e": "AQAB", "new": {}},
            {"kty": "RSA", "kid": "without-alg", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "sealed", "use": "enc", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "other", "alg": "RS512", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
            {"kty": "RSA", "kid": "broken", "n": "*", "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "AQAB"},
            "nonsense"
        ]}"#;
        let keys = keys(body);
        let mut ids: Vec<&str> = keys.keys().map(String::as_str).collect();
        ids.sort_unstable();
        assert_eq!(ids, ["ours", "without-alg"]);
        for nonsense in [&b"<html>"[..], b"", b"[]", br#"{"keys": 3}"#] {
            assert!(super::keys(nonsense).is_empty());
        }
    }
}
