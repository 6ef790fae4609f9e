//! What an agent reads when a call has no result: what happened, whether the session changed, who must act and how,
//! whether to retry.
//!
//! Pure. The texts never hold a key, a link or a parser's message; Verifa's own text is quoted, and was cleaned when it
//! was read.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::StatusCode;

use super::{
    CallFailed, NotSent, connection_text::connection_text, session_text::format_duration, status_text::status_text,
};
use crate::{
    call::{CallContext, IdempotencyKeySource, Phrases},
    verifa::{BodyError, ConnectError, Error, Failure},
};

const AUDIT_LOG_ACTION: &str =
    "The operator must make the file that VERIFA_MCP_AUDIT_LOG names writable, with room on its disk.";

/// For a call of which nothing was sent.
pub(super) fn not_sent(error: &NotSent) -> String {
    match error {
        NotSent::InvalidArguments(errors) => format!(
            "The arguments are invalid, so nothing was sent to Verifa. Correct them and call again:\n- {}",
            errors.join("\n- ")
        ),
        NotSent::NotAllowed => {
            "This tool is disabled for you, so nothing was sent to Verifa: by read_only or toolsets, set by the operator \
             of this MCP server or in the URL in your MCP client. Do not retry until that is changed."
                .to_owned()
        }
        NotSent::MissingScope(scope) => format!(
            "This tool needs the scope {scope}, which your access token does not include, so nothing was sent to Verifa. \
             The user must reconnect to this server in their MCP client and allow it. Do not retry until then."
        ),
        NotSent::TooManyWrites { limit, wait } => {
            let duration = |time: Duration| format_duration(SignedDuration::try_from(time).unwrap_or(SignedDuration::MAX));
            format!(
                "This server lets one caller create {} links in {}, and you have, so nothing was sent to Verifa. Do not \
                 repeat calls in a loop; tell the user. Retry in {}.",
                limit.count,
                duration(limit.window),
                duration(*wait + Duration::from_secs(1)),
            )
        }
        NotSent::NoApiKey => "No Verifa API key is configured, so nothing was sent to Verifa. The operator of this MCP \
            server must set VERIFA_API_KEY (or VERIFA_API_KEY_FILE) to the organization's secret key, vk_sandbox_… or \
            vk_live_…, and restart the server. Do not retry until then."
            .to_owned(),
        NotSent::NotConfirmed(why) => why.text(),
        NotSent::AuditStart(kind) => format!(
            "The audit log of this MCP server cannot be written ({kind}), so nothing was sent to Verifa. {AUDIT_LOG_ACTION} \
             Do not retry until then."
        ),
    }
}

/// For a call that was sent.
pub(super) fn failed(error: &CallFailed, call: &CallContext<'_>) -> String {
    let phrases = &call.tool.phrases;
    match error {
        CallFailed::LinkExpired { expired_for } => link_expired(phrases, *expired_for, call.idempotency_key_source),
        CallFailed::AuditEnd(kind) => {
            let key = match call.idempotency_key_source {
                IdempotencyKeySource::Agent => ", without the old idempotency_key",
                IdempotencyKeySource::Generated | IdempotencyKeySource::Confirmation => "",
            };
            format!(
                "Verifa {}, but the audit log of this MCP server cannot be written ({kind}), so {} withheld. \
                 {AUDIT_LOG_ACTION} Call again after that{key}.",
                phrases.done, phrases.withheld,
            )
        }
        CallFailed::Verifa(failure) => {
            let ErrorText { happened, action } = error_text(failure, call);
            let (attempts, outcome) = (attempts(failure), outcome(phrases, failure));
            format!("{happened}{attempts} {outcome}{action}")
        }
    }
}

/// What happened, and who must act; the outcome for the session comes between the two.
pub(super) struct ErrorText {
    happened: String,
    action: String,
}

impl ErrorText {
    pub(super) fn new(happened: impl Into<String>, action: impl Into<String>) -> Self {
        Self { happened: happened.into(), action: action.into() }
    }
}

fn error_text(failure: &Failure, call: &CallContext<'_>) -> ErrorText {
    match &failure.error {
        Error::Status(response) => status_text(response, failure, call),
        Error::Unreadable { error, .. } => unreadable(*error, call.session_id.is_none()),
        Error::Unreachable { error, proxy } => unreachable(*error, proxy.as_deref()),
        Error::Setup(_) => ErrorText::new(
            "This computer has no usable root certificates, so it cannot verify that it is talking to Verifa.",
            "The operator must install the system's CA certificates, or name a valid file in VERIFA_CA_FILE.",
        ),
        Error::Busy => ErrorText::new(
            "This MCP server has reached its limit of concurrent requests to Verifa, and none finished in time.",
            "Retry in a few seconds.",
        ),
        Error::TimedOut(_) => ErrorText::new("Verifa did not respond in time.", if_it_fails_again(CHECK_NETWORK)),
        Error::Interrupted => ErrorText::new(
            "The connection to Verifa broke before its response was complete.",
            if_it_fails_again(CHECK_NETWORK),
        ),
    }
}

pub(super) const CHECK_NETWORK: &str =
    "check the network and, if it works, contact Verifa with the time and the session";

/// What to do about a fault that may pass. A chat cannot wait, so the user must know.
pub(super) fn if_it_fails_again(action: &str) -> String {
    format!("Tell the user, and retry once in a few minutes. If it fails again, the operator must {action}.")
}

fn unreadable(error: BodyError, is_list: bool) -> ErrorText {
    if error == BodyError::TooLarge && is_list {
        return ErrorText::new("Verifa's response is larger than a megabyte.", "Call again with a smaller limit.");
    }
    let what = match error {
        BodyError::NotJson => "its response is not JSON; something in between may have responded instead".to_owned(),
        BodyError::TooLarge => "its response is larger than a megabyte".to_owned(),
        BodyError::Field(field) => format!("its response has no usable {field}"),
        BodyError::OtherSession => "its response is about another session and is withheld".to_owned(),
        BodyError::UnsafeLink => "the capture link in its response is not a safe https link and is withheld".to_owned(),
    };
    ErrorText::new(
        format!("Verifa reported success, but {what}."),
        "The operator must check VERIFA_API_URL and, if it is right, contact Verifa. A retry is unlikely to help.",
    )
}

fn unreachable(error: ConnectError, proxy: Option<&str>) -> ErrorText {
    let whom = proxy.map_or_else(|| "Verifa".to_owned(), |proxy| format!("Verifa through the proxy {proxy}"));
    let (what, check) = connection_text(error, proxy);
    ErrorText::new(
        format!("Could not reach {whom}: {what}."),
        format!("The operator must check {check}. Retry after that."),
    )
}

fn link_expired(phrases: &Phrases, expired_for: SignedDuration, source: IdempotencyKeySource) -> String {
    let ago = format_duration(expired_for);
    match source {
        IdempotencyKeySource::Agent => format!(
            "This idempotency_key was used before, so Verifa repeated its first response, whose link expired {ago} ago. \
             Call again without idempotency_key to get a new link."
        ),
        IdempotencyKeySource::Confirmation => format!(
            "This confirmation was most likely used before, so Verifa repeated its first response, whose link expired \
             {ago} ago. Call again without the confirmation: the user is asked again. If the link of a new confirmation has \
             expired too, a clock is wrong: then the operator must compare the clocks (`verifa-mcp check` does)."
        ),
        IdempotencyKeySource::Generated => format!(
            "Verifa {}, but the new link is said to have expired {ago} ago, so it is withheld. A clock is wrong, or the API \
             has an error. The operator must compare the clocks (`verifa-mcp check` does) and, if they agree, contact \
             Verifa. Call again after that.",
            phrases.done
        ),
    }
}

/// Whether the session changed, followed by a space. Nothing for a tool that changes nothing.
fn outcome(phrases: &Phrases, failure: &Failure) -> String {
    let Some(outcome) = &phrases.outcome else { return String::new() };
    let text = match (&failure.error, failure.outcome_unknown) {
        (Error::Unreadable { error: BodyError::Field(_) | BodyError::UnsafeLink, .. }, _) => {
            format!("{}.", outcome.probably_done)
        }
        (Error::Unreadable { error: BodyError::NotJson | BodyError::TooLarge | BodyError::OtherSession, .. }, _) => {
            format!("{}.", outcome.maybe_done)
        }
        (Error::Status(response), true) if !response.status.is_server_error() => {
            format!("But an earlier attempt of this call got no response and {}.", outcome.and_maybe_done)
        }
        (_, true) => format!("{}; retrying is safe, and the newest link is the valid one.", outcome.maybe_done),
        (_, false) => format!("{}.", outcome.not_done),
    };
    text + " "
}

fn attempts(failure: &Failure) -> String {
    let is_rate_limited =
        matches!(&failure.error, Error::Status(response) if response.status == StatusCode::TOO_MANY_REQUESTS);
    match (failure.attempts, failure.elapsed.as_secs()) {
        (0 | 1, _) if is_rate_limited => " The call was not retried.".to_owned(),
        (0 | 1, _) => String::new(),
        (attempts, 0) => format!(" Tried {attempts} times within a second."),
        (attempts, seconds) => format!(" Tried {attempts} times in {seconds} s."),
    }
}
