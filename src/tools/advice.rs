//! What an agent reads when a call gives no link: what happened, what became of the session, whose move it is.
//!
//! One pure function makes the words from the fault and its circumstances. They never hold a key, a link or a parser's
//! message; text of Verifa's own is quoted and was cleaned when it was read.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::StatusCode;

use super::{
    ToolName,
    deed::Deed,
    failure::{ApiVersionSource, Circumstances, Fault, IdempotencyKeySource},
    time_words::in_words,
};
use crate::verifa::{BodyError, ConnectError, Environment, Error, ErrorResponse, Failure, wire};
use crate::{http_client::RootCertificatesError, untrusted::UntrustedText};

/// What the agent reads. Pure: the same words for the same fault in the same circumstances.
pub(super) fn explain(fault: &Fault, circumstances: &Circumstances) -> String {
    let deed = Deed::of(circumstances.tool);
    match fault {
        Fault::Arguments(faults) => format!(
            "The arguments are not valid, so nothing was sent to Verifa. Correct them and call again:\n- {}",
            faults.join("\n- ")
        ),
        Fault::NotAllowed => {
            "This tool is switched off for you, so nothing was sent to Verifa: by read_only or toolsets, which the operator \
            of this MCP server sets, or the URL in your MCP client. Do not call again before it is changed."
                .to_owned()
        }
        Fault::NotConfirmed(why) => why.explain(),
        Fault::NoKey => "No Verifa API key is configured, so nothing was sent to Verifa. The operator of this MCP \
            server must act: set VERIFA_API_KEY (or VERIFA_API_KEY_FILE) to the organization's secret key, \
            vk_sandbox_… or vk_live_…, and restart the server. Do not call again before that."
            .to_owned(),
        Fault::DeadLink { dead_for } => dead_link(&deed, *dead_for, circumstances.idempotency_key_source),
        Fault::NoAuditStart(kind) => format!(
            "The audit log of this MCP server cannot be written ({kind}), so nothing was sent to Verifa. {AUDIT_LOG_TURN} Do \
             not call again before that."
        ),
        Fault::NoAuditEnd(kind) => {
            let key = match circumstances.idempotency_key_source {
                IdempotencyKeySource::Agents => ", without the old idempotency_key",
                IdempotencyKeySource::Ours | IdempotencyKeySource::Confirmed => "",
            };
            format!(
                "Verifa {}, but the audit log of this MCP server cannot be written ({kind}), so {} withheld. {AUDIT_LOG_TURN} \
                 Call again after that{key}.",
                deed.done, deed.withheld,
            )
        }
        Fault::Verifa(failure) => {
            let Advice { happened, next } = advise(failure, circumstances);
            let tried = tried(failure);
            let fate = fate(&deed, failure);
            format!("{happened}{tried} {fate}{next}")
        }
    }
}

const AUDIT_LOG_TURN: &str =
    "The operator must act: the file that VERIFA_MCP_AUDIT_LOG names must be writable, with room left on its disk.";

/// What happened, and whose move it is; between the two comes the session's fate.
struct Advice {
    happened: String,
    next: String,
}

impl Advice {
    fn new(happened: impl Into<String>, next: impl Into<String>) -> Self {
        Self { happened: happened.into(), next: next.into() }
    }
}

fn advise(failure: &Failure, circumstances: &Circumstances) -> Advice {
    match &failure.error {
        Error::Status(refusal) => refused(refusal, failure, circumstances),
        Error::Unreadable { fault, .. } => unreadable(*fault, circumstances.tool),
        Error::Unreachable { fault, proxy } => unreachable(*fault, proxy.as_deref()),
        Error::Setup(RootCertificatesError) => Advice::new(
            "This computer has no usable root certificates, so it cannot tell whether it speaks to Verifa.",
            "The operator must act: install the system's CA certificates, or name a good file in VERIFA_CA_FILE.",
        ),
        Error::Busy => Advice::new(
            "This MCP server already has as many requests at Verifa as it may, and none became free in time.",
            "Call again in a few seconds.",
        ),
        Error::TimedOut(_) => Advice::new(
            "Verifa did not answer in time.",
            "Call again in a minute; if it stays so, the operator must check the network.",
        ),
        Error::Interrupted => Advice::new(
            "The connection to Verifa broke before its answer was complete.",
            "Call again in a minute; if it stays so, the operator must check the network.",
        ),
    }
}

fn refused(refusal: &ErrorResponse, failure: &Failure, circumstances: &Circumstances) -> Advice {
    let deed = Deed::of(circumstances.tool);
    let status = refusal.status;
    let session = circumstances.session_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let code = refusal.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    let code = format!("({}{code})", status.as_u16());
    let said = said(refusal.detail.as_ref());
    let mismatch = refusal.code.as_ref().is_some_and(|code| code.as_str() == wire::IDEMPOTENCY_MISMATCH);
    match status {
        StatusCode::UNAUTHORIZED => Advice::new(
            format!("Verifa rejected the API key {code}.{said}"),
            "Whoever set the key must act, the operator as a rule: it may be revoked, expired, or not allowed from this IP \
             address; check it at Verifa, and set a good one in VERIFA_API_KEY, or in the MCP client where that sends the \
             key. Do not call again before that.",
        ),
        StatusCode::FORBIDDEN => Advice::new(
            format!("Verifa does not let this API key {} {code}.{said}", deed.in_general),
            format!(
                "The operator must act: the key lacks a right, most likely the scope {}. Do not call again before that.",
                deed.scope
            ),
        ),
        StatusCode::NOT_FOUND if circumstances.session_id.is_none() => Advice::new(
            format!("Verifa does not know the address that lists sessions {code}.{said}"),
            "The operator must act: check VERIFA_API_URL and VERIFA_API_VERSION. Do not call again before that.",
        ),
        StatusCode::NOT_FOUND => not_found(&session, &code, &said, circumstances.environment),
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = match refusal.retry_after {
                Some(wait) if wait > Duration::from_secs(86_400) => "Wait for more than a day".to_owned(),
                // Rounded up: a second too early would be refused again.
                Some(wait) => format!("Wait {} seconds", wait.as_secs_f64().ceil().max(1.0)),
                None => "Wait a minute".to_owned(),
            };
            Advice::new(
                format!("Verifa's rate limit for this organization is reached {code}.{said}"),
                format!("{wait}, then call again."),
            )
        }
        StatusCode::UNPROCESSABLE_ENTITY
            if mismatch && circumstances.idempotency_key_source != IdempotencyKeySource::Agents =>
        {
            Advice::new(
                format!("Verifa took this call's random idempotency key for one that was used before {code}.{said}"),
                "Call again: it gets a new one.",
            )
        }
        StatusCode::UNPROCESSABLE_ENTITY if mismatch => Advice::new(
            format!("This idempotency_key was used before with other parameters {code}.{said}"),
            "Call again with a new idempotency_key, or with none.",
        ),
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY
            if failure.outcome_unknown =>
        {
            Advice::new(
                format!("Verifa refused to {}{session} {code}.{said}", deed.infinitive),
                "That earlier attempt may be the reason. Call again in a minute.",
            )
        }
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => Advice::new(
            format!("Verifa refused to {}{session} {code}.{said}", deed.infinitive),
            likely_reasons(&deed, refusal.detail.is_some(), circumstances),
        ),
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY => Advice::new(
            format!("Verifa could not take the request now {code}.{said}"),
            "Call again in a minute; if it stays so, the operator must check the network.",
        ),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => Advice::new(
            format!(
                "Verifa's address answered with a redirect {code}, which is never followed, since the API key would go \
                 along."
            ),
            "The operator must act: correct VERIFA_API_URL. Do not call again before that.",
        ),
        _ if status.is_server_error() => Advice::new(
            format!("Verifa has a fault of its own {code}.{said}"),
            "Call again in a minute; if it stays so, the operator must ask Verifa.",
        ),
        _ => Advice::new(
            format!("Verifa refused the request {code}.{said}"),
            "The operator must act: check VERIFA_API_URL and VERIFA_API_VERSION. Do not repeat the call unchanged.",
        ),
    }
}

fn likely_reasons(deed: &Deed, verifa_says_why: bool, circumstances: &Circumstances) -> String {
    let start = if verifa_says_why { "If these words leave it open, the" } else { "The" };
    let is_lookup = deed.fate.is_none();
    let look = if circumstances.may_look_up && !is_lookup { " get_session shows the state." } else { "" };
    let version = match circumstances.version {
        ApiVersionSource::No => "",
        ApiVersionSource::ByTheAgent => {
            " Or the verifa_version that was sent is retired or unknown: then leave it out."
        }
        ApiVersionSource::BySetting => {
            " Or VERIFA_API_VERSION is retired or unknown: then the operator must change it."
        }
    };
    format!("{start} likely reason is {}.{look}{version} Do not repeat the call unchanged.", deed.refused_because)
}

fn not_found(session: &str, code: &str, said: &str, environment: Option<Environment>) -> Advice {
    let Some(environment) = environment else {
        return Advice::new(format!("Verifa knows no session{session} {code}.{said}"), "Check the id.");
    };
    let other = environment.other();
    Advice::new(
        format!("Verifa knows no session{session} with this {environment} key {code}.{said}"),
        format!(
            "Either the id is wrong: check it with the user. Or the session belongs to the {other} environment, which a \
             {environment} key cannot see: then the operator must configure a {other} key. Do not repeat the call \
             unchanged."
        ),
    )
}

fn unreadable(fault: BodyError, tool: ToolName) -> Advice {
    if (fault, tool) == (BodyError::TooLarge, ToolName::ListSessions) {
        return Advice::new("Verifa's answer is larger than a megabyte.", "Call again with a smaller limit.");
    }
    let what = match fault {
        BodyError::NotJson => "its answer is not JSON; something in between may have answered instead".to_owned(),
        BodyError::TooLarge => "its answer is larger than a megabyte".to_owned(),
        BodyError::Field(field) => format!("its answer has no usable {field}"),
        BodyError::OtherSession => "its answer is about another session".to_owned(),
        BodyError::UnsafeLink => {
            "the capture link in its answer is not a safe https link, so it is withheld".to_owned()
        }
    };
    Advice::new(
        format!("Verifa reported success, but {what}."),
        "The operator must check VERIFA_API_URL and, if it is right, tell Verifa. Calling again is unlikely to help.",
    )
}

fn unreachable(fault: ConnectError, proxy: Option<&str>) -> Advice {
    let whom = proxy.map_or_else(|| "Verifa".to_owned(), |proxy| format!("Verifa through the proxy {proxy}"));
    let (what, check) = connect_words(fault, proxy);
    Advice::new(
        format!("Could not reach {whom}: {what}."),
        format!("The operator must check {check}; then call again."),
    )
}

/// What a connection failed of, and what to check.
pub(crate) fn connect_words(fault: ConnectError, proxy: Option<&str>) -> (&'static str, String) {
    let (what, check) = match fault {
        ConnectError::Dns => ("the host name has no address", "the network, DNS and VERIFA_API_URL"),
        ConnectError::UnknownAuthority => (
            "its certificate comes from an unknown authority",
            "whether something on the way inspects TLS, and name its CA certificate in VERIFA_CA_FILE",
        ),
        ConnectError::CertificateDate => ("its certificate is not valid now", "this computer's clock"),
        ConnectError::CertificateName => ("its certificate is for another host", "VERIFA_API_URL"),
        ConnectError::Tls => ("the TLS handshake failed", "VERIFA_API_URL"),
        ConnectError::TimedOut => ("no connection came about in time", "the network and the firewall"),
        ConnectError::Refused if proxy.is_some() => {
            ("the connection was refused or cut, perhaps by the proxy, which may want a login", "the network")
        }
        ConnectError::Refused => ("the connection was refused or cut", "the network and VERIFA_API_URL"),
    };
    let and_the_proxy =
        if proxy.is_some() { ", and the proxy that HTTPS_PROXY names (NO_PROXY makes exceptions)" } else { "" };
    (what, format!("{check}{and_the_proxy}"))
}

fn dead_link(deed: &Deed, dead_for: SignedDuration, idempotency_key_source: IdempotencyKeySource) -> String {
    let ago = in_words(dead_for);
    match idempotency_key_source {
        IdempotencyKeySource::Agents => format!(
            "This idempotency_key was used before, so Verifa repeated its first answer, and the link in it expired {ago} \
             ago. Call again without idempotency_key to get a fresh link."
        ),
        IdempotencyKeySource::Confirmed => format!(
            "This confirmation was most likely used before, so Verifa repeated its first answer, and the link in it \
             expired {ago} ago. Call again without the confirmation: the user is asked anew. If the link of a new \
             confirmation is dead too, a clock is wrong: then the operator must compare the clocks (`verifa-mcp check` \
             does)."
        ),
        IdempotencyKeySource::Ours => format!(
            "Verifa {}, but the fresh link is said to have expired {ago} ago, so it is withheld. A clock is wrong, or the \
             API is at fault. The operator must compare the clocks (`verifa-mcp check` does) and, if they agree, tell \
             Verifa. Call again after that.",
            deed.done
        ),
    }
}

fn said(detail: Option<&UntrustedText>) -> String {
    let sentence = |detail: &UntrustedText| UntrustedText::new(detail.as_str().trim_end_matches('.'));
    detail.map(|detail| format!(" Verifa's words: {}.", sentence(detail).quoted())).unwrap_or_default()
}

/// What became of the session, with a space behind it. A lookup changes nothing, so there is nothing to say.
fn fate(deed: &Deed, failure: &Failure) -> String {
    let Some(fate) = &deed.fate else { return String::new() };
    let words = match (&failure.error, failure.outcome_unknown) {
        (Error::Unreadable { fault: BodyError::Field(_) | BodyError::OtherSession | BodyError::UnsafeLink, .. }, _) => {
            format!("{}.", fate.probably_done)
        }
        (Error::Unreadable { fault: BodyError::NotJson | BodyError::TooLarge, .. }, _) => {
            format!("{}.", fate.perhaps_done)
        }
        (Error::Status(refusal), true) if !refusal.status.is_server_error() => {
            format!("But an earlier attempt of this call got no answer, and {}.", fate.and_perhaps_done)
        }
        (_, true) => format!("{} all the same; calling again is safe, the newest link counts.", fate.perhaps_done),
        (_, false) => format!("{}.", fate.not_done),
    };
    words + " "
}

fn tried(failure: &Failure) -> String {
    match (failure.attempts, failure.elapsed.as_secs()) {
        (0 | 1, _) => String::new(),
        (attempts, 0) => format!(" Tried {attempts} times within a second."),
        (attempts, seconds) => format!(" Tried {attempts} times in {seconds} s."),
    }
}
