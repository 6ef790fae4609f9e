//! Why a tool call has no result: before anything was sent, or after.
//!
//! The texts are in `error_text`. Nothing here holds a link or a key.

use std::{io, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reqwest::StatusCode;
use rmcp::model::{CallToolResult, ContentBlock, JsonObject, MetaObject};
use serde_json::json;

use super::{NotConfirmed, WriteLimit, error_text};
use crate::{
    audit::Outcome,
    call::CallContext,
    verifa::{Error, ErrorResponse, Failure},
};

/// The name in an error's `_meta` that tells programs when to repeat the call, in whole seconds.
const RETRY_META_KEY: &str = "io.github.verifa-mcp/retry";
/// After a fault that may pass.
const RETRY_AFTER_FAULT: Duration = Duration::from_secs(60);

/// Why nothing was sent. Its `Display` is for logs.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum NotSent {
    /// A line for each error.
    #[error("invalid arguments")]
    InvalidArguments(Vec<String>),
    #[error("not allowed")]
    NotAllowed,
    /// The caller's access token does not include it.
    #[error("no scope {0}")]
    MissingScope(&'static str),
    /// The caller has sent as many calls that change something as it may.
    #[error("write budget spent")]
    TooManyWrites { limit: WriteLimit, wait: Duration },
    #[error("no API key")]
    NoApiKey,
    #[error("not confirmed: {0}")]
    NotConfirmed(NotConfirmed),
    /// The audit log could not record the call's start.
    #[error("the audit log cannot be written ({0})")]
    AuditStart(io::ErrorKind),
}

/// Why a call that was sent has no result. Its `Display` is for logs.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum CallFailed {
    #[error(transparent)]
    Verifa(Box<Failure>),
    /// The link had expired before the response came.
    #[error("the link in the response has expired")]
    LinkExpired {
        /// By the response's own clock.
        expired_for: SignedDuration,
    },
    /// The call took effect, and the audit log could not record its end.
    #[error("done, but withheld: the audit log cannot be written ({0})")]
    AuditEnd(io::ErrorKind),
}

/// A tool call without a result, with the text that the agent reads.
#[derive(Debug)]
pub(crate) struct ToolError {
    text: String,
    label: &'static str,
    is_invalid_arguments: bool,
    retry_after: Option<Duration>,
}

impl ToolError {
    /// What the agent reads.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The error's kind in a word, for metrics.
    pub(crate) fn label(&self) -> &'static str {
        self.label
    }

    pub(crate) fn is_invalid_arguments(&self) -> bool {
        self.is_invalid_arguments
    }

    /// How long to wait before the same call may succeed. `None` if it will not, or only once someone has acted.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// The result of the tool call. The request's id, if it has one, helps an operator to find it in the logs.
    pub(crate) fn into_result(self, request_id: Option<&str>) -> CallToolResult {
        let id = request_id.map(|id| format!("\nRequest id: {id}")).unwrap_or_default();
        let retry = self
            .retry_after
            .map(|delay| json!({"after_seconds": delay.as_secs() + u64::from(delay.subsec_nanos() > 0)}));
        let meta = retry.map(|retry| MetaObject(JsonObject::from_iter([(RETRY_META_KEY.to_owned(), retry)])));
        CallToolResult::error(vec![ContentBlock::text(self.text + &id)]).with_meta(meta)
    }

    pub(super) fn failed(error: &CallFailed, call: &CallContext<'_>) -> Self {
        let mut text = error_text::failed(error, call);
        if error.is_outage() {
            text += &Timestamp::now().strftime(" It is now %Y-%m-%d %H:%M:%S UTC.").to_string();
        }
        Self { text, label: error.label(), is_invalid_arguments: false, retry_after: error.retry_after() }
    }
}

impl From<NotSent> for ToolError {
    fn from(error: NotSent) -> Self {
        let is_invalid_arguments = matches!(error, NotSent::InvalidArguments(_));
        let retry_after = match error {
            NotSent::TooManyWrites { wait, .. } => Some(wait),
            _ => None,
        };
        Self { text: error_text::not_sent(&error), label: error.label(), is_invalid_arguments, retry_after }
    }
}

impl From<Failure> for CallFailed {
    fn from(failure: Failure) -> Self {
        Self::Verifa(Box::new(failure))
    }
}

impl NotSent {
    fn label(&self) -> &'static str {
        match self {
            Self::InvalidArguments(_) => "invalid_arguments",
            Self::NotAllowed => "not_allowed",
            Self::MissingScope(_) => "missing_scope",
            Self::TooManyWrites { .. } => "too_many_writes",
            Self::NoApiKey => "no_key",
            Self::NotConfirmed(why) => why.label(),
            Self::AuditStart(_) => "not_audited",
        }
    }
}

impl CallFailed {
    fn label(&self) -> &'static str {
        match self {
            Self::AuditEnd(_) => "not_audited",
            Self::LinkExpired { .. } => "dead_link",
            Self::Verifa(failure) => match &failure.error {
                Error::Setup(_) | Error::Unreachable { .. } => "unreachable",
                Error::Busy => "busy",
                Error::TimedOut(_) => "timed_out",
                Error::Interrupted => "interrupted",
                Error::Status(response) if response.status.is_server_error() => "upstream_error",
                Error::Status(_) => "refused",
                Error::Unreadable { .. } => "unreadable",
            },
        }
    }

    /// Whether Verifa may have to look into it, for which it needs the time.
    fn is_outage(&self) -> bool {
        let Self::Verifa(failure) = self else { return false };
        match &failure.error {
            Error::Status(ErrorResponse { status, .. }) => {
                status.is_server_error() || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY].contains(status)
            }
            error => matches!(error, Error::TimedOut(_) | Error::Interrupted),
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        let Self::Verifa(failure) = self else { return None };
        match &failure.error {
            Error::Status(response) if response.status == StatusCode::TOO_MANY_REQUESTS => {
                Some(response.retry_after.unwrap_or(RETRY_AFTER_FAULT))
            }
            Error::Busy => Some(RETRY_AFTER_FAULT),
            _ => self.is_outage().then_some(RETRY_AFTER_FAULT),
        }
    }

    /// The outcome for the audit log.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Verifa(failure) if failure.outcome_unknown => Outcome::Unknown,
            Self::Verifa(failure) if failure.is_rejected_by_verifa() => Outcome::Refused,
            Self::LinkExpired { .. } => Outcome::Withheld,
            Self::Verifa(_) | Self::AuditEnd(_) => Outcome::Failed,
        }
    }
}
