//! The endpoints that create a capture link: resume, and one-time links.
//!
//! The links come from `sessions`; here they get their URL, their QR code and their error responses.

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{ApiRequest, invalid_fields, session_not_found};
use crate::{
    emulator::{
        assumptions::{
            BAD_REQUEST_CODE, INVALID_STATE_CODE, MALFORMED_BODY, NOT_IN_THIS_STATE, ONE_TIME_LINK_CREATED,
            ONE_TIME_LINK_ID_PREFIX, ONE_TIME_LINK_MINUTES, ONE_TIME_LINK_STATUS, RESUMED, UNAVAILABLE_CODE,
            default_one_time_lifetime, field_error,
        },
        response::{ApiError, ApiResponse},
        session::LinkError,
        sessions::{Purpose, Sessions},
    },
    qr,
    verifa::wire,
};

pub(super) fn resume(
    sessions: &mut Sessions,
    request: &ApiRequest<'_>,
    session_id: &str,
) -> Result<ApiResponse, ApiError> {
    let lifetime = request.service.link_lifetime;
    let link = sessions
        .create_link(Purpose::Resume, session_id, request.caller.environment, lifetime, request.now)
        .map_err(|error| api_error(error, "be resumed"))?;
    let capture_url = request.service.capture_url(&link.token);
    let body = json!({
        "id": session_id,
        "status": link.state.as_str(),
        "capture_url": capture_url,
        "expires_at": link.expires_at.to_string(),
        "qr_code_data_url": qr_code_data_url(&capture_url, link.has_qr_code),
    });
    Ok(ApiResponse::new(RESUMED, body))
}

pub(super) fn one_time(
    sessions: &mut Sessions,
    request: &ApiRequest<'_>,
    session_id: &str,
    minutes: Option<i64>,
) -> Result<ApiResponse, ApiError> {
    let default = || default_one_time_lifetime(request.service.link_lifetime);
    let lifetime = minutes.map_or_else(default, SignedDuration::from_mins);
    let link = sessions
        .create_link(Purpose::OneTimeLink, session_id, request.caller.environment, lifetime, request.now)
        .map_err(|error| api_error(error, "have a one-time link"))?;
    let capture_url = request.service.capture_url(&link.token);
    let created_at = Timestamp::from_second(request.now.as_second()).unwrap_or(request.now);
    let body = json!({
        "id": format!("{ONE_TIME_LINK_ID_PREFIX}{}", Uuid::new_v4().simple()),
        "session_id": session_id,
        "capture_url": capture_url,
        "status": ONE_TIME_LINK_STATUS,
        "expires_at": link.expires_at.to_string(),
        "created_at": created_at.to_string(),
        "qr_code_data_url": qr_code_data_url(&capture_url, link.has_qr_code),
    });
    Ok(ApiResponse::new(ONE_TIME_LINK_CREATED, body))
}

/// The lifetime that a body requests. No body, null and an object without the field request none.
pub(super) fn expires_in_minutes(body: &[u8]) -> Result<Option<i64>, ApiError> {
    if body.is_empty() {
        return Ok(None);
    }
    let malformed = |_| ApiError::new(MALFORMED_BODY, BAD_REQUEST_CODE, "The body is not valid JSON.");
    let minutes = match serde_json::from_slice(body).map_err(malformed)? {
        Value::Null => return Ok(None),
        Value::Object(mut fields) => fields.remove(wire::EXPIRES_IN_MINUTES).unwrap_or_default(),
        _ => return Err(ApiError::new(MALFORMED_BODY, BAD_REQUEST_CODE, "The body must be a JSON object.")),
    };
    if minutes.is_null() {
        return Ok(None);
    }
    let out_of_range = || {
        let (least, most) = (ONE_TIME_LINK_MINUTES.start(), ONE_TIME_LINK_MINUTES.end());
        let message = format!("must be a whole number from {least} to {most}, or null");
        invalid_fields(vec![field_error("body", wire::EXPIRES_IN_MINUTES, &message)])
    };
    minutes.as_i64().filter(|minutes| ONE_TIME_LINK_MINUTES.contains(minutes)).map(Some).ok_or_else(out_of_range)
}

fn qr_code_data_url(capture_url: &str, wanted: bool) -> Option<String> {
    let png = wanted.then(|| qr::png(capture_url)).flatten()?;
    Some(format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png)))
}

fn api_error(error: LinkError, what: &str) -> ApiError {
    let in_this_state = |why: String| ApiError::new(NOT_IN_THIS_STATE, INVALID_STATE_CODE, why);
    match error {
        LinkError::NotFound => session_not_found(),
        LinkError::Redacted => in_this_state(format!("The session's data has been redacted. It cannot {what}.")),
        LinkError::State(state) => {
            in_this_state(format!("The session's status is {}. It cannot {what}.", state.as_str()))
        }
        LinkError::RateLimited => {
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests.").retry_after(1)
        }
        LinkError::Unavailable => {
            ApiError::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE_CODE, "The service is temporarily unavailable.")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_asks_for_a_lifetime_for_none_or_is_refused() {
        for (body, expected) in [
            ("", Some(None)),
            ("null", Some(None)),
            ("{}", Some(None)),
            (r#"{"expires_in_minutes": null, "more": 1}"#, Some(None)),
            (r#"{"expires_in_minutes": 1}"#, Some(Some(1))),
            (r#"{"expires_in_minutes": 10080}"#, Some(Some(10_080))),
            (r#"{"expires_in_minutes": 0}"#, None),
            (r#"{"expires_in_minutes": -5}"#, None),
            (r#"{"expires_in_minutes": 10081}"#, None),
            (r#"{"expires_in_minutes": 1.5}"#, None),
            (r#"{"expires_in_minutes": 99999999999999999999}"#, None),
            (r#"{"expires_in_minutes": "60"}"#, None),
            (r#"{"expires_in_minutes": true}"#, None),
            ("[]", None),
            ("{", None),
            ("expires_in_minutes=60", None),
        ] {
            assert_eq!(expires_in_minutes(body.as_bytes()).ok(), expected, "{body}");
        }
    }
}
