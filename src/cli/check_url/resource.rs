//! The metadata of the resource (RFC 9728): both addresses, what it says, and whether web pages may read it.

use reqwest::{
    Method, Request,
    header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS,
        ACCESS_CONTROL_REQUEST_METHOD, CONTENT_TYPE, HeaderValue, LOCATION, ORIGIN,
    },
};
use serde::Deserialize;
use url::Url;

use super::{Walk, reach::Challenge};
use crate::transport::http::auth::oauth::{WELL_KNOWN, document::Document};

#[derive(Debug, Default, Deserialize)]
struct Metadata {
    resource: Option<String>,
    #[serde(default)]
    authorization_servers: Vec<String>,
    scopes_supported: Option<Vec<String>>,
}

/// What the rest of the walk needs of it.
pub(super) struct Resource {
    pub(super) authorization_servers: Vec<String>,
    pub(super) scopes: Vec<String>,
}

pub(super) async fn walk(walk: &mut Walk, challenge: &Challenge) -> Option<Resource> {
    let origin = walk.url.origin().ascii_serialization();
    let with_path = format!("{origin}{WELL_KNOWN}{}", walk.url.path());
    let mut documents = Vec::new();
    for address in [with_path.clone(), format!("{origin}{WELL_KNOWN}")] {
        documents.push(fetch(walk, &address).await);
    }
    let [Some(document), root] = documents.as_slice() else { return None };
    if root.as_ref().is_some_and(|root| root.body != document.body) {
        walk.problem("the two metadata addresses have different documents", "pass both to the server");
    }
    if let Some(named) = challenge.resource_metadata.as_ref().filter(|named| named.as_str() != with_path)
        && walk.get(named).await.map_or(true, |other| other.body != document.body)
    {
        walk.problem(
            format!("resource_metadata in the challenge ({named}) leads to another document than {with_path}"),
            "set VERIFA_MCP_PUBLIC_URL to the URL that clients use",
        );
    }
    let Ok(metadata) = serde_json::from_slice::<Metadata>(&document.body) else {
        walk.problem(format!("{with_path} is not a JSON object of metadata"), "let the proxy pass it to the server");
        return None;
    };
    let expected = walk.url.to_string();
    match metadata.resource.as_deref() {
        Some(resource) if resource == expected => {}
        found => {
            let hint = found.map(|found| difference(found, &expected)).unwrap_or_default();
            walk.problem(
                format!(
                    "the metadata says resource {:?}, but the URL is {expected:?}{hint}",
                    found.unwrap_or_default()
                ),
                "set VERIFA_MCP_PUBLIC_URL to the URL that clients use, or add that resource to clients",
            );
        }
    }
    if metadata.scopes_supported.is_none() {
        walk.note("the metadata has no scopes_supported", "Codex asks for these");
    }
    cross_origin(walk, &with_path, document).await;
    if metadata.authorization_servers.is_empty() {
        walk.problem("the metadata names no authorization server", "set VERIFA_MCP_OAUTH_ISSUER");
        return None;
    }
    walk.passed(format!("its metadata names {}", metadata.authorization_servers.join(", ")));
    let scopes = metadata.scopes_supported.unwrap_or_default();
    Some(Resource { authorization_servers: metadata.authorization_servers, scopes })
}

async fn fetch(walk: &mut Walk, address: &str) -> Option<Document> {
    let fix = "pass /.well-known/oauth-protected-resource, with and without the path behind it, to the server";
    let url: Url = address.parse().ok()?;
    let what = match walk.get(&url).await {
        Err(error) => format!("{address} cannot be read: {error}"),
        Ok(document) if document.status.is_redirection() => {
            format!("{address} redirects to {:?}", document.header(LOCATION).unwrap_or_default())
        }
        Ok(document) if document.status != 200 => format!("{address} responds with {}", document.status.as_u16()),
        Ok(document) if !document.header(CONTENT_TYPE).is_some_and(|it| it.starts_with("application/json")) => {
            format!("{address} is not application/json")
        }
        Ok(document) => return Some(document),
    };
    walk.problem(what, fix);
    None
}

/// In what two URLs differ, if it is easily overlooked.
fn difference(found: &str, expected: &str) -> &'static str {
    let without_query = |text: &str| text.split(['?', '#']).next().unwrap_or_default().to_owned();
    if found.trim_end_matches('/') == expected.trim_end_matches('/') {
        "; they differ only in a slash at the end"
    } else if found.eq_ignore_ascii_case(expected) {
        "; they differ only in case"
    } else if without_query(found) == without_query(expected) {
        "; they differ only in the query or the fragment"
    } else {
        ""
    }
}

async fn cross_origin(walk: &mut Walk, address: &str, document: &Document) {
    let fix = "let the proxy pass OPTIONS and the Access-Control headers: clients in browsers cannot log in otherwise";
    let Ok(url) = address.parse::<Url>() else { return };
    let mut preflight = Request::new(Method::OPTIONS, url);
    let headers = preflight.headers_mut();
    headers.insert(ORIGIN, HeaderValue::from_static("https://client.example"));
    headers.insert(ACCESS_CONTROL_REQUEST_METHOD, HeaderValue::from_static("GET"));
    headers.insert(ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("mcp-protocol-version"));
    let allowed = walk.send(preflight).await.is_ok_and(|answer| {
        let allows =
            |header| answer.header(header).is_some_and(|it| it.to_ascii_lowercase().contains("mcp-protocol-version"));
        answer.status.is_success() && allows(ACCESS_CONTROL_ALLOW_HEADERS)
    });
    if document.header(ACCESS_CONTROL_ALLOW_ORIGIN) != Some("*") {
        walk.note("web pages may not read the metadata (no Access-Control-Allow-Origin: *)", fix);
    }
    if !allowed {
        walk.note("a browser may not send MCP-Protocol-Version to the metadata (OPTIONS)", fix);
    }
}
