//! Reads Verifa's error responses: `{"error": "<code>", "detail": …, "status_code": …}`.
//!
//! The documentation leaves open which form `detail` has, so any is accepted. What is kept is cleaned.

use std::{fmt, time::Duration};

use reqwest::StatusCode;
use serde_json::Value;

use crate::untrusted::UntrustedText;

/// A response with a status other than 2xx, as far as it can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorResponse {
    pub(crate) status: StatusCode,
    /// Verifa's `error` code; `None` if the body is not in Verifa's format, as a proxy's.
    pub(crate) code: Option<UntrustedText>,
    /// Verifa's `detail` as text, whatever its JSON type; a list of field errors names the fields.
    pub(crate) detail: Option<UntrustedText>,
    /// How long Verifa asks to wait.
    pub(crate) retry_after: Option<Duration>,
}

impl ErrorResponse {
    /// Reads a body whose keys are in snake case. Anything but Verifa's format leaves the fields empty.
    pub(super) fn read(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> Self {
        let code = body.get("error").and_then(Value::as_str).filter(|code| is_code(code)).map(UntrustedText::new);
        let detail = body.get("detail").and_then(detail_text);
        Self { status, code, detail, retry_after }
    }
}

/// A code is shown unquoted, so it must look like one.
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

impl fmt::Display for ErrorResponse {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.status.as_u16())?;
        self.code.as_ref().map_or(Ok(()), |code| write!(formatter, " {code}"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_error_response_is_read_whatever_its_detail_is() {
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
            let response = ErrorResponse::read(StatusCode::BAD_REQUEST, &body, None);
            assert_eq!(response.code.as_ref().map(UntrustedText::as_str), code, "{body}");
            assert_eq!(response.detail.as_ref().map(UntrustedText::as_str), detail, "{body}");
        }
    }
}
