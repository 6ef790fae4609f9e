//! What the integration tests and benchmarks use of the inside. Not a public API: it may change at any time.

use axum::http;
use rmcp::model::{CallToolResult, JsonObject};
use serde_json::Value;
use strum::VariantNames;

use crate::{
    audit,
    call::Arrival,
    tools::{Prepared, ResumeSession, TOOLS, find, prepare},
    verifa::{BaseUrl, CaptureLink, Endpoint},
};
pub use crate::{
    call::{Caller, Permissions, Toolset},
    emulator::{BindError, Emulator, MORE_SESSIONS, Options as EmulatorOptions, demo_sessions},
    tools::{Confirm, LinkResult, QrMode, ServerState, ToolSettings},
    verifa::{Client, ClientSettings, QrCode},
};

/// The tokens of callers.
pub mod tokens {
    pub use crate::tokens::{TokenOwner, Tokens, TokensError, issue, list, revoke};
}

/// Path, methods and publicness of every HTTP route.
pub fn routes() -> impl Iterator<Item = (&'static str, &'static [http::Method], bool)> {
    crate::transport::http::routes::all()
}

/// The toolset that a tool belongs to.
pub fn toolset(tool: &str) -> Option<Toolset> {
    find(tool).map(|entry| entry.spec.toolset)
}

/// The outcomes of calls in the audit log, those that took effect first.
pub fn audit_outcomes() -> Vec<&'static str> {
    let mut done: Vec<_> = TOOLS.iter().map(|entry| entry.spec.outcome).collect();
    done.dedup();
    done.into_iter().chain(audit::Outcome::VARIANTS.iter().copied()).collect()
}

/// Resumes a session as `resume_session` does; `None` if that fails.
pub async fn resume(arguments: JsonObject, state: &ServerState, caller: &Caller) -> Option<LinkResult> {
    match prepare::<ResumeSession, LinkResult>(arguments, state, caller, Arrival::now()).ok()? {
        Prepared::Ready(call) => call.send(&|_| {}).await.ok(),
        Prepared::Unconfirmed(_) => None,
    }
}

/// Reads the response to a resume.
pub fn read_resumed(body: &Value) -> Option<impl Sized + use<>> {
    let endpoint = crate::verifa::ResumeSession { session_id: "ses_abc123".parse().ok()? };
    let link: CaptureLink = endpoint.read(body, &BaseUrl::DEFAULT.parse().ok()?).ok()?;
    Some(link)
}

/// The result of the tool call.
pub fn render(mut link: LinkResult, has_qr_code: bool) -> CallToolResult {
    if !has_qr_code {
        link.link.qr_code = None;
    }
    link.into()
}
