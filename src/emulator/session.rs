//! One session: its fields, and how its status changes.
//!
//! Pure: the time is passed in. A change of status that Verifa does not document is an assumption.

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use super::assumptions::{after_opening, after_step, has_expired};
use crate::verifa::Environment;

/// The statuses that Verifa documents.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::EnumString, strum::IntoStaticStr, strum::VariantNames,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
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
    pub(super) fn as_str(self) -> &'static str {
        self.into()
    }
}

/// A button on the page of an opened link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, strum::IntoStaticStr, strum::VariantArray)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Step {
    /// The person submits the photos.
    Submit,
    Complete,
    Fail,
}

/// `retention_status`: how much of a session's data is left.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, strum::IntoStaticStr)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub(super) enum Retention {
    #[default]
    Active,
    SensitiveRedacted,
    Redacted,
}

/// How a session misbehaves, so that clients can be tested.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Quirks {
    pub(super) without_qr_code: bool,
    /// The number of first requests for a link that get 429.
    pub(super) rate_limited_requests: u8,
    /// The number of first requests for a link that get 503.
    pub(super) unavailable_requests: u8,
}

/// The fields of the documented session object that never change.
pub(super) struct Profile {
    pub(super) external_ref: Option<String>,
    pub(super) metadata: Value,
    pub(super) country: &'static str,
    pub(super) checks: Option<Vec<Value>>,
    pub(super) workflow_id: &'static str,
    pub(super) document_type: Option<&'static str>,
    pub(super) retention: Retention,
    pub(super) processing_attempts: u8,
    pub(super) consent_ip: Option<String>,
    /// The case's id and status.
    pub(super) case: Option<(String, &'static str)>,
    pub(super) tags: Vec<&'static str>,
}

/// Why a session gets no link.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum LinkError {
    NotFound,
    Redacted,
    State(State),
    RateLimited,
    Unavailable,
}

pub(super) struct Session {
    pub(super) id: String,
    pub(super) environment: Environment,
    pub(super) state: State,
    pub(super) created_at: Timestamp,
    pub(super) updated_at: Timestamp,
    pub(super) profile: Profile,
    /// Of the newest link that the emulator created.
    pub(super) token: Option<String>,
    /// Of the newest link, including one from before the emulator's start.
    pub(super) token_expires_at: Option<Timestamp>,
    pub(super) quirks: Quirks,
    pub(super) link_requests: u8,
}

impl Session {
    /// Counts a request for a link, which the session's quirks may reject.
    pub(super) fn count_link_request(&mut self) -> Result<(), LinkError> {
        let earlier_requests = self.link_requests;
        self.link_requests = earlier_requests.saturating_add(1);
        if earlier_requests < self.quirks.rate_limited_requests {
            return Err(LinkError::RateLimited);
        }
        if earlier_requests < self.quirks.unavailable_requests {
            return Err(LinkError::Unavailable);
        }
        Ok(())
    }

    /// Sets a new link, and returns the token of the earlier one.
    pub(super) fn set_link(
        &mut self,
        token: String,
        expires_at: Timestamp,
        state: State,
        now: Timestamp,
    ) -> Option<String> {
        self.state = state;
        self.updated_at = now;
        self.token_expires_at = Some(expires_at);
        self.token.replace(token)
    }

    /// Records that a link of the session was opened.
    pub(super) fn open(&mut self, now: Timestamp) {
        self.change(after_opening(self.state), now);
    }

    /// Takes a step if it is possible now, and returns the state.
    pub(super) fn advance(&mut self, step: Step, now: Timestamp) -> State {
        self.change(after_step(self.state, step).unwrap_or(self.state), now);
        self.state
    }

    fn change(&mut self, state: State, now: Timestamp) {
        if state != self.state {
            self.state = state;
            self.updated_at = now;
        }
    }

    /// Expires the session if it is due.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if has_expired(self.state, self.token_expires_at, now) {
            self.state = State::Expired;
            self.updated_at = self.token_expires_at.unwrap_or(now);
        }
    }
}
