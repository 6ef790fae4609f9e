//! The tools by name: what each belongs to, what it does to Verifa, and who may use it.
//!
//! Whether a tool changes something is written down here for each, and never guessed from its name.

use crate::call::{Permissions, Toolset};
use crate::verifa::LinkEndpoint;

/// A tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ToolName {
    /// `list_sessions`
    ListSessions,
    /// `get_session`
    GetSession,
    /// `resume_session`
    ResumeSession,
    /// `generate_one_time_link`
    GenerateOneTimeLink,
}

impl ToolName {
    /// Every tool, in the order of the errand, which is that of `tools/list`.
    pub const ALL: [Self; 4] = [Self::ListSessions, Self::GetSession, Self::ResumeSession, Self::GenerateOneTimeLink];

    /// The name that clients call.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ListSessions => "list_sessions",
            Self::GetSession => "get_session",
            Self::ResumeSession => "resume_session",
            Self::GenerateOneTimeLink => "generate_one_time_link",
        }
    }

    /// The tool of this name.
    pub fn find(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|tool| tool.as_str() == name)
    }

    /// The tool that makes links at this endpoint.
    pub const fn of(endpoint: LinkEndpoint) -> Self {
        match endpoint {
            LinkEndpoint::Resume => Self::ResumeSession,
            LinkEndpoint::OneTimeLink { .. } => Self::GenerateOneTimeLink,
        }
    }

    /// The toolset that it is switched on and off with.
    pub const fn toolset(self) -> Toolset {
        match self {
            Self::ListSessions | Self::GetSession => Toolset::Lookup,
            Self::ResumeSession => Toolset::Resume,
            Self::GenerateOneTimeLink => Toolset::Links,
        }
    }

    /// Whether it changes something at Verifa.
    pub const fn writes(self) -> bool {
        match self {
            Self::ListSessions | Self::GetSession => false,
            Self::ResumeSession | Self::GenerateOneTimeLink => true,
        }
    }

    /// Whether permissions allow it.
    pub fn is_allowed(self, permissions: &Permissions) -> bool {
        permissions.allow(self.toolset(), self.writes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn allowed(permissions: &Permissions) -> Vec<&'static str> {
        ToolName::ALL.into_iter().filter(|tool| tool.is_allowed(permissions)).map(ToolName::as_str).collect()
    }

    #[test]
    fn toolsets_and_read_only_leave_the_tools_that_they_name() {
        let of = |toolsets: &[Toolset], read_only| {
            allowed(&Permissions { toolsets: Some(BTreeSet::from_iter(toolsets.iter().copied())), read_only })
        };
        assert_eq!(allowed(&Permissions::default()).len(), 4);
        assert_eq!(
            allowed(&Permissions { read_only: true, ..Permissions::default() }),
            ["list_sessions", "get_session"]
        );
        assert_eq!(of(&[Toolset::Lookup], false), ["list_sessions", "get_session"]);
        assert_eq!(of(&[Toolset::Resume], false), ["resume_session"]);
        assert_eq!(of(&[Toolset::Links, Toolset::Resume], false), ["resume_session", "generate_one_time_link"]);
        assert_eq!(of(&[Toolset::Links, Toolset::Resume], true), [""; 0]);
        assert_eq!(of(&[], false), [""; 0]);
    }
}
