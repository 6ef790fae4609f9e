//! What holds for every request: it must name this computer, and its answer says who answered.
//!
//! A web page elsewhere can point its own host name at 127.0.0.1 (DNS rebinding); the `Host` header gives it away. Only
//! the method, the kind of path and the status are logged: a path may hold a token.

use std::net::IpAddr;

use axum::{
    extract::Request,
    http::{HeaderValue, StatusCode, header::HOST, uri::Authority},
    middleware::Next,
    response::{IntoResponse, Response},
};

use super::answer::Refusal;

const EMULATOR: &str = "x-emulator";
const NOT_VERIFA: HeaderValue = HeaderValue::from_static("verifa-mcp emulator, not Verifa");

pub(super) async fn answer_locals_only(request: Request, next: Next) -> Response {
    let method = request.method().clone();
    let path = kind_of_path(request.uri().path());
    let mut response = if names_this_computer(&request) {
        next.run(request).await
    } else {
        let detail = "The emulator answers only to localhost, 127.0.0.1 and [::1].";
        Refusal::new(StatusCode::FORBIDDEN, "forbidden", detail).into_response()
    };
    response.headers_mut().insert(EMULATOR, NOT_VERIFA);
    tracing::debug!(%method, path, status = response.status().as_u16(), "emulator answered");
    response
}

fn names_this_computer(request: &Request) -> bool {
    let named_in_headers = request.headers().get_all(HOST).iter().map(|host| host.to_str().unwrap_or_default());
    let mut names = named_in_headers.chain(request.uri().authority().map(Authority::as_str)).peekable();
    names.peek().is_some() && names.all(is_loopback)
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else { return false };
    let name = authority.host().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn kind_of_path(path: &str) -> &'static str {
    match path.split('/').nth(1) {
        Some("") => "/",
        Some("api") => "/api/…",
        Some("verify") => "/verify/{token}",
        _ => "elsewhere",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_computer_are_loopback() {
        for host in ["localhost", "LOCALHOST:8788", "127.0.0.1", "127.0.0.1:1", "[::1]", "[::1]:8788"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["", "example.com", "localhost.example.com", "127.0.0.1.nip.io", "192.168.0.1", "[::2]:1"] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
