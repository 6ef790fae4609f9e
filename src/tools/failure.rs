//! Why a tool call gives no result, and the result that says so.
//!
//! The words are in `advice`. Nothing here holds a link or a key.

use std::{fmt, io};

use jiff::SignedDuration;
use rmcp::model::{CallToolResult, ContentBlock};

use super::{NotConfirmed, ToolName, advice::explain};
use crate::verifa::{Environment, Error, Failure, SessionId};

/// Why a tool call gives no result. Its `Display` is for logs.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Fault {
    /// The arguments are not valid; a line for each fault.
    #[error("invalid arguments")]
    Arguments(Vec<String>),
    /// The caller may not use the tool.
    #[error("not allowed")]
    NotAllowed,
    /// The user was to agree first, and did not.
    #[error("not sent: {0}")]
    NotConfirmed(NotConfirmed),
    /// No key is configured.
    #[error("no API key")]
    NoKey,
    /// Verifa gave no usable answer.
    #[error(transparent)]
    Verifa(Box<Failure>),
    /// The answer's link died before the answer came.
    #[error("the answer's link is dead")]
    DeadLink {
        /// How long ago, by the answer's own clock.
        dead_for: SignedDuration,
    },
    /// The audit log could not take the call's start.
    #[error("not sent: the audit log cannot be written ({0})")]
    NoAuditStart(io::ErrorKind),
    /// The audit log could not take the end of a call that succeeded.
    #[error("done, but withheld: the audit log cannot be written ({0})")]
    NoAuditEnd(io::ErrorKind),
}

/// What the words depend on besides the fault.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// The tool that was called.
    pub tool: ToolName,
    /// The session that was asked for.
    pub session_id: Option<SessionId>,
    /// The environment of the key.
    pub environment: Option<Environment>,
    /// Whether the caller may use the tools that look sessions up.
    pub may_look_up: bool,
    /// Whether a `Verifa-Version` was sent.
    pub version: ApiVersionSource,
    /// Where the idempotency key comes from.
    pub idempotency_key_source: IdempotencyKeySource,
}

/// Where the idempotency key of a call comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum IdempotencyKeySource {
    /// It was made for this call.
    #[default]
    Ours,
    /// The agent, as an argument.
    Agents,
    /// The confirmation that came with the call, which may have come before.
    Confirmed,
}

/// Who chose the `Verifa-Version` of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum ApiVersionSource {
    /// None was sent.
    #[default]
    No,
    /// The agent, as an argument.
    ByTheAgent,
    /// The operator, as a setting.
    BySetting,
}

/// A tool call without a result. Its `Display` is what the agent reads.
#[derive(Debug, Clone)]
pub struct ToolError {
    /// What happened.
    pub fault: Fault,
    /// In which circumstances.
    pub circumstances: Circumstances,
}

impl Circumstances {
    /// What is known when no more than the tool is.
    pub fn of(tool: ToolName) -> Self {
        Self {
            tool,
            session_id: None,
            environment: None,
            may_look_up: false,
            version: ApiVersionSource::No,
            idempotency_key_source: IdempotencyKeySource::Ours,
        }
    }
}

impl ToolError {
    /// The result of the tool call. The request's id, where it has one, helps an operator to find it in the logs.
    pub fn into_result(self, request_id: Option<&str>) -> CallToolResult {
        let id = request_id.map(|id| format!("\nRequest id: {id}")).unwrap_or_default();
        CallToolResult::error(vec![ContentBlock::text(format!("{self}{id}"))])
    }
}

impl From<Failure> for Fault {
    fn from(failure: Failure) -> Self {
        Self::Verifa(Box::new(failure))
    }
}

impl Fault {
    /// The fault's kind in a word, for counting.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Arguments(_) => "invalid_arguments",
            Self::NotAllowed => "not_allowed",
            Self::NotConfirmed(why) => why.label(),
            Self::NoKey => "no_key",
            Self::NoAuditStart(_) | Self::NoAuditEnd(_) => "not_audited",
            Self::DeadLink { .. } => "dead_link",
            Self::Verifa(failure) => match failure.error {
                Error::Setup(_) | Error::Unreachable { .. } => "unreachable",
                Error::Busy => "busy",
                Error::TimedOut(_) => "timed_out",
                Error::Interrupted => "interrupted",
                Error::Status(ref refusal) if refusal.status.is_server_error() => "upstream_error",
                Error::Status(_) => "refused",
                Error::Unreadable { .. } => "unreadable",
            },
        }
    }
}

impl fmt::Display for ToolError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&explain(&self.fault, &self.circumstances))
    }
}
