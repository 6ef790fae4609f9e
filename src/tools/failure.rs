//! What an agent reads when a call gives no link: what happened, whose move it is, what to do next.
//!
//! One pure function makes the words from the fault and its circumstances. They never hold a key, a link or a parser's
//! message; text of Verifa's own is quoted and was cleaned when it was read.

use std::fmt;

use jiff::SignedDuration;
use reqwest::StatusCode;
use rmcp::model::{CallToolResult, ContentBlock};

use super::time_words::in_words;
use crate::verifa::{
    BodyFault, ConnectFault, Environment, Error, Failure, OutsideText, Refusal, SessionId, SetupFault, wire,
};

/// Why a tool call gives no result. Its `Display` is for logs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The arguments are not valid; a line for each fault.
    #[error("invalid arguments")]
    Arguments(Vec<String>),
    /// No key is configured.
    #[error("no API key")]
    NoKey,
    /// Verifa gave no usable answer.
    #[error(transparent)]
    Verifa(#[from] Failure),
    /// The answer's link died before the answer came.
    #[error("the answer's link is dead")]
    DeadLink {
        /// How long ago, by the answer's own clock.
        dead_for: SignedDuration,
    },
}

/// What the words depend on besides the fault.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// The session that was asked for.
    pub session_id: Option<SessionId>,
    /// The environment of the key.
    pub environment: Option<Environment>,
    /// Whether a `Verifa-Version` was sent.
    pub version_sent: bool,
    /// Whether the agent chose the idempotency key.
    pub agents_own_key: bool,
}

/// A tool call without a result. Its `Display` is what the agent reads.
#[derive(Debug, Clone)]
pub struct ToolError {
    /// What happened.
    pub fault: Fault,
    /// In which circumstances.
    pub circumstances: Circumstances,
}

impl From<Fault> for ToolError {
    fn from(fault: Fault) -> Self {
        Self { fault, circumstances: Circumstances::default() }
    }
}

impl From<ToolError> for CallToolResult {
    fn from(error: ToolError) -> Self {
        Self::error(vec![ContentBlock::text(error.to_string())])
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&explain(&self.fault, &self.circumstances))
    }
}

fn explain(fault: &Fault, circumstances: &Circumstances) -> String {
    match fault {
        Fault::Arguments(faults) => format!(
            "The arguments are not valid, so nothing was sent to Verifa. Correct them and call again:\n- {}",
            faults.join("\n- ")
        ),
        Fault::NoKey => "No Verifa API key is configured, so nothing was sent to Verifa. The operator of this MCP \
            server must act: set VERIFA_API_KEY (or VERIFA_API_KEY_FILE) to the organization's secret key, \
            vk_sandbox_… or vk_live_…, and restart the server. Do not call again before that."
            .to_owned(),
        Fault::DeadLink { dead_for } => dead_link(*dead_for, circumstances.agents_own_key),
        Fault::Verifa(failure) => {
            let happened = match &failure.error {
                Error::Refused(refusal) => refused(refusal, failure, circumstances),
                Error::Unreadable(fault) => unreadable(*fault),
                Error::Unreachable { fault, proxy } => unreachable(*fault, proxy.as_deref()),
                Error::Setup(SetupFault::RootCertificates) => {
                    "This computer has no root certificates that can be used, \
                    so Verifa cannot be recognized. The operator must act: install the system's CA certificates, or \
                    name a good file in VERIFA_CA_FILE."
                        .to_owned()
                }
                Error::Busy => {
                    "This MCP server already has as many requests at Verifa as it may, and none became free \
                    in time. Call again in a few seconds."
                        .to_owned()
                }
                Error::TimedOut(_) => "Verifa did not answer in time. Call again in a minute; if it stays so, the \
                    operator must check the network and Verifa's status page."
                    .to_owned(),
                Error::Interrupted => "The connection to Verifa broke before its answer was complete. Call again in a \
                    minute; if it stays so, the operator must check the network."
                    .to_owned(),
            };
            [happened, fate(failure), tries(failure)].join(" ").trim_end().to_owned()
        }
    }
}

fn refused(refusal: &Refusal, failure: &Failure, circumstances: &Circumstances) -> String {
    let status = refusal.status;
    let session = circumstances.session_id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
    let code = refusal.code.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
    let code = format!("({}{code})", status.as_u16());
    let said = said(refusal.detail.as_ref());
    let mismatch = refusal.code.as_ref().is_some_and(|code| code.as_str() == wire::IDEMPOTENCY_MISMATCH);
    match status {
        StatusCode::UNAUTHORIZED => format!(
            "Verifa rejected the API key {code}.{said} It may be revoked, expired, or not allowed from this IP address. \
             The operator must act: check the key in Verifa's dashboard and set VERIFA_API_KEY anew. Do not call again \
             before that."
        ),
        StatusCode::FORBIDDEN => format!(
            "Verifa does not let this API key resume sessions {code}.{said} It lacks a right, most likely the scope \
             sessions:write. The operator must act in Verifa's dashboard. Do not call again before that."
        ),
        StatusCode::NOT_FOUND => not_found(&session, &code, circumstances.environment) + &said,
        StatusCode::TOO_MANY_REQUESTS => {
            let wait = match refusal.retry_after {
                Some(wait) => format!("Wait {} seconds", wait.as_secs().max(1)),
                None => "Wait a minute".to_owned(),
            };
            format!("Verifa's rate limit for this organization is reached {code}.{said} {wait}, then call again.")
        }
        StatusCode::UNPROCESSABLE_ENTITY if mismatch => format!(
            "This idempotency_key was used before with other parameters {code}.{said} Call again with a new \
             idempotency_key, or with none."
        ),
        StatusCode::CONFLICT if failure.may_have_succeeded => format!(
            "Verifa reports a conflict for session{session} {code}.{said} It may be with an earlier attempt of this \
             very call, which got no answer. Call again in a minute, without idempotency_key."
        ),
        StatusCode::BAD_REQUEST | StatusCode::CONFLICT | StatusCode::UNPROCESSABLE_ENTITY => {
            let version = if circumstances.version_sent {
                " Another: the verifa_version that was sent is retired or unknown; leave it out."
            } else {
                ""
            };
            format!(
                "Verifa refused to resume session{session} {code}.{said} The likely reason: its state. A session that is \
                 completed or redacted can never be resumed; the person needs a new one.{version} Do not repeat the \
                 call unchanged."
            )
        }
        _ if status.is_redirection() => format!(
            "Verifa's address answered with a redirect {code}, which is never followed, since the API key would go \
             along. The operator must act: correct VERIFA_API_URL. Do not call again before that."
        ),
        _ if status.is_server_error() => format!(
            "Verifa has a fault of its own {code}.{said} Call again in a minute; if it stays so, the operator must look \
             at Verifa's status page."
        ),
        _ => format!(
            "Verifa refused the request {code}.{said} The operator must act: check VERIFA_API_URL and VERIFA_API_VERSION. \
             Do not repeat the call unchanged."
        ),
    }
}

fn not_found(session: &str, code: &str, environment: Option<Environment>) -> String {
    let Some(environment) = environment else {
        return format!("Verifa knows no session{session} {code}.");
    };
    let other = environment.other();
    format!(
        "Verifa knows no session{session} with this {environment} key {code}. Either the id is wrong: check it with the \
         user. Or the session belongs to the {other} environment, which a {environment} key cannot see: then the operator \
         must configure a {other} key. Do not repeat the call unchanged."
    )
}

fn unreadable(fault: BodyFault) -> String {
    let what = match fault {
        BodyFault::NotJson => "its answer is not JSON; something in between may have answered instead".to_owned(),
        BodyFault::TooLarge => "its answer is larger than a megabyte".to_owned(),
        BodyFault::Field(field) => format!("its answer has no usable {field}"),
        BodyFault::UnsafeLink => {
            "the capture link in its answer is not a safe https link, so it is withheld".to_owned()
        }
    };
    format!(
        "Verifa reported success, but {what}. The operator must check VERIFA_API_URL and, if it is right, tell Verifa. \
         Calling again is unlikely to help."
    )
}

fn unreachable(fault: ConnectFault, proxy: Option<&str>) -> String {
    let whom = proxy.map_or_else(|| "Verifa".to_owned(), |proxy| format!("Verifa through the proxy {proxy}"));
    let (what, check) = connect_words(fault);
    let proxy_hint = if proxy.is_some() { " (the proxy is set in HTTPS_PROXY; NO_PROXY makes exceptions)" } else { "" };
    format!("Could not reach {whom}: {what}. The operator must check {check}{proxy_hint}; then call again.")
}

/// What a connection failed of, and what to check.
pub(crate) fn connect_words(fault: ConnectFault) -> (&'static str, &'static str) {
    match fault {
        ConnectFault::Dns => ("the host name has no address", "the network, DNS and VERIFA_API_URL"),
        ConnectFault::UnknownAuthority => (
            "its certificate comes from an unknown authority",
            "whether a company proxy inspects TLS, and name its CA certificate in VERIFA_CA_FILE",
        ),
        ConnectFault::CertificateDate => ("its certificate is not valid now", "this computer's clock"),
        ConnectFault::CertificateName => ("its certificate is for another host", "VERIFA_API_URL and the proxy"),
        ConnectFault::Tls => ("the TLS handshake failed", "VERIFA_API_URL and the proxy"),
        ConnectFault::TimedOut => ("no connection came about in time", "the network, the firewall and the proxy"),
        ConnectFault::Refused => ("the connection was refused or cut", "the network, the proxy and VERIFA_API_URL"),
    }
}

fn dead_link(dead_for: SignedDuration, agents_own_key: bool) -> String {
    let ago = in_words(dead_for);
    if agents_own_key {
        format!(
            "This idempotency_key was used before, so Verifa repeated its first answer, and the link in it expired {ago} \
             ago. Call again without idempotency_key to get a fresh link."
        )
    } else {
        format!(
            "Verifa answered with a link that expired {ago} ago, although it is fresh; it is withheld. A clock is wrong, \
             or the API is at fault. The operator must compare the clocks (`verifa-mcp check` does) and, if they agree, \
             tell Verifa. Call again after that."
        )
    }
}

fn said(detail: Option<&OutsideText>) -> String {
    let quoted = |detail: &OutsideText| detail.as_str().trim_end_matches('.').replace('"', "'");
    detail.map(|detail| format!(" Verifa's words: \"{}\".", quoted(detail))).unwrap_or_default()
}

fn fate(failure: &Failure) -> String {
    let fate = match (&failure.error, failure.may_have_succeeded) {
        (Error::Unreadable(_), _) => "The session has probably been resumed all the same.",
        (_, true) => "The session may have been resumed all the same; calling again is safe, the newest link counts.",
        (_, false) => "The session was not resumed.",
    };
    fate.to_owned()
}

fn tries(failure: &Failure) -> String {
    let seconds = failure.elapsed.as_secs();
    match failure.attempts {
        0 | 1 => String::new(),
        attempts => format!("Tried {attempts} times in {seconds} s."),
    }
}
