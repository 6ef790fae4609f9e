//! The MCP server: who it is, what it can do, and which tool a call goes to. Thin: the work is in [`crate::tools`].

use std::{borrow::Cow, sync::Arc};

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, Implementation,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};

use crate::{
    tools::{Caller, CaptureLink, Setup, environment_label, resume_session},
    verifa::Wait,
};

/// The server. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Server {
    setup: Arc<Setup>,
    caller: Caller,
    tools: Arc<[Tool]>,
}

impl Server {
    /// A server that makes its calls for one caller.
    pub fn new(setup: Arc<Setup>, caller: Caller) -> Self {
        let tools = [resume_session::definition(&setup, &caller)].into();
        Self { setup, caller, tools }
    }

    /// The tools that are offered, in the order of `tools/list`.
    pub fn tools(&self) -> &[Tool] {
        &self.tools
    }

    fn instructions(&self) -> String {
        let environment = match self.caller.environment() {
            Some(environment) => {
                format!("Environment: {}.", environment_label(environment, self.setup.emulated))
            }
            None => "No API key is configured yet: calls will say how to set it.".to_owned(),
        };
        format!(
            "Gets people who are stuck in a Verifa identity verification moving again. When somebody's verification link \
             has expired, call resume_session with the session's id and hand the fresh link over whole and unchanged. \
             {environment}"
        )
    }

    async fn call(
        &self,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> Option<CallToolResult> {
        let arguments = request.arguments.unwrap_or_default();
        let outcome = match request.name.as_ref() {
            resume_session::NAME => {
                resume_session::call(&self.setup, &self.caller, arguments, |wait| report_wait(context, wait)).await
            }
            _ => return None,
        };
        Some(outcome.map_or_else(CallToolResult::from, CaptureLink::into_result))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(
                Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("Verifa resume"),
            )
            .with_instructions(self.instructions())
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.tools.to_vec());
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        tokio::select! {
            result = self.call(request, &context) => result.map(CallToolResponse::from).ok_or_else(unknown_tool),
            () = context.ct.cancelled() => {
                tracing::info!("call cancelled");
                Ok(CallToolResult::error(vec![ContentBlock::text(CANCELLED)]).into())
            }
        }
    }
}

const CANCELLED: &str = "The call was cancelled. The session may have been resumed all the same.";

fn unknown_tool() -> ErrorData {
    ErrorData::invalid_params(Cow::Borrowed("unknown tool; tools/list names those that exist"), None)
}

/// Tells a client that asked for progress why its call takes longer.
async fn report_wait(context: &RequestContext<RoleServer>, wait: Wait) {
    let Some(token) = context.meta.get_progress_token() else { return };
    let message =
        format!("Attempt {} failed ({}); next attempt in {:.1} s", wait.attempt, wait.error, wait.delay.as_secs_f64());
    let progress = ProgressNotificationParam::new(token, f64::from(wait.attempt)).with_message(message);
    if let Err(error) = context.peer.notify_progress(progress).await {
        tracing::debug!(%error, "progress was not delivered");
    }
}
