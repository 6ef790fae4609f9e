//! The emulator's sessions, one for every situation that a client can meet, and what resuming does to each.
//!
//! Pure: the time is passed in. It knows nothing of HTTP; `api.rs` puts its refusals into Verifa's words.

use jiff::{SignedDuration, Timestamp};

use super::{
    assumptions::{RESUME_KILLS_OLDER_LINKS, expiry, is_resumable},
    links::Links,
};
use crate::verifa::Environment;

/// The statuses that Verifa documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Capturing,
    Processing,
    AwaitingExternal,
    UnderReview,
    SandboxPending,
    Completed,
    Expired,
    Failed,
}

impl State {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Capturing => "capturing",
            Self::Processing => "processing",
            Self::AwaitingExternal => "awaiting_external",
            Self::UnderReview => "under_review",
            Self::SandboxPending => "sandbox_pending",
            Self::Completed => "completed",
            Self::Expired => "expired",
            Self::Failed => "failed",
        }
    }
}

/// How a session begins.
struct Demo {
    id: &'static str,
    state: State,
    about: &'static str,
    environment: Environment,
    redacted: bool,
    has_qr_code: bool,
    rate_limited_calls: u8,
    unavailable_calls: u8,
}

impl Demo {
    const fn new(id: &'static str, state: State, about: &'static str) -> Self {
        Self {
            id,
            state,
            about,
            environment: Environment::Sandbox,
            redacted: false,
            has_qr_code: true,
            rate_limited_calls: 0,
            unavailable_calls: 0,
        }
    }
}

const DEMOS: [Demo; 14] = [
    Demo::new("ses_demo_expired", State::Expired, "its link expired: can be resumed"),
    Demo::new("ses_demo_pending", State::Pending, "never opened: can be resumed"),
    Demo::new("ses_demo_capturing", State::Capturing, "abandoned midway: can be resumed"),
    Demo::new("ses_demo_processing", State::Processing, "being checked: refused"),
    Demo::new("ses_demo_awaiting_external", State::AwaitingExternal, "waits for another service: refused"),
    Demo::new("ses_demo_under_review", State::UnderReview, "somebody reviews it: refused"),
    Demo::new("ses_demo_sandbox_pending", State::SandboxPending, "waits for a simulated outcome: refused"),
    Demo::new("ses_demo_completed", State::Completed, "done: refused"),
    Demo::new("ses_demo_failed", State::Failed, "failed: refused"),
    Demo { redacted: true, ..Demo::new("ses_demo_redacted", State::Completed, "its data was deleted: refused") },
    Demo {
        has_qr_code: false,
        ..Demo::new("ses_demo_null_qr", State::Expired, "can be resumed, without a QR code in the answer")
    },
    Demo {
        rate_limited_calls: 2,
        ..Demo::new("ses_demo_rate_limited", State::Expired, "429 for its first two calls, then can be resumed")
    },
    Demo {
        unavailable_calls: 1,
        ..Demo::new("ses_demo_unavailable", State::Expired, "503 for its first call, then can be resumed")
    },
    Demo {
        environment: Environment::Live,
        ..Demo::new("ses_demo_live", State::Expired, "of the live environment: 404 for a sandbox key")
    },
];

/// The ids of the sessions that the emulator starts with, each with an explanation in one line.
pub fn demo_sessions() -> impl Iterator<Item = (&'static str, &'static str)> {
    DEMOS.iter().map(|demo| (demo.id, demo.about))
}

struct Session {
    demo: &'static Demo,
    state: State,
    resume_calls: u8,
    token: Option<String>,
}

/// What a resume hands out; the session is pending again.
pub(super) struct Resumed {
    pub(super) state: State,
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
    pub(super) has_qr_code: bool,
}

/// Why a session was not resumed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refused {
    NotFound,
    Redacted,
    State(State),
    RateLimited,
    Unavailable,
}

pub(super) struct Sessions {
    sessions: Vec<Session>,
    pub(super) links: Links,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let begin = |demo| Session { demo, state: demo.state, resume_calls: 0, token: None };
        Self { sessions: DEMOS.iter().map(begin).collect(), links: Links::new() }
    }

    pub(super) fn resume(
        &mut self,
        id: &str,
        environment: Environment,
        link_lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<Resumed, Refused> {
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.demo.id == id && session.demo.environment == environment)
            .ok_or(Refused::NotFound)?;

        let earlier_calls = session.resume_calls;
        session.resume_calls = earlier_calls.saturating_add(1);
        if earlier_calls < session.demo.rate_limited_calls {
            return Err(Refused::RateLimited);
        }
        if earlier_calls < session.demo.unavailable_calls {
            return Err(Refused::Unavailable);
        }
        if session.demo.redacted {
            return Err(Refused::Redacted);
        }
        if !is_resumable(session.state) {
            return Err(Refused::State(session.state));
        }

        let expires_at = expiry(now, link_lifetime);
        let token = self.links.issue(expires_at);
        let older = session.token.replace(token.clone());
        if let Some(older) = older.filter(|_| RESUME_KILLS_OLDER_LINKS) {
            self.links.replace(&older);
        }
        session.state = State::Pending;
        Ok(Resumed { state: session.state, token, expires_at, has_qr_code: session.demo.has_qr_code })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::links::Visit, *};

    const LIFETIME: SignedDuration = SignedDuration::from_mins(20);
    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn resume(sessions: &mut Sessions, id: &str) -> Result<Resumed, Refused> {
        sessions.resume(id, Environment::Sandbox, LIFETIME, NOW)
    }

    #[test]
    fn a_resumed_session_is_pending_with_a_fresh_link() {
        let mut sessions = Sessions::new();
        let resumed = resume(&mut sessions, "ses_demo_expired").ok().unwrap();
        assert_eq!(resumed.state, State::Pending);
        assert_eq!(resumed.expires_at.to_string(), "1970-01-01T00:20:00Z");
        assert_eq!(sessions.links.look(&resumed.token, NOW), Visit::Welcome);
    }

    #[test]
    fn resuming_again_replaces_the_earlier_link() {
        let mut sessions = Sessions::new();
        let earlier = resume(&mut sessions, "ses_demo_expired").ok().unwrap();
        let newer = resume(&mut sessions, "ses_demo_expired").ok().unwrap();
        assert_eq!(sessions.links.look(&earlier.token, NOW), Visit::Replaced);
        assert_eq!(sessions.links.look(&newer.token, NOW), Visit::Welcome);
    }

    #[test]
    fn an_expiry_is_in_whole_seconds_and_never_before_the_lifetime_is_over() {
        let now = Timestamp::new(10, 1).unwrap();
        assert_eq!(expiry(now, SignedDuration::from_secs(1)).to_string(), "1970-01-01T00:00:12Z");
        assert_eq!(expiry(now, SignedDuration::MAX), Timestamp::MAX);
    }

    #[test]
    fn another_environment_has_other_sessions() {
        let mut sessions = Sessions::new();
        assert_eq!(resume(&mut sessions, "ses_demo_live").err(), Some(Refused::NotFound));
        assert!(sessions.resume("ses_demo_live", Environment::Live, LIFETIME, NOW).is_ok());
        assert_eq!(
            sessions.resume("ses_demo_expired", Environment::Live, LIFETIME, NOW).err(),
            Some(Refused::NotFound)
        );
    }
}
