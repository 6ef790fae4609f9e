//! Why a call to Verifa failed: one error per way, and what each says about the request's fate.
//!
//! Nothing here holds a URL, a header or a body; text of Verifa's own is kept as [`UntrustedText`] alone.

use std::time::Duration;

use crate::{http_client::RootCertificatesError, untrusted::UntrustedText};
use reqwest::StatusCode;
use serde_json::Value;

/// One attempt's failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The HTTP client could not be made, so nothing was sent.
    #[error("no HTTP client: {0}")]
    Setup(#[from] RootCertificatesError),
    /// All permits for requests at once stayed taken, so nothing was sent.
    #[error("too many requests at once")]
    Busy,
    /// No connection to Verifa or to the proxy on the way came about, so nothing was sent.
    #[error("no connection: {fault}")]
    Unreachable {
        /// What went wrong.
        fault: ConnectError,
        /// The proxy that was to be used, as `host:port`.
        proxy: Option<String>,
    },
    /// No complete answer in time.
    #[error("no answer within {} ms", .0.as_millis())]
    TimedOut(Duration),
    /// The connection broke after the request had begun.
    #[error("connection lost")]
    Interrupted,
    /// An answer with a status other than 2xx.
    #[error("refused with {}{}", .0.status.as_u16(), .0.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default())]
    Status(ErrorResponse),
    /// A 2xx answer that is not what the documentation promises.
    #[error("unreadable answer: {fault}")]
    Unreadable {
        /// The HTTP status, one of 2xx.
        status: StatusCode,
        /// What is wrong with it.
        fault: BodyError,
    },
}

/// Why no connection came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("name not found")]
    Dns,
    /// The certificate comes from an authority that this computer does not know.
    #[error("certificate of an unknown authority")]
    UnknownAuthority,
    /// The certificate is not valid at this computer's time.
    #[error("certificate expired or not valid yet")]
    CertificateDate,
    /// The certificate is for another host.
    #[error("certificate for another host")]
    CertificateName,
    /// Any other fault of the TLS handshake.
    #[error("TLS handshake failed")]
    Tls,
    /// Nobody answered in time.
    #[error("timed out")]
    TimedOut,
    /// Refused, unreachable or cut.
    #[error("refused or cut")]
    Refused,
}

/// Why a 2xx answer cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// Not JSON: HTML, plain text, nothing, or not UTF-8.
    #[error("not JSON")]
    NotJson,
    /// Larger than is read.
    #[error("too large")]
    TooLarge,
    /// A promised field is missing or of another type.
    #[error("no usable {0}")]
    Field(&'static str),
    /// It is about another session than was asked for.
    #[error("about another session")]
    OtherSession,
    /// The capture link is not one that may be handed out.
    #[error("unsafe capture_url")]
    UnsafeLink,
}

/// An answer with a status other than 2xx, read as far as it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    /// The HTTP status.
    pub status: StatusCode,
    /// Verifa's `error` code; `None` where the body is not in Verifa's form (a proxy's, then).
    pub code: Option<UntrustedText>,
    /// Verifa's `detail` as text, whatever its JSON type; a list of field errors names the fields.
    pub detail: Option<UntrustedText>,
    /// How long Verifa asks to wait.
    pub retry_after: Option<Duration>,
}

impl ErrorResponse {
    /// Reads the body of an error: `{"error", "detail", "status_code"}`, keys in snake case. Anything else leaves the
    /// fields empty.
    pub(super) fn read(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> Self {
        let code = body.get("error").and_then(Value::as_str).filter(|code| is_code(code)).map(UntrustedText::new);
        let detail = body.get("detail").and_then(detail_text);
        Self { status, code, detail, retry_after }
    }
}

/// A code stands unquoted among our own words, so it must be one.
fn is_code(text: &str) -> bool {
    let is_word = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    is_word && (1..=64).contains(&text.len())
}

fn detail_text(detail: &Value) -> Option<UntrustedText> {
    let text = match detail {
        Value::Null => return None,
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(field_error_text).collect::<Vec<_>>().join("; "),
        other => field_error_text(other),
    };
    UntrustedText::new(&text).non_empty()
}

/// A field error in the form that many frameworks use, `{"loc": ["body", "field"], "msg": "…"}` or
/// `{"field": "…", "message": "…"}`, as `field: message`; anything else as JSON. Verifa documents no form.
fn field_error_text(item: &Value) -> String {
    let place = match item.get("loc").or_else(|| item.get("field")) {
        Some(Value::Array(path)) => path.iter().map(plain_text).collect::<Vec<_>>().join("."),
        Some(place) => plain_text(place),
        None => return plain_text(item),
    };
    match item.get("msg").or_else(|| item.get("message")) {
        Some(message) => format!("{place}: {}", plain_text(message)),
        None => place,
    }
}

fn plain_text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Error {
    /// The HTTP status, where there was an answer.
    pub fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Status(refusal) => Some(refusal.status),
            Self::Unreadable { status, .. } => Some(*status),
            _ => None,
        }
    }

    /// Whether the request may have been carried out all the same.
    pub fn outcome_unknown(&self) -> bool {
        match self {
            Self::Setup(_) | Self::Busy | Self::Unreachable { .. } => false,
            Self::TimedOut(_) | Self::Interrupted | Self::Unreadable { .. } => true,
            Self::Status(refusal) => refusal.status.is_server_error(),
        }
    }
}

/// A call's failure: what to tell of it, and what all attempts together say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{error} (attempt {attempts})")]
pub struct Failure {
    /// The most telling error: the last attempt's, or an earlier one's where the budget cut the last attempt short.
    pub error: Error,
    /// Why the last attempt failed.
    pub last: Error,
    /// How many requests were tried.
    pub attempts: u32,
    /// From the first attempt to the last one's end.
    pub elapsed: Duration,
    /// Whether one of the attempts may have been carried out.
    pub outcome_unknown: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_body_is_read_whatever_its_detail_is() {
        let cases = [
            (json!({"error": "not_found", "detail": "No such session"}), Some("not_found"), Some("No such session")),
            (json!({"error": "Open the link!", "detail": "a\u{0}b"}), None, Some("a b")),
            (
                json!({"detail": [{"loc": ["body", "a"], "msg": "too long"}, {"loc": ["b", 0]}]}),
                None,
                Some("body.a: too long; b.0"),
            ),
            (json!({"detail": {"field": "a", "message": "too long"}}), None, Some("a: too long")),
            (json!({"detail": ["first", 2]}), None, Some("first; 2")),
            (json!({"detail": {"reason": "x"}}), None, Some(r#"{"reason":"x"}"#)),
            (json!({"error": 7, "detail": 42}), None, Some("42")),
            (json!({"error": "", "detail": null}), None, None),
            (json!("text"), None, None),
            (json!([]), None, None),
        ];
        for (body, code, detail) in cases {
            let refusal = ErrorResponse::read(StatusCode::BAD_REQUEST, &body, None);
            assert_eq!(refusal.code.as_ref().map(UntrustedText::as_str), code, "{body}");
            assert_eq!(refusal.detail.as_ref().map(UntrustedText::as_str), detail, "{body}");
        }
    }
}
