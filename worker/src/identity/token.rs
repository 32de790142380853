//! What a token must say, and the words for what is wrong with one.

use http::{HeaderMap, header};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde_json::{Map, Value};

use crate::config::Oidc;

/// How far the issuer's clock and ours may be apart, in seconds.
const SKEW: u64 = 30;
/// Google's tokens have about 1,000 bytes. More is read by nobody.
const LONGEST: usize = 8192;
/// Google's key ids have 40 characters.
const LONGEST_KEY_ID: usize = 200;

/// Why a push is refused. The words are labels of a metric, and there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub(crate) enum Refused {
    #[error(
        "it has neither a token nor a header of Cloud Tasks: a load balancer's check, or a stranger"
    )]
    NotAPush,
    #[error("it has no token: does its queue have an oidcToken?")]
    Missing,
    #[error("its token can't be read")]
    Malformed,
    #[error("its token isn't signed with RS256")]
    Algorithm,
    #[error(
        "its token is signed with a key that the issuer doesn't publish, or that could not be fetched"
    )]
    UnknownKey,
    #[error("its token's signature is not the key's: it is forged")]
    Signature,
    #[error("its token is from another issuer than OIDC_ISSUERS")]
    Issuer,
    #[error("its token is for another audience than OIDC_AUDIENCES")]
    Audience,
    #[error("its token is another account's than OIDC_SERVICE_ACCOUNT_EMAILS")]
    Email,
    #[error("its token's email address is not verified")]
    EmailUnverified,
    #[error("its token has expired")]
    Expired,
    #[error("its token is from the future: is a clock wrong?")]
    NotYetValid,
}

impl Refused {
    /// The word in metrics and logs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NotAPush => "not_a_push",
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

/// The token of a push.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Refused> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else {
        let is_push = headers.contains_key(decide::headers::QUEUE_NAME);
        return Err(if is_push {
            Refused::Missing
        } else {
            Refused::NotAPush
        });
    };
    let text = value.to_str().map_err(|_| Refused::Malformed)?;
    if values.next().is_some() || text.len() > LONGEST {
        return Err(Refused::Malformed);
    }
    let (scheme, token) = text.split_once(' ').ok_or(Refused::Malformed)?;
    // Another scheme is the producer's own, on a queue that signs nothing.
    let is_bearer = scheme.eq_ignore_ascii_case("bearer");
    is_bearer.then_some(token.trim()).ok_or(Refused::Missing)
}

/// The id of the key that a token says it is signed with.
pub(super) fn key_id(token: &str) -> Result<String, Refused> {
    let header = jsonwebtoken::decode_header(token).map_err(|error| match error.kind() {
        // Well-formed, with an algorithm that the library doesn't know, `none` among them.
        ErrorKind::Json(error) if error.to_string().contains("unknown variant") => {
            Refused::Algorithm
        }
        _ => Refused::Malformed,
    })?;
    if header.alg != Algorithm::RS256 {
        return Err(Refused::Algorithm);
    }
    let id = header.kid.ok_or(Refused::UnknownKey)?;
    let fits = id.len() <= LONGEST_KEY_ID;
    fits.then_some(id).ok_or(Refused::UnknownKey)
}

/// What a token must say.
#[derive(Debug)]
pub(super) struct Demand {
    validation: Validation,
    emails: Vec<String>,
}

impl Demand {
    pub(super) fn new(oidc: &Oidc) -> Self {
        let mut validation = Validation::new(Algorithm::RS256);
        validation.set_audience(&oidc.audiences);
        validation.set_issuer(&oidc.issuers);
        validation.set_required_spec_claims(&["exp", "aud", "iss"]);
        validation.leeway = SKEW;
        validation.validate_nbf = true;
        Self {
            validation,
            emails: oidc.emails.clone(),
        }
    }

    /// Whether a token that is signed with `key` says all that it must.
    pub(super) fn met_by(&self, token: &str, key: &DecodingKey) -> Result<(), Refused> {
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, &self.validation);
        let claims = decoded.map_err(|error| why(error.kind()))?.claims;
        let email = claims.get("email").and_then(Value::as_str);
        if !email.is_some_and(|email| self.emails.iter().any(|it| it == email)) {
            return Err(Refused::Email);
        }
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(Refused::EmailUnverified);
        }
        // The library looks at exp and nbf, not at this one.
        let latest = jsonwebtoken::get_current_timestamp() + SKEW;
        let issued = claims.get("iat").map(Value::as_f64);
        #[allow(clippy::cast_precision_loss, reason = "seconds are far below 2^52")]
        match issued {
            Some(None) => Err(Refused::Malformed),
            Some(Some(issued)) if issued > latest as f64 => Err(Refused::NotYetValid),
            Some(Some(_)) | None => Ok(()),
        }
    }
}

fn why(error: &ErrorKind) -> Refused {
    match error {
        ErrorKind::InvalidSignature => Refused::Signature,
        ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => Refused::Algorithm,
        ErrorKind::ExpiredSignature => Refused::Expired,
        ErrorKind::ImmatureSignature => Refused::NotYetValid,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        ErrorKind::MissingRequiredClaim(claim) => match claim.as_str() {
            "iss" => Refused::Issuer,
            "aud" => Refused::Audience,
            _ => Refused::Expired,
        },
        _ => Refused::Malformed,
    }
}
