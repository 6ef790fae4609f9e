//! The first steps: is there an MCP server, and does it answer a request without a token as clients need it?

use std::{
    net::IpAddr,
    time::{Duration, Instant},
};

use reqwest::{
    Method, Request,
    header::{ACCEPT, CONTENT_TYPE, HeaderValue, LOCATION, SERVER, WWW_AUTHENTICATE},
};
use tokio::net::lookup_host;
use url::Url;

use super::Walk;
use crate::{
    hosts::is_loopback,
    transport::http::auth::oauth::document::{Document, DocumentError},
};

const SLOW: Duration = Duration::from_secs(5);
const LIST_TOOLS: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{}}"#;

/// What the challenge of a 401 says.
pub(super) struct Challenge {
    pub(super) resource_metadata: Option<Url>,
}

pub(super) async fn walk(walk: &mut Walk) -> Option<Challenge> {
    let url = walk.url.clone();
    if url.scheme() != "https" && !is_loopback(&url) {
        walk.problem(format!("{url} is not https"), "serve it over TLS; clients send tokens to https URLs only");
        return None;
    }
    if url.path() != "/mcp" {
        walk.note(
            format!("the path is {}, not /mcp", url.path()),
            "claude.ai connects only if the path is exactly /mcp",
        );
    }
    if url.query().is_some() {
        walk.note("the URL has a query", "some clients lose it when they log in; narrow by scopes instead");
    }
    addresses(walk, &url).await?;
    let started = Instant::now();
    let document = reached(walk, walk.send(list_tools(&url)).await)?;
    if started.elapsed() > SLOW {
        walk.note("the first response took more than 5 seconds", "clients may give up; check the proxy and the server");
    }
    let challenge = challenge(walk, &document)?;
    let get = walk.get(&url).await;
    if get.as_ref().is_ok_and(|document| document.status != 401) || get.is_err() {
        walk.problem(
            format!("GET {url} without a token does not get 401, though POST does"),
            "let the proxy pass GET, POST and DELETE alike; Codex discovers by a GET how to log in",
        );
    }
    let mut other = url.clone();
    other.set_path(&format!("{}/", url.path().trim_end_matches('/')));
    if walk.send(list_tools(&other)).await.is_ok_and(|document| document.status != 401) {
        walk.note(format!("{other} does not respond like {url}"), "pass both to the server; users paste both");
    }
    Some(challenge)
}

async fn addresses(walk: &mut Walk, url: &Url) -> Option<()> {
    let (host, port) = (url.host_str()?.trim_matches(['[', ']']), url.port_or_known_default()?);
    let addresses: Vec<IpAddr> = match lookup_host((host, port)).await {
        Ok(addresses) => addresses.map(|address| address.ip()).collect(),
        Err(_) => {
            walk.problem(format!("the host {host} has no address"), "check the name and DNS");
            return None;
        }
    };
    let is_private = |address: &IpAddr| match address {
        IpAddr::V4(address) => address.is_private() || address.is_loopback() || address.is_link_local(),
        IpAddr::V6(address) => address.is_loopback() || address.is_unique_local() || address.is_unicast_link_local(),
    };
    if addresses.iter().all(is_private) {
        walk.note(
            format!("{host} has only private addresses, seen from here"),
            "claude.ai and ChatGPT connect from their own servers, and need a public one",
        );
    } else if addresses.iter().all(IpAddr::is_ipv6) {
        walk.note(format!("{host} has only IPv6 addresses"), "add an IPv4 address; claude.ai needs one");
    }
    Some(())
}

pub(super) fn list_tools(url: &Url) -> Request {
    let mut request = Request::new(Method::POST, url.clone());
    let headers = request.headers_mut();
    headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    *request.body_mut() = Some(LIST_TOOLS.into());
    request
}

fn reached(walk: &mut Walk, response: Result<Document, DocumentError>) -> Option<Document> {
    let url = walk.url.clone();
    match response {
        Err(error) => {
            let fix = "check that the server runs, and the proxy, DNS and certificate in front of it";
            walk.problem(format!("{url} cannot be reached: {error}"), fix);
            None
        }
        Ok(document) if document.status.is_redirection() => {
            let to = document.header(LOCATION).unwrap_or("nowhere").to_owned();
            let status = document.status.as_u16();
            walk.problem(
                format!("{url} redirects ({status}) to {to:?}"),
                "add that URL to clients, or serve this one; clients follow no redirect, or lose the token on it",
            );
            None
        }
        Ok(document) => Some(document),
    }
}

fn challenge(walk: &mut Walk, document: &Document) -> Option<Challenge> {
    let status = document.status.as_u16();
    let is_html = document.header(CONTENT_TYPE).is_some_and(|it| it.contains("html"));
    let server = document.header(SERVER).map(|server| format!(" by {server:?}")).unwrap_or_default();
    match status {
        401 => {}
        200..=299 if is_html => {
            walk.problem(
                format!("the response is a web page{server}, not MCP"),
                "check the URL, and what the proxy passes on",
            );
            return None;
        }
        200..=299 => {
            walk.problem("the server responds without a token: everyone may call", "set VERIFA_MCP_AUTH=oauth");
            return None;
        }
        _ => {
            let page = if is_html { ", as a web page" } else { "" };
            walk.problem(
                format!("a request without a token gets {status}{page}{server}, not 401"),
                match status {
                    403 => "add the host to VERIFA_MCP_ALLOWED_HOSTS; let the proxy pass requests without a token",
                    404 => "check the path; the proxy must pass /mcp to the server",
                    405 => "let the proxy pass POST",
                    _ => "check that the server runs behind the proxy, and its log",
                },
            );
            return None;
        }
    }
    let Some(challenge) = document.header(WWW_AUTHENTICATE).map(str::to_owned) else {
        walk.problem(
            "the 401 has no WWW-Authenticate header",
            "let the proxy pass it on, and set VERIFA_MCP_AUTH=oauth: clients find the authorization server by it",
        );
        return None;
    };
    if !challenge.starts_with("Bearer ") {
        walk.problem("WWW-Authenticate does not begin with Bearer", "let the proxy add no challenge of its own");
    }
    if parameter(&challenge, "error").is_some() {
        walk.problem("the 401 names an error although no token was sent", "some clients do not log in then; remove it");
    }
    match parameter(&challenge, "scope") {
        None => walk.note("the challenge names no scope", "clients then ask for all scopes or for none"),
        Some(scope) if scope.split(' ').any(|scope| scope == "offline_access") => {
            walk.note("the challenge names offline_access", "remove it: clients add it themselves");
        }
        Some(_) => {}
    }
    let Some(metadata) = parameter(&challenge, "resource_metadata").map(str::to_owned) else {
        walk.problem("the challenge has no resource_metadata", "set VERIFA_MCP_AUTH=oauth; Claude Code needs it");
        return Some(Challenge { resource_metadata: None });
    };
    let metadata = walk.secure("resource_metadata in the challenge", &metadata)?;
    if metadata.origin() != walk.url.origin() {
        walk.problem(
            format!("resource_metadata is of another origin: {metadata}"),
            "set VERIFA_MCP_PUBLIC_URL to the URL that clients use",
        );
    }
    walk.passed("without a token it responds with 401 and says where its metadata is");
    Some(Challenge { resource_metadata: Some(metadata) })
}

/// The value of a parameter of a challenge.
fn parameter<'a>(challenge: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = challenge.split_once(' ')?.1;
    loop {
        let (found, value) = rest.trim_start_matches([',', ' ']).split_once('=')?;
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => value.split_once(',').unwrap_or((value, "")),
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_of_a_challenge_are_found_by_name() {
        let challenge = r#"Bearer error="invalid_token", error_description="scope=x, or", max=1,Scope="a b""#;
        for (name, expected) in [
            ("error", Some("invalid_token")),
            ("error_description", Some("scope=x, or")),
            ("max", Some("1")),
            ("scope", Some("a b")),
            ("resource_metadata", None),
        ] {
            assert_eq!(parameter(challenge, name), expected, "{name}");
        }
        assert_eq!(parameter("Bearer", "scope"), None);
    }
}
