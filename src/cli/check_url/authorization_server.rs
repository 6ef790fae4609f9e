//! The authorization server: its metadata, what MCP clients need of it, and its keys.

use serde::Deserialize;
use url::Url;

use super::Walk;
use crate::transport::http::auth::oauth::{Issuer, jwk::KeySet};

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Metadata {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    jwks_uri: Option<String>,
    scopes_supported: Option<Vec<String>>,
    code_challenge_methods_supported: Option<Vec<String>>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    client_id_metadata_document_supported: bool,
    authorization_response_iss_parameter_supported: bool,
}

/// Returns the keys that tokens are verified with.
pub(super) async fn walk(walk: &mut Walk, issuer: &str, scopes: &[String]) -> Option<KeySet> {
    let issuer: Issuer = match issuer.parse() {
        Ok(issuer) => issuer,
        Err(error) => {
            walk.problem(format!("the authorization server {issuer:?} {error}"), "change VERIFA_MCP_OAUTH_ISSUER");
            return None;
        }
    };
    let metadata = discover(walk, &issuer).await?;
    for (name, endpoint) in
        [("authorization_endpoint", &metadata.authorization_endpoint), ("token_endpoint", &metadata.token_endpoint)]
    {
        match endpoint {
            Some(endpoint) => _ = walk.secure(&format!("{name} of the authorization server"), endpoint),
            None => walk.problem(
                format!("the authorization server's metadata has no {name}"),
                "enable the authorization code grant there, or name another issuer",
            ),
        }
    }
    if !metadata.code_challenge_methods_supported.iter().flatten().any(|method| method == "S256") {
        walk.problem(
            "the authorization server does not say that it supports PKCE (code_challenge_methods_supported with S256)",
            "enable it there; clients must refuse without it. Entra ID never says so: put an authorization server in front",
        );
    }
    if metadata.registration_endpoint.is_none() && !metadata.client_id_metadata_document_supported {
        walk.note(
            "clients cannot register themselves (no registration_endpoint, no client ID metadata documents)",
            "enable one of them there, or give users a client ID to enter in their client",
        );
    }
    if metadata.token_endpoint_auth_methods_supported.as_ref().is_some_and(|all| !all.iter().any(|it| it == "none")) {
        walk.note(
            "clients without a secret are not supported (token_endpoint_auth_methods_supported)",
            "allow none there",
        );
    }
    if !metadata.authorization_response_iss_parameter_supported {
        walk.note(
            "the authorization server does not name itself in responses (RFC 9207)",
            "enable it there, if it can",
        );
    }
    let missing: Vec<_> = match &metadata.scopes_supported {
        Some(supported) => scopes.iter().filter(|scope| !supported.contains(scope)).cloned().collect(),
        None => Vec::new(),
    };
    if !missing.is_empty() {
        walk.note(
            format!("the authorization server does not list the scopes {}", missing.join(", ")),
            "add them there; some servers never list them",
        );
    }
    walk.passed(format!("the metadata of {} has what clients need", issuer.as_str()));
    keys(walk, &issuer, metadata.jwks_uri.as_deref()).await
}

async fn discover(walk: &mut Walk, issuer: &Issuer) -> Option<Metadata> {
    let mut tried = Vec::new();
    for address in issuer.metadata_urls() {
        let url: Url = address.parse().ok()?;
        match walk.get(&url).await {
            Err(error) => tried.push(format!("{address}: {error}")),
            Ok(document) if document.status != 200 => tried.push(format!("{address}: {}", document.status.as_u16())),
            Ok(document) => match serde_json::from_slice::<Metadata>(&document.body) {
                Err(_) => tried.push(format!("{address}: no metadata")),
                Ok(metadata) if metadata.issuer == issuer.as_str() => return Some(metadata),
                Ok(metadata) => {
                    let (found, expected) = (&metadata.issuer, issuer.as_str());
                    walk.problem(
                        format!("{address} says issuer {found:?}, but this server names {expected:?}"),
                        "set VERIFA_MCP_OAUTH_ISSUER to the first, byte for byte, if that is the right server",
                    );
                    return None;
                }
            },
        }
    }
    tried.dedup();
    walk.problem(
        format!("the authorization server {} has no metadata ({})", issuer.as_str(), tried.join("; ")),
        "check VERIFA_MCP_OAUTH_ISSUER, and that it can be reached from here and from clients",
    );
    None
}

async fn keys(walk: &mut Walk, issuer: &Issuer, address: Option<&str>) -> Option<KeySet> {
    let Some(address) = address else {
        walk.problem(
            "the authorization server's metadata has no jwks_uri",
            "set VERIFA_MCP_OAUTH_JWKS_URL, or introspect",
        );
        return None;
    };
    let url = match issuer.endpoint(address) {
        Ok(url) => url,
        Err(error) => {
            walk.problem(format!("jwks_uri {address:?} {error}"), "change it at the authorization server");
            return None;
        }
    };
    let set = match walk.get(&url).await {
        Err(error) => Err(error.to_string()),
        Ok(document) if document.status != 200 => Err(format!("status {}", document.status.as_u16())),
        Ok(document) => KeySet::parse(&document.body).map_err(|error| format!("it {error}")),
    };
    let set = match set {
        Ok(set) => set,
        Err(error) => {
            walk.problem(format!("the keys at {url} cannot be read: {error}"), "check the authorization server");
            return None;
        }
    };
    let skipped: Vec<_> = set.skipped.iter().map(ToString::to_string).collect();
    if set.is_empty() {
        let reasons = if skipped.is_empty() { "there is none".to_owned() } else { skipped.join("; ") };
        walk.problem(
            format!("no key at {url} can be used: {reasons}"),
            "add a signing key at the authorization server",
        );
        return None;
    }
    walk.passed(format!(
        "its keys can be used{}",
        if skipped.is_empty() { String::new() } else { format!(" (not used: {})", skipped.join("; ")) }
    ));
    Some(set)
}
