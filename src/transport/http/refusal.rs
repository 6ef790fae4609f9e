//! The body of our refusals: a JSON-RPC error, since some clients show their user no other.
//!
//! Which status it has, and in which words, is up to whoever refuses.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

/// JSON-RPC leaves this code to servers.
const REFUSED: i32 = -32_000;

/// An answer that says in words why there is no other.
pub(super) fn refuse(status: StatusCode, text: &str) -> Response {
    let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": REFUSED, "message": text}});
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], format!("{error}\n")).into_response()
}

/// The same, for what may pass by itself in so many seconds.
pub(super) fn refuse_for_now(status: StatusCode, seconds: u16, text: &str) -> Response {
    let mut response = refuse(status, text);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
