//! Everything that the emulator does although Verifa's documentation leaves it open: each assumption once, under a name.
//!
//! The code elsewhere in the emulator uses these names and never decides such a thing by itself, so this file is the
//! list of what may turn out to be otherwise at Verifa. Documented behaviour does not belong here. One assumption has no
//! name, since it is an order: `api::handle` checks the key, the headers, path and method, the idempotency key, the session.

use axum::http::{Method, StatusCode};
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};

use super::sessions::State;
use crate::verifa::KeyInflection;

/// Undocumented: the `error` code of a malformed header, and of a retired version.
pub(super) const BAD_REQUEST_CODE: &str = "bad_request";
/// Undocumented: the `error` code of a missing or refused key.
pub(super) const UNAUTHORIZED_CODE: &str = "unauthorized";
/// Undocumented: the `error` code of a path that exists with another method, and that it is answered 405.
pub(super) const METHOD_NOT_ALLOWED_CODE: &str = "method_not_allowed";
/// Undocumented: the `error` code of a session whose state does not allow what was asked.
pub(super) const INVALID_STATE_CODE: &str = "invalid_state";
/// Undocumented: the `error` code of a 503, and that Verifa itself (rather than a proxy) answers one.
pub(super) const UNAVAILABLE_CODE: &str = "unavailable";

/// Undocumented: which 2xx a resume is answered with.
pub(super) const RESUMED: StatusCode = StatusCode::OK;

/// Undocumented: which status a session that cannot be resumed is answered with. 400 is the only one among the listed
/// errors (400, 401, 404) that fits.
pub(super) const NOT_RESUMABLE: StatusCode = StatusCode::BAD_REQUEST;

/// Undocumented: which status a malformed `Verifa-Version`, `Key-Inflection` or `Idempotency-Key` is answered with.
pub(super) const MALFORMED_HEADER: StatusCode = StatusCode::BAD_REQUEST;

/// Documented: an organization may have another casing than `snake`, kebab for one. Assumed: the emulator's
/// organization is such a one, with every key, so that a client that forgets to ask is found out.
pub(super) const ORGANIZATION_INFLECTION: KeyInflection = KeyInflection::Kebab;

/// Undocumented: which versions are retired. Assumed: this one; every other date is served alike.
pub(super) const RETIRED_VERSION: &str = "2020-01-01";

/// Undocumented: whether the tokens of a session's earlier links die when it is resumed. Assumed: yes, as with one-time
/// links, where "an earlier active link is revoked".
pub(super) const RESUME_KILLS_OLDER_LINKS: bool = true;

/// Undocumented: in which zone and how exact `expires_at` is. Assumed: UTC in whole seconds, as in the example.
/// Rounded up, so that no link dies before the time that was announced.
pub(super) fn expiry(now: Timestamp, lifetime: SignedDuration) -> Timestamp {
    let exact = now.checked_add(lifetime).unwrap_or(Timestamp::MAX);
    exact.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil)).unwrap_or(exact)
}

/// Documented: "an expired or abandoned session" is resumed, a completed or redacted one is not. Assumed: abandoned are
/// `pending` and `capturing`, where the person has the next move; all other states are refused like `completed`.
pub(super) fn is_resumable(state: State) -> bool {
    matches!(state, State::Expired | State::Pending | State::Capturing)
}

/// Undocumented: what consumes a token. Assumed: any GET of the link, a messenger's preview included (as documented for
/// one-time links), but no other method.
pub(super) fn consumes_token(method: &Method) -> bool {
    method == Method::GET
}

/// Undocumented: what the parameters are that a repeated idempotency key must match. Assumed: method and path (the
/// session id is a parameter); how the answer is to look (`Verifa-Version`, `Key-Inflection`) is not one, so a replay
/// comes in the casing that it asks for.
pub(super) fn parameters(method: &Method, path: &str) -> String {
    format!("{method} {path}")
}

/// Undocumented: who shares idempotency keys. Assumed: the calls made with one API key.
pub(super) fn idempotency_scope(api_key: &str, idempotency_key: &str) -> (String, String) {
    (api_key.to_owned(), idempotency_key.to_owned())
}

/// Undocumented: which answers an idempotency key brings back. Assumed: successes; after an error the key is free, so
/// that a repeated call can succeed. (What a repeat is answered while the first call still runs is undocumented too;
/// the emulator takes one call at a time.)
pub(super) fn is_kept_for_replay(status: StatusCode) -> bool {
    status.is_success()
}

/// Documented: 300 calls per minute on the free plan. Assumed: per API key, in minutes of the clock, every answered call
/// counts. Unlike Verifa, the emulator never refuses a call for it: a test suite may call more often.
pub(super) const CALLS_PER_MINUTE: u32 = 300;

/// Undocumented: the values of `plan`, and how `quotas` is filled. Assumed: this name, and no quotas at all.
pub(super) const PLAN: &str = "free";
