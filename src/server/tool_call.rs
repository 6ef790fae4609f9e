//! One `tools/call`: prepared, confirmed by the user where the settings want it, sent, counted.
//!
//! The call's result is the tool's; nothing is added to it here but the request's id.

use rmcp::{
    RoleServer,
    model::{
        CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ProgressNotificationParam, ProgressToken,
    },
    service::RequestContext,
};
use tokio::sync::mpsc;

use super::{
    MissingScope, RequestId, Server,
    confirmation::{Confirmed, Reply, confirm},
    of_request,
};
use crate::{
    call::Arrival,
    tools::{Entry, NotSent, Prepared, ReadyCall, ToolError},
    verifa::Retry,
};

const CANCELLED: &str = "The call was cancelled. If it was to create a link, the link may still have been created.";

impl Server {
    pub(super) async fn call(
        &self,
        tool: &Entry,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
        arrival: Arrival,
    ) -> CallToolResponse {
        let timer = self.metrics().start_call(tool.spec.name, arrival.time);
        let response = match self.confirmed(tool, request, context, arrival).await {
            Ok(Confirmed::Yes(call)) => tokio::select! {
                biased;
                () = context.ct.cancelled() => {
                    tracing::info!("call cancelled");
                    return CallToolResult::error(vec![ContentBlock::text(CANCELLED)]).into();
                }
                result = send(call, context) => result.map(Into::into),
            },
            Ok(Confirmed::Ask(question)) => Ok(question.into()),
            Err(error) => Err(error),
        };
        timer.stop(match &response {
            Ok(CallToolResponse::InputRequired(_)) => "asked",
            Ok(_) => "success",
            Err(error) => error.label(),
        });
        let request_id = of_request::<RequestId>(context).map(|id| id.0.as_str());
        response.unwrap_or_else(|error| error.into_result(request_id).into())
    }

    /// Prepares a call and, where the settings want it, asks its user.
    async fn confirmed<'a>(
        &'a self,
        tool: &Entry,
        mut request: CallToolRequestParams,
        context: &'a RequestContext<RoleServer>,
        arrival: Arrival,
    ) -> Result<Confirmed<'a>, ToolError> {
        let reply = Reply::take(&mut request);
        let arguments = request.arguments.unwrap_or_default();
        let prepared = (tool.prepare)(arguments, &self.state, self.caller(context), arrival);
        if let (Err(NotSent::MissingScope(_)), Some(missing)) = (&prepared, of_request::<MissingScope>(context)) {
            // A call notes it once.
            let _ = missing.0.set(tool.spec);
        }
        match prepared? {
            Prepared::Ready(call) => Ok(Confirmed::Yes(call)),
            // Boxed: it is large, and most calls do without.
            Prepared::Unconfirmed(call) => Ok(Box::pin(confirm(call, &reply, context, &self.stop)).await?),
        }
    }
}

/// Sends a call, and reports its retries to a client that asked for progress.
async fn send(call: ReadyCall<'_>, context: &RequestContext<RoleServer>) -> Result<CallToolResult, ToolError> {
    let Some(token) = context.meta.get_progress_token() else { return call.send(&|_| {}).await };
    let (retries, mut reports) = mpsc::unbounded_channel();
    let on_retry = move |retry: &Retry| {
        // Received until the call has ended.
        let _ = retries.send(progress(retry, token.clone()));
    };
    let report = async {
        while let Some(progress) = reports.recv().await {
            if let Err(error) = context.peer.notify_progress(progress).await {
                tracing::debug!(%error, "progress was not delivered");
            }
        }
        std::future::pending().await
    };
    tokio::select! {
        biased;
        result = call.send(&on_retry) => result,
        result = report => result,
    }
}

fn progress(retry: &Retry, token: ProgressToken) -> ProgressNotificationParam {
    let Retry { attempt, error, delay } = retry;
    let message = format!("Attempt {attempt} failed ({error}); next attempt in {:.1} s", delay.as_secs_f64());
    ProgressNotificationParam::new(token, f64::from(*attempt)).with_message(message)
}
