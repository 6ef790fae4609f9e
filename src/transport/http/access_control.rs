//! Which hosts a request may name, and which web pages may send one.
//!
//! A web page must not reach a server on the user's computer by giving it a name of its own (DNS rebinding), so `Host` and
//! `Origin` are checked. Who the caller is, is not decided here.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue, Method, Uri,
    header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, ORIGIN, RETRY_AFTER, WWW_AUTHENTICATE},
    request::Parts,
    uri::Authority,
};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{access_log::REQUEST_ID, rejection::RequestRejection};
use crate::{
    hosts::{AllowedHost, AllowedOrigin},
    untrusted::UntrustedText,
};

const FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks that a request names one allowed host: of two, a proxy might have read the other one.
pub(super) fn check_host(headers: &HeaderMap, uri: &Uri, allowed: &[AllowedHost]) -> Result<(), RequestRejection> {
    let mut hosts = values(headers, &HOST).chain(uri.authority().map(Authority::as_str)).peekable();
    let is_one = hosts.peek().is_some() && values(headers, &HOST).count() <= 1;
    let is_allowed = is_one && hosts.all(|host| allowed.iter().any(|allowed| allowed.matches(host)));
    if is_allowed { Ok(()) } else { Err(RequestRejection::Host(shown(headers, &HOST))) }
}

/// Checks that a request comes from an allowed web page, or from none.
pub(super) fn check_origin(headers: &HeaderMap, allowed: &[AllowedOrigin]) -> Result<(), RequestRejection> {
    let is_allowed = values(headers, &ORIGIN).count() <= 1
        && values(headers, &ORIGIN).all(|origin| allowed.iter().any(|allowed| allowed.matches(origin)));
    if is_allowed { Ok(()) } else { Err(RequestRejection::Origin(shown(headers, &ORIGIN))) }
}

/// Checks that a request without `Origin`, as browsers send it for an image or a link, is not from another site's page.
pub(super) fn check_site(headers: &HeaderMap) -> Result<(), RequestRejection> {
    let is_foreign = |site: &str| !matches!(site, "same-origin" | "same-site" | "none");
    let is_rejected = !headers.contains_key(ORIGIN) && values(headers, &FETCH_SITE).any(is_foreign);
    if is_rejected { Err(RequestRejection::CrossSite) } else { Ok(()) }
}

fn values<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default())
}

fn shown(headers: &HeaderMap, name: &HeaderName) -> UntrustedText {
    UntrustedText::truncated(&values(headers, name).collect::<Vec<_>>().join(", "), 100)
}

/// Lets browsers call from pages of the allowed origins.
pub(super) fn cors(allowed: Vec<AllowedOrigin>) -> CorsLayer {
    let names = ["last-event-id", "mcp-method", "mcp-name", "mcp-protocol-version", "mcp-session-id", "x-api-key"];
    let headers =
        names.map(HeaderName::from_static).into_iter().chain([ACCEPT, AUTHORIZATION, CONTENT_TYPE, REQUEST_ID]);
    let is_allowed = move |origin: &HeaderValue, _: &Parts| {
        origin.to_str().is_ok_and(|origin| allowed.iter().any(|allowed| allowed.matches(origin)))
    };
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(is_allowed))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(headers.collect::<Vec<_>>())
        .expose_headers([REQUEST_ID, RETRY_AFTER, WWW_AUTHENTICATE])
}
