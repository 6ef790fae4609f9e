//! The endpoints that look up sessions: one by its id, many page by page. They change nothing.
//!
//! The session object has every documented field, including personal data, as at Verifa.

use axum::http::StatusCode;
use serde_json::{Value, json};
use strum::VariantNames;
use url::form_urlencoded;

use super::{ApiRequest, invalid_fields, session_not_found};
use crate::{
    emulator::{
        assumptions::{MIN_LIST_LIMIT, field_error},
        response::{ApiError, ApiResponse},
        session::{Session, State},
        sessions::{Listing, Sessions},
    },
    verifa::{Environment, wire},
};

pub(super) fn get(sessions: &Sessions, request: &ApiRequest<'_>, session_id: &str) -> Result<ApiResponse, ApiError> {
    let session = sessions.get(session_id, request.caller.environment).ok_or_else(session_not_found)?;
    Ok(ApiResponse::new(StatusCode::OK, object(sessions, request, session)))
}

/// The items are whole session objects; Verifa does not document them.
pub(super) fn list(sessions: &Sessions, request: &ApiRequest<'_>) -> Result<ApiResponse, ApiError> {
    let listing = listing(request.query).map_err(invalid_fields)?;
    let (page, total) = sessions.list(request.caller.environment, &listing);
    let items: Vec<_> = page.into_iter().map(|session| object(sessions, request, session)).collect();
    let pagination = json!({ "total": total, "limit": listing.limit, "offset": listing.offset });
    Ok(ApiResponse::new(StatusCode::OK, json!({ "data": items, "pagination": pagination })))
}

fn object(sessions: &Sessions, request: &ApiRequest<'_>, session: &Session) -> Value {
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
        "retention_status": <&str>::from(profile.retention),
        "processing_attempts": profile.processing_attempts,
        "consent_ip": profile.consent_ip,
        "capture_url": sessions.valid_token(session, request.now).map(|token| request.service.capture_url(token)),
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
                Err(_) => refuse(&format!("must be one of {}", State::VARIANTS.join(", "))),
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
    fn a_query_is_read_with_defaults_for_what_is_missing() {
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
    fn every_invalid_field_of_a_query_is_named() {
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
