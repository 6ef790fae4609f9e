//! The endpoints below `/api/v1`: who calls, with which headers, and what is answered.
//!
//! A call is handled under one lock and without waiting, so calls happen one after another. Nothing here may log a key,
//! a token or a link.

use std::{str::FromStr, sync::Arc};

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use serde_json::json;

use super::{
    Service, World,
    answer::{Answer, Refusal},
    assumptions::{
        BAD_REQUEST_CODE, CALLS_PER_MINUTE, INVALID_STATE_CODE, MALFORMED_HEADER, METHOD_NOT_ALLOWED_CODE,
        NOT_RESUMABLE, ORGANIZATION_INFLECTION, PLAN, RESUMED, RETIRED_VERSION, UNAUTHORIZED_CODE, UNAVAILABLE_CODE,
        idempotency_scope, is_kept_for_replay, parameters,
    },
    idempotency::{Kept, Recall},
    rate_limits::{Allowance, WINDOW_SECONDS},
    sessions::Refused,
};
use crate::qr;
use crate::verifa::{ApiVersion, Environment, IdempotencyKey, InvalidHeader, KeyInflection, wire};

/// The one key that is refused although it looks like a key.
const REVOKED_KEY: &str = "vk_sandbox_revoked";

#[derive(Clone, Copy)]
struct Caller<'a> {
    api_key: &'a str,
    environment: Environment,
}

struct Call<'a> {
    caller: Caller<'a>,
    method: &'a Method,
    path: &'a str,
    headers: &'a HeaderMap,
    allowance: Allowance,
    now: Timestamp,
}

/// No endpoint has a body yet. It is read all the same: a connection with an unread body cannot be used again.
pub(super) async fn answer(
    State(service): State<Arc<Service>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    _body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = Timestamp::now();
    let caller = identify(&headers);
    let mut world = service.world();
    let allowance = world.rate_limits.count(caller.as_ref().ok().map(|caller| caller.api_key), now);
    let answer = caller
        .map(|caller| Call { caller, method: &method, path: uri.path(), headers: &headers, allowance, now })
        .and_then(|call| handle(&service, &mut world, &call))
        .unwrap_or_else(Answer::from);
    drop(world);
    answer.into_response(inflection(&headers).unwrap_or(ORGANIZATION_INFLECTION), allowance)
}

fn handle(service: &Service, world: &mut World, call: &Call<'_>) -> Result<Answer, Refusal> {
    check_version(call.headers)?;
    inflection(call.headers)?;
    let idempotency_key = optional::<IdempotencyKey>(call.headers, wire::IDEMPOTENCY_KEY, IdempotencyKey::ALLOWED)?;

    let segments: Vec<_> = call.path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["rate-limits"] => {
            only(&Method::GET, call.method)?;
            Ok(rate_limits(call))
        }
        ["sessions", session_id, "resume"] => {
            only(&Method::POST, call.method)?;
            once(world, call, idempotency_key, |world| resume(service, world, call, session_id))
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "The emulator has no such endpoint.")),
    }
}

/// Does the work, unless it was done before under the same idempotency key.
fn once(
    world: &mut World,
    call: &Call<'_>,
    idempotency_key: Option<IdempotencyKey>,
    work: impl FnOnce(&mut World) -> Result<Answer, Refusal>,
) -> Result<Answer, Refusal> {
    let Some(key) = idempotency_key else { return work(world) };
    let key = idempotency_scope(call.caller.api_key, key.as_str());
    let parameters = parameters(call.method, call.path);
    match world.idempotency.recall(&key, &parameters, call.now) {
        Recall::Replay(Kept { status, body }) => return Ok(Answer::new(status, body)),
        Recall::OtherParameters => {
            return Err(Refusal::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                wire::IDEMPOTENCY_MISMATCH,
                "This idempotency key was used with different parameters.",
            ));
        }
        Recall::New => {}
    }
    let answer = work(world)?;
    if is_kept_for_replay(answer.status) {
        let kept = Kept { status: answer.status, body: answer.body.clone() };
        world.idempotency.keep(key, parameters, kept, call.now);
    }
    Ok(answer)
}

fn resume(service: &Service, world: &mut World, call: &Call<'_>, session_id: &str) -> Result<Answer, Refusal> {
    let resumed = world.sessions.resume(session_id, call.caller.environment, service.link_lifetime, call.now)?;
    let capture_url = format!("{}/verify/{}", service.url, resumed.token);
    let qr_code = if resumed.has_qr_code { qr::png(&capture_url) } else { None };
    let body = json!({
        "id": session_id,
        "status": resumed.state.as_str(),
        "capture_url": capture_url,
        "expires_at": resumed.expires_at.to_string(),
        "qr_code_data_url": qr_code.map(|png| format!("data:image/png;base64,{}", BASE64_STANDARD.encode(png))),
    });
    Ok(Answer::new(RESUMED, body))
}

fn rate_limits(call: &Call<'_>) -> Answer {
    let body = json!({
        "rate_limit": {
            "limit": CALLS_PER_MINUTE,
            "remaining": call.allowance.remaining,
            "reset_in_seconds": call.allowance.reset - call.now.as_second(),
            "window_seconds": WINDOW_SECONDS,
        },
        "quotas": {},
        "plan": PLAN,
        "environment": call.caller.environment.as_str(),
    });
    Answer::new(StatusCode::OK, body)
}

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::NotFound => Self::new(StatusCode::NOT_FOUND, "not_found", "Session not found."),
            Refused::Redacted => Self::new(
                NOT_RESUMABLE,
                INVALID_STATE_CODE,
                "The session's data has been redacted. It cannot be resumed.",
            ),
            Refused::State(state) => Self::new(
                NOT_RESUMABLE,
                INVALID_STATE_CODE,
                format!("The session's status is {}. It cannot be resumed.", state.as_str()),
            ),
            Refused::RateLimited => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "rate_limited", "Too many requests.").retry_after(1)
            }
            Refused::Unavailable => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, UNAVAILABLE_CODE, "The service is temporarily unavailable.")
            }
        }
    }
}

fn identify(headers: &HeaderMap) -> Result<Caller<'_>, Refusal> {
    let refused = |detail| Refusal::new(StatusCode::UNAUTHORIZED, UNAUTHORIZED_CODE, detail);
    let api_key = headers.get(wire::API_KEY).ok_or_else(|| refused("The X-API-Key header is missing."))?;
    let api_key = api_key.to_str().ok().filter(|key| *key != REVOKED_KEY);
    api_key
        .and_then(|api_key| {
            let environment = [Environment::Sandbox, Environment::Live]
                .into_iter()
                .find(|environment| api_key.starts_with(environment.key_prefix()))?;
            Some(Caller { api_key, environment })
        })
        .ok_or_else(|| refused("The API key is invalid or has been revoked."))
}

fn check_version(headers: &HeaderMap) -> Result<(), Refusal> {
    match optional::<ApiVersion>(headers, wire::VERIFA_VERSION, ApiVersion::ALLOWED)? {
        Some(version) if version.as_str() == RETIRED_VERSION => Err(Refusal::new(
            StatusCode::BAD_REQUEST,
            BAD_REQUEST_CODE,
            format!("API version {RETIRED_VERSION} has been retired. Please upgrade to 2026-01-01 or later."),
        )),
        _ => Ok(()),
    }
}

fn inflection(headers: &HeaderMap) -> Result<KeyInflection, Refusal> {
    let inflection = optional(headers, wire::KEY_INFLECTION, KeyInflection::ALLOWED)?;
    Ok(inflection.unwrap_or(ORGANIZATION_INFLECTION))
}

fn optional<T: FromStr<Err = InvalidHeader>>(
    headers: &HeaderMap,
    name: &str,
    allowed: &str,
) -> Result<Option<T>, Refusal> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let value = value.to_str().ok().and_then(|text| text.parse().ok());
    let malformed =
        || Refusal::new(MALFORMED_HEADER, BAD_REQUEST_CODE, format!("The {name} header must be {allowed}."));
    value.map(Some).ok_or_else(malformed)
}

fn only(allowed: &Method, method: &Method) -> Result<(), Refusal> {
    let refusal = || {
        let detail = format!("This endpoint takes {allowed} only.");
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED_CODE, detail)
    };
    (method == allowed).then_some(()).ok_or_else(refusal)
}
