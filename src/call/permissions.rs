//! What a caller may use: toolsets, and whether anything may be changed.
//!
//! Permissions narrow when they are combined and never widen; read-only wins over everything.

use std::{collections::BTreeSet, fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A group of tools that is switched on and off together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Toolset {
    /// `list_sessions`, `get_session`
    Lookup,
    /// `resume_session`
    Resume,
    /// `generate_one_time_link`
    Links,
}

impl Toolset {
    /// Every toolset.
    pub const ALL: [Self; 3] = [Self::Lookup, Self::Resume, Self::Links];

    /// The toolset's name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Lookup => "lookup",
            Self::Resume => "resume",
            Self::Links => "links",
        }
    }
}

impl fmt::Display for Toolset {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Text that names no toolset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("names no toolset; there is: {}", Toolset::ALL.map(Toolset::as_str).join(", "))]
pub struct UnknownToolset;

impl FromStr for Toolset {
    type Err = UnknownToolset;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|toolset| toolset.as_str() == text).ok_or(UnknownToolset)
    }
}

/// What a caller may use. The default is everything.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permissions {
    /// The toolsets; `None` is all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub toolsets: Option<BTreeSet<Toolset>>,
    /// Whether tools that change something are withheld.
    pub read_only: bool,
}

impl Permissions {
    /// Whether a tool of this toolset may be used.
    pub fn allow(&self, toolset: Toolset, changes_something: bool) -> bool {
        let withheld = self.read_only && changes_something;
        !withheld && self.toolsets.as_ref().is_none_or(|toolsets| toolsets.contains(&toolset))
    }

    /// These permissions, as far as the others hold them too.
    pub fn intersection(&self, others: &Self) -> Self {
        let toolsets = match (&self.toolsets, &others.toolsets) {
            (Some(ours), Some(theirs)) => Some(ours & theirs),
            (ours, theirs) => ours.clone().or_else(|| theirs.clone()),
        };
        Self { toolsets, read_only: self.read_only || others.read_only }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rights_narrow_and_never_widen() {
        let all = Permissions::default();
        let read_only = Permissions { read_only: true, ..Permissions::default() };
        let nothing = Permissions { toolsets: Some(BTreeSet::new()), ..Permissions::default() };
        let resume = Permissions { toolsets: Some(BTreeSet::from(Toolset::ALL)), ..Permissions::default() };
        for (permissions, allowed) in [
            (all.clone(), true),
            (resume.clone(), true),
            (read_only.clone(), false),
            (nothing.clone(), false),
            (all.intersection(&resume), true),
            (read_only.intersection(&all), false),
            (all.intersection(&read_only), false),
            (nothing.intersection(&resume), false),
            (resume.intersection(&nothing), false),
        ] {
            assert_eq!(permissions.allow(Toolset::Resume, true), allowed, "{permissions:?}");
        }
        assert!(read_only.allow(Toolset::Resume, false));
    }
}
