//! The MCP server: who it is, what it can do, and which tool a call goes to. Thin: the work is in [`crate::tools`].
//!
//! `confirmation` asks the user before a call that writes, where the settings want it; `seal` is what it sends along.
//! `instructions` is what an agent is told about the whole.

mod confirmation;
mod instructions;
mod seal;

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
        ContentBlock, DiscoverResult, GetPromptRequestParams, GetPromptResponse, Implementation,
        InitializeRequestParams, InitializeResult, InputRequiredResult, ListPromptsResult, ListResourcesResult,
        ListToolsResult, PaginatedRequestParams, ProgressNotificationParam, ReadResourceRequestParams,
        ReadResourceResponse, ReadResourceResult, Reference, ServerCapabilities, ServerConfig, Tool,
    },
    service::RequestContext,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field::Empty};

use self::{confirmation::Confirmation, instructions::instructions};
use crate::call::Caller;
use crate::{
    app,
    metrics::Metrics,
    prompts,
    tools::{Call, Setup, ToolError, ToolName, definitions},
    verifa::{Environment, SessionId, Wait},
};

const CANCELLED: &str = "The call was cancelled. If it was to make a link, the link may have been made all the same.";

/// The server. Cloning it is cheap.
#[derive(Debug, Clone)]
pub struct Server {
    setup: Arc<Setup>,
    /// For whom calls are made that do not bring a caller of their own.
    caller: Caller,
    connects_ahead: bool,
    stop: CancellationToken,
    definitions: Arc<Definitions>,
    /// What it says of itself to its caller, made when first asked for: over HTTP the SDK asks at every request.
    config: Arc<OnceLock<ServerConfig>>,
}

/// The tools' definitions, made when first asked for: the titles name the caller's environment.
#[derive(Debug, Default)]
struct Definitions {
    unknown: OnceLock<AllTools>,
    sandbox: OnceLock<AllTools>,
    live: OnceLock<AllTools>,
}

type AllTools = [Tool; ToolName::ALL.len()];

/// What an HTTP request goes by in logs, in its answer and in its errors.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

impl Server {
    /// A server that makes its calls for one caller, where a call does not bring another. One whose calls are made with a
    /// configured key `connects_ahead`.
    pub fn new(setup: Arc<Setup>, caller: Caller, connects_ahead: bool) -> Self {
        let (stop, definitions, config) = (CancellationToken::new(), Arc::default(), Arc::default());
        Self { setup, caller, connects_ahead, stop, definitions, config }
    }

    /// The same server, which has no question open once `stop` is cancelled.
    pub fn asking_until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// The same server for another caller.
    pub fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, config: Arc::default(), ..self.clone() }
    }

    /// Where its calls are counted.
    pub fn metrics(&self) -> &Metrics {
        &self.setup.metrics
    }

    /// The tools that a caller is offered, in the order of `tools/list`.
    pub fn tools(&self, caller: &Caller) -> Vec<Tool> {
        let all = match caller.environment() {
            None => &self.definitions.unknown,
            Some(Environment::Sandbox) => &self.definitions.sandbox,
            Some(Environment::Live) => &self.definitions.live,
        };
        let all = all.get_or_init(|| definitions(&self.setup, caller));
        let allowed = ToolName::ALL.into_iter().zip(all).filter(|(tool, _)| tool.is_allowed(&caller.permissions));
        allowed.map(|(_, definition)| definition.clone()).collect()
    }

    /// For whom a request is: the caller that its transport found, else the one of this server.
    fn caller<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Caller {
        of_request(context).unwrap_or(&self.caller)
    }

    /// Lets the connection to Verifa be opened while the user still thinks, where calls are made with a configured key:
    /// never for callers who bring their own.
    fn connect_ahead(&self) {
        if self.connects_ahead {
            let setup = self.setup.clone();
            tokio::spawn(async move { setup.client.connect_ahead().await });
        }
    }

    /// Carries a call out, inside its span.
    async fn call(
        &self,
        tool: ToolName,
        request: CallToolRequestParams,
        context: &RequestContext<RoleServer>,
    ) -> CallToolResponse {
        let caller = self.caller(context);
        let counted = self.setup.metrics.call_begins(tool.as_str());
        let outcome = match self.agreed(tool, request, caller, context).await {
            Ok(Agreed::Yes(call)) => tokio::select! {
                biased;
                () = context.ct.cancelled() => {
                    tracing::info!("call cancelled");
                    return CallToolResult::error(vec![ContentBlock::text(CANCELLED)]).into();
                }
                sent = call.send(&self.setup, caller, |wait| report_wait(context, wait)) => sent.map(Into::into),
            },
            Ok(Agreed::NotYet(question)) => Ok(question.into()),
            Err(error) => Err(error),
        };
        counted.ends(match &outcome {
            Ok(CallToolResponse::InputRequired(_)) => "asked",
            Ok(_) => "success",
            Err(error) => error.fault.label(),
        });
        let request_id = of_request::<RequestId>(context).map(|id| id.0.as_str());
        outcome.unwrap_or_else(|error| error.into_result(request_id).into())
    }

    /// Reads a call and has the user agree to it, where they are to.
    async fn agreed(
        &self,
        tool: ToolName,
        request: CallToolRequestParams,
        caller: &Caller,
        context: &RequestContext<RoleServer>,
    ) -> Result<Agreed, ToolError> {
        let confirmation = if tool.writes() { Confirmation::of(tool, &request, &self.setup, caller) } else { None };
        let mut call = Call::read(tool, request.arguments.unwrap_or_default(), &self.setup, caller)?;
        Span::current().record("session_id", call.session_id().map(SessionId::as_str));
        if let Some(write) = call.as_write()
            && let Some(confirmation) = confirmation
            // Boxed: it is large, and most calls do without.
            && let Some(question) = Box::pin(confirmation.ask(write, context, &self.stop)).await?
        {
            return Ok(Agreed::NotYet(question));
        }
        Ok(Agreed::Yes(call))
    }

    fn describe(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_extensions_with(app::extension())
            .enable_completions()
            .enable_prompts()
            .enable_resources()
            .enable_tools()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(
                Implementation::new(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION")).with_title("Verifa resume"),
            )
            .with_instructions(instructions(&self.caller, self.setup.emulated))
    }
}

/// Whether a call may be sent.
enum Agreed {
    Yes(Call),
    NotYet(InputRequiredResult),
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        self.config.get_or_init(|| self.describe()).clone()
    }

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        self.connect_ahead();
        context.peer.set_peer_info(request.clone());
        self.for_caller(self.caller(&context).clone()).negotiate_initialize(&request)
    }

    /// What clients of the newest revision begin with, instead of `initialize`.
    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        self.connect_ahead();
        let info = self.for_caller(self.caller(&context).clone()).get_info();
        Ok(DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), info))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let mut result = ListToolsResult::with_all_items(self.tools(self.caller(&context)));
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    async fn list_prompts(
        &self,
        _request: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        let mut result = ListPromptsResult::with_all_items(prompts::list(&self.caller(&context).permissions));
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Private);
        Ok(result)
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        let permissions = &self.caller(&context).permissions;
        let prompt = prompts::get(&request.name, &request.arguments.unwrap_or_default(), permissions);
        prompt.map(GetPromptResponse::from).map_err(|fault| ErrorData::invalid_params(fault.to_string(), None))
    }

    async fn complete(
        &self,
        request: CompleteRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        match request.r#ref {
            Reference::Prompt(prompt) if prompt.name == prompts::NAME => {
                Ok(CompleteResult::new(prompts::complete(&request.argument.name, &request.argument.value)))
            }
            _ => Err(ErrorData::invalid_params(prompts::InvalidPrompt::Name.to_string(), None)),
        }
    }

    async fn list_resources(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let mut result = ListResourcesResult::with_all_items(vec![app::resource()]);
        result.ttl_ms = Some(0);
        result.cache_scope = Some(CacheScope::Public);
        Ok(result)
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != app::URI {
            let data = serde_json::json!({"uri": request.uri});
            return Err(ErrorData::resource_not_found(
                "unknown resource; resources/list names those that exist",
                Some(data),
            ));
        }
        let result = ReadResourceResult::new(vec![app::contents()]);
        Ok(result.with_ttl_ms(0).with_cache_scope(CacheScope::Public).into())
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let tool = ToolName::find(&request.name).ok_or_else(unknown_tool)?;
        let request_id = of_request::<RequestId>(&context).map(|id| id.0.as_str());
        // Only where there may be several.
        let caller = request_id.and_then(|_| self.caller(&context).label());
        // At whatever level is asked for, a line says which call it is about.
        let span = tracing::error_span!("call", tool = tool.as_str(), session_id = Empty, request_id, caller);
        // The SDK moves a call's future about several times, and it is large.
        Ok(Box::pin(self.call(tool, request, &context).instrument(span)).await)
    }
}

/// What a transport has put into a request: by itself, or among the parts of its HTTP request.
fn of_request<T: Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<&T> {
    let of_http = || context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get());
    context.extensions.get().or_else(of_http)
}

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
