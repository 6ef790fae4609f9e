//! The sessions that the emulator starts with: one for every situation that a client can meet, and more to page through.
//!
//! All of it is invented, including values that Verifa does not document (kinds of documents, cases, tags). The IP
//! addresses are from the range for documentation (RFC 5737).

use std::sync::LazyLock;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;

use super::{
    assumptions::{REDACTION_EMPTIES_PERSONAL_FIELDS, check, expiry, is_redacted},
    session::{Profile, Quirks, Retention, Session, State},
};
use crate::verifa::Environment;

/// The number of further sessions, without an explanation.
pub const MORE_SESSIONS: usize = 12;

const AN_HOUR: SignedDuration = SignedDuration::from_hours(1);
const EARLIER_LINK_LIFETIME: SignedDuration = SignedDuration::from_mins(20);
/// Long enough for the pending session to stay pending for a day's work.
const PENDING_LINK_LIFETIME: SignedDuration = SignedDuration::from_hours(24);

/// A session that stands for a situation, as `fixtures.json` describes it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    id: String,
    state: State,
    about: String,
    #[serde(default)]
    is_live: bool,
    #[serde(default)]
    retention: Retention,
    /// Instead of one like `customer-1001`.
    external_ref: Option<String>,
    #[serde(default)]
    quirks: Quirks,
}

#[expect(clippy::expect_used, reason = "a test reads the same file")]
static FIXTURES: LazyLock<Vec<Fixture>> =
    LazyLock::new(|| serde_json::from_str(include_str!("fixtures.json")).expect("valid fixtures"));

/// The ids of the sessions that stand for a situation, each with a one-line explanation.
pub fn demo_sessions() -> impl Iterator<Item = (&'static str, &'static str)> {
    FIXTURES.iter().map(|fixture| (fixture.id.as_str(), fixture.about.as_str()))
}

/// All sessions as they are when the emulator starts.
pub(super) fn sessions(now: Timestamp) -> Vec<Session> {
    let named = (1..).zip(FIXTURES.iter()).map(|(number, fixture)| {
        let external_ref = fixture.external_ref.clone().unwrap_or_else(|| format!("customer-{}", 1000 + number));
        let profile = profile(number, external_ref, fixture.state, fixture.retention);
        let environment = if fixture.is_live { Environment::Live } else { Environment::Sandbox };
        let session = session(fixture.id.clone(), fixture.state, AN_HOUR * number, profile, now);
        Session { environment, quirks: fixture.quirks, ..session }
    });
    named.chain((1..).take(MORE_SESSIONS).map(|number| one_more(number, now))).collect()
}

fn one_more(number: i32, now: Timestamp) -> Session {
    let (state, retention) = match number % 6 {
        0 => (State::Failed, Retention::Active),
        1 => (State::Expired, Retention::Active),
        3 => (State::Capturing, Retention::Active),
        5 => (State::Completed, Retention::SensitiveRedacted),
        _ => (State::Completed, Retention::Active),
    };
    let profile = profile(number, format!("customer-{}", 1100 + number), state, retention);
    session(format!("ses_demo_more_{number:02}"), state, AN_HOUR * 24 * number, profile, now)
}

fn session(id: String, state: State, age: SignedDuration, profile: Profile, now: Timestamp) -> Session {
    let created_at = before(now, age);
    let lifetime = if state == State::Pending { age + PENDING_LINK_LIFETIME } else { EARLIER_LINK_LIFETIME };
    let token_expires_at = expiry(created_at, lifetime);
    let updated_at = match state {
        State::Pending => created_at,
        State::Expired => token_expires_at,
        _ => before(now, age - SignedDuration::from_mins(9)),
    };
    Session {
        id,
        environment: Environment::Sandbox,
        state,
        created_at,
        updated_at,
        profile,
        token: None,
        token_expires_at: Some(token_expires_at),
        quirks: Quirks::default(),
        link_requests: 0,
    }
}

fn profile(number: i32, external_ref: String, state: State, retention: Retention) -> Profile {
    let was_opened = !matches!(state, State::Pending | State::Expired);
    let was_processed = was_opened && state != State::Capturing;
    let outcome = match state {
        State::Completed => "passed",
        State::Failed => "failed",
        _ => "pending",
    };
    let is_personal_data_there = !(REDACTION_EMPTIES_PERSONAL_FIELDS && is_redacted(retention));
    let every = |nth, one: &'static str, other: &'static str| if number % nth == 0 { one } else { other };
    Profile {
        external_ref: Some(external_ref),
        metadata: if is_personal_data_there {
            json!({ "channel": every(2, "web", "app"), "applicant_email": format!("applicant{number}@example.com") })
        } else {
            json!({})
        },
        country: every(3, "FR", "DE"),
        checks: (was_processed && is_personal_data_there)
            .then(|| ["document_authenticity", "face_match"].map(|name| check(name, outcome)).into()),
        workflow_id: every(4, "wf_demo_age_check", "wf_demo_onboarding"),
        document_type: (was_processed && is_personal_data_there).then(|| every(2, "passport", "id_card")),
        retention,
        processing_attempts: u8::from(was_processed) + u8::from(state == State::Failed),
        consent_ip: (was_opened && is_personal_data_there).then(|| format!("192.0.2.{number}")),
        case: match state {
            State::UnderReview => Some((format!("case_demo_{number}"), "open")),
            State::Failed => Some((format!("case_demo_{number}"), "closed")),
            _ => None,
        },
        tags: match number % 5 {
            0 => vec!["onboarding", "vip"],
            1 | 2 => vec!["onboarding"],
            _ => vec![],
        },
    }
}

/// In whole seconds, as all times of the API.
fn before(now: Timestamp, age: SignedDuration) -> Timestamp {
    Timestamp::from_second(now.as_second().saturating_sub(age.as_secs())).unwrap_or(now)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn ids_and_references_differ_and_no_time_is_ahead_of_the_start() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        let sessions = sessions(now);
        assert_eq!(sessions.len(), FIXTURES.len() + MORE_SESSIONS);
        let ids: HashSet<_> = sessions.iter().map(|session| &session.id).collect();
        let references: HashSet<_> = sessions.iter().map(|session| &session.profile.external_ref).collect();
        assert_eq!((ids.len(), references.len()), (sessions.len(), sessions.len()));
        for session in &sessions {
            assert!(session.created_at <= session.updated_at && session.updated_at < now, "{}", session.id);
        }
        assert!(sessions.is_sorted_by(|one, next| one.created_at >= next.created_at));
    }

    #[test]
    fn only_the_pending_session_has_a_link_that_may_still_work() {
        let now = Timestamp::from_second(1_800_000_000).unwrap();
        for session in sessions(now) {
            let alive = session.token_expires_at.is_some_and(|expires_at| expires_at > now);
            assert_eq!(alive, session.state == State::Pending, "{}", session.id);
        }
    }

    #[test]
    fn redaction_leaves_the_reference_and_nothing_personal() {
        let profile = profile(1, "customer-1".to_owned(), State::Completed, Retention::Redacted);
        assert!(profile.external_ref.is_some() && profile.metadata == json!({}));
        assert!(profile.consent_ip.is_none() && profile.checks.is_none() && profile.document_type.is_none());
    }
}
