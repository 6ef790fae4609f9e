//! `POST /mcp`: hands a request to the SDK, and corrects what the SDK is too strict or too terse about.
//!
//! It reads the body first, so that an invalid message gets the same error as over the other transports.

use std::sync::Arc;

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{
        HeaderMap, HeaderValue, Request, StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};

use super::{HttpState, auth::AuthError, body, error_response::error_response, limits::CallPermit};
use crate::{call::Caller, server::MissingScope, transport::message};

/// The media types of responses, which the SDK requires a client to name both.
const BOTH_TYPES: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
/// The longest error text of the SDK, in bytes.
const MAX_ERROR_TEXT: usize = 4 * 1024;

pub(super) async fn respond(
    state: &HttpState,
    caller: Caller,
    permit: CallPermit,
    request: Request<Incoming>,
) -> Response {
    let (parts, body) = request.into_parts();
    let mut body = match body::read(Request::new(body)).await {
        Ok(body) => body,
        Err(response) => return response,
    };
    // To any other type of content the SDK objects.
    if is_json(&parts.headers) {
        match message::read(&body) {
            // The SDK rejects unknown methods only with the parameters that it expects.
            Ok(Some(message)) if is_unknown_method(&message) => {
                body = serde_json::to_vec(&message).map_or(body, Bytes::from);
            }
            Ok(Some(JsonRpcMessage::Request(_) | JsonRpcMessage::Notification(_))) => {}
            // Nothing was asked of the client, since nothing is kept between requests.
            Ok(_) => return StatusCode::ACCEPTED.into_response(),
            Err(invalid) => return invalid.into_response(),
        }
    }
    let mut request = Request::from_parts(parts, Body::from(body));
    if accepts_any(request.headers()) {
        request.headers_mut().insert(ACCEPT, BOTH_TYPES);
    }
    let missing_scope = MissingScope::default();
    request.extensions_mut().insert(missing_scope.clone());
    request.extensions_mut().insert(caller.clone());
    // Held until the call has ended: it travels with the request.
    request.extensions_mut().insert(Arc::new(permit));
    let response = state.mcp.handle(request).await.map(Body::new);
    // In JSON mode no part of a response is sent before the call has ended.
    if let (Some(oauth), Some(tool)) = (state.config.auth.oauth(), missing_scope.tool()) {
        return AuthError::from(oauth.insufficient_scope(&caller, tool)).into_response();
    }
    if response.status().is_client_error() || response.status().is_server_error() {
        return as_json(response).await;
    }
    response
}

fn is_unknown_method(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::CustomRequest(_)))
}

fn is_json(headers: &HeaderMap) -> bool {
    let essence = |value: &str| value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).is_some_and(|it| essence(it) == "application/json")
}

/// Whether a client accepts JSON by a wildcard, or accepts everything since it does not say.
fn accepts_any(headers: &HeaderMap) -> bool {
    let is_wildcard = |range: &str| {
        let (essence, parameters) = range.split_once(';').unwrap_or((range, ""));
        let is_excluded = parameters.split(';').any(|it| matches!(it.trim(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
        matches!(essence.trim(), "*/*" | "application/*") && !is_excluded
    };
    let mut values = headers.get_all(ACCEPT).iter().peekable();
    values.peek().is_none()
        || values.filter_map(|value| value.to_str().ok()).flat_map(|it| it.split(',')).any(is_wildcard)
}

/// The SDK's own errors are plain text, which clients of JSON-RPC cannot read.
async fn as_json(response: Response) -> Response {
    if response.headers().get(CONTENT_TYPE).is_some_and(|value| value == "application/json") {
        return response;
    }
    let (parts, body) = response.into_parts();
    let text = to_bytes(body, MAX_ERROR_TEXT).await.unwrap_or_default();
    error_response(parts.status, &String::from_utf8_lossy(&text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards_and_a_missing_header_accept_any_type() {
        for (values, expected) in [
            (&[][..], true),
            (&["*/*"], true),
            (&["application/*"], true),
            (&["text/html, */*;q=0.8"], true),
            (&["text/html", "application/* ; q=0.1"], true),
            (&["*/*;q=0"], false),
            (&["application/json"], false),
            (&["application/json, text/event-stream"], false),
            (&["text/*"], false),
            (&[""], false),
        ] {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(ACCEPT, HeaderValue::from_static(value));
            }
            assert_eq!(accepts_any(&headers), expected, "{values:?}");
        }
    }
}
