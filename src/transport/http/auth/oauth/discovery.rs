//! Finds the endpoints of an authorization server in its metadata (RFC 8414, OpenID Connect Discovery).
//!
//! The issuer in the metadata must be the configured one, byte for byte. A token never chooses an address.

use serde::Deserialize;
use url::Url;

use super::{document, json::object, settings::Issuer};
use crate::http_client::HttpClient;

/// What this server needs of the metadata.
#[derive(Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: Option<String>,
    jwks_uri: Option<String>,
    introspection_endpoint: Option<String>,
}

/// Why an authorization server cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ServerError {
    /// It may be usable later.
    #[error("{0}")]
    Unavailable(String),
    /// It responded, and the operator must change a setting, there or here.
    #[error("{0}")]
    Unusable(String),
}

pub(crate) async fn discover(client: &HttpClient, issuer: &Issuer) -> Result<Metadata, ServerError> {
    let mut failures = Vec::new();
    for address in issuer.metadata_urls() {
        let Ok(url) = address.parse() else { continue };
        match document::get(client, url).await {
            Err(error) => failures.push(format!("{address}: {error}")),
            Ok(document) if document.status != 200 => {
                failures.push(format!("{address}: status {}", document.status.as_u16()))
            }
            Ok(document) => match object::<Metadata>(&document.body) {
                Some(metadata) => return metadata.checked(issuer, &address),
                None => failures.push(format!("{address}: not a JSON object")),
            },
        }
    }
    failures.dedup();
    Err(ServerError::Unavailable(format!("no metadata ({})", failures.join("; "))))
}

impl Metadata {
    fn checked(self, issuer: &Issuer, address: &str) -> Result<Self, ServerError> {
        let expected = issuer.as_str();
        let found = self.issuer.as_deref().unwrap_or_default();
        if found == expected {
            return Ok(self);
        }
        let same_but_slash = found.trim_end_matches('/') == expected.trim_end_matches('/');
        let hint = if same_but_slash { "; they differ only in a slash at the end, which counts" } else { "" };
        Err(ServerError::Unusable(format!(
            "VERIFA_MCP_OAUTH_ISSUER is \"{expected}\", but the metadata at {address} says issuer {}{hint}",
            shown(found)
        )))
    }

    pub(crate) fn jwks_url(&self, issuer: &Issuer) -> Result<Url, ServerError> {
        endpoint(issuer, "jwks_uri", self.jwks_uri.as_deref())
    }

    pub(crate) fn introspection_url(&self, issuer: &Issuer) -> Result<Url, ServerError> {
        endpoint(issuer, "introspection_endpoint", self.introspection_endpoint.as_deref())
    }
}

fn endpoint(issuer: &Issuer, name: &str, url: Option<&str>) -> Result<Url, ServerError> {
    let unusable = |error: String| {
        ServerError::Unusable(format!("the metadata of VERIFA_MCP_OAUTH_ISSUER \"{}\" {error}", issuer.as_str()))
    };
    let url = url.ok_or_else(|| unusable(format!("has no {name}")))?;
    issuer.endpoint(url).map_err(|error| unusable(format!("has a {name} that {error}: {}", shown(url))))
}

/// A text of the metadata for the operator, who has to compare it: escaped, but otherwise as it is.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(300).collect::<String>())
}
