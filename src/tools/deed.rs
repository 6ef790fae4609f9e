//! What each tool does, as the parts of the sentences about a call that failed.
//!
//! No sentence is made here: `advice` does that.

use super::{ToolName, verdict::Verdict};

/// A tool's work in words.
pub(super) struct Deed {
    /// "Verifa refused to …", before the session's id.
    pub(super) infinitive: &'static str,
    /// "Verifa does not let this API key …"
    pub(super) in_general: &'static str,
    /// The scope of an API key that is likely to be needed.
    pub(super) scope: &'static str,
    /// "Verifa …, but"
    pub(super) done: &'static str,
    /// "…, so … withheld."
    pub(super) withheld: &'static str,
    /// "The likely reason is …"
    pub(super) refused_because: String,
    /// What may have become of the session; a lookup leaves it as it is.
    pub(super) fate: Option<Fate>,
}

/// Whether something was changed, in sentences without their full stops.
pub(super) struct Fate {
    pub(super) not_done: &'static str,
    pub(super) perhaps_done: &'static str,
    /// "… got no answer, and …"
    pub(super) and_perhaps_done: &'static str,
    pub(super) probably_done: &'static str,
}

impl Deed {
    pub(super) fn of(tool: ToolName) -> Self {
        let lookup = Self {
            infinitive: "show session",
            in_general: "look sessions up",
            scope: "sessions:read",
            done: "answered",
            withheld: "its answer is",
            refused_because: "the session id".to_owned(),
            fate: None,
        };
        match tool {
            ToolName::GetSession => lookup,
            ToolName::ListSessions => Self {
                infinitive: "list sessions",
                refused_because: "an argument: leave out status and query, or correct them".to_owned(),
                ..lookup
            },
            ToolName::ResumeSession => Self {
                infinitive: "resume session",
                in_general: "resume sessions",
                scope: "sessions:write",
                done: "resumed the session",
                withheld: "the fresh link is",
                refused_because: format!("its state. {}", Verdict::of_refused().reason.trim_end_matches('.')),
                fate: Some(Fate {
                    not_done: "The session was not resumed",
                    perhaps_done: "The session may have been resumed",
                    and_perhaps_done: "may have resumed the session",
                    probably_done: "The session was probably resumed",
                }),
            },
            ToolName::GenerateOneTimeLink => Self {
                infinitive: "make a one-time link for session",
                in_general: "make one-time links",
                scope: "sessions:write",
                done: "made the link",
                withheld: "the fresh link is",
                refused_because: "the session's state: a completed, failed or redacted session gets no link. Or \
                    expires_in_minutes is more or less than Verifa allows"
                    .to_owned(),
                fate: Some(Fate {
                    not_done: "No link was made",
                    perhaps_done: "A link may have been made",
                    and_perhaps_done: "may have made a link",
                    probably_done: "A link was probably made",
                }),
            },
        }
    }
}
