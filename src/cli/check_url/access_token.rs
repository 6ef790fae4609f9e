//! A token that the operator has: which step of its verification fails, and what the server shows for it.
//!
//! The token comes from a file, never from the command line, and is never printed; some of its claims are.

use std::{
    path::Path,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use serde_json::Value;

use super::{Walk, reach::list_tools};
use crate::{
    private_file,
    transport::http::auth::oauth::{claims::Expected, jwk::KeySet, jwt::UnverifiedToken},
};

const LEEWAY: Duration = Duration::from_secs(60);
const MAX_FILE: u64 = 64 * 1024;

pub(super) fn read(path: &Path) -> Result<String, String> {
    let content = private_file::read(path, MAX_FILE);
    let content = content.map_err(|error| format!("--token-file cannot be read ({})", private_file::reason(&error)))?;
    let text = String::from_utf8(content).map_err(|_| "--token-file is not UTF-8 text".to_owned())?;
    match text.trim() {
        "" => Err("--token-file is empty".to_owned()),
        token => Ok(token.to_owned()),
    }
}

pub(super) async fn walk(walk: &mut Walk, token: &str, issuer: &str, keys: &KeySet, now: SystemTime) {
    let audiences = [walk.url.to_string()];
    let expected = Expected { issuer, audiences: &audiences, leeway: LEEWAY.as_secs_f64() };
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs_f64();
    match UnverifiedToken::parse(token).and_then(|token| token.verify(keys, &expected, now)) {
        Ok(grant) => {
            let scopes = grant.scopes.unwrap_or_default().join(" ");
            walk.passed(format!("the token is valid; its scopes are {scopes:?}"));
        }
        Err(error) => {
            let found = describe(token);
            walk.problem(format!("{error}; it has {found}; the time here is {now:.0}"), error.advice(&expected));
        }
    }
    let mut request = list_tools(&walk.url);
    let Ok(mut authorization) = HeaderValue::from_str(&format!("Bearer {token}")) else { return };
    authorization.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, authorization);
    match walk.send(request).await {
        Ok(document) if document.status == 200 => {
            let body: Value = serde_json::from_slice(&document.body).unwrap_or_default();
            let tools = body.pointer("/result/tools").and_then(Value::as_array).into_iter().flatten();
            let tools: Vec<_> = tools.filter_map(|tool| tool.get("name")?.as_str()).collect();
            walk.passed(format!("with the token the server offers {}", tools.join(", ")));
        }
        Ok(document) => {
            let body: Value = serde_json::from_slice(&document.body).unwrap_or_default();
            let text = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default().to_owned();
            let status = document.status.as_u16();
            walk.problem(format!("with the token the server responds with {status}: {text}"), "see the text");
        }
        Err(error) => walk.problem(format!("with the token the server does not respond: {error}"), "check its log"),
    }
}

/// What decides about a token, from its header and claims.
fn describe(token: &str) -> String {
    let mut parts = token.split('.').map(|part| {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(part).unwrap_or_default();
        serde_json::from_slice::<Value>(&bytes).unwrap_or_default()
    });
    let (header, payload) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let of = |part: &Value, names: &[&str]| {
        let found = names.iter().filter_map(|name| Some(format!("{name} {}", part.get(name)?)));
        found.collect::<Vec<_>>()
    };
    let found =
        [of(&header, &["alg", "typ", "kid"]), of(&payload, &["iss", "aud", "exp", "nbf", "iat", "scope", "scp"])];
    let found = found.concat();
    if found.is_empty() { "no readable claims".to_owned() } else { found.join(", ") }
}
