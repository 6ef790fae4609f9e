//! Everything that the emulator does although Verifa's documentation leaves it open: each assumption once, with a name.
//!
//! The rest of the emulator uses these names and decides no such thing itself, so this file lists what may turn out to be
//! different at Verifa. Two assumptions have no name: the order in which `api::handle` checks the key, the headers, path
//! and method, the query or the body, the idempotency key, the session; and that a session's `updated_at` changes whenever
//! it gets a link or another status.

use std::{cmp::Ordering, ops::RangeInclusive};

use axum::http::{Method, StatusCode};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use serde_json::{Value, json};

use super::session::{Retention, State, Step};
use crate::verifa::KeyInflection;

/// Undocumented: the `error` code of a malformed header, and of a retired version.
pub(super) const BAD_REQUEST_CODE: &str = "bad_request";
/// Undocumented: the `error` code of a missing or rejected key.
pub(super) const UNAUTHORIZED_CODE: &str = "unauthorized";
/// Undocumented: the `error` code of a path that exists with another method, and that its status is 405.
pub(super) const METHOD_NOT_ALLOWED_CODE: &str = "method_not_allowed";
/// Undocumented: the `error` code of a session whose state does not allow the request.
pub(super) const INVALID_STATE_CODE: &str = "invalid_state";
/// Undocumented: the `error` code of a 503, and that Verifa itself (not only a proxy) sends one.
pub(super) const UNAVAILABLE_CODE: &str = "unavailable";

/// Undocumented: the `error` code of a query or body with invalid fields, and the status; 422 is listed for one-time
/// links.
pub(super) const INVALID_FIELDS_CODE: &str = "validation_error";
pub(super) const INVALID_FIELDS: StatusCode = StatusCode::UNPROCESSABLE_ENTITY;
/// Undocumented: the `error` code of a body that is too large, and that its status is 413.
pub(super) const TOO_LARGE_CODE: &str = "payload_too_large";

/// Undocumented: the form of a field error. Assumed: `detail` is a list of these, as many frameworks write it.
pub(super) fn field_error(part: &str, field: &str, message: &str) -> Value {
    json!({ "loc": [part, field], "msg": message })
}

/// Undocumented: the success status of a resume.
pub(super) const RESUMED: StatusCode = StatusCode::OK;
/// Undocumented: the success status of a new one-time link. Assumed: that of something created.
pub(super) const ONE_TIME_LINK_CREATED: StatusCode = StatusCode::CREATED;

/// Undocumented: the status for a session that cannot be resumed or cannot have a one-time link. 400 is the only listed
/// error (400, 401, 404, and 422 for links) that fits.
pub(super) const NOT_IN_THIS_STATE: StatusCode = StatusCode::BAD_REQUEST;

/// Undocumented: the status for a malformed `Verifa-Version`, `Key-Inflection` or `Idempotency-Key`.
pub(super) const MALFORMED_HEADER: StatusCode = StatusCode::BAD_REQUEST;

/// Undocumented: the status for a body that is not JSON. (Its `Content-Type` is ignored.)
pub(super) const MALFORMED_BODY: StatusCode = StatusCode::BAD_REQUEST;

/// Documented: an organization may have another casing than `snake`, kebab for one. Assumed: the emulator's
/// organization does, for every key, so that a client that forgets the header is noticed.
pub(super) const ORGANIZATION_INFLECTION: KeyInflection = KeyInflection::Kebab;

/// Undocumented: which versions are retired. Assumed: this one; all other dates are served alike.
pub(super) const RETIRED_VERSION: &str = "2020-01-01";

/// Undocumented: whether a resume revokes the session's earlier links. Assumed: yes, as with one-time links, where "an
/// earlier active link is revoked".
pub(super) const RESUME_REVOKES_EARLIER_LINKS: bool = true;

/// Undocumented: the time zone and precision of `expires_at`. Assumed: UTC in whole seconds, as in the example.
/// Rounded up, so that no link expires before the announced time.
pub(super) fn expiry(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    let exact = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    exact.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(exact)
}

/// Documented: "an expired or abandoned session" can be resumed and is pending again, a completed or redacted one cannot
/// (`None`). Assumed: `pending` and `capturing` count as abandoned, since the person must act next; all other states are
/// rejected like `completed`.
pub(super) fn after_resume(state: State) -> Option<State> {
    matches!(state, State::Expired | State::Pending | State::Capturing).then_some(State::Pending)
}

/// Documented: `completed` and `failed` sessions get no one-time link (`None`). Assumed: it sets an expired session back to
/// `pending`, and leaves every other status as it is.
pub(super) fn after_one_time_link(state: State) -> Option<State> {
    match state {
        State::Completed | State::Failed => None,
        State::Expired => Some(State::Pending),
        other => Some(other),
    }
}

/// Undocumented: what opening a link does to its session. Assumed: a pending session becomes `capturing`; one that is
/// further on stays there.
pub(super) fn after_opening(state: State) -> State {
    if state == State::Pending { State::Capturing } else { state }
}

/// Undocumented: how a session goes on after its link was opened. Assumed: `processing` once the person has submitted, then
/// `completed` or `failed`. The page of an opened link has a button for each step.
pub(super) fn after_step(state: State, step: Step) -> Option<State> {
    match (state, step) {
        (State::Capturing, Step::Submit) => Some(State::Processing),
        (State::Processing, Step::Complete) => Some(State::Completed),
        (State::Processing, Step::Fail) => Some(State::Failed),
        _ => None,
    }
}

/// Undocumented: when a session expires on its own. Assumed: a pending one expires with its newest link. One that is being
/// captured does not, since its link was opened.
pub(super) fn has_expired(state: State, token_expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    state == State::Pending && token_expires_at.is_some_and(|expires_at| now >= expires_at)
}

/// Undocumented: whether `sensitive_redacted` counts as redacted. Assumed: yes, since documents and progress are gone.
pub(super) fn is_redacted(retention: Retention) -> bool {
    retention != Retention::Active
}

/// Undocumented: what redaction leaves of a session. Assumed: everything but metadata, IP address, checks and document
/// type; the external reference stays, so that the session can still be found.
pub(super) const REDACTION_EMPTIES_PERSONAL_FIELDS: bool = true;

/// Undocumented: which lifetimes a one-time link may have, in minutes. Assumed: up to a week.
pub(super) const ONE_TIME_LINK_MINUTES: RangeInclusive<i64> = 1..=7 * 24 * 60;

/// Undocumented: the default lifetime of a one-time link (null, no field, no body). Assumed: that of a resumed session's
/// link, so the emulator's `--link-lifetime`.
pub(super) fn default_one_time_lifetime(link_lifetime: SignedDuration) -> SignedDuration {
    link_lifetime
}

/// Undocumented: what `status` and `id` of a one-time link are. Assumed: the link's own, since there is a separate
/// `session_id` and the documentation mentions an "active link".
pub(super) const ONE_TIME_LINK_STATUS: &str = "active";
pub(super) const ONE_TIME_LINK_ID_PREFIX: &str = "otl_";

/// Documented: `capture_url` is present only while a session is `pending` or `capturing`. Assumed: it is the newest link,
/// and only while that works.
pub(super) fn shows_capture_url(state: State) -> bool {
    matches!(state, State::Pending | State::Capturing)
}

/// Undocumented: the items of `checks`. Assumed: a name and a status.
pub(super) fn check(name: &str, status: &str) -> Value {
    json!({ "name": name, "status": status })
}

/// Documented: `q` is a session id or external reference. Assumed: a part of it matches, whatever the case.
pub(super) fn is_found(query: &str, id: &str, external_ref: Option<&str>) -> bool {
    let query = query.to_lowercase();
    [Some(id), external_ref].into_iter().flatten().any(|text| text.to_lowercase().contains(&query))
}

/// Undocumented: the order of a list. Assumed: the newest session first.
pub(super) fn listing_order(created_at: Timestamp, other: Timestamp) -> Ordering {
    other.cmp(&created_at)
}

/// Documented: a list's `limit` is at most 100. Assumed: at least 1; other values are rejected, as is an unknown
/// status. Further parameters and empty values are ignored.
pub(super) const MIN_LIST_LIMIT: u32 = 1;

/// Undocumented: what consumes a token. Assumed: any GET of the link, including a messaging app's preview (as documented
/// for one-time links), but no other method.
pub(super) fn consumes_token(method: &Method) -> bool {
    method == Method::GET
}

/// Undocumented: which parameters a repeated idempotency key must match. Assumed: method, path (the session id is a
/// parameter) and the known fields of the body, so that null, no field and no body are the same. `Verifa-Version` and
/// `Key-Inflection` are not parameters, so a replay has the casing that it requests.
pub(super) fn parameters(method: &Method, path: &str, fields: &Value) -> String {
    format!("{method} {path} {fields}")
}

/// Undocumented: who shares idempotency keys. Assumed: the requests sent with one API key.
pub(super) fn idempotency_scope(api_key: &str, idempotency_key: &str) -> (String, String) {
    (api_key.to_owned(), idempotency_key.to_owned())
}

/// Undocumented: which responses an idempotency key returns again. Assumed: successes; after an error the key is free, so
/// that a repeated request can succeed. (What happens while the first request is still running is undocumented too; the
/// emulator handles one request at a time.)
pub(super) fn is_kept_for_replay(status: StatusCode) -> bool {
    status.is_success()
}

/// Documented: 300 calls per minute on the free plan. Assumed: per API key and minute of the clock, and every request
/// counts. Unlike Verifa, the emulator never rejects a request for it: a test suite may send more.
pub(super) const CALLS_PER_MINUTE: u32 = 300;

/// Undocumented: the values of `plan`, and how `quotas` is filled. Assumed: this name, and no quotas.
pub(super) const PLAN: &str = "free";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_is_in_whole_seconds_and_never_before_the_lifetime_is_over() {
        let now = Timestamp::new(10, 1).unwrap();
        assert_eq!(expiry(now, SignedDuration::from_secs(1)).to_string(), "1970-01-01T00:00:12Z");
        assert_eq!(expiry(now, SignedDuration::MAX), Timestamp::MAX);
    }
}
