//! The body of a request: how much of it is read, and the response to one that is not a valid message of MCP.

use axum::{
    body::{Body, Bytes},
    extract::{DefaultBodyLimit, FromRequest},
    http::{Request, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use hyper::body::Incoming;
use rmcp::model::ErrorCode;

use super::{MAX_BODY, error_response::error_response, rejection::closing};
use crate::transport::message::InvalidMessage;

/// The whole body.
///
/// # Errors
/// When it is larger than [`MAX_BODY`] or incomplete.
pub(super) async fn read(mut request: Request<Incoming>) -> Result<Bytes, Response> {
    DefaultBodyLimit::max(MAX_BODY).apply(&mut request);
    let body = Bytes::from_request(request.map(Body::new), &()).await;
    body.map_err(|rejection| closing(error_response(rejection.status(), &rejection.body_text())))
}

impl IntoResponse for InvalidMessage {
    fn into_response(self) -> Response {
        // As in the SDK: a request with invalid parameters was a valid HTTP request.
        let is_request = self.error.code() == ErrorCode::INVALID_PARAMS;
        let status = if is_request { StatusCode::OK } else { StatusCode::BAD_REQUEST };
        (status, [(CONTENT_TYPE, "application/json")], self.response()).into_response()
    }
}
