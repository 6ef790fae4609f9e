//! What applies to every request: it must name this computer, and the response says that it is the emulator's.
//!
//! A web page elsewhere can point its own host name at 127.0.0.1 (DNS rebinding); the `Host` header reveals that. Only
//! the method, the kind of path and the status are logged: a path may hold a token.

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header::HOST, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::response::ApiError;
use crate::hosts::AllowedHost;

const EMULATOR: &str = "x-emulator";
const NOT_VERIFA: HeaderValue = HeaderValue::from_static("verifa-mcp emulator, not Verifa");

pub(super) async fn check_host(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = kind_of_path(request.uri().path());
    let mut response = if names_this_computer(&request) {
        next.run(request).await
    } else {
        let detail = "The emulator responds only to localhost, 127.0.0.1 and [::1].";
        ApiError::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
    };
    response.headers_mut().insert(EMULATOR, NOT_VERIFA);
    tracing::debug!(%method, path, status = response.status().as_u16(), "emulator responded");
    response
}

fn names_this_computer(request: &Request) -> bool {
    let in_headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let mut names = in_headers.chain(request.uri().authority().map(Authority::as_str)).peekable();
    names.peek().is_some() && names.all(|name| AllowedHost::loopback().iter().any(|allowed| allowed.matches(name)))
}

fn kind_of_path(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("") => "/",
        Some("api") => "/api/…",
        Some("verify") => "/verify/{token}",
        _ => "elsewhere",
    }
}
