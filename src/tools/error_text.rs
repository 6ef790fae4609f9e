//! What an agent reads when a call has no result: what happened, whether the session changed, who must act and how,
//! whether to retry.
//!
//! Pure. The texts never hold a key, a link or a parser's message; Verifa's own text is quoted, and was cleaned when it
//! was read.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::StatusCode;

use super::{CallFailed, GetSession, NotSent, Tool, connection_text::connection_text, session_text::format_duration};
use crate::{
    call::{ApiVersionSource, CallContext, IdempotencyKeySource, Phrases},
    untrusted::UntrustedText,
    verifa::{BodyError, ConnectError, Error, ErrorResponse, Failure, SessionId, wire},
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
struct ErrorText {
    happened: String,
    action: String,
}

impl ErrorText {
    fn new(happened: impl Into<String>, action: impl Into<String>) -> Self {
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
        Error::TimedOut(_) => ErrorText::new(
            "Verifa did not respond in time.",
            "Retry in a minute; if it persists, the operator must check the network.",
        ),
        Error::Interrupted => ErrorText::new(
            "The connection to Verifa broke before its response was complete.",
            "Retry in a minute; if it persists, the operator must check the network.",
        ),
    }
}

fn status_text(response: &ErrorResponse, failure: &Failure, call: &CallContext<'_>) -> ErrorText {
    let phrases = &call.tool.phrases;
    let status = response.status;
    let session = call.session_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let code = format!("({response}).{}", said(response.detail.as_ref()));
    let mismatch = response.code.as_ref().is_some_and(|code| code.as_str() == wire::IDEMPOTENCY_MISMATCH);
    match status {
        StatusCode::UNAUTHORIZED => ErrorText::new(
            format!("Verifa rejected the API key {code}"),
            "The key may be revoked, expired, or not allowed from this IP address. The operator (or the user, if the MCP \
             client sends the key) must check it with Verifa and set a valid one in VERIFA_API_KEY or in the client. Do \
             not retry until then.",
        ),
        StatusCode::PAYMENT_REQUIRED => ErrorText::new(
            format!("Verifa requires payment {code}"),
            "The operator must check the organization's plan and billing with Verifa. Do not retry until then.",
        ),
        StatusCode::FORBIDDEN => ErrorText::new(
            format!("Verifa does not let this API key {} {code}", phrases.ability),
            format!(
                "The operator must give the key the permission it lacks, most likely the scope {}. Do not retry until then.",
                call.tool.scope
            ),
        ),
        StatusCode::NOT_FOUND => not_found(&code, call),
        StatusCode::TOO_MANY_REQUESTS => {
            ErrorText::new(format!("Verifa's rate limit for this organization is reached {code}"), retry_in(response))
        }
        StatusCode::UNPROCESSABLE_ENTITY if mismatch => match call.idempotency_key_source {
            IdempotencyKeySource::Agent => ErrorText::new(
                format!("This idempotency_key was used before with other parameters {code}"),
                "Call again with a new idempotency_key, or without one.",
            ),
            IdempotencyKeySource::Generated | IdempotencyKeySource::Confirmation => ErrorText::new(
                format!("Verifa took this call's random idempotency key for one that was used before {code}"),
                "Call again: it gets a new one.",
            ),
        },
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            let action = match failure.outcome_unknown {
                true => "That earlier attempt may be the reason. Retry in a minute.".to_owned(),
                false => likely_reasons(response.detail.is_some(), call),
            };
            ErrorText::new(format!("Verifa refused to {}{session} {code}", phrases.action), action)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => ErrorText::new(
            format!("Verifa could not take the request now {code}"),
            "Retry in a minute; if it persists, the operator must check the network.",
        ),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => ErrorText::new(
            format!(
                "Verifa's address responded with a redirect ({response}), which is not followed: it would send the API key elsewhere."
            ),
            "The operator must correct VERIFA_API_URL. Do not retry until then.",
        ),
        _ if status.is_server_error() => ErrorText::new(
            format!("Verifa had a server error {code}"),
            "Retry in a minute; if it persists, the operator must contact Verifa.",
        ),
        _ => ErrorText::new(
            format!("Verifa refused the request {code}"),
            "The operator must check VERIFA_API_URL and VERIFA_API_VERSION. Do not retry until then.",
        ),
    }
}

fn not_found(code: &str, call: &CallContext<'_>) -> ErrorText {
    let Some(id) = call.session_id.as_ref().map(SessionId::as_str) else {
        return ErrorText::new(
            format!("Verifa does not know the address of this request {code}"),
            "The operator must check VERIFA_API_URL and VERIFA_API_VERSION. Do not retry until then.",
        );
    };
    let (environment, other) = (call.environment(), call.environment().other());
    ErrorText::new(
        format!("Verifa knows no session {id} with this {environment} key {code}"),
        format!(
            "Either the ID is wrong: check it with the user. Or the session belongs to the {other} environment, which a \
             {environment} key cannot see: then the operator must configure a {other} key. Do not repeat the call \
             unchanged."
        ),
    )
}

fn retry_in(response: &ErrorResponse) -> String {
    match response.retry_after {
        Some(delay) if delay > Duration::from_secs(86_400) => "Retry in more than a day.".to_owned(),
        // Rounded up: a second too early would be rejected again.
        Some(delay) => format!("Retry in {} seconds.", delay.as_secs_f64().ceil().max(1.0)),
        None => "Retry in a minute.".to_owned(),
    }
}

fn likely_reasons(verifa_gives_detail: bool, call: &CallContext<'_>) -> String {
    let start = if verifa_gives_detail { "Unless that says why, the" } else { "The" };
    let may_look_up = call.caller.permissions.allows(GetSession::SPEC);
    let look_up = match (may_look_up, call.tool.effect.is_read()) {
        (true, false) => " get_session shows the state.",
        _ => "",
    };
    let version = match call.api_version_source {
        ApiVersionSource::Unset => "",
        ApiVersionSource::Agent => " Or the verifa_version that was sent is retired or unknown: then omit it.",
        ApiVersionSource::Setting => " Or VERIFA_API_VERSION is retired or unknown: then the operator must change it.",
    };
    let reason = call.tool.phrases.likely_reason;
    format!("{start} likely reason is {reason}.{look_up}{version} Do not repeat the call unchanged.")
}

fn unreadable(error: BodyError, is_list: bool) -> ErrorText {
    if error == BodyError::TooLarge && is_list {
        return ErrorText::new("Verifa's response is larger than a megabyte.", "Call again with a smaller limit.");
    }
    let what = match error {
        BodyError::NotJson => "its response is not JSON; something in between may have responded instead".to_owned(),
        BodyError::TooLarge => "its response is larger than a megabyte".to_owned(),
        BodyError::Field(field) => format!("its response has no usable {field}"),
        BodyError::OtherSession => "its response is about another session".to_owned(),
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

fn said(detail: Option<&UntrustedText>) -> String {
    let sentence = |detail: &UntrustedText| UntrustedText::new(detail.as_str().trim_end_matches('.'));
    detail.map(|detail| format!(" Verifa says: {}.", sentence(detail).quoted())).unwrap_or_default()
}

/// Whether the session changed, followed by a space. Nothing for a tool that changes nothing.
fn outcome(phrases: &Phrases, failure: &Failure) -> String {
    let Some(outcome) = &phrases.outcome else { return String::new() };
    let text = match (&failure.error, failure.outcome_unknown) {
        (Error::Unreadable { error: BodyError::Field(_) | BodyError::OtherSession | BodyError::UnsafeLink, .. }, _) => {
            format!("{}.", outcome.probably_done)
        }
        (Error::Unreadable { error: BodyError::NotJson | BodyError::TooLarge, .. }, _) => {
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
    match (failure.attempts, failure.elapsed.as_secs()) {
        (0 | 1, _) => String::new(),
        (attempts, 0) => format!(" Tried {attempts} times within a second."),
        (attempts, seconds) => format!(" Tried {attempts} times in {seconds} s."),
    }
}
