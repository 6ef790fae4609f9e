//! The floor: a minimal server that shows what the SDK, the runtime and the HTTP client cost on their own.
//!
//! It uses rmcp and a default reqwest client. Its results equal those of `verifa-mcp` byte for byte, except for the random
//! idempotency key. It has no limits, no retries, no checks and no logs. It is for measurements only; `benches/run` starts it.

#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

use std::{env, sync::Arc};

use axum::Router;
use jiff::Timestamp;
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt,
    handler::server::tool::{ToolCallContext, ToolRoute, ToolRouter, parse_json_object, schema_for_input},
    model::{
        Annotations, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ImageContent,
        Implementation, JsonObject, ListToolsResult, MetaObject, PaginatedRequestParams, Role, ServerCapabilities,
        ServerConfig, Tool,
    },
    service::RequestContext,
    transport::{
        StreamableHttpServerConfig, StreamableHttpService, stdio_pipes,
        streamable_http_server::session::local::LocalSessionManager,
    },
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::net::TcpListener;
use uuid::Uuid;

#[derive(Clone)]
struct Server {
    tool_router: Arc<ToolRouter<Self>>,
    client: reqwest::Client,
    api: String,
    key: String,
}

#[derive(Deserialize, JsonSchema)]
struct Input {
    session_id: String,
}

#[derive(Deserialize, Serialize)]
struct Resumed {
    id: String,
    status: String,
    capture_url: String,
    expires_at: String,
    qr_code_data_url: String,
}

/// The default client, with the same cryptography provider as the program.
fn default_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

impl Server {
    fn new() -> Self {
        let tool = Tool::new("resume_session", "Resumes a Verifa session.", schema_for_input::<Input>().unwrap());
        let route = ToolRoute::new_dyn(tool, |call: ToolCallContext<'_, Self>| {
            Box::pin(async move {
                let input = parse_json_object(call.arguments.unwrap_or_default())?;
                call.service.resume(input).await.map(CallToolResponse::from)
            })
        });
        Self {
            tool_router: Arc::new(ToolRouter::new().with_route(route)),
            client: default_client(),
            api: env::var("VERIFA_API_URL").unwrap(),
            key: env::var("VERIFA_API_KEY").unwrap(),
        }
    }

    async fn resume(&self, Input { session_id }: Input) -> Result<CallToolResult, ErrorData> {
        let idempotency_key = Uuid::new_v4().to_string();
        let request = self
            .client
            .post(format!("{}/api/v1/sessions/{session_id}/resume", self.api))
            .header("x-api-key", &self.key)
            .header("idempotency-key", &idempotency_key)
            .header("content-length", 0);
        let body = request.send().await.map_err(internal)?.bytes().await.map_err(internal)?;
        let resumed: Resumed = serde_json::from_slice(&body).map_err(internal)?;
        let expires_at: Timestamp = resumed.expires_at.parse().map_err(internal)?;
        let minutes = (expires_at.duration_since(Timestamp::now()).as_secs() + 30) / 60;
        let text = format!(
            "Session {} (sandbox) was resumed, status \"{}\". Single-use capture link: send it complete and unchanged; do not \
             open it:\n{}\nExpires {}, in {minutes} minutes. The image is its QR code.",
            resumed.id,
            resumed.status,
            resumed.capture_url,
            expires_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        );
        let picture = resumed.qr_code_data_url.trim_start_matches("data:image/png;base64,");
        let for_the_user = Annotations::default().with_audience(vec![Role::User]);
        let image = ImageContent::new(picture, "image/png").with_annotations(for_the_user);
        let mut result = CallToolResult::success(vec![ContentBlock::text(text), ContentBlock::Image(image)]);
        result.structured_content = Some(json!(resumed));
        let about = json!({
            "tool": "resume_session",
            "session_id": session_id,
            "environment": "sandbox",
            "emulator": false,
            "status_tool": "get_session",
            "idempotency_key": idempotency_key,
        });
        let meta = JsonObject::from_iter([("io.github.verifa-mcp/capture-link".to_owned(), about)]);
        Ok(result.with_meta(Some(MetaObject(meta))))
    }
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(Implementation::new("floor", env!("CARGO_PKG_VERSION")))
    }

    async fn list_tools(
        &self,
        _request: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        Ok(ListToolsResult::with_all_items(self.tool_router.list_all()))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        self.tool_router.call(ToolCallContext::new(self, request, context)).await
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tool_router.get(name).cloned()
    }
}

fn internal(error: impl std::fmt::Display) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}

#[tokio::main]
async fn main() {
    match env::args().nth(1).as_deref() {
        Some("stdio") => {
            Server::new().serve(stdio_pipes()).await.unwrap().waiting().await.unwrap();
        }
        Some("http") => {
            let server = Server::new();
            let config = StreamableHttpServerConfig::default().with_legacy_session_mode(false).with_json_response(true);
            let sessions = Arc::new(LocalSessionManager::default());
            let mcp = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            write_address(&listener);
            axum::serve(listener, Router::new().route_service("/mcp", mcp)).await.unwrap();
        }
        // `cargo bench` starts every benchmark.
        _ => eprintln!("floor: start it with benches/run"),
    }
}

/// Prints the same line as `verifa-mcp http`.
#[allow(clippy::print_stdout, reason = "the benchmark reads the port from stdout")]
fn write_address(listener: &TcpListener) {
    println!("MCP server listening on http://{}/mcp", listener.local_addr().unwrap());
}
