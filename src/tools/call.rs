//! A tool call from its name and arguments to its result, whichever tool it is for.
//!
//! What a tool does is in the tool's own file.

use rmcp::model::{CallToolResult, JsonObject};

use super::{
    LinkCall, Setup, ToolError, ToolName, generate_one_time_link,
    get_session::{self, GetCall},
    list_sessions::{self, ListCall},
    resume_session,
};
use crate::call::Caller;
use crate::verifa::{SessionId, Wait};

/// A call that its caller may make and whose arguments are good. Nothing was sent yet.
#[derive(Debug)]
pub enum Call {
    /// `list_sessions`
    List(ListCall),
    /// `get_session`
    Get(GetCall),
    /// `resume_session` or `generate_one_time_link`
    Link(LinkCall),
}

impl Call {
    /// Reads a call.
    ///
    /// # Errors
    /// Where the caller may not use the tool, or its arguments are not valid.
    pub fn read(tool: ToolName, arguments: JsonObject, setup: &Setup, caller: &Caller) -> Result<Self, ToolError> {
        match tool {
            ToolName::ListSessions => list_sessions::read(arguments, caller).map(Self::List),
            ToolName::GetSession => get_session::read(arguments, caller).map(Self::Get),
            ToolName::ResumeSession => resume_session::read(arguments, setup, caller).map(Self::Link),
            ToolName::GenerateOneTimeLink => generate_one_time_link::read(arguments, setup, caller).map(Self::Link),
        }
    }

    /// The session that it is about, where it is about one.
    pub fn session_id(&self) -> Option<&SessionId> {
        match self {
            Self::List(_) => None,
            Self::Get(call) => Some(call.session_id()),
            Self::Link(call) => Some(call.session_id()),
        }
    }

    /// The call, if it changes something at Verifa.
    pub fn as_write(&mut self) -> Option<&mut LinkCall> {
        match self {
            Self::List(_) | Self::Get(_) => None,
            Self::Link(call) => Some(call),
        }
    }

    /// Sends it. `on_wait` hears of each wait between two attempts.
    ///
    /// # Errors
    /// What the agent is to read: what happened, whose move it is, what to do next.
    pub async fn send<F: Future<Output = ()>>(
        self,
        setup: &Setup,
        caller: &Caller,
        on_wait: impl Fn(Wait) -> F,
    ) -> Result<CallToolResult, ToolError> {
        match self {
            Self::List(call) => call.send(setup, caller, on_wait).await,
            Self::Get(call) => call.send(setup, caller, on_wait).await,
            Self::Link(call) => call.send(setup, caller, on_wait).await.map(super::CaptureLink::into_result),
        }
    }
}
