//! What an agent reads when the response had a status other than 2xx.
//!
//! Only a body in Verifa's error format is Verifa's word. Otherwise nothing is said about the session or the key.

use std::time::Duration;

use reqwest::StatusCode;

use super::{
    GetSession, Tool,
    error_text::{CHECK_NETWORK, ErrorText, if_it_fails_again},
};
use crate::{
    call::{ApiVersionSource, CallContext, IdempotencyKeySource},
    untrusted::UntrustedText,
    verifa::{ErrorBody, ErrorResponse, Failure, SessionId, wire},
};

pub(super) fn status_text(response: &ErrorResponse, failure: &Failure, call: &CallContext<'_>) -> ErrorText {
    if response.status.is_redirection() {
        return ErrorText::new(
            format!(
                "Verifa's address responded with a redirect ({response}), which is not followed: it would send the API key \
                 elsewhere."
            ),
            "The operator must correct VERIFA_API_URL. Do not retry until then.",
        );
    }
    match &response.body {
        ErrorBody::Verifa { detail, .. } => from_verifa(response, detail.as_ref(), failure, call),
        ErrorBody::Other { content_type, excerpt } => from_elsewhere(response, content_type.as_ref(), excerpt.as_ref()),
    }
}

/// Says nothing about the session or the key: the request may not have reached Verifa.
fn from_elsewhere(
    response: &ErrorResponse,
    content_type: Option<&UntrustedText>,
    excerpt: Option<&UntrustedText>,
) -> ErrorText {
    let content_type = content_type.map(|it| format!(", {it}")).unwrap_or_default();
    let excerpt = excerpt.map(|it| format!(": {}", it.quoted())).unwrap_or_default();
    let check = "check VERIFA_API_URL, the proxy and any gateway in between";
    let action = match response.status {
        StatusCode::TOO_MANY_REQUESTS => retry_in(response),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => if_it_fails_again(check),
        status if status.is_server_error() => if_it_fails_again(check),
        _ => format!("The operator must {check}. Do not retry until then."),
    };
    ErrorText::new(
        format!(
            "The response ({response}{content_type}{excerpt}) is not in Verifa's error format; something between this \
             server and Verifa may have sent it."
        ),
        action,
    )
}

fn from_verifa(
    response: &ErrorResponse,
    detail: Option<&UntrustedText>,
    failure: &Failure,
    call: &CallContext<'_>,
) -> ErrorText {
    let phrases = &call.tool.phrases;
    let status = response.status;
    let session = call.session_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let code = format!("({response}).{}", said(detail));
    let mismatch = response.code() == Some(wire::IDEMPOTENCY_MISMATCH);
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
                "The operator must give the key the permission it lacks, most likely the scope {}{}. Do not retry until then.",
                call.tool.scope,
                if call.tool.effect.is_read() { "" } else { "; which scope creating links needs is not documented" },
            ),
        ),
        StatusCode::NOT_FOUND => not_found(&code, call),
        StatusCode::TOO_MANY_REQUESTS => {
            let happened = format!("Verifa's rate limit for this organization is reached {code}");
            ErrorText::new(happened, format!("The limit applies to all tools of this server. {}", retry_in(response)))
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
                false => likely_reasons(detail.is_some(), call),
            };
            ErrorText::new(format!("Verifa refused to {}{session} {code}", phrases.action), action)
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => {
            ErrorText::new(format!("Verifa could not take the request now {code}"), if_it_fails_again(CHECK_NETWORK))
        }
        _ if status.is_server_error() => ErrorText::new(
            format!("Verifa had a server error {code}"),
            if_it_fails_again("contact Verifa with the time, the session and this message"),
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
    let start = if verifa_gives_detail { "If Verifa's message does not explain it, the" } else { "The" };
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

fn said(detail: Option<&UntrustedText>) -> String {
    let sentence = |detail: &UntrustedText| UntrustedText::new(detail.as_str().trim_end_matches('.'));
    detail.map(|detail| format!(" Verifa says: {}.", sentence(detail).quoted())).unwrap_or_default()
}
