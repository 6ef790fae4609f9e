//! What a tool is: a declaration, its arguments, an endpoint of Verifa's API, and a result.
//!
//! A tool decides nothing about permission, consent or audit, and cannot send anything: `registry` does that for all.

use rmcp::model::{CallToolResult, JsonObject};

use super::{CallFailed, ToolSettings, arguments::Arguments, arguments::Declaration, confirmation::Question};
use crate::{
    call::{CallContext, ToolSpec},
    verifa::{ApiResponse, Endpoint},
};

pub(crate) trait Tool: Send + Sync + 'static {
    const SPEC: &'static ToolSpec;

    /// In the order of the schema. The arguments for Verifa's three headers are read for every tool that declares them.
    const ARGUMENTS: &'static [&'static dyn Declaration];

    type Endpoint: Endpoint<Response: Send> + 'static;

    /// The result, typed for `verifa-mcp resume`.
    type Output: Into<CallToolResult>;

    fn output_schema(settings: &ToolSettings) -> JsonObject;

    /// The request. `None` only if a required argument is missing, which [`Arguments::read`] has ruled out.
    fn endpoint(arguments: &Arguments) -> Option<Self::Endpoint>;

    /// What the user is asked before a call that changes something. Text from outside must not be in it.
    fn question(endpoint: &Self::Endpoint) -> Question {
        let session = endpoint.session_id().map(|id| format!(": session {id}")).unwrap_or_default();
        Question { title: format!("{}{session}?", Self::SPEC.title), consequence: String::new() }
    }

    /// The result for a response.
    ///
    /// # Errors
    /// When the response must not be returned.
    fn output(
        response: ApiResponse<<Self::Endpoint as Endpoint>::Response>,
        endpoint: &Self::Endpoint,
        call: &CallContext<'_>,
        settings: &ToolSettings,
    ) -> Result<Self::Output, CallFailed>;
}
