//! The settings of `--auth oauth`, as types that reject what would not work.
//!
//! Issuer and public URL stay the text that was configured: clients and tokens are compared with it byte for byte.

use std::{fmt, str::FromStr, time::Duration};

use reqwest::Certificate;
use url::Url;

use crate::{
    call::Toolset,
    hosts::{has_user_info, is_loopback},
};

#[derive(Debug, Clone)]
pub(crate) struct OAuthSettings {
    pub(crate) public_url: PublicUrl,
    pub(crate) issuers: Vec<Issuer>,
    /// What a token's `aud` may be.
    pub(crate) audiences: Vec<String>,
    pub(crate) scope_prefix: ScopePrefix,
    /// What tokens are granted that name no scope of this server.
    pub(crate) default_scopes: Vec<Toolset>,
    pub(crate) leeway: Duration,
    pub(crate) keys: KeySource,
    pub(crate) extra_authorities: Vec<Certificate>,
}

/// How tokens are verified.
#[derive(Debug, Clone)]
pub(crate) enum KeySource {
    /// With the issuers' keys, whose address their metadata names.
    Discovery,
    /// With the only issuer's keys, at this address.
    JwksUrl(Url),
    /// By asking the only issuer.
    Introspection { client: ClientCredentials, url: Option<Url> },
}

/// What this server authenticates itself with to the introspection endpoint.
#[derive(Clone)]
pub(crate) struct ClientCredentials {
    pub(crate) id: String,
    pub(crate) secret: String,
}

impl fmt::Debug for ClientCredentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "ClientCredentials({})", self.id)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidOAuthSetting(String);

/// The URL that users add to their MCP clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(Url);

impl PublicUrl {
    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    pub(crate) fn path(&self) -> &str {
        self.0.path()
    }

    /// The host that requests name, without a port: a proxy may add or remove it.
    pub(crate) fn host(&self) -> &str {
        self.0.host_str().unwrap_or_default()
    }

    /// Where the metadata of this resource is (RFC 9728, section 3.1).
    pub(crate) fn metadata_url(&self) -> String {
        let origin = self.0.origin().ascii_serialization();
        format!("{origin}{}{}", super::WELL_KNOWN, self.path())
    }
}

impl FromStr for PublicUrl {
    type Err = InvalidOAuthSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = secure_url(text)?;
        let error = if url.path().ends_with('/') {
            "must not end in a slash: clients compare it with the URL that they were given".to_owned()
        } else if !url.path().ends_with("/mcp") {
            "must end in /mcp, for example https://mcp.example.com/mcp".to_owned()
        } else if url.as_str() != text {
            format!("must be written as clients send it: {url}")
        } else {
            return Ok(Self(url));
        };
        Err(InvalidOAuthSetting(error))
    }
}

/// The identifier of an authorization server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Issuer {
    text: String,
    url: Url,
}

impl Issuer {
    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn url(&self) -> &Url {
        &self.url
    }

    /// Where the metadata may be, in the order in which clients try.
    pub(crate) fn metadata_urls(&self) -> [String; 3] {
        let (origin, path) = (self.url.origin().ascii_serialization(), self.url.path().trim_end_matches('/'));
        [
            format!("{origin}/.well-known/oauth-authorization-server{path}"),
            format!("{origin}/.well-known/openid-configuration{path}"),
            format!("{origin}{path}/.well-known/openid-configuration"),
        ]
    }

    /// Parses a URL that the authorization server named: only on this computer may it be http.
    pub(crate) fn endpoint(&self, url: &str) -> Result<Url, InvalidOAuthSetting> {
        let url = Url::parse(url).map_err(|_| InvalidOAuthSetting("is not a URL".to_owned()))?;
        let is_secure =
            url.scheme() == "https" || url.scheme() == "http" && is_loopback(&self.url) && is_loopback(&url);
        if is_secure { Ok(url) } else { Err(InvalidOAuthSetting("is not https".to_owned())) }
    }
}

impl FromStr for Issuer {
    type Err = InvalidOAuthSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let url = secure_url(text)?;
        let is_of_many_tenants =
            ["{tenantid}", "/common/", "/organizations/"].iter().any(|part| text.to_ascii_lowercase().contains(part));
        if is_of_many_tenants {
            let error = "must name one tenant: the tokens of Entra ID carry its id, as in \
                         https://login.microsoftonline.com/TENANT-ID/v2.0";
            return Err(InvalidOAuthSetting(error.to_owned()));
        }
        Ok(Self { text: text.to_owned(), url })
    }
}

/// Put before each scope in challenges and metadata; in tokens a scope counts with and without it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct ScopePrefix(String);

impl ScopePrefix {
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ScopePrefix {
    type Err = InvalidOAuthSetting;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // RFC 6750, section 3.
        let is_allowed = |byte: u8| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
        if text.bytes().all(is_allowed) {
            Ok(Self(text.to_owned()))
        } else {
            let error = "must be visible ASCII without spaces, quotation marks and backslashes";
            Err(InvalidOAuthSetting(error.to_owned()))
        }
    }
}

fn secure_url(text: &str) -> Result<Url, InvalidOAuthSetting> {
    let error = |text: &str| InvalidOAuthSetting(text.to_owned());
    let url = Url::parse(text).map_err(|_| error("must be a URL, for example https://auth.example.com"))?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        _ => return Err(error("must be https (http only on this computer)")),
    }
    if has_user_info(&url) || text.contains('@') {
        return Err(error("must hold no user name and no password"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(error("must have no query and no fragment"));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_url_is_what_clients_send_byte_for_byte() {
        for (text, allowed) in [
            ("https://mcp.example.com/mcp", true),
            ("https://example.com/verifa/mcp", true),
            ("http://127.0.0.1:8787/mcp", true),
            ("http://localhost/mcp", true),
            ("http://mcp.example.com/mcp", false),
            ("https://mcp.example.com/mcp/", false),
            ("https://mcp.example.com/", false),
            ("https://mcp.example.com/mcp?a=b", false),
            ("https://mcp.example.com/mcp#a", false),
            ("https://user@mcp.example.com/mcp", false),
            ("https://MCP.example.com/mcp", false),
            ("https://mcp.example.com:443/mcp", false),
            ("mcp.example.com/mcp", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<PublicUrl>().is_ok(), allowed, "{text}");
        }
        let url: PublicUrl = "https://example.com:8443/verifa/mcp".parse().unwrap();
        assert_eq!(url.metadata_url(), "https://example.com:8443/.well-known/oauth-protected-resource/verifa/mcp");
    }

    #[test]
    fn an_issuer_keeps_its_slash_and_has_three_metadata_addresses() {
        let addresses = |issuer: &str| issuer.parse::<Issuer>().unwrap().metadata_urls();
        assert_eq!(
            addresses("https://auth.example.com"),
            [
                "https://auth.example.com/.well-known/oauth-authorization-server",
                "https://auth.example.com/.well-known/openid-configuration",
                "https://auth.example.com/.well-known/openid-configuration",
            ]
        );
        assert_eq!(addresses("https://auth.example.com"), addresses("https://auth.example.com/"));
        assert_eq!(
            addresses("https://auth.example.com/realms/x"),
            [
                "https://auth.example.com/.well-known/oauth-authorization-server/realms/x",
                "https://auth.example.com/.well-known/openid-configuration/realms/x",
                "https://auth.example.com/realms/x/.well-known/openid-configuration",
            ]
        );
        assert_eq!("https://auth.example.com/".parse::<Issuer>().unwrap().as_str(), "https://auth.example.com/");
        for invalid in [
            "http://auth.example.com",
            "https://auth.example.com?a=b",
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "https://login.microsoftonline.com/common/v2.0",
            "https://login.microsoftonline.com/organizations/v2.0",
        ] {
            assert!(invalid.parse::<Issuer>().is_err(), "{invalid}");
        }
    }
}
