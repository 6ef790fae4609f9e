//! Resuming a session: what is asked and what comes back (`POST /api/v1/sessions/{session_id}/resume`).
//!
//! The answer is read tolerantly (any 2xx, any of the three casings, unknown fields) and kept strictly: what is not
//! safe to hand on is refused here.

use jiff::{SignedDuration, Timestamp, civil, tz::Offset};
use reqwest::StatusCode;
use serde_json::Value;

use super::{ApiVersion, BodyFault, CaptureUrl, IdempotencyKey, KeyInflection, OutsideText, QrCode, SessionId};

/// A request to resume one session.
#[derive(Debug, Clone)]
pub struct ResumeRequest {
    /// Path parameter `session_id`.
    pub session_id: SessionId,
    /// Header `Idempotency-Key`, the same for all attempts.
    pub idempotency_key: IdempotencyKey,
    /// Header `Verifa-Version`.
    pub verifa_version: Option<ApiVersion>,
    /// Header `Key-Inflection`.
    pub key_inflection: KeyInflection,
}

/// A session that was resumed: the endpoint's five fields.
#[derive(Debug, Clone)]
pub struct ResumedSession {
    /// `id`
    pub id: OutsideText,
    /// `status`, `pending` as a rule. The documentation gives no list, so it is text.
    pub status: OutsideText,
    /// `capture_url`
    pub capture_url: CaptureUrl,
    /// `expires_at`
    pub expires_at: ExpiresAt,
    /// `qr_code_data_url`; `None` where it is null or not a picture that can be used.
    pub qr_code: Option<QrCode>,
}

impl ResumedSession {
    /// Reads the endpoint's answer, its keys in snake case.
    ///
    /// # Errors
    /// Names the first field that is missing or cannot be used. The picture is the only one that may.
    pub(super) fn read(body: &Value) -> Result<Self, BodyFault> {
        let text = |field| body.get(field).and_then(Value::as_str).ok_or(BodyFault::Field(field));
        let line = |field| OutsideText::capped(text(field)?, 128).non_empty().ok_or(BodyFault::Field(field));
        Ok(Self {
            id: line("id")?,
            status: line("status")?,
            capture_url: text("capture_url")?.parse().map_err(|_| BodyFault::UnsafeLink)?,
            expires_at: ExpiresAt::read(text("expires_at")?).ok_or(BodyFault::Field("expires_at"))?,
            qr_code: text("qr_code_data_url").ok().and_then(QrCode::from_data_url),
        })
    }
}

/// When a link dies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpiresAt {
    text: String,
    instant: Timestamp,
}

impl ExpiresAt {
    /// Reads RFC 3339. A date and time without an offset is taken as UTC: the documentation says no more than
    /// "datetime" and shows a `Z`.
    fn read(text: &str) -> Option<Self> {
        if let Ok(instant) = text.parse::<Timestamp>() {
            return Some(Self { text: text.to_owned(), instant });
        }
        let instant = Offset::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok()?;
        Some(Self { text: instant.to_string(), instant })
    }

    /// The time as Verifa wrote it, in RFC 3339.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The instant.
    pub fn instant(&self) -> Timestamp {
        self.instant
    }

    /// How long the link lives on, seen from `now`; negative when it is dead.
    pub fn remaining(&self, now: Timestamp) -> SignedDuration {
        self.instant.duration_since(now)
    }
}

/// An answer and what came with it.
#[derive(Debug, Clone)]
pub struct Answer<T> {
    /// What was asked for.
    pub value: T,
    /// The HTTP status, one of 2xx.
    pub status: StatusCode,
    /// How many requests it took.
    pub attempts: u32,
    /// The answer's `Date`, to compare other times of the answer with.
    pub date: Option<Timestamp>,
    /// This computer's time when the answer came.
    pub received: Timestamp,
}

impl<T> Answer<T> {
    /// The clock that this answer's times are measured by: Verifa's own, else this computer's.
    pub fn now(&self) -> Timestamp {
        self.date.unwrap_or(self.received)
    }
}
