//! What every tool does around its exchange with Verifa: the two lines of the audit log, where there is one.
//!
//! Without the `start` nothing is sent; without the `end` no link is handed out.

use super::{Caller, Fault, Setup};
use crate::{
    audit::{CallStart, Exchange, Outcome, RunningCall},
    verifa::{Answer, ApiKey, Failure, IdempotencyKey, SessionId},
};

/// A call that may be sent. Dropped before its end, it counts as cancelled.
#[must_use]
pub(super) struct Audited<'a>(Option<RunningCall<'a>>);

impl<'a> Audited<'a> {
    /// Writes the `start`.
    pub(super) fn start(
        setup: &'a Setup,
        caller: &'a Caller,
        key: &'a ApiKey,
        tool: &'static str,
        session_id: &'a SessionId,
        idempotency_key: Option<&'a IdempotencyKey>,
    ) -> Result<Self, Fault> {
        let Some(log) = &setup.audit else { return Ok(Self(None)) };
        let emulated = setup.emulated;
        let call = CallStart { caller: caller.name.as_deref(), key, emulated, tool, session_id, idempotency_key };
        log.start(call).map(|running| Self(Some(running))).map_err(|error| Fault::NoAuditStart(error.kind()))
    }

    /// Writes the `end`, and gives the result back if it may be handed out.
    pub(super) fn end<T>(self, exchange: Exchange, result: Result<T, Fault>) -> Result<T, Fault> {
        let Some(running) = self.0 else { return result };
        let outcome = result.as_ref().err().map_or(Outcome::Resumed, outcome);
        match (running.end(outcome, exchange), result) {
            (Err(error), Ok(_)) => Err(Fault::NoAuditEnd(error.kind())),
            (Err(error), Err(fault)) => {
                tracing::error!(%error, "the audit log could not take a call's end");
                Err(fault)
            }
            (Ok(()), result) => result,
        }
    }
}

/// What the logs keep of an answer or a failure.
pub(super) fn exchange<T>(outcome: &Result<Answer<T>, Failure>) -> Exchange {
    let (status, attempts) = match outcome {
        Ok(answer) => (Some(answer.status), answer.attempts),
        Err(failure) => (failure.error.status(), failure.attempts),
    };
    Exchange { status: status.map(|status| status.as_u16()), attempts: Some(attempts) }
}

fn outcome(fault: &Fault) -> Outcome {
    match fault {
        Fault::Verifa(failure) if failure.may_have_succeeded => Outcome::Unknown,
        Fault::Verifa(failure) if failure.error.status().is_some_and(|status| status.is_client_error()) => {
            Outcome::Refused
        }
        Fault::DeadLink { .. } => Outcome::Withheld,
        Fault::Verifa(_)
        | Fault::Arguments(_)
        | Fault::NotAllowed
        | Fault::NoKey
        | Fault::NoAuditStart(_)
        | Fault::NoAuditEnd(_) => Outcome::Failed,
    }
}
