//! The emulator's sessions and their links: which is found, which gets a link, what opening it does.
//!
//! Pure: the time is passed in. It knows nothing of HTTP; `api` turns its errors into responses.

use jiff::{SignedDuration, Timestamp};

use super::{
    assumptions::{
        RESUME_REVOKES_EARLIER_LINKS, after_one_time_link, after_resume, expiry, is_found, is_redacted, listing_order,
        shows_capture_url,
    },
    fixtures,
    links::{Links, Visit},
    session::{LinkError, Session, State, Step},
};
use crate::verifa::Environment;

/// What a new link is for.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose {
    Resume,
    OneTimeLink,
}

impl Purpose {
    fn next_state(self, state: State) -> Option<State> {
        match self {
            Self::Resume => after_resume(state),
            Self::OneTimeLink => after_one_time_link(state),
        }
    }

    fn revokes_earlier_link(self) -> bool {
        match self {
            Self::Resume => RESUME_REVOKES_EARLIER_LINKS,
            Self::OneTimeLink => true,
        }
    }
}

/// A session's new link.
#[derive(Debug)]
pub(super) struct NewLink {
    /// The session's state.
    pub(super) state: State,
    pub(super) token: String,
    pub(super) expires_at: Timestamp,
    pub(super) has_qr_code: bool,
}

/// Which page of which sessions is requested.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) state: Option<State>,
    pub(super) query: Option<String>,
    pub(super) limit: u32,
    pub(super) offset: u64,
}

pub(super) struct Sessions {
    sessions: Vec<Session>,
    links: Links,
}

impl Sessions {
    pub(super) fn new(now: Timestamp) -> Self {
        let (mut sessions, mut links) = (fixtures::sessions(now), Links::new());
        for session in sessions.iter_mut().filter(|session| session.state == State::Pending) {
            session.token = session.token_expires_at.map(|expires_at| links.issue(&session.id, expires_at));
        }
        Self { sessions, links }
    }

    /// Expires every session that is due.
    pub(super) fn expire_due(&mut self, now: Timestamp) {
        self.sessions.iter_mut().for_each(|session| session.expire(now));
    }

    pub(super) fn get(&self, id: &str, environment: Environment) -> Option<&Session> {
        self.sessions.iter().find(|session| session.id == id && session.environment == environment)
    }

    /// One page, and the number of sessions on all pages.
    pub(super) fn list(&self, environment: Environment, listing: &Listing) -> (Vec<&Session>, usize) {
        let is_requested = |session: &&Session| {
            session.environment == environment
                && listing.state.is_none_or(|state| session.state == state)
                && listing
                    .query
                    .as_deref()
                    .is_none_or(|query| is_found(query, &session.id, session.profile.external_ref.as_deref()))
        };
        let mut found: Vec<_> = self.sessions.iter().filter(is_requested).collect();
        found.sort_by(|one, other| listing_order(one.created_at, other.created_at));
        let total = found.len();
        let offset = usize::try_from(listing.offset).unwrap_or(usize::MAX);
        let limit = usize::try_from(listing.limit).unwrap_or(usize::MAX);
        (found.into_iter().skip(offset).take(limit).collect(), total)
    }

    /// The token of the link that still works, if the API shows it.
    pub(super) fn valid_token<'a>(&self, session: &'a Session, now: Timestamp) -> Option<&'a str> {
        let token = session.token.as_ref().filter(|_| shows_capture_url(session.state))?;
        (self.links.look(token, now) == Visit::Valid).then_some(token)
    }

    pub(super) fn create_link(
        &mut self,
        purpose: Purpose,
        id: &str,
        environment: Environment,
        lifetime: SignedDuration,
        now: Timestamp,
    ) -> Result<NewLink, LinkError> {
        let session = self
            .sessions
            .iter_mut()
            .find(|session| session.id == id && session.environment == environment)
            .ok_or(LinkError::NotFound)?;
        session.count_link_request()?;
        if is_redacted(session.profile.retention) {
            return Err(LinkError::Redacted);
        }
        let state = purpose.next_state(session.state).ok_or(LinkError::State(session.state))?;

        let expires_at = expiry(now, lifetime);
        let token = self.links.issue(id, expires_at);
        let earlier = session.set_link(token.clone(), expires_at, state, now);
        if let Some(earlier) = earlier.filter(|_| purpose.revokes_earlier_link()) {
            self.links.replace(&earlier);
        }
        Ok(NewLink { state, token, expires_at, has_qr_code: !session.quirks.without_qr_code })
    }

    /// What a visit to the link would find; does not use it up.
    pub(super) fn look(&self, token: &str, now: Timestamp) -> Visit {
        self.links.look(token, now)
    }

    /// Opens a link, which uses it up and may change its session's status.
    pub(super) fn open(&mut self, token: &str, now: Timestamp) -> Visit {
        let visit = self.links.visit(token, now);
        if visit == Visit::Valid {
            self.session_of(token).into_iter().for_each(|session| session.open(now));
        }
        visit
    }

    /// Takes a step on the page of the session's newest link, and returns the session's state. Only a link that was opened
    /// has such a page.
    pub(super) fn advance(&mut self, token: &str, step: Step, now: Timestamp) -> Result<State, Visit> {
        let visit = self.links.look(token, now);
        let newest = self.session_of(token).filter(|session| session.token.as_deref() == Some(token));
        match (visit, newest) {
            (Visit::Used, Some(session)) => Ok(session.advance(step, now)),
            (Visit::Used, None) => Err(Visit::Replaced),
            (visit, _) => Err(visit),
        }
    }

    /// The session that a link belongs to.
    pub(super) fn session_of(&mut self, token: &str) -> Option<&mut Session> {
        let id = self.links.session_id(token)?;
        self.sessions.iter_mut().find(|session| session.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: SignedDuration = SignedDuration::from_mins(20);
    const NOW: Timestamp = Timestamp::constant(1_800_000_000, 0);
    const AFTERWARDS: Timestamp = Timestamp::constant(1_800_000_000 + 20 * 60, 0);

    fn make(sessions: &mut Sessions, purpose: Purpose, id: &str) -> Result<NewLink, LinkError> {
        sessions.create_link(purpose, id, Environment::Sandbox, LIFETIME, NOW)
    }

    fn resume(sessions: &mut Sessions) -> NewLink {
        make(sessions, Purpose::Resume, "ses_demo_expired").unwrap()
    }

    fn get<'a>(sessions: &'a Sessions, id: &str) -> &'a Session {
        sessions.get(id, Environment::Sandbox).unwrap()
    }

    #[test]
    fn a_resumed_session_is_pending_with_a_new_link() {
        let mut sessions = Sessions::new(NOW);
        let resumed = resume(&mut sessions);
        assert_eq!(resumed.state, State::Pending);
        assert_eq!(resumed.expires_at, AFTERWARDS);
        assert_eq!(sessions.look(&resumed.token, NOW), Visit::Valid);
        let session = get(&sessions, "ses_demo_expired");
        assert_eq!((session.state, session.updated_at), (State::Pending, NOW));
        assert_eq!(sessions.valid_token(session, NOW), Some(resumed.token.as_str()));
    }

    #[test]
    fn a_newer_link_replaces_the_earlier_one_whatever_both_are_for() {
        for earlier in [Purpose::Resume, Purpose::OneTimeLink] {
            for newer in [Purpose::Resume, Purpose::OneTimeLink] {
                let mut sessions = Sessions::new(NOW);
                let earlier = make(&mut sessions, earlier, "ses_demo_expired").unwrap();
                let newer = make(&mut sessions, newer, "ses_demo_expired").unwrap();
                assert_eq!(sessions.look(&earlier.token, NOW), Visit::Replaced);
                assert_eq!(sessions.look(&newer.token, NOW), Visit::Valid);
            }
        }
    }

    #[test]
    fn each_state_and_purpose_has_its_next_state_or_an_error() {
        use State::*;
        let cases = [
            ("expired", Some(Pending), Some(Pending)),
            ("pending", Some(Pending), Some(Pending)),
            ("capturing", Some(Pending), Some(Capturing)),
            ("processing", None, Some(Processing)),
            ("awaiting_external", None, Some(AwaitingExternal)),
            ("under_review", None, Some(UnderReview)),
            ("sandbox_pending", None, Some(SandboxPending)),
            ("completed", None, None),
            ("failed", None, None),
        ];
        for (name, resumed, with_link) in cases {
            let id = format!("ses_demo_{name}");
            for (purpose, expected) in [(Purpose::Resume, resumed), (Purpose::OneTimeLink, with_link)] {
                let mut sessions = Sessions::new(NOW);
                let before = get(&sessions, &id).state;
                let made = make(&mut sessions, purpose, &id).map(|link| link.state);
                assert_eq!(made, expected.ok_or(LinkError::State(before)), "{purpose:?} {name}");
                assert_eq!(get(&sessions, &id).state, expected.unwrap_or(before), "{purpose:?} {name}");
            }
        }
        for purpose in [Purpose::Resume, Purpose::OneTimeLink] {
            let error = make(&mut Sessions::new(NOW), purpose, "ses_demo_redacted").unwrap_err();
            assert_eq!(error, LinkError::Redacted, "{purpose:?}");
        }
    }

    #[test]
    fn opening_starts_the_capture_and_never_moves_a_session_back() {
        for (id, expected) in [("ses_demo_expired", State::Capturing), ("ses_demo_under_review", State::UnderReview)] {
            let mut sessions = Sessions::new(NOW);
            let link = make(&mut sessions, Purpose::OneTimeLink, id).unwrap();
            assert_eq!(sessions.open(&link.token, NOW), Visit::Valid);
            assert_eq!(sessions.open(&link.token, NOW), Visit::Used);
            let session = get(&sessions, id);
            assert_eq!((session.state, sessions.valid_token(session, NOW)), (expected, None));
        }
    }

    #[test]
    fn the_page_of_an_opened_link_takes_its_session_to_the_end() {
        use State::*;
        for (last, end) in [(Step::Complete, Completed), (Step::Fail, Failed)] {
            let mut sessions = Sessions::new(NOW);
            let token = resume(&mut sessions).token;
            assert_eq!(sessions.advance(&token, Step::Submit, NOW), Err(Visit::Valid), "not opened yet");
            sessions.open(&token, NOW);
            for (step, state) in
                [(last, Capturing), (Step::Submit, Processing), (Step::Submit, Processing), (last, end)]
            {
                assert_eq!(sessions.advance(&token, step, AFTERWARDS), Ok(state), "{step:?}");
            }
        }
        let mut sessions = Sessions::new(NOW);
        let token = resume(&mut sessions).token;
        sessions.open(&token, NOW);
        resume(&mut sessions);
        assert_eq!(sessions.advance(&token, Step::Submit, NOW), Err(Visit::Replaced));
        assert_eq!(sessions.advance("tok_0", Step::Submit, NOW), Err(Visit::Unknown));
    }

    #[test]
    fn a_session_expires_with_its_link_unless_that_was_opened() {
        let mut sessions = Sessions::new(NOW);
        resume(&mut sessions);
        let opened = make(&mut sessions, Purpose::Resume, "ses_demo_null_qr").unwrap();
        sessions.open(&opened.token, NOW);
        sessions.expire_due(AFTERWARDS - SignedDuration::from_secs(1));
        assert_eq!(get(&sessions, "ses_demo_expired").state, State::Pending);
        sessions.expire_due(AFTERWARDS + LIFETIME);
        let session = get(&sessions, "ses_demo_expired");
        assert_eq!((session.state, session.updated_at), (State::Expired, AFTERWARDS));
        assert_eq!(get(&sessions, "ses_demo_null_qr").state, State::Capturing);
    }

    #[test]
    fn another_environment_has_other_sessions() {
        let mut sessions = Sessions::new(NOW);
        assert_eq!(make(&mut sessions, Purpose::Resume, "ses_demo_live").unwrap_err(), LinkError::NotFound);
        assert!(sessions.create_link(Purpose::Resume, "ses_demo_live", Environment::Live, LIFETIME, NOW).is_ok());
        assert!(sessions.get("ses_demo_live", Environment::Sandbox).is_none());
        assert!(sessions.get("ses_demo_expired", Environment::Live).is_none());
    }
}
