//! The query of a client's URL: `toolsets` and `read_only`, named as with Verifa's own server.
//!
//! They narrow what a client may use and never widen it. A query that this server does not understand completely is an
//! error: a misspelled restriction must not be ignored.

use std::collections::BTreeSet;

use url::form_urlencoded;

use crate::{
    call::{Permissions, Toolset, UnknownToolset},
    untrusted::UntrustedText,
};

pub(super) const PARAMETERS: [&str; 2] = ["toolsets", "read_only"];
pub(super) const MESSAGE_PARAMETERS: [&str; 3] = ["toolsets", "read_only", "sessionId"];

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    pub(super) permissions: Permissions,
    /// The stream that a message on `/messages` belongs to.
    pub(super) session_id: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum QueryError {
    #[error("The URL's query has the unknown parameter {}. Known here: {}.", .0.quoted(), .1.join(", "))]
    Unknown(UntrustedText, &'static [&'static str]),
    #[error("The URL's query has {0} twice. Give it once.")]
    Repeated(&'static str),
    #[error("The URL's query has {0} without a value. Give it one, or omit it.")]
    Empty(&'static str),
    #[error("The URL's query must have read_only=true or read_only=false.")]
    ReadOnly,
    #[error("A name in toolsets in the URL's query {0}.")]
    Toolset(UnknownToolset),
}

impl Query {
    /// Reads a query in which only these parameters may occur, each once.
    pub(super) fn parse(query: &str, known: &'static [&'static str]) -> Result<Self, QueryError> {
        let (mut parsed, mut seen) = (Self::default(), Vec::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let Some(name) = known.iter().copied().find(|known| *known == name) else {
                return Err(QueryError::Unknown(UntrustedText::truncated(&name, 64), known));
            };
            if seen.contains(&name) {
                return Err(QueryError::Repeated(name));
            }
            seen.push(name);
            if value.is_empty() {
                return Err(QueryError::Empty(name));
            }
            match name {
                "toolsets" => parsed.permissions.toolsets = Some(toolsets(&value)?),
                "read_only" => parsed.permissions.read_only = read_only(&value)?,
                _ => parsed.session_id = Some(value.into_owned()),
            }
        }
        Ok(parsed)
    }
}

fn toolsets(value: &str) -> Result<BTreeSet<Toolset>, QueryError> {
    value.split(',').map(|name| name.trim().parse().map_err(QueryError::Toolset)).collect()
}

fn read_only(value: &str) -> Result<bool, QueryError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(QueryError::ReadOnly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_narrows_and_never_widens() {
        for (query, may_resume) in [
            ("", true),
            ("&", true),
            ("read_only=false", true),
            ("read_only=true", false),
            ("read_only=YES", false),
            ("read%5Fonly=1", false),
            ("toolsets=resume", true),
            ("toolsets=lookup", false),
            ("toolsets=lookup%2C%20resume", true),
            ("toolsets=resume&read_only=yes", false),
            ("toolsets=resume&sessionId=1", true),
        ] {
            let parsed = Query::parse(query, &MESSAGE_PARAMETERS).unwrap();
            assert_eq!(
                parsed.permissions.allows(<crate::tools::ResumeSession as crate::tools::Tool>::SPEC),
                may_resume,
                "{query}"
            );
        }
    }

    #[test]
    fn a_query_that_is_not_understood_completely_is_an_error() {
        let unknown = |name| QueryError::Unknown(UntrustedText::new(name), &PARAMETERS);
        for (query, expected) in [
            ("Read_Only=1", unknown("Read_Only")),
            ("read-only=true", unknown("read-only")),
            ("readonly", unknown("readonly")),
            ("read_only[]=true", unknown("read_only[]")),
            ("read_only%00=true", unknown("read_only\0")),
            ("?read_only=true", unknown("?read_only")),
            ("toolset=lookup", unknown("toolset")),
            ("toolsets[]=lookup", unknown("toolsets[]")),
            ("other=1", unknown("other")),
            ("=true", unknown("")),
            ("sessionId=1", unknown("sessionId")),
            ("vk_live_abc", unknown("vk_live_abc")),
            ("read_only", QueryError::Empty("read_only")),
            ("toolsets=", QueryError::Empty("toolsets")),
            ("read_only=1&read_only=false", QueryError::Repeated("read_only")),
            ("toolsets=resume&toolsets=lookup", QueryError::Repeated("toolsets")),
            ("read_only=perhaps", QueryError::ReadOnly),
            ("read_only=true;toolsets=resume", QueryError::ReadOnly),
            ("toolsets=,", QueryError::Toolset(UnknownToolset)),
            ("toolsets=resume,", QueryError::Toolset(UnknownToolset)),
            ("toolsets=sessions,resume", QueryError::Toolset(UnknownToolset)),
            ("toolsets=resume;read_only=true", QueryError::Toolset(UnknownToolset)),
        ] {
            assert_eq!(Query::parse(query, &PARAMETERS), Err(expected), "{query}");
        }
        assert!(!unknown("vk_live_abc").to_string().contains("vk_live_abc"));
    }
}
