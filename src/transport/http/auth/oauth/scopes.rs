//! The scopes of access tokens, and the toolsets that they stand for.
//!
//! There is no hierarchy: `verifa:resume` does not include `verifa:read`. Unknown scopes are ignored.

use std::collections::BTreeSet;

use strum::VariantArray;

use super::{claims::Grant, settings::OAuthSettings};
use crate::{
    call::{Permissions, Toolset},
    tools::TOOLS,
};

/// The toolsets that a deployment offers, in the order of `tools/list`.
pub(super) fn offered(permissions: &Permissions) -> Vec<Toolset> {
    let is_offered =
        |toolset: Toolset| TOOLS.iter().any(|entry| entry.spec.toolset == toolset && permissions.allows(entry.spec));
    Toolset::VARIANTS.iter().copied().filter(|toolset| is_offered(*toolset)).collect()
}

/// The scopes of these toolsets, as clients ask for them.
pub(super) fn names(toolsets: impl IntoIterator<Item = Toolset>, settings: &OAuthSettings) -> Vec<String> {
    let prefix = settings.scope_prefix.as_str();
    toolsets.into_iter().map(|toolset| format!("{prefix}{}", toolset.oauth_scope())).collect()
}

/// The toolsets that a token grants.
pub(super) fn granted(grant: &Grant, settings: &OAuthSettings) -> BTreeSet<Toolset> {
    let prefix = settings.scope_prefix.as_str();
    let scopes = grant.scopes.as_deref().unwrap_or_default();
    let is_granted = |toolset: &Toolset| {
        let named = toolset.oauth_scope();
        // Entra ID removes the prefix, Cognito keeps it.
        scopes.iter().any(|scope| scope == named || scope.strip_prefix(prefix) == Some(named))
    };
    let granted: BTreeSet<_> = Toolset::VARIANTS.iter().copied().filter(is_granted).collect();
    // An ID token has no scopes, and must not get the default ones.
    let is_access_token = grant.scopes.is_some() || grant.is_access_token;
    if granted.is_empty() && is_access_token { settings.default_scopes.iter().copied().collect() } else { granted }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::http::auth::oauth::tests::settings;

    #[test]
    fn scopes_grant_the_toolsets_that_they_name() {
        let (all, read) = (vec![Toolset::Lookup, Toolset::Resume, Toolset::Links], vec![Toolset::Lookup]);
        let some = |scopes: &str| Some(scopes.split(' ').map(str::to_owned).collect());
        for (scopes, prefix, default, is_access_token, expected) in [
            (some("verifa:read verifa:resume verifa:links"), "", "", false, all.clone()),
            (some("openid verifa:read verifa:write"), "", "", false, read.clone()),
            (
                some("https://mcp/verifa:read verifa:links"),
                "https://mcp/",
                "",
                false,
                vec![Toolset::Lookup, Toolset::Links],
            ),
            (some("https://mcp/verifa:read"), "", "", false, vec![]),
            (some("VERIFA:READ verifa:readx"), "", "", true, vec![]),
            (some("openid profile"), "", "lookup", false, read.clone()),
            (some("verifa:links"), "", "lookup", false, vec![Toolset::Links]),
            (None, "", "lookup", false, vec![]),
            (None, "", "lookup", true, read),
        ] {
            let settings = OAuthSettings {
                scope_prefix: prefix.parse().unwrap(),
                default_scopes: default.parse().into_iter().collect(),
                ..settings()
            };
            let grant = Grant { subject: String::new(), client: None, expires: 0.0, scopes, is_access_token };
            assert_eq!(granted(&grant, &settings).into_iter().collect::<Vec<_>>(), expected, "{grant:?} {prefix}");
        }
    }

    #[test]
    fn only_scopes_of_offered_toolsets_are_advertised() {
        let read_only = Permissions { read_only: true, ..Permissions::default() };
        assert_eq!(names(offered(&read_only), &settings()), ["verifa:read"]);
        let all = ["verifa:read", "verifa:resume", "verifa:links"];
        assert_eq!(names(offered(&Permissions::default()), &settings()), all);
    }
}
