//! `--auth oauth`: an OAuth 2.1 resource server. Callers bring access tokens of the operator's authorization server.
//!
//! `verifier` chooses how: `jwt` verifies a token with the keys that `jwk` reads and `key_cache` fetches (`discovery` finds
//! their address), or `introspection` asks about it. `claims` and `scopes` are what it grants. `metadata` says where clients get a token,
//! `rejection` and `invalid_token` why one is not accepted. Nothing of a token is ever logged or sent to Verifa.

pub(crate) mod claims;
mod discovery;
pub(crate) mod document;
mod introspection;
pub(crate) mod invalid_token;
mod json;
pub(crate) mod jwk;
pub(crate) mod jwt;
mod key_cache;
mod metadata;
mod rejection;
mod scopes;
mod settings;
mod verifier;

use std::time::SystemTime;

use axum::{
    http::{
        HeaderMap, Method,
        header::{AUTHORIZATION, HeaderValue},
    },
    response::Response,
};
use url::form_urlencoded;

pub(in super::super) use self::rejection::OAuthRejection;
pub(crate) use self::settings::{ClientCredentials, Issuer, KeySource, OAuthSettings, PublicUrl, ScopePrefix};
use self::verifier::{NotVerified, Verifier};
use super::bearer;
use crate::{
    call::{AccessToken, Caller, Permissions, Toolset},
    untrusted::UntrustedText,
    verifa::{ApiKey, wire},
};

/// Where the metadata of a resource is, followed by the resource's path.
pub(crate) const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// What access tokens are verified and challenged with.
#[derive(Debug)]
pub(crate) struct OAuth {
    settings: OAuthSettings,
    offered: Vec<Toolset>,
    verifier: Verifier,
    metadata: String,
}

impl OAuth {
    /// `permissions` is the most that any caller may use.
    pub(crate) fn new(settings: OAuthSettings, permissions: &Permissions) -> Self {
        let verifier = Verifier::new(&settings);
        let offered = scopes::offered(permissions);
        let metadata = metadata::document(&settings, &scopes::names(offered.iter().copied(), &settings));
        Self { settings, offered, verifier, metadata }
    }

    /// Loads what tokens are verified with, and keeps loading it in the background. An authorization server that does not
    /// respond is tried again.
    ///
    /// # Errors
    /// What the operator must change, a line for each authorization server.
    pub(crate) async fn start(&self) -> Result<(), String> {
        self.verifier.start().await
    }

    /// Whether tokens can be verified.
    pub(crate) fn is_ready(&self) -> bool {
        self.verifier.is_ready()
    }

    /// The host that requests name.
    pub(crate) fn public_host(&self) -> &str {
        self.settings.public_url.host()
    }

    /// Warnings for the operator: settings that work, but not with every client.
    pub(crate) fn warnings(&self) -> Vec<&'static str> {
        let mut warnings = Vec::new();
        if self.settings.public_url.path() != "/mcp" {
            warnings
                .push("the path in VERIFA_MCP_PUBLIC_URL is not exactly /mcp; claude.ai connects only to that path");
        }
        if self.settings.default_scopes.iter().any(|toolset| *toolset != Toolset::Lookup) {
            warnings.push("VERIFA_MCP_OAUTH_DEFAULT_SCOPES lets every valid token create links");
        }
        warnings
    }

    /// The response to a request for this resource's metadata.
    pub(in super::super) fn metadata(&self, method: &Method) -> Response {
        metadata::respond(method, &self.metadata)
    }

    /// Whether the metadata is at a path: with the public URL's path as RFC 9728 has it, or without it.
    pub(in super::super) fn is_metadata_path(&self, path: &str) -> bool {
        let path = path.strip_suffix('/').unwrap_or(path).strip_prefix(WELL_KNOWN);
        path.is_some_and(|path| path.is_empty() || path == self.settings.public_url.path())
    }

    /// The caller to whom a token was issued, whose calls are made with `key`.
    pub(super) async fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        key: &ApiKey,
    ) -> Result<Caller, OAuthRejection> {
        let Some(token) = credentials(headers, query)? else { return Err(self.unauthenticated()) };
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
        let (issuer, grant) = match self.verifier.verify(token, &self.settings, now).await {
            Ok(verified) => verified,
            Err(NotVerified::Invalid(error)) => return Err(self.invalid(error)),
            Err(NotVerified::Unavailable) => return Err(OAuthRejection::unavailable()),
        };
        let toolsets = scopes::granted(&grant, &self.settings);
        if toolsets.is_empty() {
            return Err(self.without_scopes());
        }
        let cleaned = |text: &str| UntrustedText::truncated(text, 255).to_string();
        Ok(Caller {
            key: Some(key.clone()),
            name: Some(cleaned(&grant.subject)),
            permissions: Permissions { toolsets: Some(toolsets), ..Permissions::default() },
            access_token: Some(Box::new(AccessToken {
                issuer: issuer.as_str().to_owned(),
                client: grant.client.as_deref().map(cleaned),
                subject: grant.subject,
                with_every_scope: Permissions::default(),
            })),
        })
    }
}

/// The token in the only `Authorization` header; `None` without one, or with another scheme.
fn credentials<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Option<&'a str>, OAuthRejection> {
    let is_in_query =
        form_urlencoded::parse(query.unwrap_or_default().as_bytes()).any(|(name, _)| name == "access_token");
    let mut all = headers.get_all(AUTHORIZATION).iter();
    match (all.next(), all.next()) {
        _ if is_in_query => Err(OAuthRejection::bad_request(
            "The access token is in the URL, where proxies log it. Send it as \"Authorization: Bearer …\".",
        )),
        _ if headers.contains_key(wire::API_KEY) => Err(OAuthRejection::bad_request(
            "This server takes OAuth access tokens, not X-API-Key. Remove that header from your MCP client, and let it \
             log in.",
        )),
        (Some(_), Some(_)) => Err(OAuthRejection::bad_request(
            "The request has several Authorization headers. Send one, \"Authorization: Bearer …\".",
        )),
        (Some(value), None) => Ok(token(value)),
        (None, _) => Ok(None),
    }
}

fn token(value: &HeaderValue) -> Option<&str> {
    // A token that is not ASCII is one that does not pass, not none.
    let text = value.to_str().unwrap_or("Bearer \u{fffd}");
    bearer(text).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    pub(super) fn settings() -> OAuthSettings {
        OAuthSettings {
            public_url: "https://mcp.example.com/mcp".parse().unwrap(),
            issuers: vec!["https://auth.example.com/".parse().unwrap()],
            audiences: vec!["https://mcp.example.com/mcp".to_owned()],
            scope_prefix: ScopePrefix::default(),
            default_scopes: Vec::new(),
            leeway: Duration::from_secs(60),
            keys: KeySource::Discovery,
            extra_authorities: Vec::new(),
        }
    }
}
