//! The permissions in a URL's query: `toolsets` and `read_only`, named as with Verifa's own server.
//!
//! They narrow what a client sees and never widen it.

use std::collections::BTreeSet;

use url::form_urlencoded;

use crate::call::{Permissions, Toolset, UnknownToolset};

/// Why a query cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in super::super) enum QueryError {
    #[error("The query's read_only must be true or false.")]
    ReadOnly,
    #[error("A name in the query's toolsets {0}.")]
    Toolset(UnknownToolset),
}

pub(super) fn permissions(query: &str) -> Result<Permissions, QueryError> {
    let mut permissions = Permissions::default();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        // A misspelled switch must not leave open what it was meant to close.
        match name.to_ascii_lowercase().replace(['-', '_'], "").as_str() {
            "readonly" => permissions.read_only |= read_switch(&value)?,
            "toolsets" | "toolset" => {
                let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
                let toolsets: BTreeSet<Toolset> =
                    names.map(|name| name.parse().map_err(QueryError::Toolset)).collect::<Result<_, _>>()?;
                if !toolsets.is_empty() {
                    permissions =
                        permissions.intersection(&Permissions { toolsets: Some(toolsets), ..Permissions::default() });
                }
            }
            _ => {}
        }
    }
    Ok(permissions)
}

fn read_switch(value: &str) -> Result<bool, QueryError> {
    match value.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" | "" => Ok(true),
        "false" | "0" | "no" | "off" => Ok(false),
        _ => Err(QueryError::ReadOnly),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_narrows_and_never_widens() {
        let allowed = |query| {
            permissions(query)
                .map(|permissions| permissions.allows(<crate::tools::ResumeSession as crate::tools::Tool>::SPEC))
        };
        let cases = [
            ("", Ok(true)),
            ("read_only=false", Ok(true)),
            ("read_only=true", Ok(false)),
            ("read_only=1&read_only=false", Ok(false)),
            ("READ-ONLY=true", Ok(false)),
            ("readonly", Ok(false)),
            ("toolSet=lookup", Ok(false)),
            ("toolsets=resume", Ok(true)),
            ("toolsets=lookup", Ok(false)),
            ("toolsets=", Ok(true)),
            ("toolsets=lookup%2C%20resume", Ok(true)),
            ("toolsets=resume&toolsets=lookup", Ok(false)),
            ("toolsets=sessions,resume", Err(QueryError::Toolset(UnknownToolset))),
            ("toolsets=resume&read_only=yes", Ok(false)),
            ("read_only=perhaps", Err(QueryError::ReadOnly)),
            ("other=1", Ok(true)),
        ];
        for (query, expected) in cases {
            assert_eq!(allowed(query), expected, "{query}");
        }
    }
}
