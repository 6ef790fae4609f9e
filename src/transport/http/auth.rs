//! Who may call: reads the credentials of a request and says for whom the call is made, or why it is not.
//!
//! Nothing is remembered between requests, and a configured key is never lent to a caller who brings none. Refusals are
//! words for the person who configures the client; they never repeat what was sent.

use std::{collections::BTreeSet, fmt};

use axum::http::{
    HeaderMap, StatusCode,
    header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE},
};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::refusal::refuse;
use crate::call::{Caller, Permissions, Toolset, UnknownToolset};
use crate::{
    tokens::{TokenOwner, Tokens},
    verifa::{ApiKey, InvalidApiKey, wire},
};

/// How callers prove who they are; also the values of `--auth`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "kebab-case")]
pub enum Mode {
    /// Not at all: this computer only, the configured key.
    None,
    /// Each brings their own Verifa key.
    ApiKey,
    /// Tokens that the deployment gave them; the configured key.
    Token,
}

impl Mode {
    /// The mode where `--auth` was not given.
    ///
    /// # Errors
    /// A key that would be lent to whoever reaches a listener that is not loopback.
    pub fn by_default(has_key: bool, is_loopback: bool) -> Result<Self, &'static str> {
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

/// A mode with what it needs.
#[derive(Debug)]
pub enum Auth {
    /// Everybody is this caller.
    None(Caller),
    /// Callers bring their keys.
    ApiKey,
    /// Callers bring tokens; the key is the deployment's.
    Token(Box<Tokens>, ApiKey),
}

impl Auth {
    /// For whom a request is made. `query` may narrow the permissions, and nobody has more than `most`.
    ///
    /// # Errors
    /// Why nobody's.
    pub(super) fn authenticate(
        &self,
        headers: &HeaderMap,
        query: Option<&str>,
        most: &Permissions,
    ) -> Result<Caller, Denied> {
        let mut caller = match self {
            Self::None(caller) => caller.clone(),
            Self::ApiKey => {
                let key = presented(headers)?.ok_or(Denied::NoKey)?.parse().map_err(Denied::BadKey)?;
                Caller { key: Some(key), ..Caller::default() }
            }
            Self::Token(tokens, key) => {
                let token = presented(headers)?.ok_or(Denied::NoToken)?;
                let TokenOwner { name, permissions } = tokens.find(token).ok_or(Denied::UnknownToken)?;
                Caller { key: Some(key.clone()), name: Some(String::from(name)), permissions }
            }
        };
        caller.permissions = caller.permissions.intersection(most).intersection(&rights_in(query.unwrap_or_default())?);
        Ok(caller)
    }
}

/// What stands in `Authorization: Bearer` or in `X-API-Key`. Where the two disagree, or there are several, whoever looks
/// next might see another than was looked at here.
fn presented(headers: &HeaderMap) -> Result<Option<&str>, Denied> {
    let authorization = headers.get_all(AUTHORIZATION).iter().map(|value| value.to_str().ok().and_then(bearer));
    let key = headers.get_all(wire::API_KEY).iter().map(|value| value.to_str().ok().map(str::trim));
    let mut all: Vec<_> = authorization.chain(key).map(Option::unwrap_or_default).collect();
    all.dedup();
    match all.as_slice() {
        [] | [""] => Ok(None),
        [presented] => Ok(Some(presented)),
        _ => Err(Denied::Ambiguous),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, credentials) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| credentials.trim())
}

/// Reads `toolsets` and `read_only`, named as with Verifa's own server. A name that is none of ours is refused rather than
/// passed over: whoever wrote it wanted something that this server would not do.
fn rights_in(query: &str) -> Result<Permissions, Denied> {
    let mut permissions = Permissions::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // A switch that is misspelt must not leave open what it was to close.
        match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "readonly" => permissions.read_only |= read_switch(&value)?,
            "toolsets" | "toolset" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                let toolsets: BTreeSet<Toolset> =
                    names.map(|name| name.parse().map_err(Denied::UnknownToolset)).collect::<Result<_, _>>()?;
                if !toolsets.is_empty() {
                    permissions =
                        permissions.intersection(&Permissions { toolsets: Some(toolsets), ..Permissions::default() });
                }
            }
            _ => {}
        }
    }
    Ok(permissions)
}

fn read_switch(value: &str) -> Result<bool, Denied> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(Denied::BadReadOnly),
    }
}

/// Why a request is nobody's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denied {
    NoKey,
    Ambiguous,
    BadKey(InvalidApiKey),
    NoToken,
    UnknownToken,
    BadReadOnly,
    UnknownToolset(UnknownToolset),
    OtherStream,
}

impl fmt::Display for Denied {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoKey => formatter.write_str(
                "This server makes its calls with your own Verifa key, and none came as a Bearer token. Set the header \"Authorization: \
                 Bearer vk_sandbox_…\" (or vk_live_…) in your MCP client.",
            ),
            Self::Ambiguous => formatter.write_str(
                "Several different credentials came. Send one, as \"Authorization: Bearer …\" or as X-API-Key.",
            ),
            Self::BadKey(fault) => write!(
                formatter,
                "The key that your MCP client sent {fault}. Set \"Authorization: Bearer vk_sandbox_…\" (or vk_live_…) \
                 in your MCP client."
            ),
            Self::NoToken => formatter.write_str(
                "This server wants a Bearer token, and none came. Ask its operator for one (verifa-mcp token new) and set the \
                 header \"Authorization: Bearer vmt_…\" in your MCP client.",
            ),
            Self::UnknownToken => formatter.write_str(
                "This server does not know this token: it was revoked or copied wrong. Ask \
                 its operator for a new one (verifa-mcp token new).",
            ),
            Self::OtherStream => formatter.write_str(
                "This stream was opened with other credentials. Send each message with those of its stream.",
            ),
            Self::BadReadOnly => formatter.write_str("The query's read_only must be true or false."),
            Self::UnknownToolset(fault) => write!(formatter, "A name in the query's toolsets {fault}."),
        }
    }
}

impl IntoResponse for Denied {
    fn into_response(self) -> Response {
        let text = self.to_string();
        if matches!(self, Self::BadReadOnly | Self::UnknownToolset(_)) {
            return refuse(StatusCode::BAD_REQUEST, &text);
        }
        let mut response = refuse(StatusCode::UNAUTHORIZED, &text);
        // No `resource_metadata`: a client would take it for an invitation to an OAuth discovery.
        response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_lent_to_a_network_by_default() {
        assert_eq!(Mode::by_default(true, true), Ok(Mode::None));
        assert_eq!(Mode::by_default(false, true), Ok(Mode::ApiKey));
        assert_eq!(Mode::by_default(false, false), Ok(Mode::ApiKey));
        assert!(Mode::by_default(true, false).is_err());
    }

    #[test]
    fn credentials_are_read_from_either_header() {
        type Headers<'a> = &'a [(&'static str, &'a str)];
        let cases: [(Headers<'_>, Result<Option<&str>, Denied>); 12] = [
            (&[("authorization", "Bearer abc")], Ok(Some("abc"))),
            (&[("authorization", "bearer  abc ")], Ok(Some("abc"))),
            (&[("x-api-key", " abc")], Ok(Some("abc"))),
            (&[("authorization", "Bearer abc"), ("x-api-key", "abc")], Ok(Some("abc"))),
            (&[("authorization", "Bearer abc"), ("x-api-key", "def")], Err(Denied::Ambiguous)),
            (&[("authorization", "Bearer abc"), ("authorization", "Bearer def")], Err(Denied::Ambiguous)),
            (&[("authorization", "Basic abc"), ("x-api-key", "def")], Err(Denied::Ambiguous)),
            (&[("x-api-key", "abc"), ("x-api-key", "def")], Err(Denied::Ambiguous)),
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
            assert_eq!(presented(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_query_narrows_and_never_widens() {
        let allowed = |query| {
            rights_in(query)
                .map(|permissions| permissions.allows(<crate::tools::ResumeSession as crate::tools::Tool>::SPEC))
        };
        let cases = [
            ("", Ok(true)),
            ("read_only=false", Ok(true)),
            ("read_only=true", Ok(false)),
            ("read_only=1&read_only=false", Ok(false)),
            ("READ-ONLY=true", Ok(false)),
            ("readonly", Ok(false)),
            ("toolSet=lookup", Ok(false)),
            ("toolsets=resume", Ok(true)),
            ("toolsets=lookup", Ok(false)),
            ("toolsets=", Ok(true)),
            ("toolsets=lookup%2C%20resume", Ok(true)),
            ("toolsets=resume&toolsets=lookup", Ok(false)),
            ("toolsets=sessions,resume", Err(Denied::UnknownToolset(UnknownToolset))),
            ("toolsets=resume&read_only=yes", Ok(false)),
            ("read_only=perhaps", Err(Denied::BadReadOnly)),
            ("other=1", Ok(true)),
        ];
        for (query, expected) in cases {
            assert_eq!(allowed(query), expected, "{query}");
        }
    }
}
