//! When the user is asked before a call that writes, what they are asked, and what the agent reads where they did not
//! say yes.
//!
//! How a question gets to a user is the server's matter. Nothing but a clear yes lets a call through.

use std::time::Duration;

use super::environment_label;
use crate::verifa::{Environment, LinkEndpoint, LinkRequest};

/// How long a question may be answered.
pub const TIME_TO_ANSWER: Duration = Duration::from_secs(5 * 60);

/// Before which calls that write the user is asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, strum::EnumString, strum::VariantNames)]
#[strum(serialize_all = "lowercase")]
pub enum Confirm {
    /// None.
    #[default]
    Never,
    /// Those with a live key.
    Live,
    /// All.
    Always,
}

impl Confirm {
    /// Every choice, the default first.
    pub const ALL: [Self; 3] = [Self::Never, Self::Live, Self::Always];

    /// The choice's name in the settings.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Live => "live",
            Self::Always => "always",
        }
    }

    /// Whether the user is asked before a call that writes in this environment.
    pub fn covers(self, environment: Environment) -> bool {
        match self {
            Self::Never => false,
            Self::Live => environment == Environment::Live,
            Self::Always => true,
        }
    }
}

/// Why a call that its user was to agree to is not sent. Its `Display` is for logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotConfirmed {
    /// The client cannot show a question.
    #[error("the client cannot ask its user")]
    CannotAsk(Confirm),
    /// The user said no.
    #[error("the user said no")]
    Declined,
    /// The user, or the client, put the question away.
    #[error("the question was put away")]
    Dismissed,
    /// No answer came in time.
    #[error("the user did not answer in time")]
    Silent,
    /// The call was cancelled, its client left or the server stops, while the question was open.
    #[error("the question was taken back")]
    Withdrawn,
    /// What came is neither a yes nor a no.
    #[error("the answer is no clear yes")]
    Unclear,
    /// What came was agreed to for another call, or is not from here.
    #[error("the confirmation is not of this call")]
    Foreign,
}

impl NotConfirmed {
    /// The reason in a word, for counting.
    pub(super) const fn label(self) -> &'static str {
        match self {
            Self::CannotAsk(_) => "cannot_ask",
            Self::Declined => "declined",
            Self::Dismissed | Self::Silent => "unanswered",
            Self::Withdrawn => "cancelled",
            Self::Unclear | Self::Foreign => "not_confirmed",
        }
    }

    /// What the agent reads.
    pub(super) fn explain(self) -> String {
        let minutes = TIME_TO_ANSWER.as_secs() / 60;
        match self {
            Self::CannotAsk(confirm) => format!(
                "The user must agree to this call first (VERIFA_MCP_CONFIRM is {}), but their client cannot show them the \
                 question, so nothing was sent to Verifa. The operator of this MCP server must act: use a client that can \
                 ask (MCP elicitation; over HTTP at /mcp from revision 2026-07-28 on), or set VERIFA_MCP_CONFIRM=never. Do \
                 not call again before that.",
                confirm.as_str()
            ),
            Self::Declined => format!(
                "The user said no, so nothing was sent to Verifa. Do not call again unless they ask for it. {NEVER_ASKED} \
                 {OPERATORS_TURN}"
            ),
            Self::Dismissed => format!(
                "The user was asked to agree and put the question away, so nothing was sent to Verifa. Do not call again \
                 unless they ask for it. {NEVER_ASKED} {OPERATORS_TURN}"
            ),
            Self::Silent => format!(
                "The user was asked to agree and did not answer within {minutes} minutes, so nothing was sent to Verifa. \
                 Call again when they are there to answer."
            ),
            Self::Withdrawn => "The call was cancelled, or this MCP server stops, before the user agreed, so nothing was \
                sent to Verifa. Call again if it is still wanted, and the user is asked anew."
                .to_owned(),
            Self::Unclear => format!(
                "The user was asked to agree, and what their client answered is no clear yes, so nothing was sent to \
                 Verifa. Call again if they want it. If they did say yes, their client does not pass it on: then \
                 {OPERATORS_TURN}"
            ),
            Self::Foreign => "The confirmation that came with this call is not of this call: it was given to another caller, \
                for another tool or other arguments, or was changed on its way. Nothing was sent to Verifa. Call again, and \
                the user is asked anew."
                .to_owned(),
        }
    }
}

/// Some clients say that they can ask, and answer for their user where they cannot.
const NEVER_ASKED: &str = "If they say that they were never asked, their client answered for them: then";
const OPERATORS_TURN: &str = "the operator must use another client, or set VERIFA_MCP_CONFIRM=never.";

/// What the user is asked before this request is sent. All that is not ours in it is the session's id, which is safe.
pub(super) fn question(request: &LinkRequest, environment: Environment, emulated: bool) -> String {
    let LinkRequest { session_id, endpoint, .. } = request;
    let place = match (emulated, environment) {
        (false, Environment::Live) => "the LIVE environment: a real person's verification".to_owned(),
        (false, Environment::Sandbox) => "the sandbox environment".to_owned(),
        (true, _) => format!("the {}", environment_label(environment, emulated)),
    };
    match endpoint {
        LinkEndpoint::Resume => format!(
            "Resume the Verifa session {session_id}?\nIt is in {place}.\nThe agent (tool resume_session) gets a fresh link \
             with which a person goes on with this verification. An older link may stop working."
        ),
        LinkEndpoint::OneTimeLink { expires_in_minutes } => {
            let lifetime = match expires_in_minutes.map(std::num::NonZeroU32::get) {
                Some(1) => "good for 1 minute".to_owned(),
                Some(minutes) => format!("good for {minutes} minutes"),
                None => "good for as long as Verifa decides".to_owned(),
            };
            format!(
                "Make a one-time link for the Verifa session {session_id}?\nIt is in {place}.\nThe agent (tool \
                 generate_one_time_link) gets a link, {lifetime}, with which a person goes on with this verification. An \
                 earlier one-time link of the session stops working."
            )
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_says_in_which_environments_the_user_is_asked() {
        let asked = |confirm: Confirm| [Environment::Sandbox, Environment::Live].map(|it| confirm.covers(it));
        assert_eq!(asked(Confirm::default()), [false, false]);
        assert_eq!(asked(Confirm::Live), [false, true]);
        assert_eq!(asked(Confirm::Always), [true, true]);
    }
}
