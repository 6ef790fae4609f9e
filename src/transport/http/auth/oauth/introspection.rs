//! Introspection (RFC 7662): asks the authorization server about each token, for tokens that are not JWTs.
//!
//! This is the only place that a caller's token is sent to. Positive responses are kept for half a minute by the token's
//! hash; the token itself is not kept.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::{
    Method, Request,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue},
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::{
    sync::Semaphore,
    time::{sleep, timeout},
};
use url::{Url, form_urlencoded};

use super::{
    claims::{Claims, Expected, Grant},
    discovery::{ServerError, discover},
    document,
    invalid_token::InvalidToken,
    json::object,
    settings::{ClientCredentials, Issuer},
};
use crate::http_client::HttpClient;

const TIMEOUT: Duration = Duration::from_secs(5);
const MAX_CONCURRENT: usize = 16;
const CACHE_TIME: Duration = Duration::from_secs(30);
const MAX_CACHED: usize = 10_000;
const RETRY_DELAY: Duration = Duration::from_secs(10);

#[derive(Debug)]
pub(super) struct Introspection {
    pub(super) issuer: Issuer,
    client: HttpClient,
    authorization: HeaderValue,
    /// `None` until the metadata was read.
    url: Mutex<Option<Url>>,
    permits: Semaphore,
    cache: Mutex<HashMap<[u8; 32], Cached>>,
}

#[derive(Debug)]
struct Cached {
    grant: Grant,
    until: Instant,
}

/// Why a token is not accepted.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum IntrospectionError {
    Invalid(InvalidToken),
    Unavailable,
}

impl From<InvalidToken> for IntrospectionError {
    fn from(error: InvalidToken) -> Self {
        Self::Invalid(error)
    }
}

impl Introspection {
    pub(super) fn new(
        issuer: Issuer,
        credentials: &ClientCredentials,
        url: Option<Url>,
        client: HttpClient,
    ) -> Arc<Self> {
        let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        // RFC 6749, section 2.3.1: both parts are form-encoded first.
        let basic = BASE64_STANDARD.encode(format!("{}:{}", encode(&credentials.id), encode(&credentials.secret)));
        let mut authorization =
            HeaderValue::from_str(&format!("Basic {basic}")).unwrap_or(HeaderValue::from_static(""));
        authorization.set_sensitive(true);
        let (permits, cache) = (Semaphore::new(MAX_CONCURRENT), Mutex::default());
        Arc::new(Self { issuer, client, authorization, url: Mutex::new(url), permits, cache })
    }

    pub(super) fn is_ready(&self) -> bool {
        self.url().is_some()
    }

    /// Reads the endpoint's address from the metadata, unless it is known.
    pub(super) async fn load(&self) -> Result<(), ServerError> {
        if !self.is_ready() {
            let url = discover(&self.client, &self.issuer).await?.introspection_url(&self.issuer)?;
            *self.url.lock().unwrap_or_else(PoisonError::into_inner) = Some(url);
        }
        Ok(())
    }

    pub(super) async fn load_at_last(self: Arc<Self>) {
        while let Err(error) = self.load().await {
            tracing::warn!(issuer = self.issuer.as_str(), %error, "the introspection endpoint is not known yet");
            sleep(RETRY_DELAY).await;
        }
    }

    /// What the authorization server says of a token; `now` is in seconds since 1970.
    pub(super) async fn introspect(
        &self,
        token: &str,
        expected: &Expected<'_>,
        now: f64,
    ) -> Result<Grant, IntrospectionError> {
        super::jwt::check_shape(token)?;
        let hash = Sha256::digest(token).into();
        if let Some(grant) = self.cached(&hash, now) {
            return Ok(grant);
        }
        let grant = read(&self.ask(token).await?, expected, now)?;
        self.cache(hash, &grant);
        Ok(grant)
    }

    async fn ask(&self, token: &str) -> Result<Vec<u8>, IntrospectionError> {
        let unavailable = |error: &dyn std::fmt::Display| {
            tracing::warn!(issuer = self.issuer.as_str(), %error, "introspection failed");
            IntrospectionError::Unavailable
        };
        let url = self.url().ok_or_else(|| unavailable(&"its endpoint is not known yet"))?;
        let permit = timeout(TIMEOUT, self.permits.acquire()).await;
        let _permit = permit.ok().and_then(Result::ok).ok_or_else(|| unavailable(&"too many concurrent requests"))?;
        let form = [("token", token), ("token_type_hint", "access_token")];
        let mut request = Request::new(Method::POST, url);
        *request.body_mut() = Some(form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish().into());
        let headers = request.headers_mut();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
        headers.insert(AUTHORIZATION, self.authorization.clone());
        let document = document::send(&self.client, request, TIMEOUT).await.map_err(|error| unavailable(&error))?;
        match document.status.as_u16() {
            200 => Ok(document.body),
            // oidc-provider's response to a token of another type.
            400 => Err(InvalidToken::Inactive.into()),
            401 | 403 => {
                let status = document.status.as_u16();
                tracing::error!(
                    issuer = self.issuer.as_str(),
                    status,
                    "the authorization server rejects VERIFA_MCP_OAUTH_CLIENT_ID or its secret, or does not let it introspect"
                );
                Err(IntrospectionError::Unavailable)
            }
            status => Err(unavailable(&format!("status {status}"))),
        }
    }

    fn cached(&self, hash: &[u8; 32], now: f64) -> Option<Grant> {
        let cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let cached = cache.get(hash).filter(|cached| Instant::now() < cached.until && now < cached.grant.expires)?;
        Some(cached.grant.clone())
    }

    fn cache(&self, hash: [u8; 32], grant: &Grant) {
        let (mut cache, now) = (self.cache.lock().unwrap_or_else(PoisonError::into_inner), Instant::now());
        if cache.len() >= MAX_CACHED {
            cache.retain(|_, cached| now < cached.until);
        }
        if cache.len() < MAX_CACHED {
            cache.insert(hash, Cached { grant: grant.clone(), until: now + CACHE_TIME });
        }
    }

    fn url(&self) -> Option<Url> {
        self.url.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Reads a response: active means the JSON `true`, and what is mandatory in a JWT is mandatory here.
fn read(body: &[u8], expected: &Expected<'_>, now: f64) -> Result<Grant, IntrospectionError> {
    #[derive(serde::Deserialize)]
    struct Active {
        active: Value,
    }
    let active: Active = object(body).ok_or(IntrospectionError::Unavailable)?;
    if active.active != true {
        return Err(InvalidToken::Inactive.into());
    }
    let claims: Claims = object(body).ok_or(InvalidToken::Claims)?;
    if claims.iss.as_ref().is_some_and(|issuer| issuer != expected.issuer) {
        return Err(InvalidToken::Issuer.into());
    }
    Ok(claims.grant(true, expected, now)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_active_token_for_this_server_is_accepted() {
        let invalid = |error| Some(IntrospectionError::Invalid(error));
        for (body, expected) in [
            (r#"{"active": true, "aud": "mcp", "exp": 2000, "sub": "jane", "scope": "verifa:read"}"#, None),
            (r#"{"active": true, "iss": "https://as", "aud": ["mcp"], "exp": 2000, "sub": "jane"}"#, None),
            (r#"{"active": false}"#, invalid(InvalidToken::Inactive)),
            (r#"{"active": "true", "aud": "mcp", "exp": 2000, "sub": "jane"}"#, invalid(InvalidToken::Inactive)),
            (r#"{"active": true, "exp": 2000, "sub": "jane"}"#, invalid(InvalidToken::Audience)),
            (r#"{"active": true, "aud": "other", "exp": 2000, "sub": "jane"}"#, invalid(InvalidToken::Audience)),
            (r#"{"active": true, "aud": "mcp", "sub": "jane"}"#, invalid(InvalidToken::NoExpiry)),
            (r#"{"active": true, "aud": "mcp", "exp": 900, "sub": "jane"}"#, invalid(InvalidToken::Expired)),
            (r#"{"active": true, "aud": "mcp", "exp": 2000}"#, invalid(InvalidToken::Subject)),
            (
                r#"{"active": true, "iss": "https://b", "aud": "mcp", "exp": 2000, "sub": "a"}"#,
                invalid(InvalidToken::Issuer),
            ),
            (r#"{"active": true, "aud": "mcp", "aud": "mcp", "exp": 2000, "sub": "a"}"#, invalid(InvalidToken::Claims)),
            ("<html>", Some(IntrospectionError::Unavailable)),
            ("{}", Some(IntrospectionError::Unavailable)),
        ] {
            let ours = Expected { issuer: "https://as", audiences: &["mcp".to_owned()], leeway: 60.0 };
            assert_eq!(read(body.as_bytes(), &ours, 1_000.0).err(), expected, "{body}");
        }
    }
}
