//! What the server tells an agent about itself: in a few sentences, which tool when. It names no tool that its caller may
//! not use.

use crate::call::Caller;
use crate::tools::{ToolName, environment_label};

/// The instructions for a caller.
pub(super) fn instructions(caller: &Caller, emulated: bool) -> String {
    let may = |tool: ToolName| tool.is_allowed(&caller.permissions);
    let (list, get) = (may(ToolName::ListSessions), may(ToolName::GetSession));
    let (resume, link) = (may(ToolName::ResumeSession), may(ToolName::GenerateOneTimeLink));
    let mut text = match resume || link {
        true => "Gets people who are stuck in a Verifa identity verification moving again.",
        false => "Shows where people stand who are stuck in a Verifa identity verification; it can make no links.",
    }
    .to_owned();
    if list {
        text += " When somebody's verification link has expired, find their session with list_sessions unless you have its \
                 id.";
    }
    if get {
        text += " get_session shows why it is stuck.";
    }
    if resume {
        text += " resume_session gets a fresh link for it.";
    }
    match (resume, link) {
        (true, true) => text += " If about 20 minutes are too short, call generate_one_time_link instead.",
        (false, true) => text += " generate_one_time_link gets a fresh link for it.",
        (_, false) => {}
    }
    if resume || link {
        text += " Hand the link over whole and unchanged, and never open it.";
    }
    if let Some(environment) = caller.environment() {
        text += &format!(" Environment: {}.", environment_label(environment, emulated));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::call::{Permissions, Toolset};

    #[test]
    fn no_tool_is_named_that_may_not_be_used() {
        let toolsets = [None, Some(vec![]), Some(vec![Toolset::Lookup]), Some(vec![Toolset::Links, Toolset::Resume])];
        for toolsets in toolsets {
            for read_only in [false, true] {
                let toolsets = toolsets.clone().map(BTreeSet::from_iter);
                let caller = Caller { permissions: Permissions { toolsets, read_only }, ..Caller::default() };
                let text = instructions(&caller, false);
                for tool in ToolName::ALL {
                    assert_eq!(text.contains(tool.as_str()), tool.is_allowed(&caller.permissions), "{text}");
                }
            }
        }
    }
}
