//! The body of error responses: a JSON-RPC error, since some clients show their user nothing else.
//!
//! Status and text are chosen where the error occurs.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;

/// JSON-RPC reserves this code for servers.
const REJECTED: i32 = -32_000;

pub(super) fn error_response(status: StatusCode, text: &str) -> Response {
    let error = json!({"jsonrpc": "2.0", "id": null, "error": {"code": REJECTED, "message": text}});
    (status, [(CONTENT_TYPE, HeaderValue::from_static("application/json"))], format!("{error}\n")).into_response()
}

/// An error response that asks the client to retry in so many seconds.
pub(super) fn retryable_error(status: StatusCode, seconds: u16, text: &str) -> Response {
    let mut response = error_response(status, text);
    response.headers_mut().insert(RETRY_AFTER, seconds.into());
    response
}
