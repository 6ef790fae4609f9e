//! What a tool declares about itself: its name, its effect, the phrases that it contributes to texts.
//!
//! Data only. What follows from it (hints, consent, idempotency key, card) is decided in `tools::registry`.

use serde::{Deserialize, Serialize};
use strum::VariantArray;

/// A tool's declaration.
#[derive(Debug)]
pub(crate) struct ToolSpec {
    pub(crate) name: &'static str,
    /// Without the environment, which `tools/list` adds.
    pub(crate) title: &'static str,
    /// What an agent must know to use it. Many clients show the model nothing else.
    pub(crate) description: &'static str,
    /// One sentence for the server's instructions.
    pub(crate) instruction: &'static str,
    pub(crate) toolset: Toolset,
    pub(crate) effect: Effect,
    /// The scope that an API key probably needs. Undocumented.
    pub(crate) scope: &'static str,
    /// The outcome of a call that took effect, in the audit log and the log.
    pub(crate) outcome: &'static str,
    pub(crate) phrases: Phrases,
}

/// What a tool does to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    Read,
    CreatesLink,
    #[cfg_attr(not(test), expect(dead_code, reason = "no tool changes a session without creating a link yet"))]
    Changes,
}

impl Effect {
    pub(crate) const fn is_read(self) -> bool {
        matches!(self, Self::Read)
    }
}

/// The phrases that a tool contributes to error texts.
#[derive(Debug)]
pub(crate) struct Phrases {
    /// "Verifa refused to …", followed by the session's id.
    pub(crate) action: &'static str,
    /// "Verifa does not let this API key …"
    pub(crate) ability: &'static str,
    /// "Verifa …, but"
    pub(crate) done: &'static str,
    /// "…, so … withheld."
    pub(crate) withheld: &'static str,
    /// "The likely reason is …", when Verifa rejects the request.
    pub(crate) likely_reason: &'static str,
    /// `None` for a tool that changes nothing.
    pub(crate) outcome: Option<OutcomePhrases>,
}

/// Whether a call took effect, as sentences without their full stops.
#[derive(Debug)]
pub(crate) struct OutcomePhrases {
    pub(crate) not_done: &'static str,
    pub(crate) maybe_done: &'static str,
    /// "… got no response, and …"
    pub(crate) and_maybe_done: &'static str,
    pub(crate) probably_done: &'static str,
}

/// A group of tools that is enabled and disabled together.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    strum::Display,
    strum::IntoStaticStr,
    strum::EnumString,
    strum::VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase", parse_err_ty = UnknownToolset, parse_err_fn = UnknownToolset::new)]
pub enum Toolset {
    Lookup,
    Resume,
    Links,
}

impl Toolset {
    pub(crate) fn as_str(self) -> &'static str {
        self.into()
    }

    /// The scope that an access token needs for these tools.
    pub(crate) const fn oauth_scope(self) -> &'static str {
        match self {
            Self::Lookup => "verifa:read",
            Self::Resume => "verifa:resume",
            Self::Links => "verifa:links",
        }
    }
}

/// Text that names no toolset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names no toolset; the toolsets are {}", Toolset::VARIANTS.iter().copied().map(Toolset::as_str).collect::<Vec<_>>().join(", "))]
pub struct UnknownToolset;

impl UnknownToolset {
    fn new(_: &str) -> Self {
        Self
    }
}
