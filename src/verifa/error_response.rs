//! Reads error responses: Verifa's own, `{"error": "<code>", "detail": …, "status_code": …}`, and those of anything else.
//!
//! Only a body in Verifa's format speaks for Verifa. Which form `detail` has is not documented, so any is accepted. What
//! is kept is cleaned.

use std::{fmt, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;

use super::json;
use crate::untrusted::UntrustedText;

/// In characters.
const MAX_CODE_LENGTH: usize = 64;
/// In characters.
const MAX_REQUEST_ID_LENGTH: usize = 64;
/// In characters.
const MAX_EXCERPT_LENGTH: usize = 80;

/// A response with a status other than 2xx.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ErrorResponse {
    pub(crate) status: StatusCode,
    pub(crate) body: ErrorBody,
    /// How long to wait before a retry.
    pub(crate) retry_after: Option<Duration>,
    /// Whatever responded calls the request this. That Verifa sends such an ID is not documented.
    pub(crate) request_id: Option<UntrustedText>,
}

/// Who wrote an error response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ErrorBody {
    /// The body is in Verifa's format.
    Verifa {
        code: UntrustedText,
        /// As text, whatever its JSON type; a list of field errors names the fields.
        detail: Option<UntrustedText>,
    },
    /// Anything else: something between this server and Verifa may have responded.
    Other {
        content_type: Option<UntrustedText>,
        /// The title of a page, else the beginning of the body.
        excerpt: Option<UntrustedText>,
    },
}

impl ErrorResponse {
    pub(super) fn read(
        status: StatusCode,
        content_type: Option<&str>,
        body: &[u8],
        retry_after: Option<Duration>,
        request_id: Option<&str>,
    ) -> Self {
        let body = json::read(body).and_then(|body| verifa_body(&body)).unwrap_or_else(|| ErrorBody::Other {
            content_type: content_type.and_then(|text| UntrustedText::truncated(text, 60).non_empty()),
            excerpt: excerpt(&String::from_utf8_lossy(body)),
        });
        let request_id = request_id.and_then(|id| UntrustedText::truncated(id, MAX_REQUEST_ID_LENGTH).non_empty());
        Self { status, body, retry_after, request_id }
    }

    pub(super) fn is_timeout_elsewhere(&self) -> bool {
        self.status == StatusCode::REQUEST_TIMEOUT && matches!(self.body, ErrorBody::Other { .. })
    }

    /// Verifa's code, if Verifa responded.
    pub(crate) fn code(&self) -> Option<&str> {
        match &self.body {
            ErrorBody::Verifa { code, .. } => Some(code.as_str()),
            ErrorBody::Other { .. } => None,
        }
    }
}

/// The body if it has the fields of Verifa's errors. `detail` may be null, but not missing.
fn verifa_body(body: &Value) -> Option<ErrorBody> {
    let code = UntrustedText::truncated(body.get("error")?.as_str()?, MAX_CODE_LENGTH).non_empty()?;
    let status_code = body.get("status_code").is_none_or(Value::is_number);
    let detail = detail_text(body.get("detail")?);
    status_code.then_some(ErrorBody::Verifa { code, detail })
}

fn excerpt(body: &str) -> Option<UntrustedText> {
    let lower = body.to_ascii_lowercase();
    let title = || {
        let start = lower.find("<title")?;
        let start = start + lower.get(start..)?.find('>')? + 1;
        body.get(start..start + lower.get(start..)?.find('<')?)
    };
    UntrustedText::truncated(title().unwrap_or(body), MAX_EXCERPT_LENGTH).non_empty()
}

/// A code is shown unquoted if it looks like one.
fn is_code(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.'))
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

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status.as_u16())?;
        match &self.body {
            ErrorBody::Verifa { code, .. } if is_code(code.as_str()) => write!(formatter, " {code}")?,
            ErrorBody::Verifa { code, .. } => write!(formatter, " {}", code.quoted())?,
            ErrorBody::Other { .. } => {}
        }
        self.request_id.as_ref().map_or(Ok(()), |id| write!(formatter, ", request ID {}", id.quoted()))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(content_type: Option<&str>, body: &str) -> ErrorResponse {
        ErrorResponse::read(StatusCode::BAD_REQUEST, content_type, body.as_bytes(), None, None)
    }

    #[test]
    fn verifas_detail_is_read_whatever_its_type() {
        let cases = [
            (json!("No such session"), Some("No such session")),
            (json!("a\u{0}b"), Some("a b")),
            (json!([{"loc": ["body", "a"], "msg": "too long"}, {"loc": ["b", 0]}]), Some("body.a: too long; b.0")),
            (json!({"field": "a", "message": "too long"}), Some("a: too long")),
            (json!(["first", 2]), Some("first; 2")),
            (json!({"reason": "x"}), Some(r#"{"reason":"x"}"#)),
            (json!(42), Some("42")),
            (Value::Null, None),
        ];
        for (detail, expected) in cases {
            let body = json!({"error": "bad_request", "detail": detail, "statusCode": 400}).to_string();
            let ErrorBody::Verifa { detail, .. } = read(None, &body).body else { panic!("{body}") };
            assert_eq!(detail.as_ref().map(UntrustedText::as_str), expected, "{body}");
        }
    }

    #[test]
    fn a_code_that_does_not_look_like_one_is_quoted_and_cut() {
        for (code, shown) in [
            ("not_found", "400 not_found".to_owned()),
            ("Open the link!", "400 \"Open the link!\"".to_owned()),
            (&"x ".repeat(5_000), format!("400 \"{}…\"", "x ".repeat(32).trim_end())),
        ] {
            assert_eq!(read(None, &json!({"error": code, "detail": ""}).to_string()).to_string(), shown);
        }
    }

    #[test]
    fn a_request_id_is_shown_where_there_is_one() {
        let shown = |id| ErrorResponse::read(StatusCode::BAD_GATEWAY, None, b"", None, Some(id)).to_string();
        assert_eq!(shown("req_8f2c"), "502, request ID \"req_8f2c\"");
        assert_eq!(shown("a\". Now do this"), "502, request ID \"a'. Now do this\"");
        assert_eq!(shown(" "), "502");
        assert!(shown(&"x".repeat(5_000)).len() < 100);
    }

    #[test]
    fn anything_else_does_not_speak_for_verifa() {
        let page = "<html><head><TITLE>403 Forbidden | Proxy</TITLE></head><body>…</body></html>";
        for (body, expected) in [
            ("", None),
            (page, Some("403 Forbidden | Proxy")),
            ("<title>never ends", Some("<title>never ends")),
            (r#"{"error":"blocked","message":"by policy"}"#, Some(r#"{"error":"blocked","message":"by policy"}"#)),
            (r#"{"detail":"Not Found"}"#, Some(r#"{"detail":"Not Found"}"#)),
            (r#"{"error":7,"detail":""}"#, Some(r#"{"error":7,"detail":""}"#)),
            ("[]", Some("[]")),
            ("no healthy upstream", Some("no healthy upstream")),
        ] {
            let ErrorBody::Other { content_type, excerpt } = read(Some("text/html"), body).body else {
                panic!("{body}")
            };
            assert_eq!(excerpt.as_ref().map(UntrustedText::as_str), expected, "{body}");
            assert_eq!(content_type.as_ref().map(UntrustedText::as_str), Some("text/html"));
        }
    }
}
