//! Where the API is: the base URL that requests are built on.
//!
//! The key is sent wherever this points, so it must be https, or plain http to loopback.

use std::{fmt, str::FromStr};

use url::Url;

use super::wire::API_PATH;
use crate::hosts::{has_user_info, is_loopback};

/// Why a text is no base URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBaseUrl {
    /// Not an absolute URL, or one with a scheme that is neither http nor https.
    #[error("is not a URL; it looks like https://api.withverifa.com")]
    NotAUrl,
    /// Plain http to another computer would show the key to everyone on the network.
    #[error("must begin with https:// (plain http:// is for this computer only)")]
    NotHttps,
    /// `user:password@`, `?query` or `#fragment`.
    #[error("must hold no user name, password, query or fragment")]
    Decorated,
}

/// The base of every endpoint: scheme, host, port, and a path prefix where a gateway needs one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl(Url);

impl BaseUrl {
    /// The production API, as the guides name it.
    pub const DEFAULT: &str = "https://api.withverifa.com";

    /// The URL of an endpoint, given as path segments below `/api/v1`. Each segment is encoded, so that none can reach
    /// another endpoint.
    pub fn endpoint(&self, segments: &[&str]) -> Url {
        let mut url = self.0.clone();
        // Fails only for URLs without a host, which are rejected when the base is parsed.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(API_PATH.split('/').skip(1)).extend(segments);
        }
        url
    }

    /// Whether the API runs on this computer (the emulator does).
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.0)
    }

    /// Whether the API runs on this computer without TLS.
    pub(super) fn is_plain_loopback(&self) -> bool {
        self.0.scheme() == "http" && self.is_loopback()
    }

    /// The base itself.
    pub(super) fn as_url(&self) -> &Url {
        &self.0
    }

    /// The URL as text, without a trailing slash.
    pub fn as_str(&self) -> &str {
        self.0.as_str().trim_end_matches('/')
    }
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for BaseUrl {
    type Err = InvalidBaseUrl;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim_end_matches('/');
        let text = text.strip_suffix(API_PATH).unwrap_or(text);
        let url = Url::parse(text).map_err(|_| InvalidBaseUrl::NotAUrl)?;
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => return Err(InvalidBaseUrl::NotHttps),
            _ => return Err(InvalidBaseUrl::NotAUrl),
        }
        if has_user_info(&url) || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidBaseUrl::Decorated);
        }
        Ok(Self(url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trailing_slash_and_the_api_path_are_accepted() {
        let cases = [
            ("https://api.withverifa.com", "https://api.withverifa.com"),
            ("https://api.withverifa.com/", "https://api.withverifa.com"),
            ("https://api.withverifa.com/api/v1", "https://api.withverifa.com"),
            ("https://api.withverifa.com/api/v1/", "https://api.withverifa.com"),
            ("https://gateway.example/verifa/api/v1/", "https://gateway.example/verifa"),
            ("http://127.0.0.1:8788", "http://127.0.0.1:8788"),
            ("http://[::1]:8788", "http://[::1]:8788"),
            ("http://localhost", "http://localhost"),
        ];
        for (text, base) in cases {
            assert_eq!(text.parse::<BaseUrl>().map(|url| url.to_string()), Ok(base.to_owned()), "{text}");
        }
    }

    #[test]
    fn a_url_that_could_leak_the_key_is_rejected() {
        let cases = [
            ("api.withverifa.com", InvalidBaseUrl::NotAUrl),
            ("ftp://api.withverifa.com", InvalidBaseUrl::NotAUrl),
            ("", InvalidBaseUrl::NotAUrl),
            ("http://api.withverifa.com", InvalidBaseUrl::NotHttps),
            ("http://localhost.example", InvalidBaseUrl::NotHttps),
            ("http://127.0.0.1.example", InvalidBaseUrl::NotHttps),
            ("https://user@api.withverifa.com", InvalidBaseUrl::Decorated),
            ("https://:secret@api.withverifa.com", InvalidBaseUrl::Decorated),
            ("https://api.withverifa.com/?a=b", InvalidBaseUrl::Decorated),
            ("https://api.withverifa.com/#a", InvalidBaseUrl::Decorated),
        ];
        for (text, error) in cases {
            assert_eq!(text.parse::<BaseUrl>(), Err(error), "{text}");
        }
    }

    #[test]
    fn endpoints_are_built_below_the_api_path() {
        let base: BaseUrl = "https://gateway.example/verifa".parse().expect("a base URL");
        let url = base.endpoint(&["sessions", "ses_1", "resume"]);
        assert_eq!(url.as_str(), "https://gateway.example/verifa/api/v1/sessions/ses_1/resume");
        assert!(base.endpoint(&["sessions", "../..", "resume"]).path().ends_with("/resume"));
    }
}
