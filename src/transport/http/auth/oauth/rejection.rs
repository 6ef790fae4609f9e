//! How `--auth oauth` rejects a request: status, challenge and text.
//!
//! 401 makes a client log in, 403 ask for more scopes, 503 try again: a client that got a 401 while the authorization
//! server was down would discard a valid token.

use axum::http::StatusCode;

use super::{OAuth, invalid_token::InvalidToken, scopes, settings::Issuer};
use crate::call::{Caller, ToolSpec};

/// A request that is not served. `Display` is its text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub(in super::super::super) struct OAuthRejection {
    pub(in super::super) status: StatusCode,
    /// The value of `WWW-Authenticate`.
    pub(in super::super) challenge: Option<String>,
    text: String,
}

impl OAuthRejection {
    pub(super) fn bad_request(text: &str) -> Self {
        Self { status: StatusCode::BAD_REQUEST, challenge: None, text: text.to_owned() }
    }

    pub(super) fn unavailable() -> Self {
        let text = "This server cannot verify access tokens at the moment, because the authorization server does not \
                    respond as it should. Your token may be valid: keep it, and retry in 10 seconds. If it persists, the \
                    operator must check this server's log.";
        Self { status: StatusCode::SERVICE_UNAVAILABLE, challenge: None, text: text.to_owned() }
    }

    fn with_challenge(status: StatusCode, challenge: String, text: String) -> Self {
        Self { status, challenge: Some(challenge), text }
    }
}

impl OAuth {
    /// 401 without an `error`: some clients begin to log in only then.
    pub(super) fn unauthenticated(&self) -> OAuthRejection {
        let text = "This server requires an OAuth access token, and the request has none. Let your MCP client log in: it \
                    finds the authorization server by the WWW-Authenticate header.";
        let challenge = format!("Bearer {}, scope=\"{}\"", self.resource_metadata(), self.all_scopes());
        OAuthRejection::with_challenge(StatusCode::UNAUTHORIZED, challenge, text.to_owned())
    }

    pub(super) fn invalid(&self, error: InvalidToken) -> OAuthRejection {
        let challenge = format!(
            "Bearer error=\"invalid_token\", error_description=\"{error}\", {}, scope=\"{}\"",
            self.resource_metadata(),
            self.all_scopes()
        );
        let issuers: Vec<_> = self.settings.issuers.iter().map(Issuer::as_str).collect();
        let text = format!("{error}. {}", error.advice(&self.settings.expected(&issuers.join(" or "))));
        OAuthRejection::with_challenge(StatusCode::UNAUTHORIZED, challenge, text)
    }

    pub(super) fn without_scopes(&self) -> OAuthRejection {
        let scopes = self.all_scopes();
        let text = format!(
            "The token is valid, but has no scope of this server. Log in again and allow at least one of: {scopes}. If \
             the authorization server does not offer them, its operator must add them."
        );
        self.insufficient("The token has no scope of this server", &scopes, text)
    }

    /// 403 for a tool that only the token's scopes forbid. It names the granted and the missing scopes: some clients
    /// replace theirs.
    pub(in super::super::super) fn insufficient_scope(&self, caller: &Caller, tool: &ToolSpec) -> OAuthRejection {
        let granted = caller.permissions.toolsets.clone().unwrap_or_default();
        let needed = self.offered.iter().copied().filter(|it| *it == tool.toolset || granted.contains(it));
        let scopes = scopes::names(needed, &self.settings).join(" ");
        let description = format!("{} needs {}", tool.name, tool.toolset.oauth_scope());
        let text = format!(
            "{description}, which your token does not include, so nothing was sent to Verifa. Reconnect to this server \
             and allow it."
        );
        self.insufficient(&description, &scopes, text)
    }

    fn insufficient(&self, description: &str, scopes: &str, text: String) -> OAuthRejection {
        let challenge = format!(
            "Bearer error=\"insufficient_scope\", error_description=\"{description}\", scope=\"{scopes}\", {}",
            self.resource_metadata()
        );
        OAuthRejection::with_challenge(StatusCode::FORBIDDEN, challenge, text)
    }

    fn resource_metadata(&self) -> String {
        format!("resource_metadata=\"{}\"", self.settings.public_url.metadata_url())
    }

    fn all_scopes(&self) -> String {
        scopes::names(self.offered.iter().copied(), &self.settings).join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::{super::tests::settings, *};
    use crate::call::{Permissions, Toolset};

    #[test]
    fn challenges_name_where_the_metadata_is_and_what_to_ask_for() {
        let oauth = OAuth::new(settings(), &Permissions::default());
        let metadata = "resource_metadata=\"https://mcp.example.com/.well-known/oauth-protected-resource/mcp\"";
        let scope = "scope=\"verifa:read verifa:resume verifa:links\"";
        assert_eq!(oauth.unauthenticated().challenge.unwrap(), format!("Bearer {metadata}, {scope}"));
        assert_eq!(
            oauth.invalid(InvalidToken::Expired).challenge.unwrap(),
            format!("Bearer error=\"invalid_token\", error_description=\"The token has expired\", {metadata}, {scope}")
        );
        let granted = Permissions { toolsets: Some([Toolset::Lookup].into()), ..Permissions::default() };
        let caller = Caller { permissions: granted, ..Caller::default() };
        let rejection = oauth.insufficient_scope(&caller, <crate::tools::ResumeSession as crate::tools::Tool>::SPEC);
        assert_eq!(
            rejection.challenge.unwrap(),
            format!(
                "Bearer error=\"insufficient_scope\", error_description=\"resume_session needs verifa:resume\", \
                 scope=\"verifa:read verifa:resume\", {metadata}"
            )
        );
    }
}
