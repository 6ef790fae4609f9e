//! Who calls: the key to send with, the name for logs, the permissions.
//!
//! How callers prove who they are is the transport's matter. No key is ever shown here, only its fingerprint.

use super::Permissions;
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
}

/// What tells one caller from another.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Identity(String);

impl Identity {
    /// The identity as text; never a key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Caller {
    /// The name that the deployment gave, else the hash of the key.
    pub fn identity(&self) -> Identity {
        let key = || self.key.as_ref().map(ApiKey::sha256).unwrap_or_default().to_owned();
        Identity(self.name.as_ref().map_or_else(key, |name| format!("name {name}")))
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
