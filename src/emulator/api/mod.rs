//! The endpoints below `/api/v1`: which is asked for, and what was answered before.
//!
//! A call is handled under one lock and without waiting, so calls happen one after another. Nothing here may log a key,
//! a token or a link.

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
    Service, World,
    answer::{Answer, Refusal},
    assumptions::{
        CALLS_PER_MINUTE, INVALID_FIELDS, INVALID_FIELDS_CODE, METHOD_NOT_ALLOWED_CODE, ORGANIZATION_INFLECTION, PLAN,
        TOO_LARGE_CODE, idempotency_scope, is_kept_for_replay, parameters,
    },
    idempotency::{Kept, Recall},
    rate_limits::{Allowance, WINDOW_SECONDS},
};
use crate::verifa::{IdempotencyKey, wire};

/// The largest body that is read; no endpoint needs more than a line.
pub(super) const BODY_LIMIT: usize = 16 * 1024;

struct Call<'a> {
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

impl Call<'_> {
    fn body(&self) -> Result<&[u8], Refusal> {
        let detail = || format!("A body may have at most {BODY_LIMIT} bytes.");
        let too_large = |_| Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, TOO_LARGE_CODE, detail());
        self.body.as_deref().map_err(too_large)
    }
}

/// The body is read whether or not the endpoint has one: a connection with an unread body cannot be used again.
pub(super) async fn answer(
    State(service): State<Arc<Service>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let now = Timestamp::now();
    let caller = identify(&headers);
    let mut world = service.world();
    world.sessions.pass_time(now);
    let allowance = world.rate_limits.count(caller.as_ref().ok().map(|caller| caller.api_key), now);
    let answer = caller
        .map(|caller| Call {
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
        .and_then(|call| handle(&mut world, &call))
        .unwrap_or_else(Answer::from);
    drop(world);
    answer.into_response(inflection(&headers).unwrap_or(ORGANIZATION_INFLECTION), allowance)
}

fn handle(world: &mut World, call: &Call<'_>) -> Result<Answer, Refusal> {
    check_version(call.headers)?;
    inflection(call.headers)?;
    let idempotency_key = idempotency_key(call.headers)?;

    let segments: Vec<_> = call.path.split('/').skip(1).collect();
    match segments.as_slice() {
        ["rate-limits"] => {
            only(&Method::GET, call.method)?;
            Ok(rate_limits(call))
        }
        ["sessions"] => {
            only(&Method::GET, call.method)?;
            lookup::list(&world.sessions, call)
        }
        ["sessions", session_id] => {
            only(&Method::GET, call.method)?;
            lookup::get(&world.sessions, call, session_id)
        }
        ["sessions", session_id, "resume"] => {
            only(&Method::POST, call.method)?;
            once(world, call, idempotency_key, &Value::Null, |world| {
                links::resume(&mut world.sessions, call, session_id)
            })
        }
        ["sessions", session_id, wire::GENERATE_ONE_TIME_LINK] => {
            only(&Method::POST, call.method)?;
            let minutes = links::expires_in_minutes(call.body()?)?;
            let fields = json!({ wire::EXPIRES_IN_MINUTES: minutes });
            once(world, call, idempotency_key, &fields, |world| {
                links::one_time(&mut world.sessions, call, session_id, minutes)
            })
        }
        _ => Err(Refusal::new(StatusCode::NOT_FOUND, "not_found", "The emulator has no such endpoint.")),
    }
}

/// Does the work, unless it was done before under the same idempotency key.
fn once(
    world: &mut World,
    call: &Call<'_>,
    idempotency_key: Option<IdempotencyKey>,
    fields: &Value,
    work: impl FnOnce(&mut World) -> Result<Answer, Refusal>,
) -> Result<Answer, Refusal> {
    let Some(key) = idempotency_key else { return work(world) };
    let key = idempotency_scope(call.caller.api_key, key.as_str());
    let parameters = parameters(call.method, call.path, fields);
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

fn invalid_fields(errors: Vec<Value>) -> Refusal {
    Refusal::new(INVALID_FIELDS, INVALID_FIELDS_CODE, errors)
}

fn session_not_found() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "not_found", "Session not found.")
}

fn only(allowed: &Method, method: &Method) -> Result<(), Refusal> {
    let refusal = || {
        let detail = format!("This endpoint takes {allowed} only.");
        Refusal::new(StatusCode::METHOD_NOT_ALLOWED, METHOD_NOT_ALLOWED_CODE, detail)
    };
    (method == allowed).then_some(()).ok_or_else(refusal)
}
