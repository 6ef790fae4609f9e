//! The endpoints that look sessions up: one by its id, many page by page. They change nothing.
//!
//! The session object has every documented field, those that are nobody else's business included, as at Verifa.

use axum::http::StatusCode;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::{Call, invalid_fields, session_not_found};
use crate::{
    emulator::{
        answer::{Answer, Refusal},
        assumptions::{MIN_LIST_LIMIT, field_error},
        session::{Session, State},
        sessions::{Listing, Sessions},
    },
    verifa::{Environment, wire},
};

pub(super) fn get(sessions: &Sessions, call: &Call<'_>, session_id: &str) -> Result<Answer, Refusal> {
    let session = sessions.get(session_id, call.caller.environment).ok_or_else(session_not_found)?;
    Ok(Answer::new(StatusCode::OK, object(sessions, call, session)))
}

/// The items are whole session objects; Verifa does not document them.
pub(super) fn list(sessions: &Sessions, call: &Call<'_>) -> Result<Answer, Refusal> {
    let listing = listing(call.query).map_err(invalid_fields)?;
    let (page, total) = sessions.list(call.caller.environment, &listing);
    let items: Vec<_> = page.into_iter().map(|session| object(sessions, call, session)).collect();
    let pagination = json!({ "total": total, "limit": listing.limit, "offset": listing.offset });
    Ok(Answer::new(StatusCode::OK, json!({ "data": items, "pagination": pagination })))
}

fn object(sessions: &Sessions, call: &Call<'_>, session: &Session) -> Value {
    let profile = &session.profile;
    json!({
        "id": session.id,
        "status": session.state.as_str(),
        "is_sandbox": session.environment == Environment::Sandbox,
        "environment": session.environment.as_str(),
        "created_at": session.created_at.to_string(),
        "updated_at": session.updated_at.to_string(),
        "external_ref": profile.external_ref,
        "metadata": profile.metadata,
        "country": profile.country,
        "checks": profile.checks,
        "workflow_id": profile.workflow_id,
        "document_type": profile.document_type,
        "retention_status": profile.retention.as_str(),
        "processing_attempts": profile.processing_attempts,
        "consent_ip": profile.consent_ip,
        "capture_url": sessions.live_token(session, call.now).map(|token| call.service.capture_url(token)),
        "token_expires_at": session.token_expires_at.map(|expires_at| expires_at.to_string()),
        "case_id": profile.case.as_ref().map(|(id, _)| id),
        "case_status": profile.case.as_ref().map(|(_, status)| status),
        "tags": profile.tags,
    })
}

/// Reads the query, or says what is wrong with each of its fields.
fn listing(query: &str) -> Result<Listing, Vec<Value>> {
    let mut listing = Listing { state: None, query: None, limit: wire::DEFAULT_LIST_LIMIT, offset: 0 };
    let mut errors = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()).filter(|(_, value)| !value.is_empty()) {
        let mut refuse = |message: &str| errors.push(field_error("query", &name, message));
        match name.as_ref() {
            "status" => match value.parse::<State>() {
                Ok(state) => listing.state = Some(state),
                Err(_) => refuse(&format!("must be one of {}", State::ALL.map(State::as_str).join(", "))),
            },
            "q" => listing.query = Some(value.into_owned()),
            "limit" => match value.parse() {
                Ok(limit) if (MIN_LIST_LIMIT..=wire::MAX_LIST_LIMIT).contains(&limit) => listing.limit = limit,
                _ => refuse(&format!("must be a whole number from {MIN_LIST_LIMIT} to {}", wire::MAX_LIST_LIMIT)),
            },
            "offset" => match value.parse() {
                Ok(offset) => listing.offset = offset,
                Err(_) => refuse("must be a whole number from 0"),
            },
            _ => {}
        }
    }
    if errors.is_empty() { Ok(listing) } else { Err(errors) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_what_is_left_out_has_its_default() {
        let read = |state, query: Option<&str>, limit, offset| {
            Ok(Listing { state, query: query.map(str::to_owned), limit, offset })
        };
        assert_eq!(listing(""), read(None, None, 50, 0));
        assert_eq!(listing("status=&q=&limit=&offset=&page=2"), read(None, None, 50, 0));
        assert_eq!(
            listing("status=under_review&q=customer%201&limit=100&offset=7"),
            read(Some(State::UnderReview), Some("customer 1"), 100, 7)
        );
        assert_eq!(listing("q=a+b%C3%A9&limit=1"), read(None, Some("a bé"), 1, 0));
    }

    #[test]
    fn every_bad_field_of_a_query_is_named() {
        for (query, fields) in [
            ("limit=0", vec!["limit"]),
            ("limit=101", vec!["limit"]),
            ("limit=-1&offset=-1", vec!["limit", "offset"]),
            ("limit=ten&offset=1.5&status=Pending&q=x", vec!["limit", "offset", "status"]),
            ("offset=99999999999999999999", vec!["offset"]),
        ] {
            let errors = listing(query).unwrap_err();
            let named: Vec<_> = errors.iter().map(|error| error["loc"][1].as_str().unwrap()).collect();
            assert_eq!(named, fields, "{query}");
        }
    }
}
