//! `GET /api/v1/rate-limits`: what a key may do, and how much of it is left.
//!
//! The request changes nothing, so it also checks that a key works and which environment it belongs to.

use reqwest::{Method, Request};
use serde_json::Value;

use super::{BaseUrl, BodyError, Endpoint};
use crate::untrusted::UntrustedText;

#[derive(Debug, Clone, Copy)]
pub(crate) struct GetRateLimits;

/// The documented fields, without the quotas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RateLimits {
    /// Calls per window.
    pub(crate) limit: Option<u64>,
    /// Calls that remain in this window.
    pub(crate) remaining: Option<u64>,
    pub(crate) plan: Option<UntrustedText>,
    /// The environment that the key belongs to, as Verifa names it.
    pub(crate) environment: Option<UntrustedText>,
}

impl Endpoint for GetRateLimits {
    type Response = RateLimits;

    fn request(&self, base_url: &BaseUrl) -> Request {
        Request::new(Method::GET, base_url.endpoint(&["rate-limits"]))
    }

    /// Every field but `rate_limit` may be missing; a response without that is not Verifa's.
    fn read(&self, body: &Value, _base_url: &BaseUrl) -> Result<RateLimits, BodyError> {
        let rate_limit =
            body.get("rate_limit").filter(|value| value.is_object()).ok_or(BodyError::Field("rate_limit"))?;
        let number = |field| rate_limit.get(field).and_then(Value::as_u64);
        let text = |field| {
            body.get(field).and_then(Value::as_str).and_then(|text| UntrustedText::truncated(text, 64).non_empty())
        };
        Ok(RateLimits {
            limit: number("limit"),
            remaining: number("remaining"),
            plan: text("plan"),
            environment: text("environment"),
        })
    }
}
