//! An answer of the API, from its parts to an HTTP response: casing, error body, rate-limit headers.
//!
//! Bodies are written in snake case everywhere else; here alone they get the casing that was asked for.

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

pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) body: Value,
    retry_after: Option<u32>,
}

impl Answer {
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

/// An error, with the documented body.
pub(super) struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: Value,
    retry_after: Option<u32>,
}

impl Refusal {
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

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        Self { status: refusal.status, body: refusal.body(), retry_after: refusal.retry_after }
    }
}

/// For refusals outside of the API, where nobody asks for a casing.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        json_response(self.status, self.body())
    }
}

fn json_response(status: StatusCode, body: Value) -> Response {
    let mut response = (status, Body::from(body.to_string())).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
