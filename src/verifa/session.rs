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
    pub id: SessionId,
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
    pub fn read(body: &Value) -> Result<Self, BodyFault> {
        let text = |field| body.get(field).and_then(Value::as_str).ok_or(BodyFault::Field(field));
        Ok(Self {
            id: text("id")?.parse().map_err(|_| BodyFault::Field("id"))?,
            status: OutsideText::capped(text("status")?, 64).non_empty().ok_or(BodyFault::Field("status"))?,
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
        let as_utc = || Offset::UTC.to_timestamp(text.parse::<civil::DateTime>().ok()?).ok();
        let instant = text.parse::<Timestamp>().ok().or_else(as_utc)?;
        // The library reads more forms than clients do that check `format: date-time`.
        let text = if is_rfc3339(text) { text.to_owned() } else { instant.to_string() };
        Some(Self { text, instant })
    }

    /// The time in RFC 3339, as Verifa wrote it where it did so in this form.
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

/// Whether a time that the library could read has the one form of RFC 3339: full, with separators and an offset.
fn is_rfc3339(text: &str) -> bool {
    let byte = |index: usize| text.as_bytes().get(index).copied();
    let separated = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    let sign = text.len().checked_sub(6).and_then(byte);
    let has_offset = text.ends_with('Z') || matches!(sign, Some(b'+' | b'-'));
    has_offset && !text.contains('[') && separated.into_iter().all(|(index, separator)| byte(index) == Some(separator))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_come_out_in_the_one_form_of_rfc_3339() {
        let cases = [
            ("2099-01-01T00:00:00Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00.123456Z", "2099-01-01T00:00:00.123456Z"),
            ("2099-01-01T00:00:00+02:00", "2099-01-01T00:00:00+02:00"),
            ("2099-01-01T00:00:00", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00.5", "2099-01-01T00:00:00.5Z"),
            ("2099-01-01 00:00:00Z", "2099-01-01T00:00:00Z"),
            ("20990101T000000Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00Z", "2099-01-01T00:00:00Z"),
            ("2099-01-01T00:00:00+01:00[Europe/Berlin]", "2098-12-31T23:00:00Z"),
        ];
        for (text, expected) in cases {
            assert_eq!(ExpiresAt::read(text).map(|it| it.as_str().to_owned()).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "tomorrow", "2099-13-01T00:00:00Z", "4070908800"] {
            assert_eq!(ExpiresAt::read(text), None, "{text}");
        }
    }
}
