//! The endpoints below `/api/v1`: dispatch, and replay of kept responses.
//!
//! A request is handled under one lock and without waiting, so requests are handled one after another. Nothing here may
//! log a key, a token or a link.

mod headers;
mod links;
mod lookup;

use std::sync::Arc;

use axum::{
    body::Bytes,
    extract::{State, rejection::BytesRejection},
    http::{HeaderMap, Method, StatusCode, Uri},
    response::Response,
};
use jiff::Timestamp;
use serde_json::{Value, json};

use self::headers::{Caller, check_version, idempotency_key, identify, inflection};
use super::{
    EmulatorState, Service,
    assumptions::{
        CALLS_PER_MINUTE, INVALID_FIELDS, INVALID_FIELDS_CODE, METHOD_NOT_ALLOWED_CODE, ORGANIZATION_INFLECTION, PLAN,
        TOO_LARGE_CODE, idempotency_scope, is_kept_for_replay, parameters,
    },
    idempotency::{Kept, Recall},
    rate_limits::{Allowance, WINDOW_SECONDS},
    response::{ApiError, ApiResponse},
};
use crate::verifa::{IdempotencyKey, wire};

/// The largest body that is read; no endpoint needs more than a line.
pub(super) const BODY_LIMIT: usize = 16 * 1024;

struct ApiRequest<'a> {
    service: &'a Service,
    caller: Caller<'a>,
    method: &'a Method,
    path: &'a str,
    query: &'a str,
    headers: &'a HeaderMap,
    body: &'a Result<Bytes, BytesRejection>,
    allowance: Allowance,
    now: Timestamp,
}

impl ApiRequest<'_> {
    fn body(&self) -> Result<&[u8], ApiError> {
        let detail = || format!("A body may have at most {BODY_LIMIT} bytes.");
        let too_large = |_| ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE_CODE, detail());
        self.body.as_deref().map_err(too_large)
    }
}

/// The body is read whether or not the endpoint has one: a connection with an unread body cannot be used again.
pub(super) async fn respond(
    State(service): State<Arc<Service>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = Timestamp::now();
    let caller = identify(&headers);
    let mut state = service.state();
    state.sessions.expire_due(now);
    let allowance = state.rate_limits.count(caller.as_ref().ok().map(|caller| caller.api_key), now);
    let response = caller
        .map(|caller| ApiRequest {
            service: &service,
            caller,
            method: &method,
            path: uri.path(),
            query: uri.query().unwrap_or_default(),
            headers: &headers,
            body: &body,
            allowance,
            now,
        })
        .and_then(|request| handle(&mut state, &request))
        .unwrap_or_else(ApiResponse::from);
    drop(state);
    response.into_response(inflection(&headers).unwrap_or(ORGANIZATION_INFLECTION), allowance)
}

fn handle(state: &mut EmulatorState, request: &ApiRequest<'_>) -> Result<ApiResponse, ApiError> {
    check_version(request.headers)?;
    inflection(request.headers)?;
    let idempotency_key = idempotency_key(request.headers)?;

    let segments: Vec<_> = request.path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["rate-limits"] => {
            only(&Method::GET, request.method)?;
            Ok(rate_limits(request))
        }
        ["sessions"] => {
            only(&Method::GET, request.method)?;
            lookup::list(&state.sessions, request)
        }
        ["sessions", session_id] => {
            only(&Method::GET, request.method)?;
            lookup::get(&state.sessions, request, session_id)
        }
        ["sessions", session_id, "resume"] => {
            only(&Method::POST, request.method)?;
            once(state, request, idempotency_key, &Value::Null, |state| {
                links::resume(&mut state.sessions, request, session_id)
            })
        }
        ["sessions", session_id, wire::GENERATE_ONE_TIME_LINK] => {
            only(&Method::POST, request.method)?;
            let minutes = links::expires_in_minutes(request.body()?)?;
            let fields = json!({ wire::EXPIRES_IN_MINUTES: minutes });
            once(state, request, idempotency_key, &fields, |state| {
                links::one_time(&mut state.sessions, request, session_id, minutes)
            })
        }
        _ => Err(ApiError::new(StatusCode::NOT_FOUND, "not_found", "The emulator has no such endpoint.")),
    }
}

/// Does the work, unless it was done before under the same idempotency key.
fn once(
    state: &mut EmulatorState,
    request: &ApiRequest<'_>,
    idempotency_key: Option<IdempotencyKey>,
    fields: &Value,
    work: impl FnOnce(&mut EmulatorState) -> Result<ApiResponse, ApiError>,
) -> Result<ApiResponse, ApiError> {
    let Some(key) = idempotency_key else { return work(state) };
    let key = idempotency_scope(request.caller.api_key, key.as_str());
    let parameters = parameters(request.method, request.path, fields);
    match state.idempotency.recall(&key, &parameters, request.now) {
        Recall::Replay(Kept { status, body }) => return Ok(ApiResponse::new(status, body)),
        Recall::OtherParameters => {
            return Err(ApiError::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                wire::IDEMPOTENCY_MISMATCH,
                "This idempotency key was used with different parameters.",
            ));
        }
        Recall::New => {}
    }
    let response = work(state)?;
    if is_kept_for_replay(response.status) {
        let kept = Kept { status: response.status, body: response.body.clone() };
        state.idempotency.keep(key, parameters, kept, request.now);
    }
    Ok(response)
}

fn rate_limits(request: &ApiRequest<'_>) -> ApiResponse {
    let body = json!({
        "rate_limit": {
            "limit": CALLS_PER_MINUTE,
            "remaining": request.allowance.remaining,
            "reset_in_seconds": request.allowance.reset - request.now.as_second(),
            "window_seconds": WINDOW_SECONDS,
        },
        "quotas": {},
        "plan": PLAN,
        "environment": request.caller.environment.as_str(),
    });
    ApiResponse::new(StatusCode::OK, body)
}

fn invalid_fields(errors: Vec<Value>) -> ApiError {
    ApiError::new(INVALID_FIELDS, INVALID_FIELDS_CODE, errors)
}

fn session_not_found() -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "not_found", "Session not found.")
}

fn only(allowed: &Method, method: &Method) -> Result<(), ApiError> {
    let error = || {
        let detail = format!("This endpoint takes {allowed} only.");
        ApiError::new(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED_CODE, detail)
    };
    (method == allowed).then_some(()).ok_or_else(error)
}
