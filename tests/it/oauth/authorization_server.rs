//! An authorization server that misbehaves on demand, and the tokens that it issues.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    http::{StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaEncoding, RsaKeyPair,
    },
};
use serde_json::{Value, json};
use tokio::net::TcpListener;

pub(crate) const PUBLIC_URL: &str = "https://mcp.example.com/mcp";

pub(crate) fn encode(bytes: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(bytes)
}

/// Private keys.
pub(crate) struct Keys {
    pub(crate) rsa: RsaKeyPair,
    pub(crate) foreign: RsaKeyPair,
    p256: EcdsaKeyPair,
    p384: EcdsaKeyPair,
    pub(crate) ed25519: Ed25519KeyPair,
}

impl Keys {
    pub(crate) fn new() -> Self {
        let random = SystemRandom::new();
        let ecdsa = |algorithm| {
            let key = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
            EcdsaKeyPair::from_pkcs8(algorithm, key.as_ref(), &random).unwrap()
        };
        Self {
            rsa: RsaKeyPair::from_pkcs8(include_bytes!("keys/rsa.der")).unwrap(),
            foreign: RsaKeyPair::from_pkcs8(include_bytes!("keys/foreign.der")).unwrap(),
            p256: ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
            p384: ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
            ed25519: Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap(),
        }
    }

    pub(crate) fn rsa_jwk(key: &RsaKeyPair, kid: &str) -> Value {
        let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
        json!({"kty": "RSA", "kid": kid, "n": encode(n), "e": encode(e)})
    }

    pub(crate) fn ed25519_jwk(&self, kid: &str) -> Value {
        json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": encode(self.ed25519.public_key())})
    }

    pub(crate) fn p256_jwk(&self, kid: &str) -> Value {
        Self::ec_jwk("P-256", self.p256.public_key().as_ref(), kid)
    }

    pub(crate) fn p384_jwk(&self, kid: &str) -> Value {
        Self::ec_jwk("P-384", self.p384.public_key().as_ref(), kid)
    }

    fn ec_jwk(curve: &str, point: &[u8], kid: &str) -> Value {
        let (x, y) = point[1..].split_at(point.len() / 2);
        json!({"kty": "EC", "crv": curve, "kid": kid, "x": encode(x), "y": encode(y)})
    }

    fn sign_rsa(key: &RsaKeyPair, padding: &'static dyn RsaEncoding, message: &[u8]) -> Vec<u8> {
        let mut signature = vec![0; key.public().modulus_len()];
        key.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        signature
    }

    /// A signature by the key for this algorithm; `FOREIGN` is RS256 by another key.
    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match algorithm {
            "RS256" => Self::sign_rsa(&self.rsa, &RSA_PKCS1_SHA256, message),
            "FOREIGN" => Self::sign_rsa(&self.foreign, &RSA_PKCS1_SHA256, message),
            "PS256" => Self::sign_rsa(&self.rsa, &RSA_PSS_SHA256, message),
            "ES256" => self.p256.sign(&random, message).unwrap().as_ref().to_vec(),
            "ES384" => self.p384.sign(&random, message).unwrap().as_ref().to_vec(),
            "EdDSA" | "Ed25519" => self.ed25519.sign(message).as_ref().to_vec(),
            other => panic!("{other}"),
        }
    }

    /// A token of this header and payload, whatever they are.
    pub(crate) fn token(&self, signed_with: &str, header: &str, payload: impl AsRef<[u8]>) -> String {
        let message = format!("{}.{}", encode(header), encode(payload));
        let signature = encode(self.sign(signed_with, message.as_bytes()));
        format!("{message}.{signature}")
    }
}

/// What a path gets.
#[derive(Clone)]
pub(crate) enum Reply {
    Json(u16, Value),
    Text(u16, String),
    Redirect(String),
    Hang,
}

#[derive(Clone)]
pub(crate) struct AuthorizationServer {
    pub(crate) issuer: String,
    pub(crate) keys: Arc<Keys>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    replies: HashMap<String, Reply>,
    requests: Vec<String>,
}

pub(crate) const METADATA: &str = "/.well-known/oauth-authorization-server";
pub(crate) const JWKS: &str = "/jwks";
pub(crate) const INTROSPECTION: &str = "/introspect";

impl AuthorizationServer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener)
    }

    /// A server on a listener that may have waited.
    pub(crate) fn on(listener: TcpListener) -> Self {
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let server = Self { issuer, keys: Arc::new(Keys::new()), state: Arc::default() };
        server.reply(METADATA, Reply::Json(200, server.metadata()));
        server.reply(JWKS, Reply::Json(200, json!({"keys": [server.keys.ed25519_jwk("ed25519")]})));
        let serving = server.clone();
        let router = Router::new().fallback(move |request: Request| {
            let serving = serving.clone();
            async move { serving.respond(request).await }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        server
    }

    pub(crate) fn metadata(&self) -> Value {
        let url = |path| format!("{}{path}", self.issuer);
        json!({
            "issuer": self.issuer,
            "authorization_endpoint": url("/auth"),
            "token_endpoint": url("/token"),
            "registration_endpoint": url("/reg"),
            "jwks_uri": url(JWKS),
            "introspection_endpoint": url(INTROSPECTION),
            "code_challenge_methods_supported": ["S256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "authorization_response_iss_parameter_supported": true,
            "scopes_supported": ["verifa:read", "verifa:resume", "verifa:links"],
        })
    }

    pub(crate) fn reply(&self, path: &str, reply: Reply) {
        self.state.lock().unwrap().replies.insert(path.to_owned(), reply);
    }

    /// The requests to a path: their headers and bodies.
    pub(crate) fn requests(&self, path: &str) -> Vec<String> {
        let all = self.state.lock().unwrap().requests.clone();
        all.into_iter().filter(|request| request.split(' ').next() == Some(path)).collect()
    }

    async fn respond(&self, request: Request) -> Response {
        let (parts, body) = request.into_parts();
        let body = axum::body::to_bytes(body, 100_000).await.unwrap();
        let reply = {
            let mut state = self.state.lock().unwrap();
            let text = String::from_utf8_lossy(&body);
            state.requests.push(format!("{} {:?} {text}", parts.uri.path(), parts.headers.get("authorization")));
            state.replies.get(parts.uri.path()).cloned()
        };
        match reply {
            None => StatusCode::NOT_FOUND.into_response(),
            Some(Reply::Json(status, body)) => {
                let json = [(CONTENT_TYPE, "application/json")];
                (StatusCode::from_u16(status).unwrap(), json, body.to_string()).into_response()
            }
            Some(Reply::Text(status, body)) => (StatusCode::from_u16(status).unwrap(), body).into_response(),
            Some(Reply::Redirect(to)) => {
                Response::builder().status(302).header("location", to).body(Body::empty()).unwrap()
            }
            Some(Reply::Hang) => std::future::pending().await,
        }
    }

    /// Claims that pass.
    pub(crate) fn claims(&self) -> Value {
        let now = jiff::Timestamp::now().as_second();
        let scope = "verifa:read verifa:resume verifa:links";
        json!({"iss": self.issuer, "aud": PUBLIC_URL, "exp": now + 600, "iat": now, "sub": "jane", "scope": scope})
    }

    /// Claims that pass, but for these.
    pub(crate) fn claims_with(&self, other: &Value) -> Value {
        let mut claims = self.claims();
        claims.as_object_mut().unwrap().extend(other.as_object().unwrap().clone());
        claims
    }

    /// A token that passes, but for these claims.
    pub(crate) fn token(&self, other: &Value) -> String {
        let header = r#"{"alg":"EdDSA","kid":"ed25519","typ":"at+jwt"}"#;
        self.keys.token("EdDSA", header, self.claims_with(other).to_string())
    }
}
