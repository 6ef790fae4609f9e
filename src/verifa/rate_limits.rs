//! What a key may do and how much of it is left (`GET /api/v1/rate-limits`).
//!
//! The request changes nothing, so it also serves as the check that a key works and which environment it belongs to.

use serde_json::Value;

use super::BodyError;
use crate::untrusted::UntrustedText;

/// The answer's documented fields; quotas are left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimits {
    /// Calls per window.
    pub limit: Option<u64>,
    /// Calls that remain in this window.
    pub remaining: Option<u64>,
    /// Seconds until the window is over.
    pub reset_in_seconds: Option<u64>,
    /// The organization's plan.
    pub plan: Option<UntrustedText>,
    /// The environment that the key belongs to, in Verifa's words.
    pub environment: Option<UntrustedText>,
}

impl RateLimits {
    /// Reads the endpoint's answer, its keys in snake case.
    ///
    /// # Errors
    /// Only an answer without `rate_limit` is refused: it comes from somebody else than Verifa.
    pub(super) fn read(body: &Value) -> Result<Self, BodyError> {
        let rate_limit =
            body.get("rate_limit").filter(|value| value.is_object()).ok_or(BodyError::Field("rate_limit"))?;
        let number = |field| rate_limit.get(field).and_then(Value::as_u64);
        let text = |field| {
            body.get(field).and_then(Value::as_str).and_then(|text| UntrustedText::truncated(text, 64).non_empty())
        };
        Ok(Self {
            limit: number("limit"),
            remaining: number("remaining"),
            reset_in_seconds: number("reset_in_seconds"),
            plan: text("plan"),
            environment: text("environment"),
        })
    }
}
