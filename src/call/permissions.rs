//! What a caller may use: toolsets, and whether anything may be changed.
//!
//! Permissions narrow when they are combined and never widen; read-only overrides everything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{ToolSpec, Toolset};

/// What a caller may use. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// `None` is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolsets: Option<BTreeSet<Toolset>>,
    /// Whether only tools that change nothing may be used.
    pub read_only: bool,
}

impl Permissions {
    pub(crate) fn allows(&self, tool: &ToolSpec) -> bool {
        let is_offered = self.toolsets.as_ref().is_none_or(|toolsets| toolsets.contains(&tool.toolset));
        is_offered && (tool.effect.is_read() || !self.read_only)
    }

    /// What both allow.
    pub(crate) fn intersection(&self, other: &Self) -> Self {
        let toolsets = match (&self.toolsets, &other.toolsets) {
            (Some(mine), Some(others)) => Some(mine & others),
            (mine, others) => mine.clone().or_else(|| others.clone()),
        };
        Self { toolsets, read_only: self.read_only || other.read_only }
    }
}

#[cfg(test)]
mod tests {
    use strum::VariantArray;

    use super::*;
    use crate::call::{Effect, Phrases};

    fn tool(effect: Effect) -> ToolSpec {
        let phrases = Phrases { action: "", ability: "", done: "", withheld: "", likely_reason: "", outcome: None };
        ToolSpec {
            name: "",
            title: "",
            description: "",
            instruction: "",
            toolset: Toolset::Resume,
            effect,
            scope: "",
            outcome: "",
            phrases,
        }
    }

    #[test]
    fn permissions_narrow_and_never_widen() {
        let all = Permissions::default();
        let read_only = Permissions { read_only: true, ..Permissions::default() };
        let nothing = Permissions { toolsets: Some(BTreeSet::new()), ..Permissions::default() };
        let every =
            Permissions { toolsets: Some(Toolset::VARIANTS.iter().copied().collect()), ..Permissions::default() };
        for (permissions, allowed) in [
            (all.clone(), true),
            (every.clone(), true),
            (read_only.clone(), false),
            (nothing.clone(), false),
            (all.intersection(&every), true),
            (read_only.intersection(&all), false),
            (all.intersection(&read_only), false),
            (nothing.intersection(&every), false),
            (every.intersection(&nothing), false),
        ] {
            for effect in [Effect::CreatesLink, Effect::Changes] {
                assert_eq!(permissions.allows(&tool(effect)), allowed, "{permissions:?} {effect:?}");
            }
        }
        assert!(read_only.allows(&tool(Effect::Read)));
    }
}
