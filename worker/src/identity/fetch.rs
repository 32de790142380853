//! One fetch of the issuer's keys.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, KeyAlgorithm, PublicKeyUse};
use serde_json::Value;

use super::keys::KeySet;
use crate::connector::connector;

/// How long a fetch may take. A push that waits for it has its dispatch deadline, of which this is
/// the smaller part.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);
/// Google's have about 2,000 bytes.
const LARGEST: usize = 256 * 1024;
/// Google publishes two or three.
const MOST_KEYS: usize = 100;
/// For how long keys are fresh whose issuer doesn't say.
const FRESH_FOR: Duration = Duration::from_hours(1);
/// What an issuer may say: less would load it, with more a key that it withdraws would count on.
const SHORTEST: Duration = Duration::from_mins(1);
const LONGEST: Duration = Duration::from_hours(24);

/// Where the keys are.
#[derive(Debug)]
pub(super) struct Source {
    client: Client<HttpsConnector<HttpConnector>, Empty<Bytes>>,
    url: Uri,
}

/// What a fetch has brought.
#[derive(Debug)]
pub(super) struct Fetched {
    pub keys: KeySet,
    pub fresh_for: Duration,
}

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error("{0} doesn't answer ({1}): may the worker connect there?")]
    Away(Uri, String),
    #[error("{0} doesn't answer within {PATIENCE:?}: may the worker connect there?")]
    TimedOut(Uri),
    #[error("{0} answers {1}: does OIDC_JWKS_URL name a key set?")]
    Status(Uri, StatusCode),
    #[error("what {0} answers is no key set with a key for RS256: does OIDC_JWKS_URL name one?")]
    NoKeys(Uri),
}

impl Source {
    pub(super) fn new(url: Uri) -> Self {
        let client = Client::builder(TokioExecutor::new())
            // Hours pass between two fetches.
            .pool_max_idle_per_host(0)
            .build(connector(PATIENCE / 2));
        Self { client, url }
    }

    pub(super) async fn fetch(&self) -> Result<Fetched, Error> {
        let fetched = tokio::time::timeout(PATIENCE, self.ask()).await;
        fetched.unwrap_or_else(|_| Err(Error::TimedOut(self.url.clone())))
    }

    async fn ask(&self) -> Result<Fetched, Error> {
        let away = |error: &dyn std::fmt::Display| Error::Away(self.url.clone(), error.to_string());
        let request = Request::builder()
            .method(Method::GET)
            .uri(self.url.clone())
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .expect("a URI and a constant header make a request");
        let response = self.client.request(request).await;
        let (head, body) = response.map_err(|error| away(&error))?.into_parts();
        if head.status != StatusCode::OK {
            return Err(Error::Status(self.url.clone(), head.status));
        }
        let body = Limited::new(body, LARGEST).collect().await;
        let body = body.map_err(|error| away(&error))?.to_bytes();
        let keys = keys(&body);
        if keys.is_empty() {
            // Those that are there are worth more.
            return Err(Error::NoKeys(self.url.clone()));
        }
        Ok(Fetched {
            keys,
            fresh_for: fresh_for(&head.headers),
        })
    }
}

/// The keys of a set that signatures with RS256 can be verified with. Others are no business of ours.
fn keys(body: &[u8]) -> KeySet {
    let set: Value = serde_json::from_slice(body).unwrap_or_default();
    let keys = set.get("keys").and_then(Value::as_array);
    let keys = keys.into_iter().flatten().take(MOST_KEYS);
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

fn fresh_for(headers: &HeaderMap) -> Duration {
    let said = headers.get_all(header::CACHE_CONTROL).iter();
    let said = said.filter_map(|value| value.to_str().ok());
    let max_age = said
        .flat_map(|value| value.split(','))
        .filter_map(|word| word.trim().split_once('='))
        .find(|(name, _)| name.eq_ignore_ascii_case("max-age"))
        .and_then(|(_, age)| age.trim_matches('"').parse().ok());
    max_age
        .map_or(FRESH_FOR, Duration::from_secs)
        .clamp(SHORTEST, LONGEST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_issuers_word_on_how_long_its_keys_are_fresh_counts_within_bounds() {
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
            assert_eq!(fresh_for(&headers).as_secs(), seconds, "{said:?}");
        }
    }

    #[test]
    fn only_keys_for_our_algorithm_are_taken() {
        let body = br#"{"keys": [
            {"kty": "RSA", "kid": "ours", "use": "sig", "alg": "RS256", "n": "AQAB", "e": "AQAB", "new": {}},
            {"kty": "RSA", "kid": "unsaid", "n": "AQAB", "e": "AQAB"},
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
        assert_eq!(ids, ["ours", "unsaid"]);
        for nonsense in [&b"<html>"[..], b"", b"[]", br#"{"keys": 3}"#] {
            assert!(super::keys(nonsense).is_empty());
        }
    }
}
