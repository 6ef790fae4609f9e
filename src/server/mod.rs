//! The MCP server: its identity, its capabilities, and the dispatch of requests to tools, prompts and the card.
//!
//! `tool_call` prepares and sends a tool call; `confirmation` asks the user first, with `request_state` as what it sends
//! along; `instructions` is what an agent is told about the whole. What a tool does is in `crate::tools`.

mod confirmation;
mod instructions;
mod request_state;
mod tool_call;

use std::{
    borrow::Cow,
    sync::{Arc, OnceLock},
};

use axum::http::request::Parts;
use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CacheScope, CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult, CustomRequest,
        CustomResult, DiscoverResult, ErrorCode, GetPromptRequestParams, GetPromptResponse, Implementation,
        InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourcesResult, ListToolsResult,
        PaginatedRequestParams, ReadResourceRequestParams, ReadResourceResponse, ReadResourceResult, Reference,
        ServerCapabilities, ServerConfig,
    },
    service::RequestContext,
};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, field::Empty};

use self::instructions::instructions;
use crate::{
    app,
    call::{Arrival, Caller, ToolSpec, TraceId},
    metrics::Metrics,
    prompts,
    tools::{self, ServerState},
    untrusted::UntrustedText,
};

/// The longest name of an unknown method that is repeated, in characters.
const MAX_SHOWN_METHOD: usize = 100;

/// The server. Cloning it is cheap.
#[derive(Debug, Clone)]
pub(crate) struct Server {
    state: Arc<ServerState>,
    /// Who calls, if a request names no caller of its own.
    caller: Caller,
    connects_ahead: bool,
    stop: CancellationToken,
    /// What it tells its caller about itself, created when first needed: over HTTP the SDK asks for it at every request.
    config: Arc<OnceLock<ServerConfig>>,
}

/// The id of an HTTP request in logs, in its response and in its errors.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(pub(crate) String);

/// Where a call notes the tool for which the scopes of its caller's token do not suffice, so that the HTTP response can ask
/// for more.
#[derive(Debug, Clone, Default)]
pub(crate) struct MissingScope(Arc<OnceLock<&'static ToolSpec>>);

impl MissingScope {
    pub(crate) fn tool(&self) -> Option<&'static ToolSpec> {
        self.0.get().copied()
    }
}

impl Server {
    /// A server that sends calls for `caller`, if a request names no other. One that uses a configured key
    /// `connects_ahead`.
    pub(crate) fn new(state: ServerState, caller: Caller, connects_ahead: bool) -> Self {
        Self { state: Arc::new(state), caller, connects_ahead, stop: CancellationToken::new(), config: Arc::default() }
    }

    /// The same server, with no question open once `stop` is cancelled.
    pub(crate) fn asking_until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// The same server for another caller.
    pub(crate) fn for_caller(&self, caller: Caller) -> Self {
        Self { caller, config: Arc::default(), ..self.clone() }
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.state.metrics
    }

    /// The caller that the transport found for this request, else the server's own.
    fn caller<'a>(&'a self, context: &'a RequestContext<RoleServer>) -> &'a Caller {
        of_request(context).unwrap_or(&self.caller)
    }

    /// Opens the connection to Verifa while the user still thinks, if calls use a configured key: never for callers who
    /// bring their own.
    fn connect_ahead(&self) {
        if self.connects_ahead {
            let state = self.state.clone();
            tokio::spawn(async move { state.connect_ahead().await });
        }
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
            .with_instructions(instructions(&self.caller, self.state.settings.emulated))
    }
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

    /// What clients of the newest revision send first, instead of `initialize`.
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
        let mut result = ListToolsResult::with_all_items(self.state.offered_tools(self.caller(&context)));
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
        prompt.map(GetPromptResponse::from).map_err(|error| ErrorData::invalid_params(error.to_string(), None))
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
        let tool = tools::find(&request.name).ok_or_else(unknown_tool)?;
        let request_id = of_request::<RequestId>(&context).map(|id| id.0.as_str());
        // Only where there can be several.
        let caller = request_id.and_then(|_| self.caller(&context).label());
        // At the highest level, so that every line names its call, whichever level is enabled.
        let arrival = Arrival { trace_id: trace_id(&context), ..Arrival::now() };
        let trace_id = arrival.trace_id.map(tracing::field::display);
        let span =
            tracing::error_span!("call", tool = tool.spec.name, session_id = Empty, request_id, caller, trace_id);
        // Boxed: the SDK moves a call's future several times, and it is large.
        Ok(Box::pin(self.call(tool, request, &context, arrival).instrument(span)).await)
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        _context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = UntrustedText::truncated(&request.method, MAX_SHOWN_METHOD);
        Err(ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("unknown method {}", method.quoted()), None))
    }
}

/// What a transport has added to a request: directly, or among the parts of its HTTP request.
fn of_request<T: Send + Sync + 'static>(context: &RequestContext<RoleServer>) -> Option<&T> {
    let of_http = || context.extensions.get::<Parts>().and_then(|parts| parts.extensions.get());
    context.extensions.get().or_else(of_http)
}

/// The trace that the client names: in the message, else in the HTTP header.
fn trace_id(context: &RequestContext<RoleServer>) -> Option<TraceId> {
    let header = || context.extensions.get::<Parts>()?.headers.get("traceparent")?.to_str().ok();
    context.meta.get_traceparent().or_else(header)?.parse().ok()
}

fn unknown_tool() -> ErrorData {
    ErrorData::invalid_params(Cow::Borrowed("unknown tool; tools/list names those that exist"), None)
}
