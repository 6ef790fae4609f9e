//! Who calls: the key to send with, the name for logs, the permissions.
//!
//! How callers prove who they are is the transport's matter. No key is ever shown here, only its fingerprint.

use super::{Permissions, ToolSpec};
use crate::verifa::{ApiKey, Environment};

/// Who calls the server.
#[derive(Debug, Clone, Default)]
pub struct Caller {
    /// The key that calls are sent with; without one, every call says how to set it.
    pub key: Option<ApiKey>,
    /// The name that the deployment gave the caller, where it has one.
    pub name: Option<String>,
    /// What the caller may use.
    pub permissions: Permissions,
    /// What the caller's access token says, with `--auth oauth`.
    pub access_token: Option<Box<AccessToken>>,
}

/// What a verified OAuth access token says of its caller; never the token itself.
#[derive(Debug, Clone)]
pub struct AccessToken {
    pub(crate) issuer: String,
    /// As issued; the caller's `name` is this, cleaned for logs.
    pub(crate) subject: String,
    pub(crate) client: Option<String>,
    /// What the caller could use if the token had every scope.
    pub(crate) with_every_scope: Permissions,
}

/// What distinguishes one caller from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    /// The identity as text; never a key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Caller {
    /// Issuer and subject of the token, else the name that the deployment gave, else the hash of the key.
    pub fn identity(&self) -> Identity {
        Identity(match (&self.access_token, &self.name, &self.key) {
            // A subject alone may exist at two issuers. An issuer is a URL, without spaces.
            (Some(token), ..) => format!("token {} {}", token.issuer, token.subject),
            (None, Some(name), _) => format!("name {name}"),
            (None, None, key) => key.as_ref().map(ApiKey::sha256).unwrap_or_default().to_owned(),
        })
    }

    /// Narrows what the caller may use to what the deployment and the request allow.
    pub(crate) fn limit_to(&mut self, allowed: Permissions) {
        self.permissions = self.permissions.intersection(&allowed);
        if let Some(token) = &mut self.access_token {
            token.with_every_scope = allowed;
        }
    }

    /// Whether only the scopes of the caller's token forbid a tool, so that another token would help.
    pub(crate) fn lacks_scope_for(&self, tool: &ToolSpec) -> bool {
        let token = self.access_token.as_ref();
        !self.permissions.allows(tool) && token.is_some_and(|token| token.with_every_scope.allows(tool))
    }

    /// The caller in logs: the name, else the key's fingerprint.
    pub fn label(&self) -> Option<&str> {
        self.name.as_deref().or_else(|| self.key.as_ref().map(ApiKey::fingerprint))
    }

    /// The environment that the caller's key belongs to.
    pub fn environment(&self) -> Option<Environment> {
        self.key.as_ref().map(ApiKey::environment)
    }
}
