//! The metadata of this protected resource (RFC 9728): which authorization servers issue tokens for it.
//!
//! Public to every web page. It is rendered once, and never from a request's `Host`.

use axum::{
    http::{
        HeaderValue, Method, StatusCode,
        header::{
            ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
            ACCESS_CONTROL_MAX_AGE, CACHE_CONTROL, CONTENT_TYPE,
        },
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

use super::settings::{Issuer, OAuthSettings};

const DOCUMENTATION: &str = concat!(env!("CARGO_PKG_REPOSITORY"), "/blob/main/docs/oauth.md");

/// The document.
pub(super) fn document(settings: &OAuthSettings, scopes: &[String]) -> String {
    let servers: Vec<_> = settings.issuers.iter().map(Issuer::as_str).collect();
    json!({
        "resource": settings.public_url.as_str(),
        "authorization_servers": servers,
        "scopes_supported": scopes,
        "bearer_methods_supported": ["header"],
        "resource_name": "Verifa sessions",
        "resource_documentation": DOCUMENTATION,
    })
    .to_string()
}

/// The response to a request for the document, or to a browser that asks whether it may send one.
pub(super) fn respond(method: &Method, document: &str) -> Response {
    let origin = (ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    if method == Method::OPTIONS {
        // The SDKs send the first of the headers, so that browsers ask.
        let allowed = [
            origin,
            (ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET")),
            (ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("mcp-protocol-version, accept, content-type")),
            (ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("300")),
        ];
        return (StatusCode::NO_CONTENT, allowed).into_response();
    }
    let headers = [
        origin,
        (CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (headers, document.to_owned()).into_response()
}
