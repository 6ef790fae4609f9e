//! Responses of the API: casing, error body, rate-limit headers.
//!
//! Bodies are in snake case everywhere else; only here they get the requested casing.

use axum::{
    body::Body,
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{assumptions::CALLS_PER_MINUTE, rate_limits::Allowance};
use crate::verifa::{KeyInflection, wire};

pub(super) struct ApiResponse {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    retry_after: Option<u32>,
}

impl ApiResponse {
    pub(super) fn new(status: StatusCode, body: Value) -> Self {
        Self { status, body, retry_after: None }
    }

    pub(super) fn into_response(self, inflection: KeyInflection, allowance: Allowance) -> Response {
        let mut response = json_response(self.status, inflection.inflect_keys(self.body));
        let headers = response.headers_mut();
        headers.insert(wire::RATE_LIMIT_LIMIT, CALLS_PER_MINUTE.into());
        headers.insert(wire::RATE_LIMIT_REMAINING, allowance.remaining.into());
        headers.insert(wire::RATE_LIMIT_RESET, allowance.reset.into());
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An error with the documented body.
pub(super) struct ApiError {
    status: StatusCode,
    code: &'static str,
    detail: Value,
    retry_after: Option<u32>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, code: &'static str, detail: impl Into<Value>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    pub(super) fn retry_after(self, seconds: u32) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    fn body(&self) -> Value {
        json!({ "error": self.code, "detail": self.detail, "status_code": self.status.as_u16() })
    }
}

impl From<ApiError> for ApiResponse {
    fn from(error: ApiError) -> Self {
        Self { status: error.status, body: error.body(), retry_after: error.retry_after }
    }
}

/// For errors outside of the API, where no casing can be requested.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json_response(self.status, self.body())
    }
}

fn json_response(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Body::from(body.to_string())).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
