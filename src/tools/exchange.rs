//! What surrounds every exchange with Verifa: the audit log's two lines, the metrics, the log.
//!
//! Without the audit's `start` nothing is sent; without its `end` nothing is handed out. Neither a link nor a key is
//! ever in any of the three.

use std::time::Instant;

use reqwest::StatusCode;

use super::{ApiVersionSource, Circumstances, Fault, Setup, ToolName};
use crate::call::Caller;
use crate::{
    audit::{CallStart, Outcome, RunningCall, Wire},
    metrics::Metrics,
    verifa::{ApiKey, ApiResponse, Error, Failure, IdempotencyKey, SessionId, Wait},
};

/// What an exchange is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct About<'a> {
    pub(super) setup: &'a Setup,
    pub(super) caller: &'a Caller,
    pub(super) tool: ToolName,
    pub(super) session_id: Option<&'a SessionId>,
    pub(super) idempotency_key: Option<&'a IdempotencyKey>,
}

/// An exchange that may take place. Dropped before its end, it counts as cancelled.
#[must_use]
pub(super) struct Exchange<'a> {
    about: About<'a>,
    /// The key to make the call with.
    pub(super) key: &'a ApiKey,
    audited: Option<RunningCall<'a>>,
    started: Instant,
}

impl<'a> About<'a> {
    /// What the words about a failure depend on, where the agent chose neither a version nor a key.
    pub(super) fn circumstances(&self) -> Circumstances {
        let version =
            if self.setup.verifa_version.is_some() { ApiVersionSource::BySetting } else { ApiVersionSource::No };
        Circumstances {
            session_id: self.session_id.cloned(),
            environment: self.caller.environment(),
            may_look_up: ToolName::GetSession.is_allowed(&self.caller.permissions),
            version,
            ..Circumstances::of(self.tool)
        }
    }

    /// Begins the exchange.
    ///
    /// # Errors
    /// Where nothing may be sent: for want of a key, or of an audit log.
    pub(super) fn begin(self) -> Result<Exchange<'a>, Fault> {
        let Self { setup, caller, tool, session_id, idempotency_key } = self;
        let begun = caller.key.as_ref().ok_or(Fault::NoKey).and_then(|key| {
            let (caller, emulated, tool) = (caller.name.as_deref(), setup.emulated, tool.as_str());
            let start = CallStart { caller, key, emulated, tool, session_id, idempotency_key };
            let audited = setup.audit.as_ref().map(|log| log.start(start)).transpose();
            let audited = audited.map_err(|error| Fault::NoAuditStart(error.kind()))?;
            Ok(Exchange { about: self, key, audited, started: Instant::now() })
        });
        begun.inspect_err(|fault| report(fault, Wire::default(), None))
    }
}

impl Exchange<'_> {
    /// Counts each repetition before `on_wait` hears of it.
    pub(super) fn counting<F: Future<Output = ()>>(&self, on_wait: impl Fn(Wait) -> F) -> impl Fn(Wait) -> F {
        let metrics = &self.about.setup.metrics;
        move |wait| {
            count(metrics, Err(&wait.error));
            metrics.upstream_repeated();
            on_wait(wait)
        }
    }

    /// Ends the exchange, and gives what `result` makes of the answer if it may be handed out.
    pub(super) fn end<T, R>(
        self,
        answer: Result<ApiResponse<T>, Failure>,
        result: impl FnOnce(ApiResponse<T>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        count(&self.about.setup.metrics, answer.as_ref().map(|it| it.status).map_err(|failure| &failure.last));
        let (status, attempts) = match &answer {
            Ok(answer) => (Some(answer.status), answer.attempts),
            Err(failure) => (failure.error.status(), failure.attempts),
        };
        let wire = Wire { status: status.map(|status| status.as_u16()), attempts: Some(attempts) };
        let milliseconds = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);

        let result = answer.map_err(Fault::from).and_then(result);
        let done = done(self.about.tool);
        let outcome = result.as_ref().err().map_or(done, outcome);
        let recorded = self.audited.map(|running| running.end(outcome, wire)).transpose();
        let result = match (recorded, result) {
            (Err(error), Ok(_)) => Err(Fault::NoAuditEnd(error.kind())),
            (Err(error), Err(fault)) => {
                tracing::error!(%error, "the audit log could not take a call's end");
                Err(fault)
            }
            (Ok(_), result) => result,
        };
        match &result {
            Ok(_) => tracing::info!(status = wire.status, attempts, milliseconds, "{}", done.as_str()),
            Err(fault) => report(fault, wire, Some(milliseconds)),
        }
        result
    }
}

fn report(fault: &Fault, Wire { status, attempts }: Wire, milliseconds: Option<u64>) {
    match fault {
        Fault::NoAuditStart(_) | Fault::NoAuditEnd(_) => {
            tracing::error!(status, attempts, milliseconds, %fault, "no result");
        }
        fault => tracing::warn!(status, attempts, milliseconds, %fault, "no result"),
    }
}

/// Counts a request to Verifa, where one was sent.
fn count(metrics: &Metrics, outcome: Result<StatusCode, &Error>) {
    match outcome {
        Ok(status) => metrics.upstream_answered(Some(status)),
        Err(Error::Setup(_) | Error::Busy) => {}
        Err(error) => metrics.upstream_answered(error.status()),
    }
}

fn done(tool: ToolName) -> Outcome {
    match tool {
        ToolName::ListSessions | ToolName::GetSession => Outcome::Read,
        ToolName::ResumeSession => Outcome::Resumed,
        ToolName::GenerateOneTimeLink => Outcome::Linked,
    }
}

fn outcome(fault: &Fault) -> Outcome {
    match fault {
        Fault::Verifa(failure) if failure.outcome_unknown => Outcome::Unknown,
        Fault::Verifa(failure) if failure.error.status().is_some_and(|status| status.is_client_error()) => {
            Outcome::Refused
        }
        Fault::DeadLink { .. } => Outcome::Withheld,
        Fault::Verifa(_)
        | Fault::Arguments(_)
        | Fault::NotAllowed
        | Fault::NotConfirmed(_)
        | Fault::NoKey
        | Fault::NoAuditStart(_)
        | Fault::NoAuditEnd(_) => Outcome::Failed,
    }
}
