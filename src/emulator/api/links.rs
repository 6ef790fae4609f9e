//! The endpoints that make a capture link: resume, and one-time links.
//!
//! The links come from `sessions`; here they get their URL, their picture and Verifa's words.

use axum::http::StatusCode;
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Call, invalid_fields, session_not_found};
use crate::{
    emulator::{
        answer::{Answer, Refusal},
        assumptions::{
            BAD_REQUEST_CODE, INVALID_STATE_CODE, MALFORMED_BODY, NOT_IN_THIS_STATE, ONE_TIME_LINK_ID_PREFIX,
            ONE_TIME_LINK_MADE, ONE_TIME_LINK_MINUTES, ONE_TIME_LINK_STATUS, RESUMED, UNAVAILABLE_CODE,
            default_one_time_lifetime, field_error,
        },
        session::Refused,
        sessions::{Purpose, Sessions},
    },
    qr,
    verifa::wire,
};

pub(super) fn resume(sessions: &mut Sessions, call: &Call<'_>, session_id: &str) -> Result<Answer, Refusal> {
    let lifetime = call.service.link_lifetime;
    let link = sessions
        .make_link(Purpose::Resume, session_id, call.caller.environment, lifetime, call.now)
        .map_err(|refused| refusal(refused, "be resumed"))?;
    let capture_url = call.service.capture_url(&link.token);
    let body = json!({
        "id": session_id,
        "status": link.state.as_str(),
        "capture_url": capture_url,
        "expires_at": link.expires_at.to_string(),
        "qr_code_data_url": qr_code_data_url(&capture_url, link.has_qr_code),
    });
    Ok(Answer::new(RESUMED, body))
}

pub(super) fn one_time(
    sessions: &mut Sessions,
    call: &Call<'_>,
    session_id: &str,
    minutes: Option<i64>,
) -> Result<Answer, Refusal> {
    let default = || default_one_time_lifetime(call.service.link_lifetime);
    let lifetime = minutes.map_or_else(default, SignedDuration::from_mins);
    let link = sessions
        .make_link(Purpose::OneTimeLink, session_id, call.caller.environment, lifetime, call.now)
        .map_err(|refused| refusal(refused, "have a one-time link"))?;
    let capture_url = call.service.capture_url(&link.token);
    let created_at = Timestamp::from_second(call.now.as_second()).unwrap_or(call.now);
    let body = json!({
        "id": format!("{ONE_TIME_LINK_ID_PREFIX}{}", Uuid::new_v4().simple()),
        "session_id": session_id,
        "capture_url": capture_url,
        "status": ONE_TIME_LINK_STATUS,
        "expires_at": link.expires_at.to_string(),
        "created_at": created_at.to_string(),
        "qr_code_data_url": qr_code_data_url(&capture_url, link.has_qr_code),
    });
    Ok(Answer::new(ONE_TIME_LINK_MADE, body))
}

/// The lifetime that a body asks for. No body, null and an object without the field ask for none.
pub(super) fn expires_in_minutes(body: &[u8]) -> Result<Option<i64>, Refusal> {
    if body.is_empty() {
        return Ok(None);
    }
    let malformed = |_| Refusal::new(MALFORMED_BODY, BAD_REQUEST_CODE, "The body is not valid JSON.");
    let minutes = match serde_json::from_slice(body).map_err(malformed)? {
        Value::Null => return Ok(None),
        Value::Object(mut fields) => fields.remove(wire::EXPIRES_IN_MINUTES).unwrap_or_default(),
        _ => return Err(Refusal::new(MALFORMED_BODY, BAD_REQUEST_CODE, "The body must be a JSON object.")),
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

fn refusal(refused: Refused, what: &str) -> Refusal {
    let in_this_state = |why: String| Refusal::new(NOT_IN_THIS_STATE, INVALID_STATE_CODE, why);
    match refused {
        Refused::NotFound => session_not_found(),
        Refused::Redacted => in_this_state(format!("The session's data has been redacted. It cannot {what}.")),
        Refused::State(state) => {
            in_this_state(format!("The session's status is {}. It cannot {what}.", state.as_str()))
        }
        Refused::RateLimited => {
            Refusal::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests.").retry_after(1)
        }
        Refused::Unavailable => {
            Refusal::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE_CODE, "The service is temporarily unavailable.")
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
