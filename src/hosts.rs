//! Allowed hosts and origins, and what counts as this computer.
//!
//! A web page elsewhere must not reach a server on this computer by giving it a name of its own (DNS rebinding). Nothing
//! here resolves a name.

use std::str::FromStr;

use axum::http::uri::Authority;
use url::{Host, Url};

/// A host that requests may name: a host name or an address, with any port unless one is given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedHost {
    name: String,
    port: Option<u16>,
}

impl AllowedHost {
    pub(crate) fn loopback() -> Vec<Self> {
        ["localhost", "127.0.0.1", "[::1]"].map(|name| Self { name: name.to_owned(), port: None }).into()
    }

    /// Whether this is the host in a `Host` header or in a URL's authority.
    pub(crate) fn matches(&self, host: &str) -> bool {
        let authority = host.parse::<Authority>().ok().filter(|_| !host.contains('@'));
        authority.is_some_and(|authority| {
            let port_fits = self.port.is_none_or(|port| authority.port_u16() == Some(port));
            authority.host().eq_ignore_ascii_case(&self.name) && port_fits
        })
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct InvalidAllowedName(&'static str);

impl FromStr for AllowedHost {
    type Err = InvalidAllowedName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid =
            InvalidAllowedName("must be a host name or address, with or without a port, for example mcp.example.com");
        let authority: Authority = text.parse().map_err(|_| invalid)?;
        if authority.host().is_empty() || text.contains('@') {
            return Err(invalid);
        }
        Ok(Self { name: authority.host().to_owned(), port: authority.port_u16() })
    }
}

/// An origin that browsers may call from: `https://app.example.com`, or `http://localhost:*` for any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AllowedOrigin {
    scheme: String,
    host: Host<String>,
    /// `None`: any port.
    port: Option<u16>,
}

impl AllowedOrigin {
    pub(crate) fn loopback() -> Vec<Self> {
        ["http://localhost:*", "http://127.0.0.1:*", "http://[::1]:*"].iter().filter_map(|it| it.parse().ok()).collect()
    }

    /// Whether this is the origin in an `Origin` header.
    pub(crate) fn matches(&self, origin: &str) -> bool {
        let Ok(url) = Url::parse(origin) else { return false };
        let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        is_bare
            && !origin.contains('@')
            && url.scheme() == self.scheme
            && url.host().map(|host| host.to_owned()).as_ref() == Some(&self.host)
            && self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidAllowedName;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid =
            InvalidAllowedName("must be an origin, for example https://app.example.com or http://localhost:*");
        let (text, any_port) = text.strip_suffix(":*").map_or((text, false), |text| (text, true));
        let url = Url::parse(text).map_err(|_| invalid)?;
        let host = url.host().ok_or(invalid)?.to_owned();
        let is_bare = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
        let port = if any_port { None } else { url.port_or_known_default() };
        is_bare.then(|| Self { scheme: url.scheme().to_owned(), host, port }).ok_or(invalid)
    }
}

/// Whether a URL leads to this computer.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// Whether a URL carries a user name or a password.
pub(crate) fn has_user_info(url: &Url) -> bool {
    !url.username().is_empty() || url.password().is_some()
}
