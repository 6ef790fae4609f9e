//! Reads the headers of a request: the caller, and the format of the response.
//!
//! Nothing here may log a key.

use std::str::FromStr;

use axum::http::{HeaderMap, StatusCode};

use crate::emulator::{
    assumptions::{BAD_REQUEST_CODE, MALFORMED_HEADER, ORGANIZATION_INFLECTION, RETIRED_VERSION, UNAUTHORIZED_CODE},
    response::ApiError,
};
use crate::verifa::{ApiVersion, Environment, IdempotencyKey, InvalidText, KeyInflection, wire};

/// The one key that is rejected although it looks valid.
const REVOKED_KEY: &str = "vk_sandbox_revoked";

#[derive(Clone, Copy)]
pub(super) struct Caller<'a> {
    pub(super) api_key: &'a str,
    pub(super) environment: Environment,
}

pub(super) fn identify(headers: &HeaderMap) -> Result<Caller<'_>, ApiError> {
    let error = |detail| ApiError::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED_CODE, detail);
    let api_key = headers.get(wire::API_KEY).ok_or_else(|| error("The X-API-Key header is missing."))?;
    let api_key = api_key.to_str().ok().filter(|key| *key != REVOKED_KEY);
    api_key
        .and_then(|api_key| {
            let environment = [Environment::Sandbox, Environment::Live]
                .into_iter()
                .find(|environment| api_key.starts_with(environment.key_prefix()))?;
            Some(Caller { api_key, environment })
        })
        .ok_or_else(|| error("The API key is invalid or has been revoked."))
}

pub(super) fn check_version(headers: &HeaderMap) -> Result<(), ApiError> {
    match optional::<ApiVersion>(headers, wire::VERIFA_VERSION, ApiVersion::ALLOWED)? {
        Some(version) if version.as_str() == RETIRED_VERSION => Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            BAD_REQUEST_CODE,
            format!("API version {RETIRED_VERSION} has been retired. Please upgrade to 2026-01-01 or later."),
        )),
        _ => Ok(()),
    }
}

pub(super) fn inflection(headers: &HeaderMap) -> Result<KeyInflection, ApiError> {
    let inflection = optional(headers, wire::KEY_INFLECTION, KeyInflection::ALLOWED)?;
    Ok(inflection.unwrap_or(ORGANIZATION_INFLECTION))
}

pub(super) fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, ApiError> {
    optional(headers, wire::IDEMPOTENCY_KEY, IdempotencyKey::ALLOWED)
}

fn optional<T: FromStr<Err = InvalidText>>(
    headers: &HeaderMap,
    name: &str,
    allowed: &str,
) -> Result<Option<T>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.to_str().ok().and_then(|text| text.parse().ok());
    let malformed =
        || ApiError::new(MALFORMED_HEADER, BAD_REQUEST_CODE, format!("The {name} header must be {allowed}."));
    value.map(Some).ok_or_else(malformed)
}
