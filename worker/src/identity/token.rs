//! Validates tokens: the bearer header, the key id, the claims.

use decide::headers::TokenOrigin;
use http::{HeaderMap, header};
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};
use worker_contract::headers::TOKEN;
use worker_contract::metrics::NOT_A_PUSH;

use crate::config::OidcConfig;

/// The clock skew between the issuer and the worker that is tolerated, in seconds.
const CLOCK_SKEW: u64 = 30;
/// The longest token, in bytes. Google's have about 1,000.
const MAX_TOKEN_BYTES: usize = 8192;
/// The longest key id, in bytes. Google's have 40.
const MAX_KEY_ID_BYTES: usize = 200;

/// Why a push is refused. The operator reads these reasons from a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum TokenError {
    #[error(
        "it has neither a token nor Cloud Tasks' headers: a health check on the wrong port, or a scan"
    )]
    NotAPush,
    #[error("it has no token: set an oidcToken on its queue")]
    Missing,
    #[error("its token can't be read")]
    Malformed,
    #[error("its token isn't signed with RS256")]
    Algorithm,
    #[error(
        "its token is signed with a key that the issuer doesn't publish, or that can't be fetched"
    )]
    UnknownKey,
    #[error("its token's signature is not valid: it is forged")]
    Signature,
    #[error("its token is from an issuer that is not in OIDC_ISSUERS")]
    Issuer,
    #[error("its token is for an audience that is not in OIDC_AUDIENCES")]
    Audience,
    #[error("its token belongs to an account that is not in OIDC_SERVICE_ACCOUNT_EMAILS")]
    Email,
    #[error("its token's email address is not verified")]
    EmailUnverified,
    #[error("its token has expired")]
    Expired,
    #[error("its token is not valid yet: check the clocks of the nodes")]
    NotYetValid,
}

impl TokenError {
    /// The reason in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotAPush => NOT_A_PUSH,
            Self::Missing => "missing",
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Email => "email",
            Self::EmailUnverified => "email_unverified",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
        }
    }
}

/// The bearer token of a push.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, TokenError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let is_push = headers.contains_key(decide::headers::QUEUE_NAME);
        return Err(if is_push {
            TokenError::Missing
        } else {
            TokenError::NotAPush
        });
    };
    let text = value.to_str().map_err(|_| TokenError::Malformed)?;
    if values.next().is_some() || text.len() > MAX_TOKEN_BYTES {
        return Err(TokenError::Malformed);
    }
    let (scheme, token) = text.split_once(' ').ok_or(TokenError::Malformed)?;
    // Another scheme is the producer's own, on a queue without a token.
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then_some(token.trim()).ok_or(TokenError::Missing)
}

/// Whose token a push carries. `verified`: the worker has verified it, so it is the queue's.
///
/// What the worker can't verify is only told apart, by the issuer that it claims: Cloud Tasks' token is
/// useless on the next stage, a producer's own is not.
pub(crate) fn token_origin(headers: &HeaderMap, verified: bool, issuers: &[String]) -> TokenOrigin {
    // While a token is turned on or off, the queue may have it and this worker not know of it yet.
    if verified || headers.contains_key(TOKEN) {
        return TokenOrigin::Queue;
    }
    let claims = bearer(headers)
        .ok()
        .and_then(|token| insecure_decode_claims::<Map<String, Value>>(token).ok());
    let issuer = claims
        .as_ref()
        .and_then(|claims| claims.get("iss")?.as_str());
    if issuer.is_some_and(|issuer| issuers.iter().any(|it| it == issuer)) {
        TokenOrigin::Task
    } else {
        TokenOrigin::Producer
    }
}

/// The id of the key that a token names.
pub(super) fn key_id(token: &str) -> Result<String, TokenError> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // Well-formed, with an algorithm that the library doesn't know, such as `none`.
        ErrorKind::Json(error) if error.to_string().contains("unknown variant") => {
            TokenError::Algorithm
        }
        _ => TokenError::Malformed,
    })?;
    if header.alg != Algorithm::RS256 {
        return Err(TokenError::Algorithm);
    }
    let id = header.kid.ok_or(TokenError::UnknownKey)?;
    let fits = id.len() <= MAX_KEY_ID_BYTES;
    fits.then_some(id).ok_or(TokenError::UnknownKey)
}

/// Validates a token's signature and claims.
#[derive(Debug)]
pub(super) struct TokenValidator {
    validation: Validation,
    emails: Vec<String>,
}

impl TokenValidator {
    pub(super) fn new(oidc: &OidcConfig) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&oidc.audiences);
        validation.set_issuer(&oidc.issuers);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.leeway = CLOCK_SKEW;
        validation.validate_nbf = true;
        Self {
            validation,
            emails: oidc.emails.clone(),
        }
    }

    /// Validates a token that names `key`.
    pub(super) fn validate(&self, token: &str, key: &DecodingKey) -> Result<(), TokenError> {
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &self.validation);
        let claims = decoded.map_err(|error| token_error(error.kind()))?.claims;
        let email = claims.get("email").and_then(Value::as_str);
        if !email.is_some_and(|email| self.emails.iter().any(|it| it == email)) {
            return Err(TokenError::Email);
        }
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(TokenError::EmailUnverified);
        }
        // The library checks exp and nbf, but not iat.
        let latest = jsonwebtoken::get_current_timestamp() + CLOCK_SKEW;
        let issued = claims.get("iat").map(Value::as_f64);
        #[allow(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
        match issued {
            Some(None) => Err(TokenError::Malformed),
            Some(Some(issued)) if issued > latest as f64 => Err(TokenError::NotYetValid),
            Some(Some(_)) | None => Ok(()),
        }
    }
}

fn token_error(error: &ErrorKind) -> TokenError {
    match error {
        ErrorKind::InvalidSignature => TokenError::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => TokenError::Algorithm,
        ErrorKind::ExpiredSignature => TokenError::Expired,
        ErrorKind::ImmatureSignature => TokenError::NotYetValid,
        ErrorKind::InvalidIssuer => TokenError::Issuer,
        ErrorKind::InvalidAudience => TokenError::Audience,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => TokenError::Issuer,
            "aud" => TokenError::Audience,
            _ => TokenError::Expired,
        },
        _ => TokenError::Malformed,
    }
}
