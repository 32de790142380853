//! Who signs tokens, as Google does: keys that are published, and tokens by hand, right and wrong.

use std::sync::{Arc, Mutex};

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use serde_json::{Value, json};
use testkit::Receiver;

pub const EMAIL: &str = "pusher@p.iam.gserviceaccount.com";
pub const AUDIENCE: &str = "orders";
pub const ISSUER: &str = "https://issuer.example";

pub struct Key {
    pub id: String,
    pair: KeyPair,
    published: Value,
}

impl Key {
    pub fn new(id: &str) -> Self {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let public: PublicKeyComponents<Vec<u8>> = pair.public_key().into();
        let text = |number: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(number);
        Self {
            id: id.to_owned(),
            published: json!({
                "kty": "RSA", "alg": "RS256", "use": "sig", "kid": id,
                "n": text(&public.n), "e": text(&public.e),
            }),
            pair,
        }
    }

    pub fn sign(&self, claims: &Value) -> String {
        let signed = format!("{}.{}", header(&self.id), part(claims));
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = SystemRandom::new();
        self.pair
            .sign(
                &RSA_PKCS1_SHA256,
                &random,
                signed.as_bytes(),
                &mut signature,
            )
            .unwrap();
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature))
    }

    /// A token signed with what everybody knows, in the hope that it is taken for a secret.
    pub fn sign_with_the_public_half(&self, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::HS256);
        header.kid = Some(self.id.clone());
        let public = self.published["n"].as_str().unwrap();
        let secret = BASE64_URL_SAFE_NO_PAD.decode(public).unwrap();
        encode(&header, claims, &EncodingKey::from_secret(&secret)).unwrap()
    }
}

/// The claims of a valid token, with `more` over them; null removes a claim.
pub fn claims(more: &Value) -> Value {
    let now = get_current_timestamp();
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "email": EMAIL, "email_verified": true,
        "sub": "104", "azp": "104", "iat": now, "exp": now + 3600,
    });
    let map = claims.as_object_mut().unwrap();
    for (name, value) in more.as_object().unwrap() {
        map.insert(name.clone(), value.clone());
    }
    map.retain(|_, value| !value.is_null());
    claims
}

pub fn unsigned(key: &Key) -> String {
    let header = json!({"alg": "none", "typ": "JWT", "kid": key.id});
    format!("{}.{}.", part(&header), part(&claims(&json!({}))))
}

/// The beginning of a token that is signed with a key of this id.
pub fn header(id: &str) -> String {
    part(&json!({"alg": "RS256", "typ": "JWT", "kid": id}))
}

fn part(value: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(value.to_string())
}

pub struct Issuer {
    pub server: Receiver,
    published: Arc<Mutex<Vec<Value>>>,
}

impl Issuer {
    pub fn publishing(keys: &[&Key]) -> Self {
        Self::publishing_on(0, keys)
    }

    pub fn publishing_on(port: u16, keys: &[&Key]) -> Self {
        let published = Arc::new(Mutex::default());
        let told = Arc::clone(&published);
        let server = Receiver::start_on(port, move |_| {
            let keys: Vec<Value> = Vec::clone(&told.lock().unwrap());
            let body = json!({"keys": keys}).to_string().into_bytes();
            let age = (
                "cache-control".to_owned(),
                "public, max-age=3600".to_owned(),
            );
            std::future::ready((200, vec![age], body))
        });
        let issuer = Self { server, published };
        issuer.publish(keys);
        issuer
    }

    pub fn publish(&self, keys: &[&Key]) {
        let keys = keys.iter().map(|key| key.published.clone()).collect();
        *self.published.lock().unwrap() = keys;
    }

    pub fn fetches(&self) -> usize {
        self.server.requests().len()
    }
}
