//! Authentication: reads a request's credentials and returns its caller, or why it has none.
//!
//! It keeps nothing between requests, and a configured key is never lent to a caller who brings none. Error texts are for
//! the person who configures the client; they never repeat credentials. `api_key`, `token` and `oauth` are the modes that
//! read credentials.

mod api_key;
pub(crate) mod oauth;
mod token;

use axum::{
    http::{
        HeaderMap, StatusCode,
        header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};

use self::oauth::{OAuth, OAuthRejection};
use super::error_response::{error_response, retryable_error};
use crate::{
    call::Caller,
    metrics::Metrics,
    tokens::Tokens,
    verifa::{ApiKey, InvalidApiKey, wire},
};

/// How callers authenticate; also the values of `--auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub(crate) enum AuthMode {
    None,
    ApiKey,
    Token,
    #[strum(serialize = "oauth")]
    OAuth,
}

impl AuthMode {
    /// The mode without `--auth`, unless it would lend the configured key to callers from other computers.
    pub(crate) fn by_default(has_key: bool, is_loopback: bool) -> Result<Self, &'static str> {
        match (has_key, is_loopback) {
            (true, true) => Ok(Self::None),
            (false, _) => Ok(Self::ApiKey),
            (true, false) => {
                Err("with a key configured and a listener that others can reach, it must be said who may \
                call: --auth token (you give each caller a token) or --auth api-key (each brings their own Verifa key, \
                and the configured one is not used)")
            }
        }
    }
}

/// A mode with the data that it needs.
#[derive(Debug)]
pub(crate) enum Authenticator {
    /// Every request is this caller's: for loopback only.
    None(Caller),
    ApiKey,
    /// The tokens, and the key that calls are made with.
    Token(Box<Tokens>, ApiKey),
    /// What tokens are verified with, and the key that calls are made with.
    OAuth(Box<OAuth>, ApiKey),
}

impl Authenticator {
    pub(super) async fn authenticate(&self, headers: &HeaderMap, query: Option<&str>) -> Result<Caller, AuthError> {
        match self {
            Self::None(caller) => Ok(caller.clone()),
            Self::ApiKey => api_key::authenticate(credentials(headers)?),
            Self::Token(tokens, key) => token::authenticate(tokens, key, credentials(headers)?),
            Self::OAuth(oauth, key) => Ok(oauth.authenticate(headers, query, key).await?),
        }
    }

    /// Watches what credentials are compared with, until it is dropped.
    pub(super) async fn watch(&self, metrics: &Metrics) {
        if let Self::Token(tokens, _) = self {
            token::watch(tokens, metrics).await;
        }
    }

    pub(crate) fn oauth(&self) -> Option<&OAuth> {
        if let Self::OAuth(oauth, _) = self { Some(oauth) } else { None }
    }

    /// Whether callers can be authenticated, which may need an authorization server.
    pub(super) fn is_ready(&self) -> bool {
        self.oauth().is_none_or(OAuth::is_ready)
    }
}

/// The value of `Authorization: Bearer` or `X-API-Key`. Of several different values, a proxy or a later check might read
/// another one than is read here, so they are an error.
fn credentials(headers: &HeaderMap) -> Result<Option<&str>, AuthError> {
    let authorization = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().ok().and_then(bearer));
    let key = headers.get_all(wire::API_KEY).iter().map(|value| value.to_str().ok().map(str::trim));
    let mut all: Vec<_> = authorization.chain(key).map(Option::unwrap_or_default).collect();
    all.dedup();
    match all.as_slice() {
        [] | [""] => Ok(None),
        [credentials] => Ok(Some(credentials)),
        _ => Err(AuthError::Ambiguous),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, credentials) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

/// Why a request has no caller.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum AuthError {
    #[error(
        "This server calls Verifa with your own key, and the request has none. Set the header \"Authorization: Bearer \
         vk_sandbox_…\" (or vk_live_…) in your MCP client."
    )]
    MissingKey,
    #[error("The request has several different credentials. Send one, as \"Authorization: Bearer …\" or as X-API-Key.")]
    Ambiguous,
    #[error(
        "The key that your MCP client sent {0}. Set \"Authorization: Bearer vk_sandbox_…\" (or vk_live_…) in your MCP \
         client."
    )]
    InvalidKey(InvalidApiKey),
    #[error(
        "This server requires a Bearer token, and the request has none. Ask its operator for one (verifa-mcp token new) \
         and set the header \"Authorization: Bearer vmt_…\" in your MCP client."
    )]
    MissingToken,
    #[error(
        "This server does not know this token: it was revoked or copied incorrectly. Ask its operator for a new one \
         (verifa-mcp token new)."
    )]
    UnknownToken,
    #[error("This stream was opened with other credentials. Send each message with those of its stream.")]
    OtherStream,
    #[error(transparent)]
    OAuth(#[from] OAuthRejection),
}

impl AuthError {
    fn status(&self) -> StatusCode {
        match self {
            Self::MissingKey
            | Self::Ambiguous
            | Self::InvalidKey(_)
            | Self::MissingToken
            | Self::UnknownToken
            | Self::OtherStream => StatusCode::UNAUTHORIZED,
            Self::OAuth(rejection) => rejection.status,
        }
    }

    /// The value of `WWW-Authenticate`. Without OAuth it has no `resource_metadata`, which clients take as an invitation to
    /// discovery.
    fn challenge(&self) -> Option<HeaderValue> {
        match self {
            Self::OAuth(rejection) => rejection.challenge.as_deref().and_then(|text| HeaderValue::from_str(text).ok()),
            _ => (self.status() == StatusCode::UNAUTHORIZED).then(|| HeaderValue::from_static("Bearer")),
        }
    }
}

impl IntoResponse for AuthError {
    fn into_response(self) -> Response {
        let (status, text) = (self.status(), self.to_string());
        let mut response = match status {
            StatusCode::SERVICE_UNAVAILABLE => retryable_error(status, 10, &text),
            _ => error_response(status, &text),
        };
        if let Some(challenge) = self.challenge() {
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_lent_to_a_network_by_default() {
        assert_eq!(AuthMode::by_default(true, true), Ok(AuthMode::None));
        assert_eq!(AuthMode::by_default(false, true), Ok(AuthMode::ApiKey));
        assert_eq!(AuthMode::by_default(false, false), Ok(AuthMode::ApiKey));
        assert!(AuthMode::by_default(true, false).is_err());
    }

    #[test]
    fn credentials_are_read_from_either_header() {
        type Headers<'a> = &'a [(&'static str, &'a str)];
        let cases: [(Headers<'_>, Result<Option<&str>, AuthError>); 12] = [
            (&[("authorization", "Bearer abc")], Ok(Some("abc"))),
            (&[("authorization", "bearer  abc ")], Ok(Some("abc"))),
            (&[("x-api-key", " abc")], Ok(Some("abc"))),
            (&[("authorization", "Bearer abc"), ("x-api-key", "abc")], Ok(Some("abc"))),
            (&[("authorization", "Bearer abc"), ("x-api-key", "def")], Err(AuthError::Ambiguous)),
            (&[("authorization", "Bearer abc"), ("authorization", "Bearer def")], Err(AuthError::Ambiguous)),
            (&[("authorization", "Basic abc"), ("x-api-key", "def")], Err(AuthError::Ambiguous)),
            (&[("x-api-key", "abc"), ("x-api-key", "def")], Err(AuthError::Ambiguous)),
            (&[("authorization", "Basic abc")], Ok(None)),
            (&[("authorization", "abc")], Ok(None)),
            (&[("authorization", "Bearer ")], Ok(None)),
            (&[], Ok(None)),
        ];
        for (pairs, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            assert_eq!(credentials(&headers), expected, "{headers:?}");
        }
    }
}
