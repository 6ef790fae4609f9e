//! A tool as `tools/list` shows it: what all of them have in common.
//!
//! What they differ in is in the file of each.

use rmcp::model::{JsonObject, Tool, ToolAnnotations};

use super::{Setup, ToolName, environment_label, generate_one_time_link, get_session, list_sessions, resume_session};
use crate::app;
use crate::call::Caller;

/// What only one tool has.
pub(super) struct Parts {
    /// Its title, without the environment.
    pub(super) title: &'static str,
    /// What an agent must know to use it.
    pub(super) description: &'static str,
    /// The schema of its arguments.
    pub(super) input: JsonObject,
    /// The schema of its structured content.
    pub(super) output: JsonObject,
}

/// The definitions of all tools for callers with a key of this caller's environment, in the order of `tools/list`.
pub fn definitions(setup: &Setup, caller: &Caller) -> [Tool; ToolName::ALL.len()] {
    ToolName::ALL.map(|tool| {
        let parts = match tool {
            ToolName::ListSessions => list_sessions::parts(),
            ToolName::GetSession => get_session::parts(),
            ToolName::ResumeSession => resume_session::parts(setup),
            ToolName::GenerateOneTimeLink => generate_one_time_link::parts(setup),
        };
        let title = match caller.environment() {
            Some(environment) => format!("{} ({})", parts.title, environment_label(environment, setup.emulated)),
            None => parts.title.to_owned(),
        };
        // A lookup may be repeated at will; each link that is made takes the place of the one before.
        let hints = ToolAnnotations::with_title(&title)
            .read_only(!tool.writes())
            .destructive(false)
            .idempotent(!tool.writes())
            .open_world(true);
        let definition = Tool::new(tool.as_str(), parts.description, parts.input)
            .with_title(title)
            .with_raw_output_schema(parts.output.into())
            .with_annotations(hints);
        if tool.writes() { definition.with_meta(app::tool_meta()) } else { definition }
    })
}
