//! What the server tells an agent about itself: in a few sentences, which tool to use when.
//!
//! The sentences are the tools' own, in the order of `tools/list`. No tool is named that its caller may not use, except those
//! that another access token would allow.

use crate::{
    call::{Caller, environment_label},
    tools::TOOLS,
};

/// The instructions for a caller.
pub(super) fn instructions(caller: &Caller, emulated: bool) -> String {
    let offered = || TOOLS.iter().map(|entry| entry.spec).filter(|tool| caller.permissions.allows(tool));
    let changes_something = offered().any(|tool| !tool.effect.is_read());
    let mut text = match changes_something {
        true => "Helps people who are stuck in a Verifa identity verification.",
        false => "Shows why people are stuck in a Verifa identity verification; it cannot create links.",
    }
    .to_owned();
    for tool in offered() {
        text += " ";
        text += tool.instruction;
    }
    if changes_something {
        text += " Send the link complete and unchanged, and never open it.";
    }
    let withheld = TOOLS.iter().map(|entry| entry.spec).filter(|tool| caller.lacks_scope_for(tool));
    let withheld: Vec<_> = withheld.map(|tool| format!("{} ({})", tool.name, tool.toolset.oauth_scope())).collect();
    if !withheld.is_empty() {
        let withheld = withheld.join(", ");
        text += &format!(" Not permitted by your token: {withheld}; reconnect and allow it.");
    }
    text += " The operator is the person who set up this server.";
    if let Some(environment) = caller.environment() {
        text += &format!(" Environment: {}.", environment_label(environment, emulated));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::call::{AccessToken, Permissions, Toolset};

    #[test]
    fn tools_are_named_that_another_token_would_allow() {
        let token = AccessToken {
            issuer: String::new(),
            subject: String::new(),
            client: None,
            with_every_scope: Permissions { read_only: true, ..Permissions::default() },
        };
        let toolsets = Some(BTreeSet::from([Toolset::Resume]));
        let permissions = Permissions { toolsets, read_only: true };
        let caller = Caller { permissions, access_token: Some(Box::new(token)), ..Caller::default() };
        let text = instructions(&caller, false);
        let expected = "Not permitted by your token: list_sessions (verifa:read), get_session (verifa:read); reconnect \
                        and allow it.";
        assert!(text.contains(expected) && !text.contains("resume_session"), "{text}");
    }

    #[test]
    fn no_tool_is_named_that_may_not_be_used() {
        let toolsets = [None, Some(vec![]), Some(vec![Toolset::Lookup]), Some(vec![Toolset::Links, Toolset::Resume])];
        for toolsets in toolsets {
            for read_only in [false, true] {
                let toolsets = toolsets.clone().map(BTreeSet::from_iter);
                let caller = Caller { permissions: Permissions { toolsets, read_only }, ..Caller::default() };
                let text = instructions(&caller, false);
                for tool in TOOLS.iter().map(|entry| entry.spec) {
                    assert_eq!(text.contains(tool.name), caller.permissions.allows(tool), "{text}");
                }
            }
        }
    }
}
