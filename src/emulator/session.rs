//! One session: what it holds, and how its status moves.
//!
//! Pure: the time is passed in. Where Verifa documents no rule for a move, `assumptions.rs` has it.

use std::str::FromStr;

use jiff::Timestamp;
use serde_json::Value;

use super::assumptions::{after_opening, has_expired};
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
    pub(super) const ALL: [Self; 9] = [
        Self::Pending,
        Self::Capturing,
        Self::Processing,
        Self::AwaitingExternal,
        Self::UnderReview,
        Self::SandboxPending,
        Self::Completed,
        Self::Expired,
        Self::Failed,
    ];

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

pub(super) struct UnknownState;

impl FromStr for State {
    type Err = UnknownState;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|state| state.as_str() == text).ok_or(UnknownState)
    }
}

/// What was kept of a session's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retention {
    Active,
    SensitiveRedacted,
    Redacted,
}

impl Retention {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::SensitiveRedacted => "sensitive_redacted",
            Self::Redacted => "redacted",
        }
    }
}

/// How a session misbehaves, for clients to see that.
#[derive(Clone, Copy)]
pub(super) struct Quirks {
    pub(super) has_qr_code: bool,
    /// So many calls for a link are answered 429 at first.
    pub(super) rate_limited_calls: u8,
    /// So many calls for a link are answered 503 at first.
    pub(super) unavailable_calls: u8,
}

/// What never changes: the rest of the documented session object.
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
pub(super) enum Refused {
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
    /// Of the newest link that the emulator made.
    pub(super) token: Option<String>,
    /// Of the newest link, one from before the emulator's start included.
    pub(super) token_expires_at: Option<Timestamp>,
    pub(super) quirks: Quirks,
    pub(super) calls_for_links: u8,
}

impl Session {
    /// Counts a call for a link, which may be one that the session's quirks do not let through.
    pub(super) fn take_call(&mut self) -> Result<(), Refused> {
        let earlier_calls = self.calls_for_links;
        self.calls_for_links = earlier_calls.saturating_add(1);
        if earlier_calls < self.quirks.rate_limited_calls {
            return Err(Refused::RateLimited);
        }
        if earlier_calls < self.quirks.unavailable_calls {
            return Err(Refused::Unavailable);
        }
        Ok(())
    }

    /// Takes a new link, and gives the earlier one's token back.
    pub(super) fn take_link(
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

    /// A link of the session was opened.
    pub(super) fn be_opened(&mut self, now: Timestamp) {
        let state = after_opening(self.state);
        if state != self.state {
            self.state = state;
            self.updated_at = now;
        }
    }

    /// Expires, if it is time.
    pub(super) fn expire(&mut self, now: Timestamp) {
        if has_expired(self.state, self.token_expires_at, now) {
            self.state = State::Expired;
            self.updated_at = self.token_expires_at.unwrap_or(now);
        }
    }
}
