//! When the user is asked before a call that changes something, what they are asked, and why a call is not confirmed.
//!
//! How a question reaches the user is the server's matter. Nothing but a clear yes confirms a call.

use std::time::Duration;

use crate::{
    call::CallContext,
    verifa::{Environment, IdempotencyKey},
};

/// How long a question may be answered.
pub(crate) const CONFIRMATION_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Before which calls that change something the user is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::IntoStaticStr, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Confirm {
    #[default]
    Never,
    /// Calls with a live key.
    Live,
    Always,
}

impl Confirm {
    pub(super) fn covers(self, environment: Environment) -> bool {
        match self {
            Self::Never => false,
            Self::Live => environment == Environment::Live,
            Self::Always => true,
        }
    }
}

/// What a tool asks the user.
pub(crate) struct Question {
    /// A question about the session.
    pub(super) title: String,
    /// What a yes leads to.
    pub(super) consequence: String,
}

impl Question {
    /// The whole text. All that is not this program's own in it is the session's id, which is safe.
    pub(super) fn text(&self, call: &CallContext<'_>) -> String {
        let place = match (call.emulated, call.environment()) {
            (false, Environment::Live) => "the LIVE environment: a real person's verification",
            (false, Environment::Sandbox) => "the sandbox environment",
            (true, _) => "the local emulator",
        };
        let Self { title, consequence } = self;
        format!("{title}\nIt is in {place}.\n{consequence}").trim_end().to_owned()
    }
}

/// The user's consent to a call.
#[derive(Debug)]
pub(crate) enum Consent {
    /// The user answered while the call waited.
    Answered,
    /// The user answered before the call was repeated with this key.
    AnsweredEarlier(IdempotencyKey),
    /// The user typed the command.
    Typed,
}

/// Why a call is not confirmed. Its `Display` is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotConfirmed {
    #[error("the client cannot ask its user")]
    CannotAsk(Confirm),
    #[error("the user declined")]
    Declined,
    /// By the user, or by the client.
    #[error("the question was dismissed")]
    Dismissed,
    #[error("the user did not answer in time")]
    TimedOut,
    /// The call was cancelled, its client disconnected or the server stops, while the question was open.
    #[error("the call was cancelled")]
    CallCancelled,
    #[error("the response is neither a yes nor a no")]
    InvalidResponse,
    /// The consent was given to another call, or the state is not this server's.
    #[error("the request state does not match the call")]
    StateMismatch,
}

/// Some clients declare that they can ask, and respond on their user's behalf if they cannot.
const NEVER_ASKED: &str = "If they say that they were never asked, their client answered for them: then";
const OPERATOR_MUST_ACT: &str = "the operator must use another client, or set VERIFA_MCP_CONFIRM=never.";

impl NotConfirmed {
    /// The reason in a word, for metrics.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::CannotAsk(_) => "cannot_ask",
            Self::Declined => "declined",
            Self::Dismissed | Self::TimedOut => "unanswered",
            Self::CallCancelled => "cancelled",
            Self::InvalidResponse | Self::StateMismatch => "not_confirmed",
        }
    }

    /// What the agent reads.
    pub(super) fn text(self) -> String {
        match self {
            Self::CannotAsk(confirm) => format!(
                "The user must confirm this call (VERIFA_MCP_CONFIRM is {}), but their client cannot ask them, so nothing \
                 was sent to Verifa. The operator of this MCP server must use a client that supports MCP elicitation (over \
                 HTTP at /mcp from revision 2026-07-28 on), or set VERIFA_MCP_CONFIRM=never. Do not retry until then.",
                <&str>::from(confirm)
            ),
            Self::Declined => format!(
                "The user declined, so nothing was sent to Verifa. Do not call again unless they ask for it. {NEVER_ASKED} \
                 {OPERATOR_MUST_ACT}"
            ),
            Self::Dismissed => format!(
                "The user dismissed the confirmation prompt, so nothing was sent to Verifa. Do not call again unless they \
                 ask for it. {NEVER_ASKED} {OPERATOR_MUST_ACT}"
            ),
            Self::TimedOut => format!(
                "The user did not answer the confirmation prompt within {} minutes, so nothing was sent to Verifa. Call \
                 again when they are there to answer.",
                CONFIRMATION_TIMEOUT.as_secs() / 60
            ),
            Self::CallCancelled => {
                "The call was cancelled, or this MCP server is stopping, before the user confirmed, so \
                nothing was sent to Verifa. If it is still wanted, call again: the user is asked again."
                    .to_owned()
            }
            Self::InvalidResponse => format!(
                "The client's response to the confirmation prompt is no clear yes, so nothing was sent to Verifa. Call \
                 again if the user wants it. If they did say yes, their client does not pass it on: then \
                 {OPERATOR_MUST_ACT}"
            ),
            Self::StateMismatch => "The confirmation sent with this call belongs to another caller, tool or set of \
                arguments, or was altered, so nothing was sent to Verifa. Call again: the user is asked again."
                .to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_decides_in_which_environments_the_user_is_asked() {
        let asked = |confirm: Confirm| [Environment::Sandbox, Environment::Live].map(|it| confirm.covers(it));
        assert_eq!(asked(Confirm::default()), [false, false]);
        assert_eq!(asked(Confirm::Live), [false, true]);
        assert_eq!(asked(Confirm::Always), [true, true]);
    }
}
