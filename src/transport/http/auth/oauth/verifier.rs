//! Verifies access tokens as the settings say: with the keys of their issuer, or by introspection.
//!
//! A token never chooses an address: its issuer is looked up among the configured ones.

use std::{sync::Arc, time::Duration};

use tokio::time::timeout;

use super::{
    claims::{Expected, Grant},
    discovery::ServerError,
    document,
    introspection::{Introspection, IntrospectionError},
    invalid_token::InvalidToken,
    jwt::UnverifiedToken,
    key_cache::KeyCache,
    settings::{Issuer, KeySource, OAuthSettings},
};

/// How long the start waits for an authorization server.
const START_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(super) enum Verifier {
    /// The keys of each issuer.
    Keys(Vec<Arc<KeyCache>>),
    Introspection(Arc<Introspection>),
}

/// Why a token is not accepted.
pub(super) enum NotVerified {
    Invalid(InvalidToken),
    /// Nothing can be said of it at the moment.
    Unavailable,
}

impl From<InvalidToken> for NotVerified {
    fn from(error: InvalidToken) -> Self {
        Self::Invalid(error)
    }
}

impl Verifier {
    pub(super) fn new(settings: &OAuthSettings) -> Self {
        let client = |issuer: &Issuer| document::client(issuer.url(), settings.extra_authorities.clone());
        let cache = |issuer: &Issuer, url| KeyCache::new(issuer.clone(), url, client(issuer));
        match (&settings.keys, settings.issuers.first()) {
            (KeySource::Introspection { client: credentials, url }, Some(issuer)) => {
                Self::Introspection(Introspection::new(issuer.clone(), credentials, url.clone(), client(issuer)))
            }
            (KeySource::JwksUrl(url), Some(issuer)) => Self::Keys(vec![cache(issuer, Some(url.clone()))]),
            _ => Self::Keys(settings.issuers.iter().map(|issuer| cache(issuer, None)).collect()),
        }
    }

    pub(super) async fn start(&self) -> Result<(), String> {
        let mut errors = Vec::new();
        match self {
            Self::Keys(caches) => {
                for cache in caches {
                    let loading = cache.clone();
                    errors.extend(first_load(&cache.issuer, async move { loading.load().await }).await);
                    tokio::spawn(cache.clone().keep_fresh());
                }
            }
            Self::Introspection(introspection) => {
                let loading = introspection.clone();
                errors.extend(first_load(&introspection.issuer, async move { loading.load().await }).await);
                tokio::spawn(introspection.clone().load_at_last());
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors.join("\n  ")) }
    }

    /// Whether some token can be verified. A later outage makes no replica unready.
    pub(super) fn is_ready(&self) -> bool {
        match self {
            Self::Keys(caches) => caches.iter().any(|cache| cache.is_loaded()),
            Self::Introspection(introspection) => introspection.is_ready(),
        }
    }

    /// Who issued a token, and what it grants; `now` is in seconds since 1970.
    pub(super) async fn verify(
        &self,
        token: &str,
        settings: &OAuthSettings,
        now: f64,
    ) -> Result<(&Issuer, Grant), NotVerified> {
        match self {
            Self::Introspection(introspection) => {
                let issuer = &introspection.issuer;
                match introspection.introspect(token, &settings.expected(issuer.as_str()), now).await {
                    Ok(grant) => Ok((issuer, grant)),
                    Err(IntrospectionError::Invalid(error)) => Err(error.into()),
                    Err(IntrospectionError::Unavailable) => Err(NotVerified::Unavailable),
                }
            }
            Self::Keys(caches) => {
                let token = UnverifiedToken::parse(token)?;
                let cache = caches.iter().find(|cache| cache.issuer.as_str() == token.issuer());
                let cache = cache.ok_or(InvalidToken::Issuer)?;
                let mut keys = cache.keys().ok_or(NotVerified::Unavailable)?;
                if token.is_key_unknown(&keys) {
                    cache.refetch().await;
                    keys = cache.keys().ok_or(NotVerified::Unavailable)?;
                }
                Ok((&cache.issuer, token.verify(&keys, &settings.expected(cache.issuer.as_str()), now)?))
            }
        }
    }
}

impl OAuthSettings {
    pub(super) fn expected<'a>(&'a self, issuer: &'a str) -> Expected<'a> {
        Expected { issuer, audiences: &self.audiences, leeway: self.leeway.as_secs_f64() }
    }
}

/// Loads for the first time. Returns what the operator must change, if anything.
async fn first_load(
    issuer: &Issuer,
    loading: impl Future<Output = Result<(), ServerError>> + Send + 'static,
) -> Option<String> {
    // A task of its own, which comes to its end even if no one waits for it.
    let error = match timeout(START_TIMEOUT, tokio::spawn(loading)).await {
        Ok(Ok(Ok(()))) => return None,
        Ok(Ok(Err(ServerError::Unusable(error)))) => return Some(error),
        Ok(Ok(Err(ServerError::Unavailable(error)))) => error,
        _ => "no response in time".to_owned(),
    };
    let issuer = issuer.as_str();
    tracing::warn!(issuer, error, "the authorization server cannot be used yet; not ready until then");
    None
}
