//! Decides whether a failed attempt is retried, and after which delay. Pure.
//!
//! Transient errors are retried: failed or broken connections, timeouts, 429 and 500, 502, 503, 504. Retries are safe
//! because every attempt of a call carries the same idempotency key.

use std::time::{Duration, SystemTime};

use reqwest::StatusCode;

use super::{ConnectError, Error};

/// Upper bound of the first backoff.
const BASE: Duration = Duration::from_millis(250);
/// Upper bound of every later backoff.
const CAP: Duration = Duration::from_secs(5);

/// An attempt with less time could only leave its outcome unknown.
pub(super) const SHORTEST_ATTEMPT: Duration = Duration::from_millis(100);

/// What follows a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    GiveUp,
    RetryAfter(Duration),
}

/// The state of a request when an attempt fails.
#[derive(Debug, Clone, Copy)]
pub(super) struct RetryState {
    /// Including the one that failed.
    pub(super) attempts: u32,
    /// Since the first attempt began.
    pub(super) elapsed: Duration,
    /// Whether an earlier attempt may have taken effect.
    pub(super) outcome_unknown: bool,
    /// The time that another attempt needs.
    pub(super) shortest_attempt: Duration,
}

/// Decides after `error`. `jitter`, from 0 to 1, scales the backoff (full jitter). The delay is never shorter than
/// `Retry-After` and leaves time for another attempt within the budget.
pub(super) fn decide(error: &Error, state: RetryState, budget: Duration, jitter: f64) -> RetryDecision {
    if !is_transient(error, state.outcome_unknown) {
        return RetryDecision::GiveUp;
    }
    let doublings = state.attempts.saturating_sub(1).min(16);
    let backoff = BASE.saturating_mul(1 << doublings).min(CAP).mul_f64(jitter.clamp(0.0, 1.0));
    let delay = backoff.max(retry_after(error).unwrap_or_default());
    let needed = state.elapsed.saturating_add(delay).saturating_add(state.shortest_attempt);
    if needed > budget { RetryDecision::GiveUp } else { RetryDecision::RetryAfter(delay) }
}

fn is_transient(error: &Error, outcome_unknown: bool) -> bool {
    match error {
        Error::TimedOut(_) | Error::Interrupted => true,
        Error::Unreachable { error, .. } => match error {
            ConnectError::Dns | ConnectError::TimedOut | ConnectError::Refused | ConnectError::Tls => true,
            // A certificate does not change within seconds.
            ConnectError::UnknownAuthority | ConnectError::CertificateDate | ConnectError::CertificateName => false,
        },
        Error::Status(response) => match response.status {
            StatusCode::TOO_MANY_REQUESTS
            | StatusCode::INTERNAL_SERVER_ERROR
            | StatusCode::BAD_GATEWAY
            | StatusCode::SERVICE_UNAVAILABLE
            | StatusCode::GATEWAY_TIMEOUT => true,
            // An earlier attempt of the same call may be the conflict.
            StatusCode::CONFLICT => outcome_unknown,
            _ => false,
        },
        // The budget was spent waiting for a permit.
        Error::Busy => false,
        // Another attempt would fail alike.
        Error::Setup(_) | Error::Unreadable { .. } => false,
    }
}

fn retry_after(error: &Error) -> Option<Duration> {
    match error {
        Error::Status(response) => response.retry_after,
        _ => None,
    }
}

/// Reads `Retry-After`: seconds, or a date (RFC 9110, 10.2.3) seen from `now`. A date that has passed is zero.
pub(super) fn read_retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than fit still mean a long delay.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        http_client::RootCertificatesError,
        verifa::{BodyError, ErrorBody, ErrorResponse},
    };

    const BUDGET: Duration = Duration::from_secs(20);

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn status(status: u16, retry_after: Option<u64>) -> Error {
        let status = StatusCode::from_u16(status).expect("a status");
        Error::Status(ErrorResponse {
            status,
            body: ErrorBody::Other { content_type: None, excerpt: None },
            retry_after: retry_after.map(seconds),
            request_id: None,
        })
    }

    fn unreachable(error: ConnectError) -> Error {
        Error::Unreachable { error, proxy: None }
    }

    #[test]
    fn what_may_pass_by_itself_is_transient_and_nothing_else() {
        let cases = [
            (Error::TimedOut(seconds(10)), true),
            (Error::Interrupted, true),
            (unreachable(ConnectError::Dns), true),
            (unreachable(ConnectError::Refused), true),
            (unreachable(ConnectError::TimedOut), true),
            (unreachable(ConnectError::Tls), true),
            (unreachable(ConnectError::UnknownAuthority), false),
            (unreachable(ConnectError::CertificateDate), false),
            (unreachable(ConnectError::CertificateName), false),
            (Error::Setup(RootCertificatesError), false),
            (Error::Busy, false),
            (Error::Unreadable { status: StatusCode::OK, error: BodyError::NotJson }, false),
            (status(301, None), false),
            (status(400, None), false),
            (status(401, None), false),
            (status(403, None), false),
            (status(404, None), false),
            (status(409, None), false),
            (status(422, None), false),
            (status(429, None), true),
            (status(500, None), true),
            (status(501, None), false),
            (status(502, None), true),
            (status(503, None), true),
            (status(504, None), true),
        ];
        for (error, retried) in cases {
            let state = RetryState {
                attempts: 1,
                elapsed: seconds(0),
                outcome_unknown: false,
                shortest_attempt: SHORTEST_ATTEMPT,
            };
            let decision = decide(&error, state, BUDGET, 1.0);
            assert_eq!(decision != RetryDecision::GiveUp, retried, "{error}");
        }
    }

    #[test]
    fn a_conflict_is_transient_only_after_an_attempt_whose_outcome_is_unknown() {
        for (outcome_unknown, expected) in [(false, RetryDecision::GiveUp), (true, RetryDecision::RetryAfter(BASE))] {
            let state =
                RetryState { attempts: 1, elapsed: seconds(0), outcome_unknown, shortest_attempt: SHORTEST_ATTEMPT };
            assert_eq!(decide(&status(409, None), state, BUDGET, 1.0), expected);
        }
    }

    #[test]
    fn the_delay_doubles_keeps_retry_after_and_stays_within_the_budget() {
        let milliseconds = Duration::from_millis;
        let cases = [
            // attempts, elapsed, jitter, retry-after, expected
            (1, 0, 1.0, None, RetryDecision::RetryAfter(milliseconds(250))),
            (1, 0, 0.5, None, RetryDecision::RetryAfter(milliseconds(125))),
            (1, 0, 0.0, None, RetryDecision::RetryAfter(milliseconds(0))),
            (2, 0, 1.0, None, RetryDecision::RetryAfter(milliseconds(500))),
            (4, 0, 1.0, None, RetryDecision::RetryAfter(milliseconds(2_000))),
            (6, 0, 1.0, None, RetryDecision::RetryAfter(CAP)),
            (u32::MAX, 0, 1.0, None, RetryDecision::RetryAfter(CAP)),
            (1, 0, 0.0, Some(3), RetryDecision::RetryAfter(seconds(3))),
            (6, 0, 1.0, Some(3), RetryDecision::RetryAfter(CAP)),
            (1, 16, 0.0, Some(3), RetryDecision::RetryAfter(seconds(3))),
            (1, 17, 0.0, Some(3), RetryDecision::GiveUp),
            (1, 0, 0.0, Some(20), RetryDecision::GiveUp),
            (1, 0, 0.0, Some(u64::MAX), RetryDecision::GiveUp),
            (9, 16, 1.0, None, RetryDecision::GiveUp),
            (1, 20, 0.0, None, RetryDecision::GiveUp),
        ];
        for (attempts, elapsed, jitter, retry_after, expected) in cases {
            let state = RetryState {
                attempts,
                elapsed: seconds(elapsed),
                outcome_unknown: false,
                shortest_attempt: SHORTEST_ATTEMPT,
            };
            let decision = decide(&status(429, retry_after), state, BUDGET, jitter);
            assert_eq!(decision, expected, "{attempts} {elapsed} {jitter} {retry_after:?}");
        }
    }

    #[test]
    fn retry_after_is_read_as_seconds_and_as_a_date() {
        let now = httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").expect("a date");
        let cases = [
            ("0", Some(seconds(0))),
            (" 120 ", Some(seconds(120))),
            ("99999999999999999999999", Some(Duration::from_secs(u64::MAX))),
            ("Wed, 21 Oct 2026 07:28:30 GMT", Some(seconds(30))),
            ("Wednesday, 21-Oct-26 07:28:30 GMT", Some(seconds(30))),
            ("Wed, 21 Oct 2026 07:27:00 GMT", Some(seconds(0))),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ];
        for (value, expected) in cases {
            assert_eq!(read_retry_after(value, now), expected, "{value:?}");
        }
    }

    proptest! {
        #[test]
        fn retry_after_never_panics_and_keeps_whole_seconds(text in any::<String>(), number in any::<u64>()) {
            let _ = read_retry_after(&text, SystemTime::UNIX_EPOCH);
            prop_assert_eq!(read_retry_after(&number.to_string(), SystemTime::UNIX_EPOCH), Some(seconds(number)));
        }

        #[test]
        fn every_delay_leaves_time_for_another_attempt(attempts in 1u32.., elapsed in 0u64..30, asked in proptest::option::of(any::<u64>()), jitter in 0.0..1.0f64) {
            let state = RetryState { attempts, elapsed: seconds(elapsed), outcome_unknown: false, shortest_attempt: SHORTEST_ATTEMPT };
            if let RetryDecision::RetryAfter(delay) = decide(&status(429, asked), state, BUDGET, jitter) {
                prop_assert!(seconds(elapsed) + delay + SHORTEST_ATTEMPT <= BUDGET);
                prop_assert!(delay >= seconds(asked.unwrap_or_default()));
            }
        }
    }
}
