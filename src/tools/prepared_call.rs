//! The only way to send a call: permission, arguments, key, consent, audit `start`, request, audit `end`.
//!
//! The types hold the order: [`prepare`] alone creates a call, only a [`ReadyCall`] can be sent, and only consent makes an
//! [`UnconfirmedCall`] ready. Without the audit log's `start` nothing is sent; without its `end` nothing is returned.

use std::{sync::Arc, time::Instant};

use futures_util::future::BoxFuture;
use reqwest::StatusCode;
use rmcp::model::{CallToolResult, JsonObject, Tool as Definition};
use tracing::Span;

use super::{
    CallFailed, Confirm, Consent, NotConfirmed, NotSent, Tool, ToolError, ToolSettings,
    arguments::Arguments,
    context::{context, subject},
    registry::Definitions,
    write_budget::{WriteBudget, WriteLimit},
};
use crate::{
    audit::AuditLog,
    call::{Arrival, CallContext, Caller, IdempotencyKeySource},
    metrics::Metrics,
    verifa::{ApiKey, ApiResponse, Client, Endpoint, Error, Failure, IdempotencyKey, OnRetry, Retry, SessionId},
};

/// What every call works with, one for the process. Only this module can reach the client and the audit log.
#[derive(Debug)]
pub struct ServerState {
    client: Client,
    audit: Option<Arc<AuditLog>>,
    confirm: Confirm,
    writes: Option<WriteBudget>,
    definitions: Definitions,
    pub(crate) settings: ToolSettings,
    pub(crate) metrics: Metrics,
}

impl ServerState {
    pub fn new(client: Client, audit: Option<Arc<AuditLog>>, confirm: Confirm, settings: ToolSettings) -> Self {
        let (writes, definitions, metrics) = (None, Definitions::default(), Metrics::new());
        Self { client, audit, confirm, writes, definitions, settings, metrics }
    }

    /// The same, with a limit for the calls of each caller that change something.
    pub(crate) fn limiting_writes(self, limit: Option<WriteLimit>) -> Self {
        Self { writes: limit.map(WriteBudget::new), ..self }
    }

    /// The tools that a caller may use, in the order of `tools/list`.
    pub(crate) fn offered_tools(&self, caller: &Caller) -> Vec<Definition> {
        self.definitions.offered(caller, &self.settings)
    }

    fn spend_write(&self, context: &CallContext<'_>) -> Result<(), NotSent> {
        let Some(budget) = self.writes.as_ref().filter(|_| !context.tool.effect.is_read()) else { return Ok(()) };
        budget.spend(context.caller.identity(), Instant::now()).map_err(|wait| {
            tracing::warn!(wait_seconds = wait.as_secs(), "nothing sent: the caller's write budget is spent");
            NotSent::TooManyWrites { limit: budget.limit, wait }
        })
    }

    pub(crate) async fn connect_ahead(&self) {
        self.client.connect_ahead().await;
    }
}

/// A call that its caller may make, with valid arguments and a key.
pub(crate) enum Prepared<'a, R = CallToolResult> {
    Ready(ReadyCall<'a, R>),
    Unconfirmed(UnconfirmedCall<'a, R>),
}

/// A call that may be sent.
pub(crate) struct ReadyCall<'a, R = CallToolResult>(Box<dyn Call<R> + 'a>);

/// A call that may be sent once its user has consented.
pub(crate) struct UnconfirmedCall<'a, R = CallToolResult> {
    call: Box<dyn Call<R> + 'a>,
    confirm: Confirm,
    subject: Vec<u8>,
}

/// Reads a call. `R` is what the tool's result is converted into.
///
/// # Errors
/// When the caller may not use the tool or has no key, and every argument that is invalid.
pub(crate) fn prepare<'a, T: Tool<Output: Into<R>>, R: 'static>(
    given: JsonObject,
    state: &'a ServerState,
    caller: &'a Caller,
    arrival: Arrival,
) -> Result<Prepared<'a, R>, NotSent> {
    let prepared = read::<T, R>(given, state, caller, arrival);
    prepared.inspect_err(|why| match why {
        NotSent::NoApiKey => tracing::warn!(%why, "nothing sent"),
        _ => tracing::info!(%why, "nothing sent"),
    })
}

fn read<'a, T: Tool<Output: Into<R>>, R: 'static>(
    given: JsonObject,
    state: &'a ServerState,
    caller: &'a Caller,
    arrival: Arrival,
) -> Result<Prepared<'a, R>, NotSent> {
    if caller.lacks_scope_for(T::SPEC) {
        return Err(NotSent::MissingScope(T::SPEC.toolset.oauth_scope()));
    }
    if !caller.permissions.allows(T::SPEC) {
        return Err(NotSent::NotAllowed);
    }
    let key = caller.key.as_ref();
    let must_ask = !T::SPEC.effect.is_read() && key.is_some_and(|key| state.confirm.covers(key.environment()));
    let subject = must_ask.then(|| subject(caller, T::SPEC, &given));
    let arguments = Arguments::read(T::ARGUMENTS, given)?;
    let endpoint = T::endpoint(&arguments).ok_or_else(|| NotSent::InvalidArguments(Vec::new()))?;
    Span::current().record("session_id", endpoint.session_id().map(SessionId::as_str));
    let key = key.ok_or(NotSent::NoApiKey)?;
    let context = context::<T>(&arguments, &endpoint, key, caller, &state.settings, arrival);
    let call = Box::new(TypedCall::<T> { state, endpoint, context });
    Ok(match subject {
        None => Prepared::Ready(ReadyCall(call)),
        Some(subject) => Prepared::Unconfirmed(UnconfirmedCall { call, confirm: state.confirm, subject }),
    })
}

impl<R> ReadyCall<'_, R> {
    /// Sends the call. Dropping the future cancels it.
    ///
    /// # Errors
    /// With the text for the agent.
    pub(crate) async fn send(self, on_retry: &OnRetry<'_>) -> Result<R, ToolError> {
        self.0.send(on_retry).await
    }
}

impl<'a, R> UnconfirmedCall<'a, R> {
    /// What the user is asked.
    pub(crate) fn question(&self) -> String {
        self.call.question()
    }

    /// What a consent to this call is given to; never a secret.
    pub(crate) fn subject(&self) -> &[u8] {
        &self.subject
    }

    pub(crate) fn key(&self) -> &ApiKey {
        self.call.context().key
    }

    /// The key that the call will be sent with.
    pub(crate) fn idempotency_key(&self) -> Option<&IdempotencyKey> {
        self.call.context().headers.idempotency_key.as_ref()
    }

    /// Why the call is not confirmed if the client cannot ask.
    pub(crate) fn cannot_ask(&self) -> NotConfirmed {
        NotConfirmed::CannotAsk(self.confirm)
    }

    pub(crate) fn confirmed(mut self, consent: Consent) -> ReadyCall<'a, R> {
        if let Consent::AnsweredEarlier(key) = consent {
            self.call.repeat_with(key);
        }
        ReadyCall(self.call)
    }
}

/// A call whose tool's type is erased.
trait Call<R>: Send + Sync {
    fn context(&self) -> &CallContext<'_>;

    fn question(&self) -> String;

    /// Makes this the call that the user consented to. A key that the agent chose stays the agent's.
    fn repeat_with(&mut self, key: IdempotencyKey);

    fn send<'s>(self: Box<Self>, on_retry: &'s OnRetry<'s>) -> BoxFuture<'s, Result<R, ToolError>>
    where
        Self: 's;
}

struct TypedCall<'a, T: Tool> {
    state: &'a ServerState,
    endpoint: T::Endpoint,
    context: CallContext<'a>,
}

impl<T: Tool<Output: Into<R>>, R> Call<R> for TypedCall<'_, T> {
    fn context(&self) -> &CallContext<'_> {
        &self.context
    }

    fn question(&self) -> String {
        T::question(&self.endpoint).text(&self.context)
    }

    fn repeat_with(&mut self, key: IdempotencyKey) {
        if self.context.idempotency_key_source == IdempotencyKeySource::Generated {
            self.context.idempotency_key_source = IdempotencyKeySource::Confirmation;
        }
        self.context.headers.idempotency_key = Some(key);
    }

    fn send<'s>(self: Box<Self>, on_retry: &'s OnRetry<'s>) -> BoxFuture<'s, Result<R, ToolError>>
    where
        Self: 's,
    {
        Box::pin(async move { (*self).send_audited(on_retry).await.map(Into::into) })
    }
}

impl<T: Tool> TypedCall<'_, T> {
    async fn send_audited(self, on_retry: &OnRetry<'_>) -> Result<T::Output, ToolError> {
        let Self { state, endpoint, context } = self;
        state.spend_write(&context)?;
        let audited = state.audit.as_ref().map(|log| log.start(&context)).transpose().map_err(|error| {
            tracing::error!(%error, "nothing sent: the audit log cannot be written");
            NotSent::AuditStart(error.kind())
        })?;
        let counted = |retry: &Retry| {
            count(&state.metrics, Err(&retry.error));
            state.metrics.upstream_retried();
            on_retry(retry);
        };
        let response = state.client.send(context.key, &context.headers, &endpoint, &counted).await;
        count(&state.metrics, response.as_ref().map(|it| it.status).map_err(|failure| &failure.last));
        let (status, attempts) = status_and_attempts(&response);

        let output = response.map_err(CallFailed::from);
        let output = output.and_then(|response| T::output(response, &endpoint, &context, &state.settings));
        let outcome = output.as_ref().map_or_else(|error| error.outcome().into(), |_| context.tool.outcome);
        let recorded = audited.map(|entry| entry.end(outcome, status, attempts)).transpose();
        let output = match (recorded, output) {
            (Err(error), Ok(_)) => Err(CallFailed::AuditEnd(error.kind())),
            (Err(error), Err(failed)) => {
                tracing::error!(%error, "the audit log could not record the end of a call");
                Err(failed)
            }
            (Ok(_), output) => output,
        };
        let milliseconds = context.elapsed_milliseconds();
        match &output {
            Ok(_) => tracing::info!(status, attempts, milliseconds, "{outcome}"),
            Err(error @ CallFailed::AuditEnd(_)) => {
                tracing::error!(status, attempts, milliseconds, %error, "no result");
            }
            Err(error) => tracing::warn!(status, attempts, milliseconds, %error, "no result"),
        }
        output.map_err(|error| ToolError::failed(&error, &context))
    }
}

fn status_and_attempts<T>(response: &Result<ApiResponse<T>, Failure>) -> (Option<u16>, u32) {
    match response {
        Ok(response) => (Some(response.status.as_u16()), response.attempts),
        Err(failure) => (failure.error.status().map(|status| status.as_u16()), failure.attempts),
    }
}

/// Counts a request to Verifa, if one was sent.
fn count(metrics: &Metrics, response: Result<StatusCode, &Error>) {
    match response {
        Ok(status) => metrics.upstream_responded(Some(status)),
        Err(Error::Setup(_) | Error::Busy) => {}
        Err(error) => metrics.upstream_responded(error.status()),
    }
}
