//! The two ways to get a fresh capture link for a session, and the link that comes back.
//!
//! `POST /api/v1/sessions/{session_id}/resume` and `…/generate-one-time-link`. The answer is read tolerantly (any 2xx, any
//! of the three casings, unknown fields) and kept strictly: what is not safe to hand on is refused here.

use std::num::NonZeroU32;

use serde_json::Value;

use super::{ApiVersion, BodyError, CaptureUrl, DateTime, IdempotencyKey, KeyInflection, QrCode, SessionId};
use crate::untrusted::UntrustedText;

/// A request for a fresh link to one session.
#[derive(Debug, Clone)]
pub struct LinkRequest {
    /// Path parameter `session_id`.
    pub session_id: SessionId,
    /// Which endpoint makes the link.
    pub endpoint: LinkEndpoint,
    /// Header `Idempotency-Key`, the same for all attempts.
    pub idempotency_key: IdempotencyKey,
    /// Header `Verifa-Version`.
    pub verifa_version: Option<ApiVersion>,
    /// Header `Key-Inflection`.
    pub key_inflection: KeyInflection,
}

/// An endpoint that makes a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkEndpoint {
    /// `…/resume`: the session goes on where it stopped. No body.
    Resume,
    /// `…/generate-one-time-link`
    OneTimeLink {
        /// How long the link is to live, in minutes; `None` leaves it to Verifa. The bounds are not documented.
        expires_in_minutes: Option<NonZeroU32>,
    },
}

/// A fresh capture link: the fields that both endpoints answer with.
#[derive(Debug, Clone)]
pub struct FreshLink {
    /// The session: `id` after a resume, `session_id` with a one-time link, whose `id` is another one.
    pub session_id: SessionId,
    /// `status`, `pending` as a rule. The documentation gives no list, so it is text.
    pub status: UntrustedText,
    /// `capture_url`
    pub capture_url: CaptureUrl,
    /// `expires_at`
    pub expires_at: DateTime,
    /// `qr_code_data_url`; `None` where it is null or not a picture that can be used.
    pub qr_code: Option<QrCode>,
}

impl FreshLink {
    /// Reads the answer of `…/resume`, its keys in snake case.
    ///
    /// # Errors
    /// Names the first field that is missing or cannot be used. The picture is the only one that may.
    pub fn read_resumed(body: &Value) -> Result<Self, BodyError> {
        Self::read(body, "id")
    }

    /// Reads the answer of `…/generate-one-time-link`, its keys in snake case.
    ///
    /// # Errors
    /// As above.
    pub fn read_one_time(body: &Value) -> Result<Self, BodyError> {
        Self::read(body, "session_id")
    }

    fn read(body: &Value, id: &'static str) -> Result<Self, BodyError> {
        let text = |field| body.get(field).and_then(Value::as_str).ok_or(BodyError::Field(field));
        Ok(Self {
            session_id: text(id)?.parse().map_err(|_| BodyError::Field(id))?,
            status: UntrustedText::truncated(text("status")?, 64).non_empty().ok_or(BodyError::Field("status"))?,
            capture_url: text("capture_url")?.parse().map_err(|_| BodyError::UnsafeLink)?,
            expires_at: DateTime::read(text("expires_at")?).ok_or(BodyError::Field("expires_at"))?,
            qr_code: text("qr_code_data_url").ok().and_then(QrCode::from_data_url),
        })
    }
}
